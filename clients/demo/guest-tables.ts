/**
 * The tables that a guest driver would write for shared virtual memory, as little-endian hex for `memory-write`.
 * VT-d specification: PASID directory entry 9.5, scalable-mode PASID-table entry 9.6, first-stage entries 9.7.
 */

/** 64-bit words as the bytes in memory. */
function wordsToHex(words: readonly bigint[]): string {
  const bytes = Buffer.alloc(words.length * 8);
  for (const [index, word] of words.entries()) bytes.writeBigUInt64LE(word, index * 8);
  return bytes.toString('hex');
}

const present = 1n;

/** PASID directory entry: present, pointer to a PASID table (4 KiB aligned). */
export const directoryEntry = (pasidTable: bigint): string => wordsToHex([present | pasidTable]);

/** 64-byte PASID entry for a first-stage table of 4 levels: present, PGTT 001b, domain-id, table pointer. */
export const pasidEntry = (domainId: bigint, pageTable: bigint): string =>
  wordsToHex([present | (1n << 6n), domainId, pageTable, 0n, 0n, 0n, 0n, 0n]);

/** First-stage entry, table or 4 KiB leaf: present, writable, user, accessed. */
export const firstStageEntry = (address: bigint): string => wordsToHex([present | 2n | 4n | 0x20n | address]);

/** Where the entry for a virtual address lies in the table of `level` (4 is the top) at `table`. */
export const entryAddress = (table: bigint, level: number, virtual: bigint): bigint =>
  table + ((virtual >> BigInt(12 + 9 * (level - 1))) & 0x1ffn) * 8n;
