/**
 * The lexical grammar as a table: for each state and byte the next state, or the token that ends there.
 * A byte that no rule names is an error, which is why the table starts out as all errors.
 */

/** Tokens, and what else a scan can end with. */
export const Token = {
  error: 0,
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  colon: 5,
  comma: 6,
  string: 7,
  integer: 8,
  float: 9,
  keyword: 10,
  /** The token has grown beyond the limit and is given up. */
  oversize: 11,
  /** The input ended before a token did. */
  none: 12,
} as const;
export type Token = (typeof Token)[keyof typeof Token];

/** States of the lexer. They start behind the tokens, so that one byte can hold either. */
export const State = {
  start: 16,
  recovery: 17,
  doubleQuoted: 18,
  doubleQuotedEscape: 19,
  singleQuoted: 20,
  singleQuotedEscape: 21,
  sign: 22,
  zero: 23,
  digits: 24,
  point: 25,
  fraction: 26,
  exponent: 27,
  exponentSign: 28,
  exponentDigits: 29,
  keyword: 30,
} as const;

/** Set when the byte is not consumed: it ends a number or a keyword, or the recovery, and is looked at again. */
export const LOOKAHEAD = 0x80;

const STATES = 31;

/** Indexed by `state * 256 + byte`. */
export const transitions: Uint8Array = new Uint8Array(STATES * 256).fill(Token.error);

function rule(state: number, bytes: string | readonly [first: number, last: number], next: number): void {
  if (typeof bytes === 'string') {
    for (const char of bytes) transitions[state * 256 + char.charCodeAt(0)] = next;
  } else {
    transitions.fill(next, state * 256 + bytes[0], state * 256 + bytes[1] + 1);
  }
}

const DIGITS = '0123456789';
const EVERY_BYTE = [0x00, 0xff] as const;
/** What a string may hold. FE and FF are kept out, so that they always resynchronise a stream. */
const STRING_BYTES = [0x20, 0xfd] as const;
const STRUCTURAL = '{}[]:,';

rule(State.start, ' \t\r\n', State.start);
rule(State.start, '{', Token.openBrace);
rule(State.start, '}', Token.closeBrace);
rule(State.start, '[', Token.openBracket);
rule(State.start, ']', Token.closeBracket);
rule(State.start, ':', Token.colon);
rule(State.start, ',', Token.comma);
rule(State.start, '"', State.doubleQuoted);
rule(State.start, "'", State.singleQuoted);
rule(State.start, '-', State.sign);
rule(State.start, DIGITS, State.digits);
rule(State.start, '0', State.zero);
rule(State.start, [0x61, 0x7a], State.keyword);

// After an error: skip to something that plausibly starts afresh, and look at that again.
rule(State.recovery, STRING_BYTES, State.recovery);
rule(State.recovery, [0x00, 0x1f], State.start | LOOKAHEAD);
rule(State.recovery, [0xfe, 0xff], State.start | LOOKAHEAD);
rule(State.recovery, STRUCTURAL, State.start | LOOKAHEAD);
rule(State.recovery, '\t', State.recovery);

rule(State.doubleQuoted, STRING_BYTES, State.doubleQuoted);
rule(State.doubleQuoted, '\\', State.doubleQuotedEscape);
rule(State.doubleQuoted, '"', Token.string);
rule(State.doubleQuotedEscape, STRING_BYTES, State.doubleQuoted);
rule(State.singleQuoted, STRING_BYTES, State.singleQuoted);
rule(State.singleQuoted, '\\', State.singleQuotedEscape);
rule(State.singleQuoted, "'", Token.string);
rule(State.singleQuotedEscape, STRING_BYTES, State.singleQuoted);

rule(State.sign, DIGITS, State.digits);
rule(State.sign, '0', State.zero);
// No exponent after a bare zero: `0e1` is 0, keyword e, 1.
rule(State.zero, EVERY_BYTE, Token.integer | LOOKAHEAD);
rule(State.zero, DIGITS, Token.error);
rule(State.zero, '.', State.point);
rule(State.digits, EVERY_BYTE, Token.integer | LOOKAHEAD);
rule(State.digits, DIGITS, State.digits);
rule(State.digits, '.', State.point);
rule(State.digits, 'eE', State.exponent);
rule(State.point, DIGITS, State.fraction);
rule(State.fraction, EVERY_BYTE, Token.float | LOOKAHEAD);
rule(State.fraction, DIGITS, State.fraction);
rule(State.fraction, 'eE', State.exponent);
rule(State.exponent, '+-', State.exponentSign);
rule(State.exponent, DIGITS, State.exponentDigits);
rule(State.exponentSign, DIGITS, State.exponentDigits);
rule(State.exponentDigits, EVERY_BYTE, Token.float | LOOKAHEAD);
rule(State.exponentDigits, DIGITS, State.exponentDigits);

rule(State.keyword, EVERY_BYTE, Token.keyword | LOOKAHEAD);
rule(State.keyword, [0x61, 0x7a], State.keyword);
