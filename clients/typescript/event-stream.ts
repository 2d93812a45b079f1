import type { EventMap, EventName } from '../../src/generated/types.ts';
import { TimeoutError } from './errors.ts';

/** An event as it came: its name, its data (`{}` where it has none) and the daemon's wall clock. */
export type QmpEvent = {
  [Name in EventName]: {
    readonly event: Name;
    readonly data: EventMap[Name];
    readonly timestamp: { readonly seconds: number; readonly microseconds: number };
  };
}[EventName];

export type EventOf<Name extends EventName> = Extract<QmpEvent, { event: Name }>;

interface Waiter {
  accepts(event: QmpEvent): boolean;
  settle(event: QmpEvent | null): void;
}

/**
 * The events of one connection, in order. Those that nobody waits for are kept until somebody asks; iteration and
 * `next` take from the same queue, so each event is seen once.
 */
export class EventStream implements AsyncIterable<QmpEvent> {
  readonly #queue: QmpEvent[] = [];
  readonly #waiters: Waiter[] = [];
  #ended = false;

  push(event: QmpEvent): void {
    const index = this.#waiters.findIndex((waiter) => waiter.accepts(event));
    if (index < 0) this.#queue.push(event);
    else this.#waiters.splice(index, 1)[0]!.settle(event);
  }

  /** No more events will come: ends iterations and waits. */
  end(): void {
    this.#ended = true;
    for (const waiter of this.#waiters.splice(0)) waiter.settle(null);
  }

  /** Takes every event that has come and was not asked for. */
  takeAll(): QmpEvent[] {
    return this.#queue.splice(0);
  }

  /**
   * The next event of that name, kept or yet to come; others stay queued.
   * @param timeout milliseconds; TimeoutError when they pass, or when the connection ends first
   */
  next<Name extends EventName>(name: Name, timeout = 10_000): Promise<EventOf<Name>> {
    const accepts = (event: QmpEvent): boolean => event.event === name;
    const kept = this.#queue.findIndex(accepts);
    if (kept >= 0) return Promise.resolve(this.#queue.splice(kept, 1)[0] as EventOf<Name>);
    if (this.#ended) return Promise.reject(new TimeoutError(`no event ${name}: the connection has ended`));
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new TimeoutError(`no event ${name}: ${why}`));
      const waiter: Waiter = {
        accepts,
        settle: (event) => {
          clearTimeout(timer);
          if (event === null) fail('the connection ended');
          else resolve(event as EventOf<Name>);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        fail(`waited ${timeout} ms`);
      }, timeout);
      this.#waiters.push(waiter);
    });
  }

  /** Every event from the oldest kept one on, until the connection ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<QmpEvent, void, undefined> {
    for (;;) {
      const event = this.#queue.shift() ?? (await this.#any());
      if (event === null) return;
      yield event;
    }
  }

  #any(): Promise<QmpEvent | null> {
    if (this.#ended) return Promise.resolve(null);
    return new Promise((settle) => this.#waiters.push({ accepts: () => true, settle }));
  }
}
