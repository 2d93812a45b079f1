import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { ClientInfo, EventLossEvent, EventName, QMPCapability } from '../generated/types.ts';
import { Call } from './call.ts';
import type { Handlers } from './commands.ts';
import { type AnyHandler, Dispatcher } from './dispatcher.ts';
import { type Endpoint, type EndpointOptions, endpointName } from './endpoint.ts';
import { EventMessage } from './event-message.ts';
import { connectTo, Listener } from './listener.ts';
import type { Timestamp, Version } from './message.ts';
import { DEFAULT_OUTPUT_LIMITS, type OutputLimits } from './outbox.ts';
import { type ProtocolSchema, protocolHandlers } from './protocol-commands.ts';
import { Session, type SessionHost } from './session.ts';
import { StreamTransport } from './stream-transport.ts';
import { NODE_TIMERS, QEMU_THROTTLE_RULES, Throttle, type ThrottleRule, type Timers } from './throttle.ts';
import type { Transport, TransportUser } from './transport.ts';

/** What a server is made of; everything but handlers, schema, version and clock has a default. */
export interface QmpServerOptions {
  readonly handlers: Handlers;
  readonly schema: ProtocolSchema;
  /** For the greeting. */
  readonly version: Version;
  /** The wall clock, for the time stamps of events. */
  readonly now: () => Timestamp;
  readonly timers?: Timers;
  readonly throttle?: ReadonlyMap<string, ThrottleRule>;
  readonly limits?: Partial<OutputLimits>;
  readonly capabilities?: readonly QMPCapability[];
  /** Whether the machine waits for `x-exit-preconfig`; without it, it never does. */
  readonly inPreconfig?: () => boolean;
  /** Told about exceptions that are bugs, and about errors of listening sockets; `where` is a command or a socket. */
  readonly onInternalError?: (error: unknown, where: string) => void;
}

/** The two streams of a client on the terminal or a pipe; `process` is one. */
export interface StandardStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
}

/** Milliseconds that clients have to take what is left for them when the server closes. */
const CLOSE_GRACE = 1000;

/**
 * The QMP side of the daemon: any number of endpoints, any number of clients on each, one session a client; replies to
 * the asker alone, events to all that have negotiated.
 */
export class QmpServer {
  readonly #host: SessionHost;
  readonly #now: () => Timestamp;
  readonly #timers: Timers;
  readonly #capabilities: readonly QMPCapability[];
  readonly #onInternalError: (error: unknown, where: string) => void;
  readonly #throttle: Throttle<EventMessage>;
  readonly #sessions = new Set<Session>();
  readonly #listeners = new Set<Listener>();
  #lastId = 0;
  #stopped = false;
  #onEmpty: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: QmpServerOptions) {
    this.#now = options.now;
    this.#timers = options.timers ?? NODE_TIMERS;
    this.#capabilities = options.capabilities ?? ['oob'];
    this.#onInternalError = options.onInternalError ?? (() => {});
    this.#throttle = new Throttle(options.throttle ?? QEMU_THROTTLE_RULES, this.#timers, (event) => this.#send(event));
    const handlers = new Map<string, AnyHandler<Call>>([
      ...Object.entries(options.handlers),
      ...protocolHandlers(options.schema, () => this.clients()),
    ]);
    const isStopped = (): boolean => this.#stopped;
    this.#host = {
      dispatcher: new Dispatcher(options.schema, handlers, options.inPreconfig),
      version: options.version,
      limits: { ...DEFAULT_OUTPUT_LIMITS, ...options.limits },
      get stopped() {
        return isStopped();
      },
      lossMessage: (loss: EventLossEvent) => new EventMessage('EVENT_LOSS', loss, this.#now()),
      internalError: (error, command) => this.#onInternalError(error, command),
      closed: (session) => this.#forget(session),
    };
  }

  /**
   * Listens on an endpoint.
   *
   * @throws EndpointError with QEMU's sentence
   */
  async listen(endpoint: Endpoint, options: EndpointOptions = {}): Promise<Listener> {
    const name = endpointName(endpoint);
    const listener: Listener = await Listener.open(
      endpoint,
      (socket) => this.#serve(socket, name, options),
      (error) => this.#onInternalError(error, name),
    );
    this.#listeners.add(listener);
    return listener;
  }

  /**
   * Connects to someone who listens, and serves them.
   *
   * @returns the socket, for those who want to know when it closes
   * @throws EndpointError with QEMU's sentence
   */
  async connect(endpoint: Endpoint, options: EndpointOptions = {}): Promise<Socket> {
    const socket = await connectTo(endpoint);
    this.#serve(socket, endpointName(endpoint), options);
    return socket;
  }

  /** Serves one client on standard input and output. When it ends its input, events go on, as they do in QEMU. */
  serveStandardStreams(options: EndpointOptions = {}, streams: StandardStreams = process): void {
    const transport = new StreamTransport(streams.stdin, streams.stdout, { probe: false, keepOutput: true });
    transport.open(this.accept(transport, 'stdio', options));
  }

  /**
   * Greets a client that is already connected.
   *
   * @param socket how `query-clients` shall name its endpoint
   * @returns what the transport has to call
   */
  accept(transport: Transport, socket: string, options: EndpointOptions = {}): TransportUser {
    this.#lastId += 1;
    const session = new Session(this.#host, transport, {
      id: this.#lastId,
      socket,
      pretty: options.pretty ?? false,
      capabilities: this.#capabilities,
    });
    this.#sessions.add(session);
    return session;
  }

  /**
   * Sends an event to every client that has negotiated and wants it, all with the same time stamp; by default now. A model event
   * is known by its member `sequence`, which is what a client that loses it is told.
   */
  emit(event: EventName, data?: object, timestamp: Timestamp = this.#now()): void {
    this.#throttle.offer(new EventMessage(event, data, timestamp));
  }

  /** The clients, in the order in which they came. */
  clients(): ClientInfo[] {
    return [...this.#sessions].map((session) => session.info());
  }

  /** From now on no in-band command of any client is executed or answered: what `quit` does first. Cannot be undone. */
  stopDispatch(): void {
    this.#stopped = true;
  }

  /**
   * Ends everything: stops dispatch, removes the socket files at once, sends what waits for the clients and closes
   * their connections. Settled when the last one is closed, which takes at most a second; asked for twice, it ends once.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.stopDispatch();
    this.#throttle.close();
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
    for (const session of this.#sessions) session.end();
    if (this.#sessions.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#timers.set(() => {
        for (const session of this.#sessions) session.destroy();
      }, CLOSE_GRACE);
      this.#onEmpty = () => {
        this.#timers.clear(timer);
        resolve();
      };
    });
  }

  #serve(socket: Socket, name: string, options: EndpointOptions): void {
    const transport = new StreamTransport(socket, socket, { probe: true });
    transport.open(this.accept(transport, name, options));
  }

  #send(event: EventMessage): void {
    for (const session of this.#sessions) session.sendEvent(event);
  }

  #forget(session: Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }
}
