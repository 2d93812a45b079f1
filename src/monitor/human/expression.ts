import { UsageError } from './usage-error.ts';

const LARGEST = 0xffff_ffff_ffff_ffffn;
const blank = /[ \t\n\v\f\r]/;

/** Reads the expressions of the human monitor: C's operators on 64-bit integers, with `^`, `&` and `|` of one rank. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** What is left behind the expression. */
  get rest(): string {
    return this.#text.slice(this.#at);
  }

  sum(): bigint {
    let value = this.#logic();
    for (;;) {
      const operator = this.#peek();
      if (operator !== '+' && operator !== '-') return value;
      this.#step();
      const right = this.#logic();
      value = BigInt.asIntN(64, operator === '+' ? value + right : value - right);
    }
  }

  #logic(): bigint {
    let value = this.#product();
    for (;;) {
      const operator = this.#peek();
      if (operator !== '&' && operator !== '|' && operator !== '^') return value;
      this.#step();
      const right = this.#product();
      if (operator === '&') value &= right;
      else if (operator === '|') value |= right;
      else value ^= right;
    }
  }

  #product(): bigint {
    let value = this.#unary();
    for (;;) {
      const operator = this.#peek();
      if (operator !== '*' && operator !== '/' && operator !== '%') return value;
      this.#step();
      const right = this.#unary();
      if (operator === '*') value = BigInt.asIntN(64, value * right);
      else if (right === 0n) throw new UsageError('division by zero');
      else value = operator === '/' ? value / right : value % right;
    }
  }

  #unary(): bigint {
    switch (this.#peek()) {
      case '+':
        this.#step();
        return this.#unary();
      case '-':
        this.#step();
        return BigInt.asIntN(64, -this.#unary());
      case '~':
        this.#step();
        return ~this.#unary();
      case '(':
        return this.#group();
      case "'":
        return this.#character();
      case '$':
        throw new UsageError('unknown register');
      case '':
        throw new UsageError('unexpected end of expression');
      default:
        return this.#number();
    }
  }

  #group(): bigint {
    this.#step();
    const value = this.sum();
    if (this.#peek() !== ')') throw new UsageError("')' expected");
    this.#step();
    return value;
  }

  #character(): bigint {
    this.#at += 1;
    const character = this.#text[this.#at];
    if (character === undefined) throw new UsageError('character constant expected');
    this.#at += 1;
    if (this.#text[this.#at] !== "'") throw new UsageError("missing terminating ' character");
    this.#step();
    return BigInt(character.charCodeAt(0));
  }

  #number(): bigint {
    const found = /0x[0-9a-f]+|[0-9]+/iy;
    found.lastIndex = this.#at;
    const digits = found.exec(this.#text)?.[0];
    if (digits === undefined) throw new UsageError(`invalid char '${this.#peek()}' in expression`);
    // As strtoull does: digits behind a leading 0 are octal, and the first that is not ends the number.
    const octal = /^0[0-7]*(?=[0-9]|$)/.exec(digits)?.[0];
    const taken = octal ?? digits;
    const value = BigInt(octal === undefined ? digits : `0o${octal}`);
    if (value > LARGEST) throw new UsageError('number too large');
    this.#at += taken.length;
    this.#skip();
    return BigInt.asIntN(64, value);
  }

  #peek(): string {
    this.#skip();
    return this.#text[this.#at] ?? '';
  }

  #step(): void {
    this.#at += 1;
    this.#skip();
  }

  #skip(): void {
    while (this.#at < this.#text.length && blank.test(this.#text[this.#at]!)) this.#at += 1;
  }
}

/** Reads an expression at the start of `text`. @throws UsageError with QEMU's sentence */
export function readExpression(text: string): { value: bigint; rest: string } {
  const reader = new Reader(text);
  const value = reader.sum();
  return { value, rest: reader.rest };
}
