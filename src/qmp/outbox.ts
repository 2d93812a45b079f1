import type { EventLossEvent } from '../generated/types.ts';
import type { EventMessage } from './event-message.ts';
import { EventQueue, type EventQueueLimits } from './event-queue.ts';
import type { Transport } from './transport.ts';

/** How much output may pile up for one client, in characters (all output is ASCII, so also in bytes). */
export interface OutputLimits extends EventQueueLimits {
  /** Unsent replies beyond which the client is not read from until it has read. Exceeded by at most one reply. */
  readonly unreadReplies: number;
  /** Unsent output beyond which events go to the queue instead of to the transport. */
  readonly directEvents: number;
}

/**
 * Generous on purpose. QEMU reads on however much is unread, and clients rely on it: one that writes a hundred
 * thousand commands before it reads the first reply must not find us waiting for it.
 */
export const DEFAULT_OUTPUT_LIMITS: OutputLimits = {
  unreadReplies: 16 * 1024 * 1024,
  directEvents: 256 * 1024,
  queuedEvents: 16_384,
  queuedEventText: 8 * 1024 * 1024,
};

/** Text is handed to the transport when this much has been collected, or at the end of the turn. */
const WRITE_SIZE = 64 * 1024;

/**
 * One client's output. Collects what one piece of input brings about into a single write, puts replies and events in
 * order, and knows when the client is too slow: for events (they are queued, at last dropped) and for replies (the
 * session stops reading).
 */
export class Outbox {
  readonly #transport: Transport;
  readonly #limits: OutputLimits;
  readonly #pretty: boolean;
  readonly #queue: EventQueue;
  readonly #flushSoon = (): void => {
    this.#scheduled = false;
    this.flush();
  };
  #text = '';
  #scheduled = false;
  #congested = false;
  #closed = false;

  /** @param lossMessage makes the event that reports lost events */
  constructor(
    transport: Transport,
    limits: OutputLimits,
    pretty: boolean,
    lossMessage: (loss: EventLossEvent) => EventMessage,
  ) {
    this.#transport = transport;
    this.#limits = limits;
    this.#pretty = pretty;
    this.#queue = new EventQueue(limits, pretty, lossMessage);
  }

  /** True while so many replies are unread that the client is not to be read from. */
  get congested(): boolean {
    return this.#congested;
  }

  /** Events that wait for this client. */
  get queuedEvents(): number {
    return this.#queue.events;
  }

  /** Events that this client has lost since it connected. */
  get lostEvents(): number {
    return this.#queue.lostTotal;
  }

  /** Sends a reply, behind what waits already. */
  reply(line: string): void {
    if (this.#closed) return;
    if (this.#queue.empty) this.#append(line);
    else this.#queue.addReply(line);
    if (this.#queue.replyText > this.#limits.unreadReplies) this.#congested = true;
  }

  /** Sends an event, or queues it, or counts it as lost. */
  event(event: EventMessage): void {
    if (this.#closed) return;
    // What is collected may only be waiting for the end of the turn; a client that reads takes it at once.
    if (this.#queue.empty && !this.#takesEvents()) this.flush();
    if (this.#queue.empty && this.#takesEvents()) this.#append(event.line(this.#pretty));
    else this.#queue.offer(event);
  }

  /** Hands the collected text to the transport; done by itself at the end of the turn. */
  flush(): void {
    if (this.#text === '' || this.#closed) return;
    const text = this.#text;
    this.#text = '';
    this.#transport.write(text);
    this.#measure();
  }

  /** The client has read something: sends more of what waits. */
  drained(): void {
    if (this.#closed) return;
    while (!this.#queue.empty && this.#takesEvents()) {
      this.#append(this.#queue.take() ?? '');
      if (!this.#takesEvents()) this.flush();
    }
    this.flush();
    this.#measure();
  }

  /** Sends everything that waits, whatever the limits, and ends the connection's output. */
  end(): void {
    if (this.#closed) return;
    for (let line = this.#queue.take(); line !== undefined; line = this.#queue.take()) this.#append(line);
    this.flush();
    this.#closed = true;
    this.#transport.end();
  }

  /** The connection is gone: forgets everything. */
  close(): void {
    this.#closed = true;
    this.#congested = false;
    this.#text = '';
    this.#queue.clear();
  }

  #takesEvents(): boolean {
    return this.#transport.unsent + this.#text.length <= this.#limits.directEvents;
  }

  #append(line: string): void {
    this.#text += line;
    if (this.#text.length >= WRITE_SIZE) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(this.#flushSoon);
    }
  }

  #measure(): void {
    this.#congested = this.#transport.unsent + this.#queue.replyText > this.#limits.unreadReplies;
  }
}
