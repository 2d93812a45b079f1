import type { Way, Words } from './words.ts';

/**
 * Region-third, segment and page table of zPCI, by an I/O translation anchor. What an entry is wrong with ends the walk
 * by its code; an entry that is marked invalid maps nothing, which is no error: null.
 */
export function naiveZpci(words: Words, anchor: bigint, iova: bigint): Way | { readonly code: number } | null {
  const region = words((anchor & ~0xfffn) + 8n * ((iova >> 31n) & 2047n)) ?? 0n;
  if (region === 0n) return { code: 7 };
  if ((region & 0x20n) !== 0n) return null;
  if ((region & 0xc3n) !== 3n) return { code: 8 };
  if ((region & 0xcn) !== 4n || region >> 14n === 0n) return { code: 9 };
  const segment = words(((region >> 14n) << 14n) + 8n * ((iova >> 20n) & 2047n)) ?? 0n;
  if (segment === 0n) return { code: 7 };
  if ((segment & 0x20n) !== 0n) return null;
  if ((segment & 0xcn) !== 0n || segment >> 11n === 0n) return { code: 9 };
  const above = anchor | region | segment;
  if ((segment & 0x400n) !== 0n) {
    const frame = (segment >> 20n) << 20n;
    return { address: frame | (iova & 0xf_ffffn), size: 1n << 20n, read: true, write: (above & 0x200n) === 0n };
  }
  const page = words(((segment >> 11n) << 11n) + 8n * ((iova >> 12n) & 255n)) ?? 0n;
  if (page === 0n) return { code: 7 };
  if ((page & 0x400n) !== 0n) return null;
  if (page >> 12n === 0n) return { code: 9 };
  const write = ((above | page) & 0x200n) === 0n;
  return { address: ((page >> 12n) << 12n) | (iova & 0xfffn), size: 0x1000n, read: true, write };
}
