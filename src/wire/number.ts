import { WireFloat } from './values.ts';

const INT64_LEAST = -(1n << 63n);
const UINT64_MOST = (1n << 64n) - 1n;
/** Any integer of so many characters, a sign included, is exact as a double. */
const ALWAYS_SAFE_LENGTH = 15;
/** -9223372036854775808 and 18446744073709551615 have so many. */
const INTEGER_LENGTH_MAX = 20;

/** The value of an integer token: exact within -2^63 to 2^64 - 1 (inclusive), a float beyond. `-0` is 0. */
export function parseInteger(text: string): number | bigint | WireFloat {
  // Adding 0 turns -0 into 0.
  if (text.length <= ALWAYS_SAFE_LENGTH) return Number(text) + 0;
  if (text.length > INTEGER_LENGTH_MAX) return parseFloatToken(text);
  const exact = BigInt(text);
  if (exact < INT64_LEAST || exact > UINT64_MOST) return parseFloatToken(text);
  const value = Number(exact);
  return Number.isSafeInteger(value) ? value : exact;
}

/** The value of a token with a fraction or an exponent. What overflows saturates, so `inf` is never echoed. */
export function parseFloatToken(text: string): WireFloat {
  return new WireFloat(Number(text));
}
