import type { TimerHandle, VirtualClock } from '../core/clock.ts';
import type { Snapshottable } from './snapshot.ts';

export interface HeldBackState<T> {
  /** By their time, in nanoseconds of guest time. */
  late: { at: bigint; step: T }[];
  /** In the order in which they were put back. */
  waiting: T[];
}

/**
 * Steps that an injected fault keeps from being carried out now: late ones wait for guest time to pass, others for the
 * next step of their kind to be over. A step is plain data, so that a saved state can hold it.
 */
export class HeldBack<T> implements Snapshottable<HeldBackState<T>> {
  readonly #clock: VirtualClock;
  readonly #carryOut: (step: T) => void;
  readonly #late = new Map<TimerHandle, T>();
  #waiting: readonly T[] = [];

  /** `carryOut` has nobody to tell of a failure: it does not throw. */
  constructor(clock: VirtualClock, carryOut: (step: T) => void) {
    this.#clock = clock;
    this.#carryOut = carryOut;
  }

  /** Carries `step` out when that much guest time has passed, as an operation of its own. */
  delay(step: T, nanoseconds: bigint): void {
    this.#schedule(step, this.#clock.now + nanoseconds);
  }

  /** Carries `step` out behind the next one. */
  putBack(step: T): void {
    this.#waiting = [...this.#waiting, step];
  }

  /** A step is over: what was put back before it follows. */
  passed(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const step of waiting) this.#carryOut(step);
  }

  /** Nothing that is held back is carried out any more. */
  drop(): void {
    for (const timer of this.#late.keys()) this.#clock.cancel(timer);
    this.#late.clear();
    this.#waiting = [];
  }

  save(): HeldBackState<T> {
    const late = [...this.#late].map(([{ at }, step]) => ({ at, step }));
    return { late: late.sort((one, other) => (one.at < other.at ? -1 : 1)), waiting: [...this.#waiting] };
  }

  restore(state: HeldBackState<T>): void {
    this.drop();
    for (const { at, step } of state.late) this.#schedule(step, at);
    this.#waiting = [...state.waiting];
  }

  #schedule(step: T, at: bigint): void {
    const timer = this.#clock.schedule(at, () => {
      this.#late.delete(timer);
      this.#carryOut(step);
    });
    this.#late.set(timer, step);
  }
}
