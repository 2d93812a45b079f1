import type { ModelEvent, ModelEvents } from './model-events.ts';
import type { Snapshottable } from './snapshot.ts';

/** The wall clock: seconds since 1970 and the microseconds of that second, 0 to 999999. */
export interface WallTime {
  readonly seconds: number;
  readonly microseconds: number;
}

/** An event of the model, with the time at which it was sent. */
export interface LoggedEvent {
  readonly event: ModelEvent;
  readonly timestamp: WallTime;
}

export interface EventPage {
  readonly events: readonly LoggedEvent[];
  /** Where to go on: the sequence number behind the last one given, or, with nothing left, behind the latest. */
  readonly next: number;
  /** Events from the wanted one on are held no more. */
  readonly lost: boolean;
}

export interface EventLogOptions {
  /** Gives each event its time stamp; the model itself never looks at the wall clock. */
  readonly now: () => WallTime;
  /** How many events are held, from 1. */
  readonly size?: number;
}

/** How many events are held unless told otherwise: some hundred bytes each. */
const EVENT_LOG_SIZE = 65_536;

export interface EventLogState {
  /** Oldest first. */
  readonly events: LoggedEvent[];
}

/**
 * The latest events of the model, so that a tool that attaches late misses nothing. Bounded: the oldest make room. What
 * is sent to clients comes from here, so that the log and the wire carry the same time stamps.
 */
export class EventLog implements Snapshottable<EventLogState> {
  readonly size: number;
  readonly #source: ModelEvents;
  readonly #now: () => WallTime;
  readonly #subscribers: ((logged: LoggedEvent) => void)[] = [];
  /** A ring: the event with sequence number n lies at n modulo the size. */
  readonly #ring: LoggedEvent[] = [];
  /** Sequence number of the oldest one held; with none, of the next one to come. */
  #first: number;

  constructor(source: ModelEvents, { now, size = EVENT_LOG_SIZE }: EventLogOptions) {
    this.size = size;
    this.#source = source;
    this.#now = now;
    this.#first = source.sequence + 1;
    source.subscribe((event) => this.#append({ event, timestamp: this.#now() }));
  }

  /** Calls `subscriber` with every later event. */
  subscribe(subscriber: (logged: LoggedEvent) => void): void {
    this.#subscribers.push(subscriber);
  }

  /**
   * At most `limit` events, the first wanted one being `since` (inclusive; sequences start at 1; absent: the oldest one
   * held). Both from 1; `since` may lie behind the latest event: then there are none yet.
   */
  read(since: number = this.#first, limit: number = this.size): EventPage {
    const { sequence } = this.#source;
    const first = Math.max(since, this.#first);
    const end = Math.min(sequence + 1, first + limit);
    const events: LoggedEvent[] = [];
    for (let at = first; at < end; at++) events.push(this.#ring[at % this.size]!);
    return { events, next: Math.max(end, first), lost: since < this.#first };
  }

  save(): EventLogState {
    return { events: [...this.read().events] };
  }

  /** The events' source has been restored before. */
  restore(state: EventLogState): void {
    this.#ring.length = 0;
    const held = state.events.slice(-this.size);
    this.#first = this.#source.sequence + 1 - held.length;
    for (const logged of held) this.#ring[logged.event.data.sequence % this.size] = logged;
  }

  #append(logged: LoggedEvent): void {
    const { sequence } = logged.event.data;
    this.#ring[sequence % this.size] = logged;
    this.#first = Math.max(this.#first, sequence + 1 - this.size);
    for (const subscriber of this.#subscribers) subscriber(logged);
  }
}
