import type { Access } from '../../../../src/memory/access.ts';
import { ALL_ONES, type Way, type Words } from './words.ts';

export interface SecondStageOptions {
  readonly addressWidth: number;
  readonly snoopControl: boolean;
  readonly transientMapping: boolean;
}

/** VT-d's second stage in bigint, one rule after the other; what is refused is refused with a fault code. */
export function naiveSecondStage(
  words: Words,
  top: bigint,
  levels: number,
  iova: bigint,
  access: Access,
  options: SecondStageOptions,
): Way | { readonly code: number } {
  const width = BigInt(options.addressWidth);
  const span = BigInt(12 + 9 * levels);
  if (iova >= 1n << (width < span ? width : span)) return { code: 4 };
  const usual = (((1n << 52n) - 1n) & ~((1n << width) - 1n)) | (1n << 62n);
  let table = top;
  let rights = 3n;
  for (let level = levels; ; level--) {
    const entry = words(table + 8n * ((iova >> BigInt(3 + 9 * level)) & 0x1ffn));
    if (entry === null || entry === ALL_ONES) return { code: level === levels ? 3 : 7 };
    rights &= entry;
    const asked = access === 'write' ? 2n : access === 'none' ? 3n : 1n;
    if ((entry & asked) === 0n) return { code: access === 'write' ? 5 : 6 };
    const large = level > 1 && (entry & 0x80n) !== 0n;
    const leaf = level === 1 || large;
    let reserved = usual | 0x800n;
    if (level === 4) reserved |= 0x80n;
    if (large && level === 2) reserved |= 0x1f_f000n;
    if (large && level === 3) reserved |= 0x3fff_f000n;
    if (leaf && level < 4 && options.snoopControl) reserved &= ~0x800n;
    if (leaf && level < 4 && options.transientMapping) reserved &= ~(1n << 62n);
    if ((entry & reserved) !== 0n) return { code: 0xc };
    const next = entry & ((1n << width) - 1n) & ~0xfffn;
    if (!leaf) {
      table = next;
      continue;
    }
    const size = 1n << BigInt(3 + 9 * level);
    return {
      address: next | (iova & (size - 1n)),
      size,
      read: (rights & 1n) !== 0n,
      write: (rights & 2n) !== 0n,
    };
  }
}
