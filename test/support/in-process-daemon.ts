import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { QmpClient } from '../../clients/typescript/client.ts';
import { runDaemon } from '../../src/daemon/start.ts';
import { parseOptions } from '../../src/options/parse.ts';
import { RawConnection } from './raw-connection.ts';

/**
 * The daemon in the test's process: a machine and a socket of its own, everything from the command line on but the
 * executable. It starts in milliseconds, so that each of many short tests can have a fresh one.
 */
export class InProcessDaemon {
  readonly #folder: string;
  readonly #path: string;
  readonly #ended: Promise<number>;

  private constructor(folder: string, args: readonly string[]) {
    this.#folder = folder;
    this.#path = join(folder, 'qmp.sock');
    this.#ended = runDaemon(parseOptions([...args, '-qmp', `unix:${this.#path},server=on,wait=off`]), '0');
  }

  /** @throws CommandError as the daemon's start */
  static async start(args: readonly string[] = []): Promise<InProcessDaemon> {
    const folder = mkdtempSync(join(tmpdir(), 'viommud-test-'));
    const daemon = new InProcessDaemon(folder, args);
    const ended = daemon.#ended.then(() => true);
    while (!existsSync(daemon.#path)) {
      if (await Promise.race([nextTurn(false), ended])) throw new Error('the daemon ended before it listened');
    }
    return daemon;
  }

  connection(): Promise<RawConnection> {
    return RawConnection.open(this.#path);
  }

  client(): Promise<QmpClient> {
    return QmpClient.connect({ path: this.#path });
  }

  /** Ends it by `quit`, unless the test has done that; returns the exit status. */
  async stop(): Promise<number> {
    if (existsSync(this.#path)) {
      const connection = await this.connection();
      connection.send('{"execute": "qmp_capabilities"}{"execute": "quit"}');
    }
    const status = await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
    return status;
  }
}
