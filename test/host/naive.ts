/**
 * Translation written down as plainly as it goes: one level after the other with bigints, straight from RAM, the two
 * stages one after the other. What it is compared with shares no code with it.
 */
export interface NaivePage {
  frame: bigint;
  write: boolean;
  /** In bytes. */
  size: bigint;
  /** The last entry, as it was read. */
  leaf: { address: bigint; word: bigint };
}

export type ReadWord = (address: bigint) => bigint | null;

const ADDRESS = 0xf_ffff_ffff_f000n;

/** The first stage of `levels` levels: null where it faults for an access that asks for no right beyond a user's read. */
export function naiveFirstStage(read: ReadWord, root: bigint, levels: number, iova: bigint): NaivePage | null {
  const bits = levels === 5 ? 57n : 48n;
  const sign = iova >> (bits - 1n);
  if (sign !== 0n && sign !== (1n << (65n - bits)) - 1n) return null;
  let table = root;
  let write = true;
  for (let level = levels; level >= 1; level--) {
    const index = (iova >> BigInt(3 + 9 * level)) & 511n;
    const address = table + 8n * index;
    const entry = read(address);
    if (entry === null || (entry & 5n) !== 5n) return null;
    if ((entry & 2n) === 0n) write = false;
    if (level === 1 || (level <= 3 && (entry & 0x80n) !== 0n)) {
      const size = 1n << BigInt(3 + 9 * level);
      const base = entry & ADDRESS & ~(size - 1n);
      return { frame: (base + (iova & (size - 1n))) >> 12n, write, size, leaf: { address, word: entry } };
    }
    if (level > 3 && (entry & 0x80n) !== 0n) return null;
    table = entry & ADDRESS;
  }
  return null;
}
