import { LOOKAHEAD, State, Token, transitions } from './lexer-table.ts';
import { looksLikeIndex } from './member-order.ts';
import { parseFloatToken, parseInteger } from './number.ts';
import { parseString, StringError } from './string-literal.ts';
import type { WireFloat, WireObject, WireValue } from './values.ts';

/** Nothing larger is tried, so that no limit on tokens or bytes of a message can be reached here. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Nothing deeper is tried, so that the recursion and the nesting limit are out of reach. */
const DEPTH_MAX = 32;
/** So many digits fit a double exactly, at every step of reading them. */
const DIGITS_MAX = 15;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const DELETE = 0x7f;

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * The shortcut for the ordinary message: an object that lies whole in one chunk and holds nothing unusual. It takes
 * only what it reads exactly as the lexer and the parser do and gives up at anything else (an error, a split, single
 * quotes, great depth or length, a name that JavaScript treats in its own way), without any effect, so that they can
 * start over from the same byte. That both agree is a property test.
 */
export class FastParser {
  /** Behind the last message that was taken. */
  position = 0;

  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  readonly #names = new StringCache();
  readonly #texts = new StringCache();

  /** The object that starts at `from`, behind whitespace if any; undefined when it is not taken. */
  parse(bytes: Buffer, from: number): WireObject | undefined {
    this.#bytes = bytes;
    this.#end = Math.min(bytes.length, from + MESSAGE_BYTES_MAX);
    this.#at = from;
    if (this.#skipSpace() !== OPEN_BRACE) return undefined;
    const value = this.#object(0);
    this.position = this.#at;
    return value;
  }

  /** Goes to the next byte that is no whitespace and returns it; -1 at the end. */
  #skipSpace(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < this.#end && isSpace(bytes[at])) at++;
    this.#at = at;
    return at < this.#end ? bytes[at]! : -1;
  }

  #value(first: number, depth: number): WireValue | undefined {
    switch (first) {
      case QUOTE:
        return this.#string(this.#texts);
      case OPEN_BRACE:
        return this.#object(depth);
      case OPEN_BRACKET:
        return this.#array(depth);
      case LOWER_T:
        return this.#word('true') ? true : undefined;
      case LOWER_F:
        return this.#word('false') ? false : undefined;
      case LOWER_N:
        return this.#word('null') ? null : undefined;
      default:
        return this.#number(first);
    }
  }

  #object(depth: number): WireObject | undefined {
    if (depth === DEPTH_MAX) return undefined;
    const object: WireObject = {};
    this.#at++;
    let byte = this.#skipSpace();
    if (byte === CLOSE_BRACE) {
      this.#at++;
      return object;
    }
    for (;;) {
      if (byte !== QUOTE) return undefined;
      const name = this.#string(this.#names);
      // A member that is there already is a duplicate, an error that must wait for its value; an inherited one
      // (`__proto__`, `constructor`) needs care.
      if (name === undefined || object[name] !== undefined || looksLikeIndex(name)) return undefined;
      if (this.#skipSpace() !== COLON) return undefined;
      this.#at++;
      const value = this.#value(this.#skipSpace(), depth + 1);
      if (value === undefined) return undefined;
      object[name] = value;
      byte = this.#skipSpace();
      if (byte === CLOSE_BRACE) {
        this.#at++;
        return object;
      }
      if (byte !== COMMA) return undefined;
      this.#at++;
      byte = this.#skipSpace();
    }
  }

  #array(depth: number): WireValue[] | undefined {
    if (depth === DEPTH_MAX) return undefined;
    const items: WireValue[] = [];
    this.#at++;
    let byte = this.#skipSpace();
    if (byte === CLOSE_BRACKET) {
      this.#at++;
      return items;
    }
    for (;;) {
      const value = this.#value(byte, depth + 1);
      if (value === undefined) return undefined;
      items.push(value);
      byte = this.#skipSpace();
      if (byte === CLOSE_BRACKET) {
        this.#at++;
        return items;
      }
      if (byte !== COMMA) return undefined;
      this.#at++;
      byte = this.#skipSpace();
    }
  }

  /** A string, at whose opening quote `#at` is. */
  #string(cache: StringCache): string | undefined {
    const bytes = this.#bytes;
    const end = this.#end;
    const start = this.#at + 1;
    let hash = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.#at = at + 1;
        return cache.text(bytes, start, at, hash);
      }
      if (byte < 0x20 || byte > DELETE || byte === BACKSLASH) return this.#unusualString();
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    return undefined;
  }

  #unusualString(): string | undefined {
    const start = this.#at;
    if (this.#scan() !== Token.string) return undefined;
    try {
      return parseString(this.#bytes.subarray(start, this.#at));
    } catch (error) {
      if (error instanceof StringError) return undefined;
      throw error;
    }
  }

  /** A number; what is no short integer followed by something that may follow a value goes by the lexer's table. */
  #number(first: number): number | bigint | WireFloat | undefined {
    const bytes = this.#bytes;
    let at = this.#at;
    if (first === MINUS) at++;
    const start = at;
    let value = 0;
    for (; at < this.#end; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const digits = at - start;
    const next = at < this.#end ? bytes[at] : -1;
    const isShort = digits > 0 && digits <= DIGITS_MAX && (digits === 1 || bytes[start] !== ZERO);
    if (!isShort || !(next === COMMA || next === CLOSE_BRACE || next === CLOSE_BRACKET || isSpace(next))) {
      return this.#unusualNumber();
    }
    this.#at = at;
    // Subtracting from 0 gives 0 for -0 too.
    return first === MINUS ? 0 - value : value;
  }

  #unusualNumber(): number | bigint | WireFloat | undefined {
    const start = this.#at;
    const token = this.#scan();
    if (token !== Token.integer && token !== Token.float) return undefined;
    const text = this.#bytes.toString('latin1', start, this.#at);
    return token === Token.integer ? parseInteger(text) : parseFloatToken(text);
  }

  /** The token that starts at `#at`, by the lexer's own table; `Token.none` when it does not end in time. */
  #scan(): number {
    const table = transitions;
    const start = State.start;
    let state: number = start;
    let at = this.#at;
    while (at < this.#end) {
      const next = table[state * 256 + this.#bytes[at]!]!;
      if ((next & LOOKAHEAD) === 0) at++;
      state = next & ~LOOKAHEAD;
      if (state < start) {
        this.#at = at;
        return state;
      }
    }
    return Token.none;
  }

  /** A letter behind the keyword would lengthen it; here that is refused by whatever comes next in the grammar. */
  #word(word: string): boolean {
    const start = this.#at;
    if (start + word.length > this.#end) return false;
    for (let index = 1; index < word.length; index++) {
      if (this.#bytes[start + index] !== word.charCodeAt(index)) return false;
    }
    this.#at = start + word.length;
    return true;
  }
}

const CACHE_SLOTS = 256;
const CACHED_LENGTH_MAX = 40;

/**
 * Strings that came before, by their bytes: comparing is several times faster than making a new string, and the same
 * names come in every message. Bounded; a newcomer takes the slot of its predecessor.
 */
class StringCache {
  readonly #slots: string[] = new Array<string>(CACHE_SLOTS).fill('');

  text(bytes: Buffer, start: number, end: number, hash: number): string {
    const length = end - start;
    if (length > CACHED_LENGTH_MAX) return bytes.toString('latin1', start, end);
    const slot = (hash ^ (hash >>> 8)) & (CACHE_SLOTS - 1);
    const known = this.#slots[slot]!;
    if (known.length === length && isSame(known, bytes, start)) return known;
    const text = bytes.toString('latin1', start, end);
    this.#slots[slot] = text;
    return text;
  }
}

function isSame(text: string, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}
