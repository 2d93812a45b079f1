/**
 * A double as C's `%.17g` prints it: 17 significant digits without trailing zeros, an exponent of at least two digits
 * below 1e-4 and from 1e17 on. Exact: `Number.prototype.toExponential` rounds a tie up, C rounds it to even, and
 * doubles that lie on such a tie exist (1234567890123456.25).
 */
export function formatFloat(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`${value} cannot be sent as JSON`);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const sign = value < 0 ? '-' : '';
  const { digits, exponent } = significantDigits(Math.abs(value));
  const kept = digits.replace(/0+$/, '');
  if (exponent < -4 || exponent >= PRECISION) {
    const magnitude = Math.abs(exponent).toString().padStart(2, '0');
    return `${sign}${withPoint(kept, 1)}e${exponent < 0 ? '-' : '+'}${magnitude}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${kept}`;
  return sign + withPoint(kept.padEnd(exponent + 1, '0'), exponent + 1);
}

const PRECISION = 17;
const scratch = new DataView(new ArrayBuffer(8));

/** The digits with a point after the first `whole` of them, or without one when none is left behind it. */
function withPoint(digits: string, whole: number): string {
  return digits.length > whole ? `${digits.slice(0, whole)}.${digits.slice(whole)}` : digits;
}

/** `value` (positive, finite) is d.ddd… times ten to `exponent`, with 17 digits d, rounded half to even. */
function significantDigits(value: number): { digits: string; exponent: number } {
  scratch.setFloat64(0, value);
  const bits = scratch.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  // value = mantissa * 2^binary; a subnormal has no hidden bit.
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  const binary = Math.max(biased, 1) - 1075;

  let exponent = Math.floor(Math.log10(value));
  for (;;) {
    // digits = value / 10^(exponent - 16) as a fraction of two integers.
    const decimal = exponent - (PRECISION - 1);
    const numerator = mantissa * 2n ** BigInt(Math.max(binary, 0)) * 10n ** BigInt(Math.max(-decimal, 0));
    const denominator = 2n ** BigInt(Math.max(-binary, 0)) * 10n ** BigInt(Math.max(decimal, 0));
    const digits = divideToEven(numerator, denominator).toString();
    if (digits.length === PRECISION) return { digits, exponent };
    // The logarithm is off by one beside a power of ten, and rounding up may reach one.
    exponent += digits.length - PRECISION;
  }
}

function divideToEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator - quotient * denominator) * 2n;
  if (twice > denominator || (twice === denominator && (quotient & 1n) === 1n)) return quotient + 1n;
  return quotient;
}
