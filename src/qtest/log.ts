/** Where the lines of the conversation go: a file, or the standard error stream. */
export type LogWriter = (text: string) => void;

/**
 * The record of a conversation in QEMU's format: `[I 0.000000] OPENED`, `[R +0.000042] readl 0x1000` for what was
 * received, `[S +0.000050] OK` for what was sent, `[I +0.000060] CLOSED`; seconds since the connection was opened.
 */
export class QtestLog {
  readonly #write: LogWriter | null;
  readonly #seconds: () => number;
  #opened = 0;

  /**
   * @param write null where nothing is to be recorded
   * @param seconds a clock that never goes back
   */
  constructor(write: LogWriter | null, seconds: () => number) {
    this.#write = write;
    this.#seconds = seconds;
  }

  opened(): void {
    this.#opened = this.#seconds();
    this.#write?.('[I 0.000000] OPENED\n');
  }

  closed(): void {
    this.#line('I', 'CLOSED');
  }

  received(line: string): void {
    this.#line('R', line);
  }

  sent(line: string): void {
    this.#line('S', line);
  }

  #line(kind: 'I' | 'R' | 'S', text: string): void {
    if (this.#write === null) return;
    this.#write(`[${kind} +${(this.#seconds() - this.#opened).toFixed(6)}] ${text}\n`);
  }
}
