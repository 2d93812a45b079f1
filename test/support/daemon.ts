import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { QmpClient } from '../../clients/typescript/client.ts';
import { RawConnection } from './raw-connection.ts';

const executable = join(import.meta.dirname, '../../dist/main.js');

/** The daemon as a user starts it, a process of the test's own with a socket in a folder of its own. */
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
    return QmpClient.connect({ path: this.path });
  }

  /** A bare connection, for tests about bytes. */
  connection(): Promise<RawConnection> {
    return RawConnection.open(this.path);
  }

  async stop(): Promise<number | null> {
    if (this.process.exitCode === null) this.process.kill('SIGTERM');
    const code = await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}
