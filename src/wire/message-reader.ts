import { FastParser } from './fast-parser.ts';
import { Lexer } from './lexer.ts';
import { Token } from './lexer-table.ts';
import { NESTING_MAX, TOKEN_BYTES_MAX, TOKEN_COUNT_MAX } from './limits.ts';
import { Parser } from './parser.ts';
import { displayText } from './unicode.ts';
import type { WireValue } from './values.ts';

const PREFIX = 'JSON parse error, ';

/** Where a reader delivers what it read, in the order in which it came. */
export interface MessageSink {
  /** A complete message of any JSON type. */
  value(value: WireValue): void;
  /** What came was no message; the whole sentence, as the error reply carries it. */
  error(desc: string): void;
}

/**
 * Reads a byte stream of JSON messages in QEMU's dialect. Messages need no separator, and the stream may be cut
 * anywhere. After any error the reader goes on with what follows.
 *
 * Input that ends inside a message, even inside a number or a keyword that is valid so far, is dropped without an
 * error, as QEMU drops it; so there is nothing to be told about the end.
 */
export class MessageReader {
  readonly #sink: MessageSink;
  readonly #lexer = new Lexer();
  readonly #parser = new Parser();
  readonly #fast = new FastParser();
  /** Not yet read; of the first one, only what is behind `#position`. */
  #chunks: Buffer[] = [];
  #position = 0;
  #paused = false;
  #reading = false;
  // Of the message under construction. The counts of a mismatched one become negative.
  #braces = 0;
  #brackets = 0;
  #tokens = 0;
  #tokenBytes = 0;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** True between `pause` and `resume`. */
  get paused(): boolean {
    return this.#paused;
  }

  /** True while bytes wait that have not been looked at, which is so only when paused or inside a delivery. */
  get hasUnread(): boolean {
    return this.#chunks.length > 0;
  }

  /**
   * Takes the next bytes of the stream and delivers what is complete. While paused they are only kept (by reference:
   * the caller must not reuse their memory).
   */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.#read();
  }

  /** Stops delivery at once, also from inside a delivery: what follows in the same bytes stays unread. */
  pause(): void {
    this.#paused = true;
  }

  /** Delivers what waits, and goes on. */
  resume(): void {
    this.#paused = false;
    this.#read();
  }

  /** Forgets all unread bytes and the message under construction, and goes on as on a fresh stream. */
  reset(): void {
    this.#chunks = [];
    this.#position = 0;
    this.#paused = false;
    this.#lexer.reset();
    this.#clearMessage();
  }

  #read(): void {
    // A sink may push, resume or reset; the loop that called it goes on with that.
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#paused && this.#chunks.length > 0) {
        const chunk = this.#chunks[0]!;
        if (!this.#readWhole(chunk)) this.#readToken(chunk);
      }
    } finally {
      this.#reading = false;
    }
  }

  /** Takes the shortcut if a message starts here; false when it was not taken and nothing has changed. */
  #readWhole(chunk: Buffer): boolean {
    if (this.#tokens > 0 || !this.#lexer.idle) return false;
    const value = this.#fast.parse(chunk, this.#position);
    if (value === undefined) return false;
    this.#advance(chunk, this.#fast.position);
    this.#sink.value(value);
    return true;
  }

  #advance(chunk: Buffer, position: number): void {
    this.#position = position;
    if (position < chunk.length) return;
    this.#chunks.shift();
    this.#position = 0;
  }

  #readToken(chunk: Buffer): void {
    const token = this.#lexer.scan(chunk, this.#position);
    this.#advance(chunk, this.#lexer.position);
    if (token !== Token.none) this.#take(token);
  }

  #take(token: Token): void {
    if (token === Token.error) {
      this.#refuse(`${PREFIX}stray '${displayText(this.#lexer.text)}'`);
      return;
    }
    if (token === Token.openBrace) this.#braces++;
    else if (token === Token.closeBrace) this.#braces--;
    else if (token === Token.openBracket) this.#brackets++;
    else if (token === Token.closeBracket) this.#brackets--;

    if (token === Token.oversize || this.#tokenBytes + this.#lexer.textLength + 1 > TOKEN_BYTES_MAX) {
      this.#refuse('JSON token size limit exceeded');
    } else if (this.#tokens + 1 > TOKEN_COUNT_MAX) {
      this.#refuse('JSON token count limit exceeded');
    } else if (this.#braces + this.#brackets > NESTING_MAX) {
      this.#refuse('JSON nesting depth limit exceeded');
    } else {
      this.#tokens++;
      this.#tokenBytes += this.#lexer.textLength;
      this.#parser.token(token, this.#lexer);
      const isOpen = this.#braces >= 0 && this.#brackets >= 0 && this.#braces + this.#brackets > 0;
      if (!isOpen) this.#complete();
    }
  }

  #complete(): void {
    const { value, error } = this.#parser;
    this.#clearMessage();
    if (value === undefined) this.#sink.error(`${PREFIX}${error ?? 'expecting value'}`);
    else this.#sink.value(value);
  }

  /** Drops the message under construction; what is left of it is read as if it were new. */
  #refuse(desc: string): void {
    this.#clearMessage();
    this.#sink.error(desc);
  }

  #clearMessage(): void {
    this.#parser.reset();
    this.#braces = 0;
    this.#brackets = 0;
    this.#tokens = 0;
    this.#tokenBytes = 0;
  }
}
