/**
 * A seeded generator of 32-bit numbers (mulberry32), so that replacement in a cache repeats from run to run.
 * `Math.random` is not used in the model.
 */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next unsigned 32-bit number. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** A number from 0 up to but not including `bound`. */
  below(bound: number): number {
    return this.next() % bound;
  }

  save(): { state: number } {
    return { state: this.#state };
  }

  restore(state: { state: number }): void {
    this.#state = state.state;
  }
}
