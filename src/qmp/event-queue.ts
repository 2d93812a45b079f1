import type { EventLossEvent } from '../generated/types.ts';
import type { EventMessage } from './event-message.ts';

/** How much may wait for one client. */
export interface EventQueueLimits {
  /** Events that may wait. */
  readonly queuedEvents: number;
  /** Characters of text that these events may have together; a single longer one fits into an empty queue. */
  readonly queuedEventText: number;
}

type Entry = EventMessage | string;

/**
 * What waits for a client that reads too slowly, in the order in which it shall be sent. Events are bounded: one that
 * does not fit is counted and dropped, and the count goes out as `EVENT_LOSS` before the next event that fits. The
 * newest is dropped and not the oldest, so that the loss has one place in the stream and its sequences no gaps.
 * Replies (strings) that come while events wait queue up behind them, are never dropped, and do not count.
 */
export class EventQueue {
  readonly #limits: EventQueueLimits;
  readonly #pretty: boolean;
  readonly #lossMessage: (loss: EventLossEvent) => EventMessage;
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #events = 0;
  #eventText = 0;
  #replyText = 0;
  #lostTotal = 0;
  #loss: EventLossEvent | undefined;

  /** @param lossMessage makes the event that reports a loss */
  constructor(limits: EventQueueLimits, pretty: boolean, lossMessage: (loss: EventLossEvent) => EventMessage) {
    this.#limits = limits;
    this.#pretty = pretty;
    this.#lossMessage = lossMessage;
  }

  /** True when nothing waits, not even the report of a loss. */
  get empty(): boolean {
    return this.#head === this.#entries.length && this.#loss === undefined;
  }

  /** Events that wait. */
  get events(): number {
    return this.#events;
  }

  /** Events dropped since the connection began. */
  get lostTotal(): number {
    return this.#lostTotal;
  }

  /** Characters of the replies that wait. */
  get replyText(): number {
    return this.#replyText;
  }

  /** Queues a reply. */
  addReply(text: string): void {
    this.#replyText += text.length;
    this.#entries.push(text);
  }

  /** Queues an event, or counts it as lost. */
  offer(event: EventMessage): void {
    const size = event.line(this.#pretty).length;
    const { queuedEvents, queuedEventText } = this.#limits;
    if (this.#events >= queuedEvents || (this.#events > 0 && this.#eventText + size > queuedEventText)) {
      this.#lose(event);
      return;
    }
    this.#reportLoss();
    this.#addEvent(event, size);
  }

  /** Takes the line that is to be sent next; undefined when nothing waits. */
  take(): string | undefined {
    if (this.#head === this.#entries.length) this.#reportLoss();
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#entries[this.#head++] = undefined;
    if (this.#head === this.#entries.length || this.#head >= 1024) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    if (typeof entry === 'string') {
      this.#replyText -= entry.length;
      return entry;
    }
    const line = entry.line(this.#pretty);
    this.#events -= 1;
    this.#eventText -= line.length;
    return line;
  }

  /** Forgets everything that waits. */
  clear(): void {
    this.#entries = [];
    this.#head = this.#events = this.#eventText = this.#replyText = 0;
    this.#loss = undefined;
  }

  #lose(event: EventMessage): void {
    this.#lostTotal += 1;
    this.#loss ??= { lost: 0 };
    this.#loss.lost += 1;
    const { sequence } = event;
    if (sequence === undefined) return;
    this.#loss.from ??= sequence;
    this.#loss.to = sequence;
  }

  #reportLoss(): void {
    if (this.#loss === undefined) return;
    const message = this.#lossMessage(this.#loss);
    this.#loss = undefined;
    this.#addEvent(message, message.line(this.#pretty).length);
  }

  #addEvent(event: EventMessage, size: number): void {
    this.#events += 1;
    this.#eventText += size;
    this.#entries.push(event);
  }
}
