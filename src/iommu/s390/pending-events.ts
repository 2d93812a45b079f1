import type { Snapshottable } from '../../trace/snapshot.ts';

/** What the channel subsystem has to tell of a function (store event information, notification type 2). */
export interface PendingEvent {
  /** 1: an error; 2: it came, went or shall go. */
  readonly content: 1 | 2;
  /** PEC: an error's code, or what became of the function. */
  readonly code: number;
  readonly handle: number;
  readonly fid: number;
  /** Of an error: the address that met it, else 0. */
  readonly address: bigint;
}

/** Codes of availability events. */
export const Availability = {
  configured: 0x0301,
  deconfigureRequest: 0x0303,
  reserved: 0x0308,
} as const;

/** Events that nobody fetches go from here on, the oldest first. */
const MOST_EVENTS = 1024;

/** Events in the order in which they came, until the guest fetches them one by one. */
export class PendingEvents implements Snapshottable<PendingEvent[]> {
  #events: PendingEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  add(event: PendingEvent): void {
    this.#events.push(event);
    if (this.#events.length > MOST_EVENTS) this.#events.shift();
  }

  /** The oldest one, which is gone then; null without any. */
  take(): PendingEvent | null {
    return this.#events.shift() ?? null;
  }

  clear(): void {
    this.#events = [];
  }

  save(): PendingEvent[] {
    return this.#events.map((event) => ({ ...event }));
  }

  restore(state: readonly PendingEvent[]): void {
    this.#events = state.map((event) => ({ ...event }));
  }
}
