import { LOOKAHEAD, State, Token, transitions } from './lexer-table.ts';
import { TOKEN_BYTES_MAX } from './limits.ts';

// Held here, since the loop over all bytes is where an access through another module would be felt.
const TARGET = LOOKAHEAD - 1;
const START = State.start;
const RECOVERY = State.recovery;

const NOTHING = Buffer.alloc(0);

/**
 * Cuts a byte stream into tokens, however the stream is split. One call of `scan` finds at most one token; the caller
 * decides what follows, so it can stop between any two.
 */
export class Lexer {
  #state: number = State.start;
  /** Bytes of the current token that came with earlier chunks. */
  #earlier: Buffer = NOTHING;
  #earlierLength = 0;
  #textSource: Buffer = NOTHING;
  #textStart = 0;
  #textEnd = 0;

  /** True when no token and no recovery is under way: the next byte is looked at afresh. */
  get idle(): boolean {
    return this.#state === State.start;
  }

  /**
   * The bytes of the token that `scan` found, quotes included; of an error, up to and including the offending byte.
   * A view that holds until the next call of `scan`.
   */
  get text(): Buffer {
    return this.#textSource.subarray(this.#textStart, this.#textEnd);
  }

  /** The length of `text`. */
  get textLength(): number {
    return this.#textEnd - this.#textStart;
  }

  /** Where the last scan stopped: the first byte that has not been consumed. */
  position = 0;

  /** Scans `bytes` from `from` for the next token; `Token.none` when the chunk ends before one does. */
  scan(bytes: Buffer, from: number): Token {
    let state = this.#state;
    let start = from;
    let at = from;
    // The scan is limited instead of counting every byte: a token that reaches the limit is too large.
    let end = this.#scanEnd(bytes, start);
    const table = transitions;
    while (at < end) {
      const next = table[state * 256 + bytes[at]!]!;
      const target = next & TARGET;
      if (next === target) at++;
      if (target < START) {
        this.#state = target === Token.error ? State.recovery : State.start;
        return this.#found(target as Token, bytes, start, at);
      }
      state = target;
      if (state <= RECOVERY) {
        // Whitespace and what recovery skips belong to no token.
        start = at;
        end = this.#scanEnd(bytes, start);
      }
    }
    if (this.#earlierLength + at - start > TOKEN_BYTES_MAX) {
      this.#state = State.start;
      return this.#found(Token.oversize, bytes, start, at);
    }
    this.#state = state;
    this.#keep(bytes, start, at);
    this.position = at;
    return Token.none;
  }

  /** Forgets an unfinished token. */
  reset(): void {
    this.#state = State.start;
    this.#forget();
  }

  /** Where the scan of a token from `start` must end, exclusive: the byte with which it would be too large. */
  #scanEnd(bytes: Buffer, start: number): number {
    return Math.min(bytes.length, start + TOKEN_BYTES_MAX + 1 - this.#earlierLength);
  }

  #found(token: Token, bytes: Buffer, start: number, end: number): Token {
    this.position = end;
    if (this.#earlierLength === 0) {
      this.#setText(bytes, start, end);
    } else {
      this.#keep(bytes, start, end);
      this.#setText(this.#earlier, 0, this.#earlierLength);
      this.#forget();
    }
    return token;
  }

  #setText(source: Buffer, start: number, end: number): void {
    this.#textSource = source;
    this.#textStart = start;
    this.#textEnd = end;
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    if (start === end) return;
    const length = this.#earlierLength + end - start;
    if (length > this.#earlier.length) {
      const larger = Buffer.allocUnsafe(Math.max(length * 2, 256));
      larger.set(this.#earlier.subarray(0, this.#earlierLength));
      this.#earlier = larger;
    }
    this.#earlier.set(bytes.subarray(start, end), this.#earlierLength);
    this.#earlierLength = length;
  }

  #forget(): void {
    this.#earlierLength = 0;
    // The store of a large token is not kept for the small ones that follow; the text refers to it meanwhile.
    if (this.#earlier.length > 65536) this.#earlier = NOTHING;
  }
}
