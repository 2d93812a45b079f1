import { Arguments } from './arguments.ts';
import { findCommand, TRANSFER_LIMIT } from './commands.ts';
import { LineFramer } from './line-framer.ts';
import type { QtestLog } from './log.ts';
import { Refusal } from './refusal.ts';
import type { QtestTarget } from './target.ts';

/** The longest line: a `write` of the largest block, with room for its other words. */
const LINE_LIMIT = 2 * TRANSFER_LIMIT + 1024;

export interface QtestSessionOptions {
  readonly target: QtestTarget;
  /** Takes an answer or an interrupt's line, its line end included; one character a byte. */
  readonly send: (text: string) => void;
  readonly log: QtestLog;
  /** Told of an error that is a bug of this program; the client is answered and served on. */
  readonly onInternalError: (error: unknown, line: string) => void;
}

/**
 * One conversation in QEMU's qtest protocol: a command a line, one answer each. A line that QEMU would end its process
 * for (a missing word, something that is no number, a port above 0xffff, an empty line) is answered with `FAIL` and a
 * sentence. Two more liberties: words may stand apart by several spaces, and a line may end in CR LF.
 */
export class QtestSession {
  readonly #options: QtestSessionOptions;
  readonly #framer: LineFramer;

  constructor(options: QtestSessionOptions) {
    this.#options = options;
    const tooLong = `FAIL the line is longer than ${LINE_LIMIT} bytes; split the block`;
    this.#framer = new LineFramer(
      { line: (text) => this.#execute(text), tooLong: () => this.#send(tooLong) },
      LINE_LIMIT,
    );
    options.log.opened();
  }

  /** Takes the next bytes from the client; answers every line that they complete. */
  push(bytes: Uint8Array): void {
    this.#framer.push(bytes);
  }

  /** The client has gone. */
  close(): void {
    this.#options.target.releaseInterrupts();
    this.#options.log.closed();
  }

  #execute(text: string): void {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text;
    this.#options.log.received(line);
    const [name = '', ...words] = line.split(' ');
    try {
      this.#send(this.#answer(name, new Arguments(name, words.filter(Boolean))));
    } catch (error) {
      if (!(error instanceof Refusal)) this.#options.onInternalError(error, line);
      this.#send(error instanceof Refusal ? `FAIL ${error.message}` : `FAIL internal error in ${name}`);
    }
  }

  #answer(name: string, words: Arguments): string {
    const { target } = this.#options;
    const command = findCommand(name, target.virtualTime);
    if (command === null) return `FAIL Unknown command '${name}'`;
    const run = (): string =>
      command.run(words, {
        target,
        tellInterrupt: (line, raised) => this.#send(`IRQ ${raised ? 'raise' : 'lower'} ${line}`),
      });
    return command.clock === true ? run() : target.operation(run);
  }

  #send(line: string): void {
    this.#options.log.sent(line);
    this.#options.send(`${line}\n`);
  }
}
