const number = /^[\t\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;
const all64 = (1n << 64n) - 1n;
const signed63 = 1n << 63n;

function parse(word: string): { negative: boolean; magnitude: bigint } | null {
  const match = number.exec(word);
  if (match === null) return null;
  const digits = match[2]!;
  const octal = digits.length > 1 && digits.startsWith('0') && !/^0[xX]/.test(digits);
  return { negative: match[1] === '-', magnitude: BigInt(octal ? `0o${digits.slice(1)}` : digits) };
}

/**
 * A word as C's `strtoull` with base 0 reads it: decimal, `0x…` or octal `0…`, with a sign; a negative number wraps at
 * 2^64. Null for anything else, a magnitude above 2^64 - 1 included.
 */
export function unsigned64(word: string): bigint | null {
  const parsed = parse(word);
  if (parsed === null || parsed.magnitude > all64) return null;
  return parsed.negative ? BigInt.asUintN(64, -parsed.magnitude) : parsed.magnitude;
}

/** A word as `strtoll` with base 0 reads it: -2^63 to 2^63 - 1; null for anything else. */
export function signed64(word: string): bigint | null {
  const parsed = parse(word);
  if (parsed === null) return null;
  const value = parsed.negative ? -parsed.magnitude : parsed.magnitude;
  return value >= -signed63 && value < signed63 ? value : null;
}
