import type { Snapshottable } from '../trace/snapshot.ts';

export interface RefusalsState {
  readonly refused: { iova: bigint; size: bigint }[];
}

/** Ranges that a container was told to map and could not; sizes in bytes. */
export class Refusals implements Snapshottable<RefusalsState> {
  /** By first address: what is asked for again at the same place takes the place of the earlier. */
  readonly #ranges = new Map<bigint, bigint>();

  add(iova: bigint, size: bigint): void {
    this.#ranges.set(iova, size);
  }

  /** Some range holds all of `size` bytes at `iova`. */
  covers(iova: bigint, size: bigint): boolean {
    for (const [start, length] of this.#ranges) {
      if (start <= iova && start + length >= iova + size) return true;
    }
    return false;
  }

  /** Forgets exactly this range; false where it is none. */
  drop(iova: bigint, size: bigint): boolean {
    return this.#ranges.get(iova) === size && this.#ranges.delete(iova);
  }

  /** Forgets the ranges inside `size` bytes at `iova`. */
  dropWithin(iova: bigint, size: bigint): void {
    for (const [start, length] of this.#ranges) {
      if (start >= iova && start + length <= iova + size) this.#ranges.delete(start);
    }
  }

  save(): RefusalsState {
    return { refused: [...this.#ranges].map(([iova, size]) => ({ iova, size })) };
  }

  restore(state: RefusalsState): void {
    this.#ranges.clear();
    for (const { iova, size } of state.refused) this.#ranges.set(iova, size);
  }
}
