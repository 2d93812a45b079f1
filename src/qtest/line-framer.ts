const LINE_FEED = 0x0a;

/** Receives what a framer finds. */
export interface LineSink {
  /** A line without its end, one character a byte. */
  line(text: string): void;
  /** A line that was longer than the limit; none of it is kept. */
  tooLong(): void;
}

/** Cuts a stream of bytes into lines. What comes behind the last line feed waits for more. */
export class LineFramer {
  readonly #sink: LineSink;
  readonly #limit: number;
  #parts: Uint8Array[] = [];
  #held = 0;
  #skipping = false;

  /** @param limit the longest line in bytes, without its end */
  constructor(sink: LineSink, limit: number) {
    this.#sink = sink;
    this.#limit = limit;
  }

  /** Takes the next bytes; calls the sink for every line that they complete. */
  push(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      this.#hold(bytes.subarray(start, end));
      this.#deliver();
      start = end + 1;
    }
    if (start < bytes.length) this.#hold(bytes.subarray(start));
  }

  #hold(part: Uint8Array): void {
    if (this.#skipping) return;
    this.#held += part.length;
    if (this.#held > this.#limit) {
      this.#skipping = true;
      this.#parts = [];
      return;
    }
    // A copy: whoever pushed the bytes may use their buffer again.
    this.#parts.push(new Uint8Array(part));
  }

  #deliver(): void {
    const text = Buffer.concat(this.#parts).toString('latin1');
    const skipped = this.#skipping;
    this.#parts = [];
    this.#held = 0;
    this.#skipping = false;
    if (skipped) this.#sink.tooLong();
    else this.#sink.line(text);
  }
}
