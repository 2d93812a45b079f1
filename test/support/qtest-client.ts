import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const executable = join(import.meta.dirname, '../../dist/main.js');

/** A socket that the daemon connects to, read line by line. */
class Peer {
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #rest = '';
  #wake: (() => void) | null = null;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      const parts = (this.#rest + text).split('\n');
      this.#rest = parts.pop()!;
      this.#lines.push(...parts);
      this.#wake?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on('close', end);
    socket.on('error', end);
  }

  send(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  async line(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line.replace(/\r$/, '');
      if (this.#ended) throw new Error('the daemon closed the connection');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

async function listen(path: string): Promise<{ server: Server; peer: Promise<Peer> }> {
  const server = createServer();
  const peer = new Promise<Peer>((resolve) => server.once('connection', (socket) => resolve(new Peer(socket))));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { server, peer };
}

/** A daemon started as QEMU's test library starts a QEMU: it connects to two sockets, one for qtest, one for QMP. */
export class QtestClient {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #qtest: Peer;
  readonly #qmp: Peer;
  /** `IRQ raise N` and `IRQ lower N` as they came. */
  readonly interrupts: string[] = [];

  private constructor(parts: { process: ChildProcess; folder: string; qtest: Peer; qmp: Peer }) {
    this.#process = parts.process;
    this.#folder = parts.folder;
    this.#qtest = parts.qtest;
    this.#qmp = parts.qmp;
  }

  static async start(args: readonly string[]): Promise<QtestClient> {
    const folder = mkdtempSync(join(tmpdir(), 'viommud-qtest-'));
    const [qtestPath, qmpPath] = [join(folder, 'qtest.sock'), join(folder, 'qmp.sock')];
    const [qtest, qmp] = [await listen(qtestPath), await listen(qmpPath)];
    const child = spawn(
      process.execPath,
      [
        executable,
        ...['-qtest', `unix:${qtestPath}`, '-qtest-log', '/dev/null'],
        ...['-chardev', `socket,path=${qmpPath},id=char0`, '-mon', 'chardev=char0,mode=control'],
        ...['-display', 'none', '-audio', 'none', ...args, '-accel', 'qtest'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const died = new Promise<never>((_resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}: ${output}`)));
    });
    died.catch(() => {});
    try {
      const [first, second] = await Promise.race([Promise.all([qtest.peer, qmp.peer]), died]);
      const client = new QtestClient({ process: child, folder, qtest: first, qmp: second });
      await client.#negotiate();
      return client;
    } catch (error) {
      child.kill();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    } finally {
      qtest.server.close();
      qmp.server.close();
    }
  }

  /** Sends a line and returns its answer; what interrupts do meanwhile is kept. */
  async command(line: string): Promise<string> {
    this.#qtest.send(`${line}\n`);
    for (;;) {
      const answer = await this.#qtest.line();
      if (!answer.startsWith('IRQ ')) return answer;
      this.interrupts.push(answer);
    }
  }

  /** As `command`, for those that answer OK. @returns what follows it */
  async ok(line: string): Promise<string> {
    const answer = await this.command(line);
    if (answer !== 'OK' && !answer.startsWith('OK ')) throw new Error(`${line}: ${answer}`);
    return answer.slice(3);
  }

  async read(address: bigint, size: 4 | 8): Promise<bigint> {
    return BigInt(await this.ok(`read${size === 4 ? 'l' : 'q'} 0x${address.toString(16)}`));
  }

  async write(address: bigint, size: 4 | 8, value: bigint): Promise<void> {
    await this.ok(`write${size === 4 ? 'l' : 'q'} 0x${address.toString(16)} 0x${value.toString(16)}`);
  }

  /** Gives the first BAR of a function of bus 0 its address, and switches memory decoding and bus mastering on. */
  async enableDevice(devfn: number, bar: bigint): Promise<void> {
    const select = (register: number): Promise<string> =>
      this.ok(`outl 0xcf8 0x${(0x8000_0000 + (devfn << 8) + register).toString(16)}`);
    await select(0x10);
    await this.ok(`outl 0xcfc 0x${bar.toString(16)}`);
    await select(0x04);
    await this.ok('outw 0xcfc 0x6');
  }

  /** Executes a QMP command. @returns the names of the events that came before its reply */
  async qmp(execute: string): Promise<string[]> {
    this.#qmp.send(`${JSON.stringify({ execute })}\r\n`);
    const events: string[] = [];
    for (;;) {
      const message = JSON.parse(await this.#qmp.line()) as { event?: string; error?: { desc: string } };
      if (message.error !== undefined) throw new Error(`${execute}: ${message.error.desc}`);
      if (message.event === undefined) return events;
      events.push(message.event);
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('close', resolve));
    if (this.#process.exitCode === null) this.#process.kill('SIGTERM');
    else this.#process.emit('close');
    await ended;
    this.#qtest.destroy();
    this.#qmp.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #negotiate(): Promise<void> {
    const greeting = JSON.parse(await this.#qmp.line()) as { QMP?: unknown };
    if (greeting.QMP === undefined) throw new Error('the monitor did not greet');
    await this.qmp('qmp_capabilities');
  }
}
