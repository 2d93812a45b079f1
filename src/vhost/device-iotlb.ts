import type { Snapshottable } from '../trace/snapshot.ts';
import type { IotlbAccess } from './messages.ts';

/** Where a range of addresses leads, as an UPDATE said, and how the tables stood then. */
export interface IotlbRange {
  readonly iova: bigint;
  /** Inclusive. */
  readonly last: bigint;
  readonly userAddress: bigint;
  readonly access: IotlbAccess;
  /** The rights that the tables gave when it came; an UPDATE always gives both. */
  readonly tableRights: number;
  /** Guest-physical addresses of the 64-bit table words behind it. */
  readonly words: readonly bigint[];
  /** The operation in which it came. */
  readonly operation: number;
  /** The operation in which the vIOMMU told that it goes; 0 as long as it has not. */
  readonly told: number;
}

export interface DeviceIotlbState {
  ranges: IotlbRange[];
  hits: number;
  misses: number;
  evictions: number;
}

/**
 * The cache that vhost answers from: ranges of addresses, kept until an INVALIDATE touches them, whatever becomes of the
 * tables. A full one forgets its oldest range, as the kernel's does. It never reads a table.
 */
export class DeviceIotlb implements Snapshottable<DeviceIotlbState> {
  /** The most ranges. */
  readonly size: number;
  /** In the order in which they came. */
  #ranges: readonly IotlbRange[] = [];
  #hits = 0;
  #misses = 0;
  #evictions = 0;

  constructor(size: number) {
    this.size = size;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** By the order in which they came. */
  get ranges(): readonly IotlbRange[] {
    return this.#ranges;
  }

  /** The range that an address lies in; of several, the one that begins first. Null, a miss, where there is none. */
  lookup(address: bigint): IotlbRange | null {
    let found: IotlbRange | null = null;
    for (const range of this.#ranges) {
      const isInside = range.iova <= address && address <= range.last;
      if (isInside && (found === null || range.iova < found.iova)) found = range;
    }
    if (found === null) this.#misses += 1;
    else this.#hits += 1;
    return found;
  }

  /** Takes a range in, beside those that it overlaps: only an INVALIDATE takes any out. */
  insert(range: IotlbRange): void {
    const kept = this.#ranges.length < this.size ? this.#ranges : this.#ranges.slice(1);
    this.#evictions += this.#ranges.length - kept.length;
    this.#ranges = [...kept, range];
  }

  /** Takes out every range that touches `first` to `last` (inclusive), as a whole. @returns how many */
  invalidate(first: bigint, last: bigint): number {
    const kept = this.#ranges.filter((range) => range.last < first || range.iova > last);
    const dropped = this.#ranges.length - kept.length;
    this.#ranges = kept;
    return dropped;
  }

  /** Notes that the vIOMMU has told of `first` to `last` (inclusive), whether or not an INVALIDATE comes of it. */
  markTold(first: bigint, last: bigint, operation: number): void {
    this.#ranges = this.#ranges.map((range) =>
      range.last < first || range.iova > last ? range : { ...range, told: operation },
    );
  }

  clear(): void {
    this.#ranges = [];
  }

  save(): DeviceIotlbState {
    const [hits, misses, evictions] = [this.#hits, this.#misses, this.#evictions];
    return { ranges: [...this.#ranges], hits, misses, evictions };
  }

  restore(state: DeviceIotlbState): void {
    this.#ranges = [...state.ranges];
    this.#hits = state.hits;
    this.#misses = state.misses;
    this.#evictions = state.evictions;
  }
}
