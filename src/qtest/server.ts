import type { Duplex } from 'node:stream';
import { type LogWriter, QtestLog } from './log.ts';
import { QtestSession } from './session.ts';
import type { QtestTarget } from './target.ts';

/** So many bytes of answers may wait for a client before nothing more is read from it. */
const UNREAD_LIMIT = 16 * 1024 * 1024;

export interface QtestServerOptions {
  readonly target: QtestTarget;
  /** Where the conversation is recorded; null for nowhere. */
  readonly logWriter: LogWriter | null;
  /** Seconds of a clock that never goes back, for the record. */
  readonly seconds: () => number;
  readonly onInternalError: (error: unknown, line: string) => void;
}

/** Serves the qtest protocol on streams, one client at a time: whoever comes meanwhile waits for the end of the other. */
export class QtestServer {
  readonly #options: QtestServerOptions;
  readonly #waiting: Duplex[] = [];
  #current: Duplex | null = null;

  constructor(options: QtestServerOptions) {
    this.#options = options;
  }

  /** Serves a client, at once or when its turn comes. */
  serve(stream: Duplex): void {
    // What goes wrong on a connection ends it; `close` follows and is what counts.
    stream.on('error', () => {});
    if (this.#current !== null) this.#waiting.push(stream);
    else this.#begin(stream);
  }

  /** Ends every conversation. */
  close(): void {
    for (const stream of this.#waiting.splice(0)) stream.destroy();
    this.#current?.destroy();
  }

  #begin(stream: Duplex): void {
    this.#current = stream;
    const { target, logWriter, seconds, onInternalError } = this.#options;
    const session = new QtestSession({
      target,
      send: (text) => void stream.write(text, 'latin1'),
      log: new QtestLog(logWriter, seconds),
      onInternalError,
    });
    stream.on('data', (bytes: Buffer) => {
      stream.cork();
      session.push(bytes);
      stream.uncork();
      if (stream.writableLength > UNREAD_LIMIT) stream.pause();
    });
    stream.on('drain', () => stream.resume());
    stream.on('end', () => stream.end());
    stream.once('close', () => {
      session.close();
      this.#current = null;
      this.#next();
    });
  }

  #next(): void {
    const stream = this.#waiting.shift();
    if (stream === undefined) return;
    if (stream.destroyed) this.#next();
    else this.#begin(stream);
  }
}
