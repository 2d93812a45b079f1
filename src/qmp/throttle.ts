/** The clock's part that throttling needs; injected, so that a test need not wait. Delays are in milliseconds. */
export interface Timers {
  set(action: () => void, delay: number): unknown;
  clear(timer: unknown): void;
}

/** Timers of Node that do not keep the process alive. */
export const NODE_TIMERS: Timers = {
  set: (action, delay) => setTimeout(action, delay).unref(),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** How often one kind of event may be sent. */
export interface ThrottleRule {
  /** Milliseconds between two events of the kind. */
  readonly interval: number;
  /** The member of `data` whose value tells independent streams of the kind apart; absent: there is one stream. */
  readonly key?: string;
}

/**
 * QEMU's table (monitor.c, as observed in 7.2): one event a second for each of these, everything else unlimited. It is
 * part of the protocol rather than of a machine, which is why it is whole here.
 */
export const QEMU_THROTTLE_RULES: ReadonlyMap<string, ThrottleRule> = new Map([
  ['RTC_CHANGE', { interval: 1000 }],
  ['WATCHDOG', { interval: 1000 }],
  ['BALLOON_CHANGE', { interval: 1000 }],
  ['QUORUM_REPORT_BAD', { interval: 1000, key: 'node-name' }],
  ['QUORUM_FAILURE', { interval: 1000 }],
  ['VSERPORT_CHANGE', { interval: 1000, key: 'id' }],
  ['MEMORY_DEVICE_SIZE_CHANGE', { interval: 1000, key: 'qom-path' }],
]);

/** What is throttled: an event with its name and data, already stamped with the time at which it happened. */
export interface Throttled {
  readonly name: string;
  readonly data: object | undefined;
}

interface Stream<Event> {
  timer: unknown;
  latest: Event | undefined;
}

/**
 * Limits the rate of some kinds of events. The first of a stream goes out at once; of those that follow within the
 * interval the latest alone is kept and goes out when the interval ends, which starts the next one.
 */
export class Throttle<Event extends Throttled> {
  readonly #rules: ReadonlyMap<string, ThrottleRule>;
  readonly #timers: Timers;
  readonly #send: (event: Event) => void;
  readonly #streams = new Map<string, Stream<Event>>();

  constructor(rules: ReadonlyMap<string, ThrottleRule>, timers: Timers, send: (event: Event) => void) {
    this.#rules = rules;
    this.#timers = timers;
    this.#send = send;
  }

  /** Sends `event` now or later, or drops it in favour of a later one. */
  offer(event: Event): void {
    const rule = this.#rules.get(event.name);
    if (rule === undefined) {
      this.#send(event);
      return;
    }
    const key = streamKey(event, rule);
    const stream = this.#streams.get(key);
    if (stream !== undefined) {
      stream.latest = event;
      return;
    }
    const fresh: Stream<Event> = { timer: undefined, latest: undefined };
    this.#streams.set(key, fresh);
    this.#arm(key, fresh, rule.interval);
    this.#send(event);
  }

  /** Forgets what waits and stops every timer. */
  close(): void {
    for (const stream of this.#streams.values()) this.#timers.clear(stream.timer);
    this.#streams.clear();
  }

  #arm(key: string, stream: Stream<Event>, interval: number): void {
    stream.timer = this.#timers.set(() => {
      const event = stream.latest;
      if (event === undefined) {
        this.#streams.delete(key);
        return;
      }
      stream.latest = undefined;
      this.#arm(key, stream, interval);
      this.#send(event);
    }, interval);
  }
}

function streamKey(event: Throttled, rule: ThrottleRule): string {
  if (rule.key === undefined || event.data === undefined) return event.name;
  const value: unknown = Object.entries(event.data).find(([member]) => member === rule.key)?.[1];
  return `${event.name} ${String(value)}`;
}
