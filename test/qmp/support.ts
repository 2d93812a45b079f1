import { CommandError } from '../../src/core/errors.ts';
import type { CommandContext, Handlers } from '../../src/qmp/commands.ts';
import type { ProtocolSchema } from '../../src/qmp/protocol-commands.ts';
import { QmpServer, type QmpServerOptions } from '../../src/qmp/server.ts';
import type { Timers } from '../../src/qmp/throttle.ts';
import type { Transport, TransportUser } from '../../src/qmp/transport.ts';
import type { WireObject } from '../../src/wire/values.ts';

/** The version that the recordings were made with. */
const RECORDED_VERSION = { qemu: { micro: 22, minor: 2, major: 7 }, package: 'Debian 1:7.2+dfsg-7+deb12u18+b3' };

/** A client in memory: what it sends is delivered at once unless the session holds its input back. */
export class TestClient implements Transport {
  ended = false;
  destroyed = false;
  inputPaused = false;
  /** While true the client reads nothing: what is written to it stays unsent. */
  reading = true;
  unsent = 0;
  #user: TransportUser | undefined;
  #output = '';
  #input: Uint8Array[] = [];
  #inputEnded = false;

  open(user: TransportUser): void {
    this.#user = user;
  }

  write(text: string): void {
    this.#output += text;
    if (!this.reading) this.unsent += text.length;
  }

  pauseInput(): void {
    this.inputPaused = true;
  }

  resumeInput(): void {
    this.inputPaused = false;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#user?.closed();
  }

  /** Sends text (as UTF-8) or bytes. */
  send(input: string | Uint8Array): void {
    this.#input.push(typeof input === 'string' ? Buffer.from(input) : input);
    this.#deliver();
  }

  /** Sends one request. */
  execute(command: string, id?: unknown, args?: object): void {
    this.send(JSON.stringify({ execute: command, arguments: args, id }));
  }

  /** Shuts down the sending side. */
  halfClose(): void {
    this.#inputEnded = true;
    this.#deliver();
  }

  /** Reads what is unsent, and what comes after it, until there is no more. */
  read(): void {
    do {
      this.unsent = 0;
      this.#user?.drained();
      this.#deliver();
    } while (this.unsent > 0);
  }

  /** What came in since the last call, as text. */
  takeText(): string {
    const text = this.#output;
    this.#output = '';
    return text;
  }

  /** What came in since the last call, one value a line, without time stamps; waits for what is under way. */
  async take(): Promise<unknown[]> {
    await new Promise(setImmediate);
    this.#deliver();
    await new Promise(setImmediate);
    const lines = this.takeText().split('\r\n');
    if (lines.pop() !== '') throw new Error('the output does not end with CRLF');
    return lines.map(withoutTimestamp);
  }

  #deliver(): void {
    while (!this.inputPaused && this.#input.length > 0) this.#user?.receive(this.#input.shift() ?? new Uint8Array());
    if (this.#inputEnded && this.#input.length === 0) {
      this.#inputEnded = false;
      this.#user?.inputEnded();
    }
  }
}

function withoutTimestamp(line: string): unknown {
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null && 'timestamp' in value) delete value.timestamp;
  return value;
}

/** A machine with just enough commands for the protocol's rules, and one that waits until it is told to go on. */
export class TestMachine {
  running = false;
  started = false;
  /** Commands in the order in which they were executed. */
  readonly executed: string[] = [];
  readonly internalErrors: unknown[] = [];
  readonly server: QmpServer;
  readonly #waiting: ((error?: Error) => void)[] = [];

  constructor(options: Partial<QmpServerOptions> = {}) {
    let microseconds = 0;
    this.server = new QmpServer({
      handlers: this.#handlers() as unknown as Handlers,
      schema: TEST_SCHEMA,
      version: RECORDED_VERSION,
      now: () => ({ seconds: 1, microseconds: microseconds++ }),
      onInternalError: (error) => this.internalErrors.push(error),
      ...options,
    });
  }

  /** A new client, its greeting unread. */
  connect(options: { pretty?: boolean } = {}): TestClient {
    const client = new TestClient();
    client.open(this.server.accept(client, 'memory', options));
    return client;
  }

  /** A new client that has negotiated, with or without out-of-band execution. */
  negotiated(enable?: ['oob']): TestClient {
    const client = this.connect();
    client.send(JSON.stringify({ execute: 'qmp_capabilities', arguments: enable && { enable } }));
    client.takeText();
    return client;
  }

  /** Lets the oldest `wait` end, with an error if one is given. */
  release(error?: Error): void {
    this.#waiting.shift()?.(error);
  }

  #handlers(): Record<string, (args: WireObject, context: CommandContext) => unknown> {
    const log = (name: string): void => {
      this.executed.push(name);
    };
    return {
      'query-status': () => {
        log('query-status');
        const status = this.running ? 'running' : this.started ? 'paused' : 'prelaunch';
        return { status, singlestep: false, running: this.running };
      },
      'query-name': () => {
        log('query-name');
      },
      'query-version': () => RECORDED_VERSION,
      stop: () => {
        log('stop');
        if (this.running) this.server.emit('STOP');
        this.running = false;
      },
      cont: () => {
        log('cont');
        if (!this.running) this.server.emit('RESUME');
        this.running = this.started = true;
      },
      quit: (_args, context) => {
        log('quit');
        this.server.stopDispatch();
        this.server.emit('SHUTDOWN', { guest: false, reason: 'host-qmp-quit' });
        context.afterReply(() => void this.server.close());
      },
      'migrate-pause': () => {
        throw new CommandError('migrate-pause is currently only supported during postcopy-active state');
      },
      'migrate-recover': () => {
        throw new CommandError('Migrate recover can only be run when postcopy is paused.');
      },
      yank: (args) => {
        if (Array.isArray(args['instances']) && args['instances'].length > 0) {
          throw new CommandError('Instance not found', 'DeviceNotFound');
        }
      },
      'query-yank': () => [],
      wait: () => {
        log('wait');
        return new Promise<void>((resolve, reject) => {
          this.#waiting.push((error) => {
            if (error) reject(error);
            else resolve();
          });
        });
      },
      bug: () => {
        throw new TypeError('undefined is not a function');
      },
      unsendable: () => ({ value: () => 1 }),
      device_del: (_args, context) => {
        context.afterReply(() => this.server.emit('DEVICE_DELETED', { path: '/machine/x' }));
      },
      batch: (_args, context) => context.prepare('query-status', undefined)(),
      echo: (args) => {
        log('echo');
        return args;
      },
    };
  }
}

/** Parameters of the test commands: name and expected type, a `?` behind an optional one. */
const PARAMETERS: Record<string, Record<string, string>> = {
  qmp_capabilities: { enable: 'array?' },
  'migrate-recover': { uri: 'string' },
  yank: { instances: 'array' },
  'query-status': {},
  quit: {},
};

const OUT_OF_BAND = ['migrate-pause', 'migrate-recover', 'yank', 'query-yank', 'query-clients'];

/** As much validation as the recordings of the protocol's own rules need. */
const TEST_SCHEMA: ProtocolSchema = {
  validate(command, args = {}) {
    const parameters = PARAMETERS[command];
    if (parameters === undefined) return args;
    for (const [name, kind] of Object.entries(parameters)) {
      const value = args[name];
      const type = kind.replace('?', '');
      if (value === undefined && kind === type) throw new CommandError(`Parameter '${name}' is missing`);
      if (value === undefined) continue;
      if (type === 'array' ? !Array.isArray(value) : typeof value !== type) {
        throw new CommandError(`Invalid parameter type for '${name}', expected: ${type}`);
      }
    }
    const enable = args['enable'];
    if (Array.isArray(enable)) checkCapabilities(enable);
    const extra = Object.keys(args).find((name) => !(name in parameters));
    if (extra !== undefined) throw new CommandError(`Parameter '${extra}' is unexpected`);
    return args;
  },
  isOutOfBand: (command) => OUT_OF_BAND.includes(command),
  isAllowedInPreconfig: () => false,
  queryCommands: () => [{ name: 'query-commands' }],
  queryQmpSchema: () => [{ name: '0', 'meta-type': 'object', members: [] }],
};

function checkCapabilities(enable: readonly unknown[]): void {
  enable.forEach((capability, index) => {
    if (typeof capability !== 'string') {
      throw new CommandError(`Invalid parameter type for 'enable[${index}]', expected: string`);
    }
    if (capability !== 'oob') throw new CommandError(`Parameter 'null' does not accept value '${capability}'`);
  });
}

/** Timers that move when they are told to. */
export class TestTimers implements Timers {
  #now = 0;
  #pending: { at: number; action: () => void }[] = [];

  set(action: () => void, delay: number): unknown {
    const timer = { at: this.#now + delay, action };
    this.#pending.push(timer);
    return timer;
  }

  clear(timer: unknown): void {
    this.#pending = this.#pending.filter((pending) => pending !== timer);
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Lets `milliseconds` pass. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const due = this.#pending.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = due.at;
      this.clear(due);
      due.action();
    }
    this.#now = end;
  }
}
