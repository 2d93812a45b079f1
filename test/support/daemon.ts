import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '../../clients/typescript/client.ts';

const executable = join(import.meta.dirname, '../../dist/main.js');

/** A daemon of a test's own, with a socket in a folder of its own. */
export class TestDaemon {
  readonly process: ChildProcess;
  readonly folder: string;
  readonly path: string;
  readonly ended: Promise<number | null>;
  #output = '';

  private constructor(folder: string, args: readonly string[]) {
    this.folder = folder;
    this.path = join(folder, 'qmp.sock');
    this.process = spawn(process.execPath, [executable, ...args.map((arg) => arg.replaceAll('DIR/', `${folder}/`))], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => this.process.once('close', (code) => resolve(code)));
  }

  /** What it printed so far, on both outputs. */
  get output(): string {
    return this.#output;
  }

  /** Starts with `args` (`DIR/` stands for the test's folder) and a QMP socket at `path`; waits until it listens. */
  static async start(args: readonly string[] = []): Promise<TestDaemon> {
    if (!existsSync(executable)) throw new Error('dist/main.js is missing: run `make build` first');
    const folder = mkdtempSync(join(tmpdir(), 'viommud-test-'));
    const daemon = new TestDaemon(folder, [...args, '-qmp', 'unix:DIR/qmp.sock,server=on,wait=off']);
    for (let tries = 0; !existsSync(daemon.path); tries += 1) {
      if (daemon.process.exitCode !== null || tries > 1000) {
        const { output } = daemon;
        await daemon.stop();
        throw new Error(`the daemon did not start: ${output}`);
      }
      await sleep(10);
    }
    return daemon;
  }

  client(): Promise<QmpClient> {
    return persistently(() => QmpClient.connect({ path: this.path }));
  }

  /** A bare connection, for tests about bytes. */
  async connection(): Promise<RawConnection> {
    const socket = await persistently(async () => {
      const candidate = connect({ path: this.path, allowHalfOpen: true });
      await new Promise<void>((resolve, reject) => {
        candidate.once('connect', () => resolve());
        candidate.once('error', reject);
      });
      return candidate;
    });
    return new RawConnection(socket);
  }

  async stop(): Promise<number | null> {
    if (this.process.exitCode === null) this.process.kill('SIGTERM');
    const code = await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}

/** A socket is in its folder before it listens, and refuses connections for that moment. */
async function persistently<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const refused = error instanceof Error && /ECONNREFUSED/.test(`${error.message} ${String(error.cause)}`);
      if (!refused || tries >= 100) throw error;
      await sleep(10);
    }
  }
}

/** Bytes to and from the daemon, without any help. */
export class RawConnection {
  readonly socket: Socket;
  received = '';
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      this.received += chunk;
    });
    const close = (): void => {
      this.closed = true;
    };
    socket.on('end', close);
    socket.on('close', close);
    socket.on('error', close);
  }

  send(bytes: string): void {
    this.socket.write(Buffer.from(bytes, 'latin1'));
  }

  /** Waits until `count` lines have come (all that ever came), and returns them without their line ends. */
  async lines(count: number, timeout = 10_000): Promise<string[]> {
    for (let waited = 0; ; waited += 5) {
      const lines = this.received.split('\r\n').slice(0, -1);
      if (lines.length >= count) return lines;
      if (this.closed || waited > timeout) {
        throw new Error(
          `${lines.length} lines of ${count} came${this.closed ? ' before the end' : ''}: ${this.received}`,
        );
      }
      await sleep(5);
    }
  }

  /** Waits for the daemon to close its side. */
  async end(timeout = 10_000): Promise<string> {
    for (let waited = 0; !this.closed; waited += 5) {
      if (waited > timeout) throw new Error(`the connection stayed open; received: ${this.received}`);
      await sleep(5);
    }
    return this.received;
  }
}
