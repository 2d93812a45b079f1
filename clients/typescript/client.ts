/**
 * A QMP client whose commands and events are typed from the daemon's schema.
 *
 *     const client = await QmpClient.connect({ path: '/run/user/1000/viommud/qmp.sock' });
 *     await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
 *     for await (const { event, data } of client.events) console.log(event, data);
 *
 * 64-bit integers are bigints in arguments and results alike, and survive the wire exactly.
 */
import { connect as connectSocket, type NetConnectOpts, type Socket } from 'node:net';
import ndjson from 'ndjson';
import type { CommandMap, CommandName, Empty } from '../../src/generated/types.ts';
import { CommandFailed, ConnectionError, ProtocolError, TimeoutError } from './errors.ts';
import { EventStream, type QmpEvent } from './event-stream.ts';
import { DressIntegers, stringifyExact, undress } from './exact-integers.ts';
import { widenEvent, widenReturn } from './wide-integers.ts';

export interface Greeting {
  readonly QMP: {
    readonly version: { readonly qemu: { major: number; minor: number; micro: number }; readonly package: string };
    readonly capabilities: readonly string[];
  };
}

export interface ConnectOptions {
  /** Milliseconds for the greeting and for every reply, unless a call says otherwise; default 10,000. */
  readonly timeout?: number;
  /** Sees every line as it went over the wire: `out` from us, `in` from the daemon. */
  readonly onLine?: (direction: 'in' | 'out', line: string) => void;
}

export interface ExecuteOptions {
  readonly timeout?: number;
  /** Send it as `exec-oob`: answered at once, before commands that wait. */
  readonly outOfBand?: boolean;
}

interface Pending {
  readonly command: string;
  settle(message: Reply): void;
  fail(error: Error): void;
}

interface Reply {
  readonly id?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

/** Arguments may be left out where the command takes none, or none that it requires. */
type ArgumentsOf<Name extends CommandName> = CommandMap[Name]['arguments'] extends Empty
  ? [args?: CommandMap[Name]['arguments'], options?: ExecuteOptions]
  : Partial<CommandMap[Name]['arguments']> extends CommandMap[Name]['arguments']
    ? [args?: CommandMap[Name]['arguments'], options?: ExecuteOptions]
    : [args: CommandMap[Name]['arguments'], options?: ExecuteOptions];

export class QmpClient {
  readonly events = new EventStream();
  readonly #socket: Socket;
  readonly #timeout: number;
  readonly #onLine: ConnectOptions['onLine'];
  readonly #pending = new Map<number, Pending>();
  #greeting: Greeting | null = null;
  #onGreeting: Pending | null = null;
  #lastId = 0;
  #closed = false;

  private constructor(socket: Socket, options: ConnectOptions) {
    this.#socket = socket;
    this.#timeout = options.timeout ?? 10_000;
    this.#onLine = options.onLine;
    socket
      .pipe(this.#logged())
      .pipe(ndjson.parse())
      .on('data', (message: object) => this.#receive(undress(message) as object))
      .on('error', (error: Error) =>
        this.#end(new ProtocolError('the peer sent a line that is no JSON', { cause: error })),
      );
    socket.on('error', (error) => this.#end(new ConnectionError(error.message, { cause: error })));
    socket.on('close', () => this.#end(new ConnectionError('the connection was closed')));
  }

  /** Connects, reads the greeting and negotiates, with every capability that the peer offers. */
  static async connect(target: NetConnectOpts, options: ConnectOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(connectSocket(target), options);
    try {
      await client.#answer('greeting', client.#timeout, (pending) => {
        client.#onGreeting = pending;
      });
      const enable = client.greeting.QMP.capabilities.includes('oob') ? ['oob' as const] : [];
      await client.execute('qmp_capabilities', { enable });
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  get greeting(): Greeting {
    if (this.#greeting === null) throw new ProtocolError('no greeting has come');
    return this.#greeting;
  }

  /**
   * Sends a command and resolves with what it returns.
   * @throws CommandFailed with the peer's class and sentence, TimeoutError, ConnectionError
   */
  async execute<Name extends CommandName>(
    command: Name,
    ...[args, options = {}]: ArgumentsOf<Name>
  ): Promise<CommandMap[Name]['returns']> {
    const id = ++this.#lastId;
    const request: Record<string, unknown> = { [options.outOfBand === true ? 'exec-oob' : 'execute']: command };
    if (args !== undefined && Object.keys(args).length > 0) request['arguments'] = args;
    request['id'] = id;
    const reply = await this.#answer(command, options.timeout ?? this.#timeout, (pending) => {
      this.#pending.set(id, pending);
      this.sendText(stringifyExact(request));
    }).finally(() => this.#pending.delete(id));
    if (reply.error !== undefined) throw new CommandFailed(command, reply.error.class, reply.error.desc);
    return widenReturn(command, reply.return) as CommandMap[Name]['returns'];
  }

  /** Sends text as it is, with a line end: for what the typed calls cannot say. */
  sendText(text: string): void {
    this.#onLine?.('out', text);
    this.#socket.write(`${text}\r\n`);
  }

  close(): void {
    this.#socket.destroy();
    this.#end(new ConnectionError('the connection was closed by this side'));
  }

  #logged(): DressIntegers {
    const onLine = this.#onLine;
    if (onLine !== undefined) {
      let rest = '';
      this.#socket.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString('latin1')).split('\r\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine('in', line);
      });
    }
    return new DressIntegers();
  }

  #answer(what: string, timeout: number, start: (pending: Pending) => void): Promise<Reply> {
    if (this.#closed) return Promise.reject(new ConnectionError(`${what}: the connection is closed`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new TimeoutError(`${what}: no answer within ${timeout} ms`)), timeout);
      start({
        command: what,
        settle: (message) => {
          clearTimeout(timer);
          resolve(message);
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  #receive(message: object): void {
    if ('QMP' in message) {
      this.#greeting = message as Greeting;
      this.#onGreeting?.settle({});
    } else if ('event' in message) {
      const event = { data: {}, ...message } as QmpEvent;
      widenEvent(event.event, event.data);
      this.events.push(event);
    } else {
      const reply = message as Reply;
      const pending = typeof reply.id === 'number' ? this.#pending.get(reply.id) : undefined;
      // A reply without our id answers text that the caller sent by hand; nobody waits for it here.
      pending?.settle(reply);
    }
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onGreeting?.fail(error);
    for (const pending of this.#pending.values()) pending.fail(error);
    this.#pending.clear();
    this.events.end();
  }
}
