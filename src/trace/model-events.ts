import type { OperationCounter } from '../core/operation.ts';
import type { EventMap, ModelEventName } from '../generated/types.ts';
import type { Snapshottable } from './snapshot.ts';

/** The members that an emitter gives; sequence and operation are added here. */
export type ModelEventData<Name extends ModelEventName> = Omit<EventMap[Name], 'sequence' | 'operation'>;

/** One event of the model, complete. */
export type ModelEvent = {
  [Name in ModelEventName]: { readonly name: Name; readonly data: EventMap[Name] };
}[ModelEventName];

export type ModelEventSubscriber = (event: ModelEvent) => void;

/** An emitter that merges what belongs together. */
export interface HeldEvents {
  /** Of several that are released together, the lower one speaks first: causes before effects. */
  readonly rank: number;
  /** Emits what was held, and holds nothing then. */
  release(): void;
}

/**
 * The one place through which the model speaks. Each event gets the next sequence number (from 1, gapless over the
 * life of the daemon) and the number of the operation that caused it.
 */
export class ModelEvents implements Snapshottable<{ sequence: number }> {
  readonly #operations: OperationCounter;
  readonly #subscribers: ModelEventSubscriber[] = [];
  readonly #followers: ModelEventSubscriber[] = [];
  readonly #held = new Set<HeldEvents>();
  #sequence = 0;

  constructor(operations: OperationCounter) {
    this.#operations = operations;
    operations.onEnd(() => this.#release());
  }

  /** The number of the operation that is running; 0 while the machine is being built. */
  get operation(): number {
    return this.#operations.current;
  }

  /** The sequence number of the latest event; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * Keeps a run that is still growing: `held` is released before the next event of anybody, and at the latest when the
   * operation ends. Outside operations that is at once.
   */
  hold(held: HeldEvents): void {
    this.#held.add(held);
    if (this.#operations.current === 0) this.#release();
  }

  emit<Name extends ModelEventName>(name: Name, data: ModelEventData<Name>): void {
    this.#release();
    this.#sequence += 1;
    const complete = { ...data, sequence: this.#sequence, operation: this.#operations.current };
    const event = { name, data: complete } as unknown as ModelEvent;
    for (const subscriber of this.#subscribers) subscriber(event);
    for (const follower of this.#followers) follower(event);
  }

  /** Calls `follower` for every later event once all subscribers have it: whatever it causes is told behind the event. */
  follow(follower: ModelEventSubscriber): void {
    this.#followers.push(follower);
  }

  /** Calls `subscriber` for every later event; the returned function ends that. */
  subscribe(subscriber: ModelEventSubscriber): () => void {
    this.#subscribers.push(subscriber);
    return () => {
      const index = this.#subscribers.indexOf(subscriber);
      if (index >= 0) this.#subscribers.splice(index, 1);
    };
  }

  /** By rank; what a release emits finds nothing held in front of itself. */
  #release(): void {
    if (this.#held.size === 0) return;
    const held = [...this.#held].sort((a, b) => a.rank - b.rank);
    this.#held.clear();
    for (const one of held) one.release();
  }

  save(): { sequence: number } {
    return { sequence: this.#sequence };
  }

  restore(state: { sequence: number }): void {
    this.#sequence = state.sequence;
  }
}
