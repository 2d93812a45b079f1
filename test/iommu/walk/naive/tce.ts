import type { Way } from './words.ts';

/** A TCE of a window with pages of 2^shift bytes. */
export function naiveTce(tce: bigint, shift: bigint, iova: bigint): Way | null {
  if ((tce & 3n) === 0n) return null;
  const size = 1n << shift;
  return {
    address: ((tce >> shift) << shift) | (iova & (size - 1n)),
    size,
    read: (tce & 1n) !== 0n,
    write: (tce & 2n) !== 0n,
  };
}
