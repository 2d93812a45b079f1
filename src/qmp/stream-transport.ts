import type { Readable, Writable } from 'node:stream';
import type { Transport, TransportUser } from './transport.ts';

/** How a pair of streams differs from a socket. */
export interface StreamTransportOptions {
  /** The streams are one socket, on which a write shows whether the peer has closed. */
  readonly probe: boolean;
  /**
   * The output is never closed, as one must not with standard output, and the end of the input does not end the
   * conversation: events go on.
   */
  readonly keepOutput?: boolean;
}

/** Characters up to which a write goes out as a string where it can go at once. */
const SHORT_TEXT = 4096;

/** Bytes that Node reads from a socket at once. */
const FULL_READ = 64 * 1024;

/** A client behind two Node streams: both halves of a socket (opened with `allowHalfOpen`), or stdin and stdout. */
export class StreamTransport implements Transport {
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #options: StreamTransportOptions;
  #user: TransportUser | undefined;
  #inputPaused = false;
  #closed = false;
  /** One function for all writes. */
  readonly #written = (error?: Error | null): void => {
    if (!error && !this.#closed) this.#user?.drained();
  };

  constructor(input: Readable, output: Writable, options: StreamTransportOptions) {
    this.#input = input;
    this.#output = output;
    this.#options = options;
  }

  /** Starts to deliver to `user`. Call once. */
  open(user: TransportUser): void {
    this.#user = user;
    this.#input.on('data', (bytes: Uint8Array) => {
      if (this.#closed) return;
      if (this.#hungUp()) {
        this.destroy();
        return;
      }
      user.receive(bytes);
      if (bytes.length >= FULL_READ) this.#yield();
    });
    this.#input.on('end', () => {
      if (!this.#closed && this.#options.keepOutput !== true) user.inputEnded();
    });
    // An error always ends in 'close', where it is dealt with; it must be listened to all the same.
    this.#input.on('error', () => this.destroy());
    this.#output.on('error', () => this.destroy());
    this.#output.on('close', () => this.#close());
  }

  get unsent(): number {
    return this.#output.writableLength;
  }

  write(text: string): void {
    if (this.#closed || !this.#output.writable) return;
    // Text that has to wait, or is long, waits as bytes: as a string it would be thousands of pieces, which the garbage
    // collector carries along for as long as the client does not read, and which are put together a second time then.
    const waits = this.#output.writableLength > 0 || text.length > SHORT_TEXT;
    this.#output.write(waits ? Buffer.from(text, 'latin1') : text, 'latin1', this.#written);
  }

  pauseInput(): void {
    if (this.#inputPaused) return;
    this.#inputPaused = true;
    this.#input.pause();
  }

  resumeInput(): void {
    if (!this.#inputPaused) return;
    this.#inputPaused = false;
    this.#input.resume();
  }

  end(): void {
    if (this.#closed) return;
    if (this.#options.keepOutput === true) {
      this.#close();
    } else {
      // What still comes in is read and dropped: closing a socket with unread input would reset the connection.
      this.#input.resume();
      this.#output.end(() => this.destroy());
    }
  }

  destroy(): void {
    if (this.#closed) return;
    if (this.#options.keepOutput !== true) {
      this.#input.destroy();
      this.#output.destroy();
    }
    this.#close();
  }

  /**
   * Lets others have their turn after a full read: libuv would read from a client that floods us dozens of times in a
   * row, and everyone else would wait for all of it.
   */
  #yield(): void {
    this.#input.pause();
    setImmediate(() => {
      if (!this.#inputPaused && !this.#closed) this.#input.resume();
    });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.pause();
    this.#user?.closed();
  }

  /**
   * Whether the client has closed its socket altogether. QEMU sees a hang-up before it sees what was sent ahead of it,
   * and throws that away; reading alone cannot tell a closed socket from a half-closed one, whose requests have to be
   * answered. Linux refuses even an empty write to the former, and Node knows that at once.
   */
  #hungUp(): boolean {
    if (!this.#options.probe || this.#output.writableLength > 0 || !this.#output.writable) return false;
    this.#output.write('', 'latin1');
    return this.#output.errored !== null;
  }
}
