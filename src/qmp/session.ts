import { CommandError, messageOf } from '../core/errors.ts';
import type { ClientInfo, EventLossEvent, QMPCapability } from '../generated/types.ts';
import { MessageReader } from '../wire/message-reader.ts';
import type { WireOutput, WireValue } from '../wire/values.ts';
import { Call } from './call.ts';
import type { Client } from './commands.ts';
import type { Dispatcher } from './dispatcher.ts';
import { EventFilter, type EventPatterns } from './event-filter.ts';
import type { EventMessage } from './event-message.ts';
import { errorLine, greetingLine, successLine, type Version } from './message.ts';
import { Outbox, type OutputLimits } from './outbox.ts';
import { isOutOfBandRequest, readRequest, requestId } from './request.ts';
import { type Message, ParseFailure, RequestQueue } from './request-queue.ts';
import type { Transport, TransportUser } from './transport.ts';

/** What is a session's own. */
export interface SessionOptions {
  readonly id: number;
  /** Where the client came in, as `query-clients` names it. */
  readonly socket: string;
  readonly pretty: boolean;
  /** What the greeting offers. */
  readonly capabilities: readonly QMPCapability[];
}

/** What all sessions of a server share. */
export interface SessionHost {
  readonly dispatcher: Dispatcher<Call>;
  readonly version: Version;
  readonly limits: OutputLimits;
  /** True once nothing more is to be executed in-band, for the daemon is about to end. */
  readonly stopped: boolean;
  /** Makes the event that tells a client about its lost ones. */
  lossMessage(loss: EventLossEvent): EventMessage;
  /** An exception that is no refusal: a bug, to be written down. */
  internalError(error: unknown, command: string): void;
  /** The session has ended. */
  closed(session: Session): void;
}

/**
 * One client's conversation: greeting, negotiation mode, command mode.
 *
 * In-band commands run one at a time and are answered in the order in which they came, input that is no JSON among
 * them. Without `oob` nothing is read while one runs; with it, reading goes on until eight more wait, and out-of-band
 * commands are run on sight. A command that waits holds back this session alone.
 *
 * At the end of the client's input everything that it sent is still executed and answered, then the connection is
 * closed. (With `oob` QEMU drops what is queued at that moment; nobody can want that.)
 */
export class Session implements Client, TransportUser {
  readonly id: number;
  readonly #host: SessionHost;
  readonly #transport: Transport;
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #reader: MessageReader;
  readonly #queue = new RequestQueue();
  #filter: EventFilter | undefined;
  #negotiated = false;
  #outOfBand = false;
  /** An in-band command waits for its promise. */
  #running = false;
  /** Out-of-band commands that wait for theirs. */
  #runningOutOfBand = 0;
  #inputEnded = false;
  #ended = false;

  /** Greets at once. */
  constructor(host: SessionHost, transport: Transport, options: SessionOptions) {
    this.id = options.id;
    this.#host = host;
    this.#transport = transport;
    this.#options = options;
    this.#outbox = new Outbox(transport, host.limits, options.pretty, (loss) => host.lossMessage(loss));
    this.#reader = new MessageReader({
      value: (value) => this.#accept(value),
      error: (desc) => this.#accept(new ParseFailure(desc)),
    });
    this.#outbox.reply(greetingLine(host.version, options.capabilities, options.pretty));
    this.#outbox.flush();
  }

  /** Whether `qmp_capabilities` has succeeded; events are sent from then on. */
  get negotiated(): boolean {
    return this.#negotiated;
  }

  /** This client's row in `query-clients`. */
  info(): ClientInfo {
    return {
      id: this.id,
      socket: this.#options.socket,
      negotiated: this.#negotiated,
      oob: this.#outOfBand,
      'queued-events': this.#outbox.queuedEvents,
      'lost-events': this.#outbox.lostEvents,
    };
  }

  /** The command `set-event-filter`: from now on this client gets only the events that pass; without patterns, all. */
  setEventFilter(patterns: EventPatterns): void {
    this.#filter = new EventFilter(patterns);
  }

  /**
   * The command `qmp_capabilities`.
   *
   * @throws CommandError when it has succeeded before, or when a capability is not offered here
   */
  negotiate(enable: readonly QMPCapability[]): void {
    if (this.#negotiated) {
      const sentence = 'Capabilities negotiation is already complete, command ignored';
      throw new CommandError(sentence, 'CommandNotFound');
    }
    for (const capability of enable) {
      if (!this.#options.capabilities.includes(capability)) {
        throw new CommandError(`Capability ${capability} not available`);
      }
    }
    this.#outOfBand = enable.includes('oob');
    this.#negotiated = true;
  }

  /** Sends an event, unless the client has not negotiated yet or has filtered it out. */
  sendEvent(event: EventMessage): void {
    if (!this.#negotiated || this.#filter?.passes(event.name) === false) return;
    this.#outbox.event(event);
  }

  /** Sends what waits and closes, whatever the client has asked for; for the daemon's end. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.pause();
    this.#queue.clear();
    this.#outbox.end();
  }

  /** Drops the connection. */
  destroy(): void {
    this.#transport.destroy();
  }

  receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#reader.push(bytes);
    this.#outbox.flush();
    this.#proceed();
  }

  inputEnded(): void {
    this.#inputEnded = true;
    this.#proceed();
  }

  drained(): void {
    if (this.#ended) return;
    this.#outbox.drained();
    this.#proceed();
  }

  closed(): void {
    this.#ended = true;
    this.#queue.clear();
    this.#reader.reset();
    this.#outbox.close();
    this.#host.closed(this);
  }

  /** One message from the reader, in the middle of a chunk of input. */
  #accept(message: Message): void {
    if (!(message instanceof ParseFailure) && isOutOfBandRequest(message)) this.#execute(message, true);
    else if (this.#mayExecute && this.#queue.length === 0) this.#execute(message, false);
    else this.#queue.add(message);
    if (!this.#mayRead) this.#reader.pause();
  }

  get #mayExecute(): boolean {
    return !this.#running && !this.#outbox.congested && !this.#host.stopped;
  }

  get #mayRead(): boolean {
    if (this.#outbox.congested) return false;
    if (this.#outOfBand) return !this.#queue.full;
    return !this.#running && !this.#host.stopped;
  }

  #execute(message: Message, outOfBand: boolean): void {
    if (message instanceof ParseFailure) {
      this.#outbox.reply(errorLine('GenericError', message.desc, undefined, this.#options.pretty));
      return;
    }
    const id = requestId(message);
    const call = new Call(this, this.#host.dispatcher);
    let command = '';
    try {
      const request = readRequest(message, this.#outOfBand);
      command = request.command;
      const result = this.#host.dispatcher.dispatch(request, this.#negotiated, call);
      if (result instanceof Promise) {
        this.#wait(result, call, command, id, outOfBand);
        return;
      }
      this.#succeed(result, id);
    } catch (error) {
      this.#fail(error, command, id);
    }
    this.#conclude(call, command);
  }

  #wait(result: Promise<unknown>, call: Call, command: string, id: WireValue | undefined, outOfBand: boolean): void {
    if (outOfBand) this.#runningOutOfBand += 1;
    else this.#running = true;
    const settle = (reply: () => void): void => {
      if (outOfBand) this.#runningOutOfBand -= 1;
      else this.#running = false;
      reply();
      this.#conclude(call, command);
      this.#outbox.flush();
      this.#proceed();
    };
    result.then(
      (value) =>
        settle(() => {
          try {
            this.#succeed(value, id);
          } catch (error) {
            this.#fail(error, command, id);
          }
        }),
      (error: unknown) => settle(() => this.#fail(error, command, id)),
    );
  }

  #succeed(result: unknown, id: WireValue | undefined): void {
    this.#outbox.reply(successLine(result as WireOutput | undefined, id, this.#options.pretty));
  }

  #fail(error: unknown, command: string, id: WireValue | undefined): void {
    if (!(error instanceof CommandError)) this.#host.internalError(error, command);
    const errorClass = error instanceof CommandError ? error.errorClass : 'GenericError';
    const desc = error instanceof CommandError ? error.message : `Internal error in ${command}: ${messageOf(error)}`;
    this.#outbox.reply(errorLine(errorClass, desc, id, this.#options.pretty));
  }

  #conclude(call: Call, command: string): void {
    try {
      call.replied();
    } catch (error) {
      this.#host.internalError(error, command);
    }
  }

  /**
   * Goes on as far as is possible: first with the requests that wait, then with the bytes that are unread. Called
   * after everything that may have changed what is possible: input, the end of a command, the client's reading.
   */
  #proceed(): void {
    while (!this.#ended) {
      const runs = this.#queue.length > 0 && this.#mayExecute;
      const reads = this.#reader.paused && this.#mayRead;
      if (!runs && !reads) break;
      while (this.#queue.length > 0 && this.#mayExecute) this.#execute(this.#queue.take(), false);
      if (this.#mayRead) this.#reader.resume();
      this.#outbox.flush();
    }
    if (this.#ended) return;
    // Only the write at the end of a piece of input shows that the client has not read enough.
    if (!this.#mayRead) this.#reader.pause();
    if (this.#reader.paused) this.#transport.pauseInput();
    else this.#transport.resumeInput();
    if (this.#inputEnded && this.#isDone) this.end();
  }

  /** Nothing runs, waits or is unread; what is left to be sent `end` sends. */
  get #isDone(): boolean {
    const isIdle = !this.#running && this.#runningOutOfBand === 0 && this.#queue.length === 0;
    return isIdle && !this.#reader.hasUnread && !this.#host.stopped;
  }
}
