import { ALL_ONES, type Way, type Words } from './words.ts';

const READ = 1n << 61n;
const WRITE = 1n << 62n;
const ADDRESS = 0x000f_ffff_ffff_f000n;

/** AMD's page tables as the facts say them; `rights`: IR (bit 61) and IW (bit 62) of the device table entry. */
export function naiveAmd(words: Words, root: bigint, mode: number, rights: bigint, address: bigint): Way | null {
  if (rights === 0n || (mode < 6 && address >= 1n << BigInt(12 + 9 * mode))) return null;
  let level = BigInt(mode);
  let table = root;
  let together = rights;
  for (;;) {
    const entry = words(table + 8n * ((address >> (3n + 9n * level)) & 0x1ffn));
    if (entry === null || entry === ALL_ONES) return null;
    const own = entry & (READ | WRITE);
    together &= own;
    const next = (entry >> 9n) & 7n;
    if ((entry & 1n) === 0n || own === 0n) return null;
    let size = 1n << (3n + 9n * level);
    if (together !== 0n && next > 0n && next < 7n) {
      if (next >= level) return null;
      table = entry & ADDRESS;
      level = next;
      continue;
    }
    if (together !== 0n && next === 7n) {
      let bit = 12n;
      while (((entry >> bit) & 1n) === 1n) bit += 1n;
      size = 1n << (bit + 1n);
    }
    const page = entry & ADDRESS & ~(size - 1n);
    return {
      address: page | (address & (size - 1n)),
      size,
      read: (own & READ) !== 0n,
      write: (own & WRITE) !== 0n,
    };
  }
}
