import { CommandError } from '../core/errors.ts';

/** A number written with a fraction or an exponent: no integer, whatever its value. */
class JsonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

function failure(reason: string): CommandError {
  return new CommandError(`JSON parse error, ${reason}`);
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/**
 * Reads the one JSON value that an option's argument is: `-device {"driver": "edu"}`. The dialect is QEMU's, so strings
 * may stand in single quotes. Unlike the monitor's stream there is an end, before which a value must be complete.
 */
class ArgumentReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): unknown {
    const value = this.#value();
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw new CommandError('Expecting at most one JSON value');
    return value;
  }

  #skipBlanks(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  /** The next character that is no blank, not taken yet. */
  #peek(): string {
    this.#skipBlanks();
    const character = this.#text[this.#at];
    if (character === undefined) throw failure('premature EOI');
    if (!/[[\]{},:"'a-z0-9-]/.test(character)) throw failure(`stray '${character}'`);
    return character;
  }

  #value(): unknown {
    const character = this.#peek();
    if (character === '{') return this.#object();
    if (character === '[') return this.#array();
    if (character === '"' || character === "'") return this.#string();
    if (/[0-9-]/.test(character)) return this.#number();
    if (/[a-z]/.test(character)) return this.#keyword();
    throw failure('expecting value');
  }

  #object(): Record<string, unknown> {
    const members: [string, unknown][] = [];
    const names = new Set<string>();
    this.#at += 1;
    if (this.#peek() === '}') {
      this.#at += 1;
      return {};
    }
    for (;;) {
      const name = this.#value();
      if (typeof name !== 'string') throw failure('key is not a string in object');
      if (this.#peek() !== ':') throw failure('missing : in object pair');
      this.#at += 1;
      const value = this.#value();
      if (names.has(name)) throw failure('duplicate key');
      names.add(name);
      members.push([name, value]);
      if (this.#closes('}', 'dict')) return Object.fromEntries(members);
    }
  }

  #array(): unknown[] {
    const elements: unknown[] = [];
    this.#at += 1;
    if (this.#peek() === ']') {
      this.#at += 1;
      return elements;
    }
    for (;;) {
      elements.push(this.#value());
      if (this.#closes(']', 'list')) return elements;
    }
  }

  /** After an element: true at the end of the container, false at a comma. */
  #closes(bracket: string, container: string): boolean {
    const character = this.#peek();
    if (character !== bracket && character !== ',') throw failure(`expected separator in ${container}`);
    this.#at += 1;
    return character === bracket;
  }

  #string(): string {
    const quote = this.#text[this.#at]!;
    let value = '';
    for (this.#at += 1; ; this.#at += 1) {
      const character = this.#text[this.#at];
      if (character === undefined) throw failure('premature EOI');
      if (character < ' ') throw failure(`stray '${quote}${value}${character}'`);
      if (character === quote) break;
      value += character === '\\' ? this.#escape() : character;
    }
    this.#at += 1;
    return value;
  }

  #escape(): string {
    this.#at += 1;
    const character = this.#text[this.#at];
    if (character === undefined) throw failure('premature EOI');
    if (character !== 'u') {
      const plain = escapes[character];
      if (plain === undefined) throw failure('invalid escape sequence in string');
      return plain;
    }
    const digits = this.#text.slice(this.#at + 1, this.#at + 5);
    if (!/^[0-9A-Fa-f]{4}$/.test(digits)) {
      const shown = /^[^"']*["']?/.exec(digits)![0];
      throw failure(`\\u${shown} is not a valid Unicode character`);
    }
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #number(): number | bigint | JsonFloat {
    const match = /^-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/.exec(this.#text.slice(this.#at));
    if (match === null) throw failure(`stray '${this.#text.slice(this.#at, this.#at + 2)}'`);
    const [literal, fraction, exponent] = match;
    this.#at += literal.length;
    const after = this.#text[this.#at] ?? '';
    if (/[0-9.]/.test(after)) throw failure(`stray '${literal}${after}'`);
    if (fraction !== undefined || exponent !== undefined) return new JsonFloat(Number(literal));
    const value = BigInt(literal);
    if (value < -(1n << 63n) || value >= 1n << 64n) return new JsonFloat(Number(literal));
    return Number.isSafeInteger(Number(literal)) ? Number(literal) : value;
  }

  #keyword(): boolean | null {
    const word = /^[a-z]+/.exec(this.#text.slice(this.#at))![0];
    this.#at += word.length;
    if (word === 'true') return true;
    if (word === 'false') return false;
    if (word === 'null') return null;
    throw failure(`invalid keyword '${word}'`);
  }
}

/**
 * The object that an argument in JSON form holds. Integers are numbers, or bigints beyond 2^53.
 * Throws CommandError when it is no JSON object.
 */
export function parseJsonArgument(text: string): Record<string, unknown> {
  // Only arguments that begin with `{` are taken for JSON, so that nothing but an object comes out.
  return new ArgumentReader(text).read() as Record<string, unknown>;
}
