import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const executable = join(import.meta.dirname, '../../dist/main.js');

/** A reply or an event, as it came. */
export interface Message {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: Record<string, unknown>;
  readonly QMP?: unknown;
}

async function listen(path: string): Promise<Server> {
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  return server;
}

/** The daemon as QEMU's libqtest starts QEMU: it listens, and the program connects to both sockets. */
export class LibqtestLaunch {
  readonly greeting: Message;
  /** Events in the order of their coming. */
  readonly events: Message[] = [];
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #sockets: readonly Socket[];
  readonly #messages: AsyncGenerator<Message, void>;

  private constructor(
    child: ChildProcess,
    folder: string,
    sockets: readonly Socket[],
    messages: AsyncGenerator<Message, void>,
    greeting: Message,
  ) {
    this.#process = child;
    this.#folder = folder;
    this.#sockets = sockets;
    this.#messages = messages;
    this.greeting = greeting;
  }

  /** Starts with `args` behind libqtest's own; the handshake is done. */
  static async start(args: readonly string[]): Promise<LibqtestLaunch> {
    const folder = mkdtempSync(join(tmpdir(), 'viommud-qtest-'));
    const paths = ['qtest', 'qmp'].map((name) => join(folder, name));
    const servers = await Promise.all(paths.map(listen));
    const connected = servers.map(async (server) => {
      const [socket] = (await once(server, 'connection')) as [Socket];
      return socket;
    });
    const child = spawn(
      process.execPath,
      [
        ...[executable, '-qtest', `unix:${paths[0]}`, '-qtest-log', '/dev/null'],
        ...['-chardev', `socket,path=${paths[1]},id=char0`, '-mon', 'chardev=char0,mode=control'],
        ...['-display', 'none', ...args, '-accel', 'qtest'],
      ],
      { stdio: 'ignore' },
    );
    const sockets = await Promise.all(connected);
    for (const server of servers) server.close();
    const messages = readMessages(sockets[1]!);
    const { value: greeting } = (await messages.next()) as { value: Message };
    const launch = new LibqtestLaunch(child, folder, sockets, messages, greeting);
    await launch.execute('qmp_capabilities');
    return launch;
  }

  /** Sends a command as libqtest does, without a line end, and waits for its reply. */
  async execute(name: string, args?: Record<string, unknown>): Promise<Message> {
    this.#sockets[1]!.write(JSON.stringify({ execute: name, ...(args && { arguments: args }) }));
    for (;;) {
      const message = await this.#next();
      if (message.event === undefined) return message;
    }
  }

  /** The `return` of a command that has to succeed. */
  async result<Value>(name: string, args?: Record<string, unknown>): Promise<Value> {
    const reply = await this.execute(name, args);
    if (!('return' in reply)) throw new Error(`${name} ${JSON.stringify(args)}: ${JSON.stringify(reply)}`);
    return reply.return as Value;
  }

  /** Waits for an event of that name. */
  async event(name: string): Promise<Message> {
    for (;;) {
      const at = this.events.findIndex(({ event }) => event === name);
      if (at >= 0) return this.events.splice(at, 1)[0]!;
      await this.#next();
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#process.kill('SIGTERM');
    if (this.#process.exitCode === null) await once(this.#process, 'close');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #next(): Promise<Message> {
    const { value, done } = await this.#messages.next();
    if (done === true) throw new Error('the daemon closed the monitor');
    if (value.event !== undefined) this.events.push(value);
    return value;
  }
}

async function* readMessages(socket: Socket): AsyncGenerator<Message, void> {
  let text = '';
  for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    const lines = text.split('\r\n');
    text = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as Message;
  }
}
