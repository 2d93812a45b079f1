import { Token } from './lexer-table.ts';
import { looksLikeIndex, rememberInsertionOrder } from './member-order.ts';
import { parseFloatToken, parseInteger } from './number.ts';
import { parseString, StringError } from './string-literal.ts';
import type { WireObject, WireValue } from './values.ts';

/** A parse error's sentence is cut so that this many bytes follow the prefix. */
const SENTENCE_BYTES_MAX = 1023;

/** What a container waits for. */
type Expectation = 'first' | 'key' | 'colon' | 'value' | 'separator';

/** Where the bytes of a token are, for those tokens of which they matter. */
export interface TokenText {
  readonly text: Buffer;
}

interface ObjectFrame {
  readonly kind: 'object';
  readonly members: WireObject;
  expect: Expectation;
  key: string;
  names: string[];
}

interface ArrayFrame {
  readonly kind: 'array';
  readonly items: WireValue[];
  expect: Expectation;
}

/**
 * Builds the value of one message from its tokens. The caller counts braces and brackets and knows when the message is
 * complete; what is wrong inside is reported only then, and only the first thing. Tokens behind it are not looked at.
 * A message that is complete by count has a value or an error: a closer too many or of the other kind is an error.
 */
export class Parser {
  #stack: (ObjectFrame | ArrayFrame)[] = [];
  #value: WireValue | undefined;
  #error: string | undefined;

  /** The first error, without its prefix. */
  get error(): string | undefined {
    return this.#error;
  }

  /** The finished value; undefined after an error. */
  get value(): WireValue | undefined {
    return this.#error === undefined ? this.#value : undefined;
  }

  /** Takes the next token; `source.text` is asked for during the call only. */
  token(token: Token, source: TokenText): void {
    if (this.#error !== undefined) return;
    const frame = this.#stack.at(-1);
    if (frame === undefined) {
      this.#startValue(token, source);
    } else if (frame.expect === 'colon') {
      if (token === Token.colon) frame.expect = 'value';
      else this.#fail('missing : in object pair');
    } else if (frame.expect === 'separator') {
      if (isCloserOf(frame, token)) this.#close(frame);
      else if (token === Token.comma) frame.expect = frame.kind === 'object' ? 'key' : 'value';
      else this.#fail(`expected separator in ${frame.kind === 'object' ? 'dict' : 'list'}`);
    } else if (frame.expect === 'first' && isCloserOf(frame, token)) {
      this.#close(frame);
    } else {
      this.#startValue(token, source);
    }
  }

  /** Makes ready for the next message. */
  reset(): void {
    this.#stack = [];
    this.#value = undefined;
    this.#error = undefined;
  }

  #startValue(token: Token, source: TokenText): void {
    switch (token) {
      case Token.openBrace:
        this.#stack.push({ kind: 'object', members: {}, expect: 'first', key: '', names: [] });
        return;
      case Token.openBracket:
        this.#stack.push({ kind: 'array', items: [], expect: 'first' });
        return;
      case Token.string:
        this.#string(source.text);
        return;
      case Token.integer:
        this.#finishValue(parseInteger(source.text.toString('latin1')));
        return;
      case Token.float:
        this.#finishValue(parseFloatToken(source.text.toString('latin1')));
        return;
      case Token.keyword:
        this.#keyword(source.text.toString('latin1'));
        return;
      default:
        this.#fail('expecting value');
    }
  }

  #string(text: Buffer): void {
    let value: string;
    try {
      value = parseString(text);
    } catch (error) {
      if (!(error instanceof StringError)) throw error;
      this.#fail(error.message);
      return;
    }
    this.#finishValue(value);
  }

  #keyword(word: string): void {
    if (word === 'true') this.#finishValue(true);
    else if (word === 'false') this.#finishValue(false);
    else if (word === 'null') this.#finishValue(null);
    else this.#fail(`invalid keyword '${word}'`.slice(0, SENTENCE_BYTES_MAX));
  }

  #close(frame: ObjectFrame | ArrayFrame): void {
    this.#stack.pop();
    if (frame.kind === 'array') {
      this.#finishValue(frame.items);
      return;
    }
    if (frame.names.length > 1 && frame.names.some(looksLikeIndex)) {
      rememberInsertionOrder(frame.members, frame.names);
    }
    this.#finishValue(frame.members);
  }

  /** Puts a complete value where it belongs. */
  #finishValue(value: WireValue): void {
    const frame = this.#stack.at(-1);
    if (frame === undefined) {
      this.#value = value;
    } else if (frame.kind === 'array') {
      frame.items.push(value);
      frame.expect = 'separator';
    } else if (frame.expect !== 'value') {
      // Any value is parsed to its end where a key should be, so an error inside it comes first.
      if (typeof value !== 'string') {
        this.#fail('key is not a string in object');
        return;
      }
      frame.key = value;
      frame.expect = 'colon';
    } else if (Object.hasOwn(frame.members, frame.key)) {
      // Found only now: what is wrong in the value comes first.
      this.#fail('duplicate key');
    } else {
      frame.names.push(frame.key);
      setMember(frame.members, frame.key, value);
      frame.expect = 'separator';
    }
  }

  #fail(sentence: string): void {
    this.#error = sentence;
    this.#stack = [];
    this.#value = undefined;
  }
}

function isCloserOf(frame: ObjectFrame | ArrayFrame, token: Token): boolean {
  return token === (frame.kind === 'object' ? Token.closeBrace : Token.closeBracket);
}

/** `__proto__` is a member like any other. */
function setMember(members: WireObject, name: string, value: WireValue): void {
  if (name !== '__proto__') {
    members[name] = value;
    return;
  }
  Object.defineProperty(members, name, { value, writable: true, enumerable: true, configurable: true });
}
