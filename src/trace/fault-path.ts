import type { VirtualClock } from '../core/clock.ts';
import { CommandError } from '../core/errors.ts';
import type { FaultPoints } from './fault-points.ts';
import { HeldBack, type HeldBackState } from './held-back.ts';
import type { Snapshottable } from './snapshot.ts';

export interface FaultPathParts<Step, Result> {
  /** A point whose steps nobody has to wait for. */
  readonly point: 'invalidate' | 'listener' | 'page-response';
  readonly faults: FaultPoints;
  readonly clock: VirtualClock;
  /** Whom the steps are about; null where nobody is. */
  readonly device: () => string | null;
  readonly carryOut: (step: Step) => Result;
}

/**
 * The way that steps of one kind take, where an injected fault can make one fail, get lost, come late or behind the next
 * one. Whoever takes a step hears of a failure; of one that is lost or held back, only that nothing was done.
 */
export class FaultPath<Step, Result> implements Snapshottable<HeldBackState<Step>> {
  readonly #parts: FaultPathParts<Step, Result>;
  readonly #heldBack: HeldBack<Step>;

  constructor(parts: FaultPathParts<Step, Result>) {
    this.#parts = parts;
    this.#heldBack = new HeldBack(parts.clock, (step) => this.#carryOutLate(step));
  }

  /**
   * @returns what carrying the step out gave; null when it was not carried out now
   * @throws CommandError when it fails, by a fault or by itself
   */
  take(step: Step): Result | null {
    const { carryOut, device, faults, point } = this.#parts;
    const hit = faults.reach(point, device() ?? undefined);
    switch (hit?.kind) {
      case 'fail':
        throw new CommandError(hit.desc);
      case 'lose':
        return null;
      case 'delay':
        this.#heldBack.delay(step, hit.nanoseconds);
        return null;
      case 'reorder':
        this.#heldBack.putBack(step);
        return null;
      default: {
        const result = carryOut(step);
        this.#heldBack.passed();
        return result;
      }
    }
  }

  /** What is held back concerns nobody any more. */
  drop(): void {
    this.#heldBack.drop();
  }

  save(): HeldBackState<Step> {
    return this.#heldBack.save();
  }

  restore(state: HeldBackState<Step>): void {
    this.#heldBack.restore(state);
  }

  /** What it was for may be gone by now, and nobody is there to be told. */
  #carryOutLate(step: Step): void {
    try {
      this.#parts.carryOut(step);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
}
