const shifts: Record<string, bigint> = { b: 0n, k: 10n, m: 20n, g: 30n, t: 40n, p: 50n, e: 60n };

const hexadecimal = /^[ \t\n\v\f\r]*\+?0x([0-9a-f]+)([bkmgtpe]?)$/i;
const decimal = /^[ \t\n\v\f\r]*\+?([0-9]+)(?:\.([0-9]*))?([bkmgtpe]?)$/i;

/**
 * Reads a size as command lines and properties give it: a decimal number, with a fraction if a unit follows, or a
 * hexadecimal one, and an optional unit b, k, M, G, T, P or E (either case, powers of 1024).
 * `defaultUnit` is the number of bytes that a number without unit counts; null when the text is no such size or the
 * size needs more than 64 bits. A fraction that leaves parts of a byte is refused when the unit is the byte and rounded
 * down otherwise.
 */
export function parseSize(text: string, defaultUnit = 1n): bigint | null {
  const hex = hexadecimal.exec(text);
  const match = hex ?? decimal.exec(text);
  if (match === null) return null;
  const suffix = hex === null ? match[3]! : match[2]!;
  const unit = suffix === '' ? defaultUnit : 1n << shifts[suffix.toLowerCase()]!;
  const fraction = hex === null ? (match[2] ?? '').replace(/0+$/, '') : '';
  if (fraction !== '' && unit === 1n) return null;
  const whole = BigInt(hex === null ? match[1]! : `0x${match[1]!}`) * unit;
  const size = fraction === '' ? whole : whole + (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
  return size < 1n << 64n ? size : null;
}
