import { codePointAt, displayText, isValidCodePoint, sequenceLength } from './unicode.ts';

/** Why a string token is no string; the message is the sentence without its prefix. */
export class StringError extends Error {}

const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
/** The bytes of `\uXXXX`. */
const ESCAPE_LENGTH = 6;

const simpleEscapes = new Map<number, string>(
  Object.entries({ '"': '"', "'": "'", '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }).map(
    ([letter, meaning]) => [letter.charCodeAt(0), meaning],
  ),
);

/** The text of a string token, whose bytes come with the quotes. Throws `StringError` at the first thing that is wrong. */
export function parseString(bytes: Buffer): string {
  const end = bytes.length - 1;
  let text = '';
  let copied = 1;
  let at = 1;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === BACKSLASH) {
      text += bytes.toString('utf8', copied, at);
      const escape = parseEscape(bytes, at);
      text += escape.text;
      at += escape.length;
      copied = at;
    } else if (byte < 0x80) {
      at++;
    } else {
      const length = sequenceLength(bytes, at, end);
      const codePoint = codePointAt(bytes, at, length);
      if (codePoint < 0) throw new StringError('invalid UTF-8 sequence in string');
      if (codePoint === 0) {
        // C0 80, which no decoder but ours takes.
        text += `${bytes.toString('utf8', copied, at)}\0`;
        copied = at + length;
      }
      at += length;
    }
  }
  return text + bytes.toString('utf8', copied, end);
}

/** The escape at `at`, where a backslash is. */
function parseEscape(bytes: Uint8Array, at: number): { text: string; length: number } {
  const letter = bytes[at + 1]!;
  if (letter === LOWER_U) return parseUnicodeEscape(bytes, at);
  const text = simpleEscapes.get(letter);
  if (text === undefined) throw new StringError('invalid escape sequence in string');
  return { text, length: 2 };
}

/** `\uXXXX`, or two of them that make a surrogate pair. */
function parseUnicodeEscape(bytes: Uint8Array, at: number): { text: string; length: number } {
  let codePoint = parseFourDigits(bytes, at + 2);
  let length = ESCAPE_LENGTH;
  const isLeading = codePoint >= 0xd800 && codePoint <= 0xdbff;
  if (isLeading && bytes[at + length] === BACKSLASH && bytes[at + length + 1] === LOWER_U) {
    const trailing = parseFourDigits(bytes, at + length + 2);
    if (trailing >= 0xdc00 && trailing <= 0xdfff) {
      codePoint = 0x1_0000 + ((codePoint & 0x3ff) << 10) + (trailing & 0x3ff);
      length += ESCAPE_LENGTH;
    }
  }
  if (isValidCodePoint(codePoint)) return { text: String.fromCodePoint(codePoint), length };
  // The sentence shows four characters behind the u, whatever they are, the closing quote too.
  throw new StringError(`${displayText(bytes.subarray(at, at + length))} is not a valid Unicode character`);
}

/** The value of four hexadecimal digits, -1 when they are not. */
function parseFourDigits(bytes: Uint8Array, from: number): number {
  let value = 0;
  for (let index = from; index < from + 4; index++) {
    const digit = hexDigit(bytes[index] ?? 0);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
