import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Bytes to and from the daemon, without any help. */
export class RawConnection {
  readonly socket: Socket;
  readonly #changes = new EventEmitter();
  #received = '';
  #closed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.#received += chunk;
      this.#changes.emit('change');
    });
    const close = (): void => {
      this.#closed = true;
      this.#changes.emit('change');
    };
    for (const end of ['end', 'close', 'error']) socket.on(end, close);
  }

  static async open(path: string): Promise<RawConnection> {
    const socket = connect({ path, allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** All that ever came. */
  get received(): string {
    return this.#received;
  }

  send(bytes: string): void {
    this.socket.write(Buffer.from(bytes, 'latin1'));
  }

  /** Waits until `count` lines have come (all that ever came), and returns them without their line ends. */
  async lines(count: number, timeout = 10_000): Promise<string[]> {
    const lines = (): string[] => this.#received.split('\r\n').slice(0, -1);
    await this.#until(() => this.#closed || lines().length >= count, timeout);
    const came = lines();
    if (came.length >= count) return came;
    throw new Error(`${came.length} lines of ${count} came${this.#closed ? ' before the end' : ''}: ${this.#received}`);
  }

  /** Waits for the daemon to close its side; returns all that came. */
  async end(timeout = 10_000): Promise<string> {
    await this.#until(() => this.#closed, timeout);
    if (!this.#closed) throw new Error(`the connection stayed open; received: ${this.#received}`);
    return this.#received;
  }

  /** Waits until `reached`, or for `timeout` milliseconds. */
  async #until(reached: () => boolean, timeout: number): Promise<void> {
    const signal = AbortSignal.timeout(timeout);
    while (!reached() && !signal.aborted) await once(this.#changes, 'change', { signal }).catch(() => undefined);
  }
}
