/** A power of two of addresses, aligned to its size. */
export interface AlignedPiece {
  readonly start: bigint;
  /** In bytes. */
  readonly size: bigint;
}

/**
 * Cuts the addresses `start` to `last` (inclusive) into aligned powers of two, the largest that fit, ascending; none is
 * larger than 2^63, so that every size is a number of 64 bits.
 */
export function* alignedPieces(start: bigint, last: bigint): Generator<AlignedPiece> {
  for (let at = start; at <= last; ) {
    const size = alignedPiece(at, last - at + 1n);
    yield { start: at, size };
    at += size;
  }
}

/** The largest power of two that `start` is aligned to and that fits into `length`. */
function alignedPiece(start: bigint, length: bigint): bigint {
  const bits = Math.min(length.toString(2).length - 1, 63);
  const largest = 1n << BigInt(bits);
  if (start === 0n) return largest;
  const alignment = start & -start;
  return alignment < largest ? alignment : largest;
}
