const integer = /^[ \t\n\v\f\r]*([+-]?)(?:0x([0-9a-f]+)|([0-9]+))$/i;

/**
 * Reads an integer as C's strtoull with base 0 does (`0x` hexadecimal, a leading 0 octal, white space and a sign in
 * front), with nothing behind it; null for other text. No range is checked.
 */
export function parseInteger(text: string): bigint | null {
  const match = integer.exec(text);
  if (match === null) return null;
  const digits = match[3];
  let value: bigint;
  if (match[2] !== undefined) value = BigInt(`0x${match[2]}`);
  else if (digits!.startsWith('0') && digits!.length > 1) {
    if (!/^[0-7]+$/.test(digits!)) return null;
    value = BigInt(`0o${digits!.slice(1)}`);
  } else value = BigInt(digits!);
  return match[1] === '-' ? -value : value;
}

/** A wire integer as bigint; null for anything else. */
export function integerOf(value: unknown): bigint | null {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : null;
}

/**
 * Reads hexadecimal digits as C's scanf `%x` does, from `from` on: white space, a sign and `0x` may stand in front,
 * and a `0x` alone is zero. Gives the value modulo 2^32 and the position behind; null when nothing of it is there.
 */
export function scanHex(text: string, from: number): { value: number; next: number } | null {
  const scanner = /[ \t\n\v\f\r]*([+-]?)(?:0x([0-9a-f]*)|([0-9a-f]+))/iy;
  scanner.lastIndex = from;
  const match = scanner.exec(text);
  if (match === null) return null;
  const magnitude = BigInt(`0x${match[2] || match[3] || '0'}`);
  const value = Number(BigInt.asUintN(32, match[1] === '-' ? -magnitude : magnitude));
  return { value, next: scanner.lastIndex };
}
