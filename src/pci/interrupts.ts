import type { Snapshottable } from '../trace/snapshot.ts';

/** Takes the messages that reach the processors' interrupt range, 0xfee00000 to 0xfeefffff. */
export interface InterruptSink {
  message(address: bigint, data: number): void;
}

/** One message as it reached the interrupt range, after any remapping. */
export interface InterruptMessage {
  readonly address: bigint;
  readonly data: number;
  /** The operation that caused it. */
  readonly operation: number;
}

/** How many messages are kept: enough for a test to look at, whatever a device sends. */
const KEPT = 1024;

export interface InterruptLogState {
  count: number;
  messages: InterruptMessage[];
}

/** There are no processors: the messages that would have interrupted them are kept, the newest last. */
export class InterruptLog implements InterruptSink, Snapshottable<InterruptLogState> {
  readonly #operation: () => number;
  readonly #subscribers = new Set<(message: InterruptMessage) => void>();
  #messages: InterruptMessage[] = [];
  #count = 0;

  /** `operation` tells the number of the operation that is running. */
  constructor(operation: () => number) {
    this.#operation = operation;
  }

  /** The latest ones, at most 1024. */
  get messages(): readonly InterruptMessage[] {
    return this.#messages;
  }

  /** All that ever came. */
  get count(): number {
    return this.#count;
  }

  message(address: bigint, data: number): void {
    const message = { address, data, operation: this.#operation() };
    this.#count += 1;
    this.#messages.push(message);
    if (this.#messages.length > KEPT) this.#messages.shift();
    for (const subscriber of this.#subscribers) subscriber(message);
  }

  /** Calls `subscriber` for every later message; the returned function ends that. */
  subscribe(subscriber: (message: InterruptMessage) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  save(): InterruptLogState {
    return { count: this.#count, messages: [...this.#messages] };
  }

  restore(state: InterruptLogState): void {
    this.#count = state.count;
    this.#messages = [...state.messages];
  }
}
