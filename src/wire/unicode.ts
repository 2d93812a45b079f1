/**
 * UTF-8 as the dialect has it: every code point but surrogates, noncharacters and what lies beyond U+10FFFF, in its
 * shortest form, except that U+0000 may (and internally must) be C0 80, so that a text never holds a NUL byte.
 */

/** The smallest code point that needs a sequence of that many bytes; shorter is overlong. */
const smallest = [0, 0, 0x80, 0x800, 0x1_0000, 0x20_0000, 0x400_0000];

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** How many bytes a lead byte asks for, itself included; 1 for what leads nothing. */
function askedLength(lead: number): number {
  if (lead < 0xc0 || lead >= 0xfe) return 1;
  return Math.clz32(~(lead << 24));
}

/**
 * The bytes of the sequence at `from` (1 to 6): as many continuation bytes as the lead byte asks for and finds before
 * `end` (exclusive). Forms of 5 and 6 bytes count, though none of them is a character.
 */
export function sequenceLength(bytes: Uint8Array, from: number, end: number): number {
  const last = Math.min(from + askedLength(bytes[from]!), end);
  let next = from + 1;
  while (next < last && isContinuation(bytes[next]!)) next++;
  return next - from;
}

/** The code point of the sequence of `length` bytes at `from`; -1 when it is not a valid one. */
export function codePointAt(bytes: Uint8Array, from: number, length: number): number {
  const lead = bytes[from]!;
  if (lead < 0x80) return lead;
  if (lead < 0xc0 || lead >= 0xfe || askedLength(lead) !== length) return -1;
  let codePoint = lead & (0x7f >> length);
  for (let next = from + 1; next < from + length; next++) codePoint = codePoint * 0x40 + (bytes[next]! & 0x3f);
  if (codePoint < smallest[length]! && !(codePoint === 0 && length === 2)) return -1;
  return isValidCodePoint(codePoint) ? codePoint : -1;
}

/** False for surrogates, noncharacters (U+FDD0 to U+FDEF, the last two of every plane) and beyond U+10FFFF. */
export function isValidCodePoint(codePoint: number): boolean {
  if (codePoint < 0xd800) return codePoint >= 0;
  if (codePoint <= 0xdfff || codePoint > 0x10_ffff) return false;
  return (codePoint < 0xfdd0 || codePoint > 0xfdef) && (codePoint & 0xfffe) !== 0xfffe;
}

/** Bytes as an error sentence shows them: up to the first NUL, with U+FFFD for each sequence that is not valid. */
export function displayText(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  const end = nul < 0 ? bytes.length : nul;
  let text = '';
  for (let at = 0; at < end; ) {
    const length = sequenceLength(bytes, at, end);
    const codePoint = codePointAt(bytes, at, length);
    text += codePoint < 0 ? '\ufffd' : String.fromCodePoint(codePoint);
    at += length;
  }
  return text;
}
