import type { Snapshottable } from '../../trace/snapshot.ts';

/** What one map request made. Addresses are bytes, `start` and `last` inclusive. */
export interface IoMapping {
  readonly start: bigint;
  readonly last: bigint;
  /** Guest-physical, of the first byte. */
  readonly physical: bigint;
  /** Bits of the request: read, write, MMIO. */
  readonly flags: number;
}

/**
 * The mappings of one domain. They never overlap, so that an address has one at most. QEMU takes one whose last address
 * lies in front of its first: it is kept, translates nothing and goes with an unmap around it.
 */
export class MappingTable implements Snapshottable<IoMapping[]> {
  /** By ascending first address. */
  #mappings: IoMapping[] = [];

  get size(): number {
    return this.#mappings.length;
  }

  /** By ascending first address. */
  entries(): readonly IoMapping[] {
    return this.#mappings;
  }

  /** Those that are not all in front of `address`, by ascending first address. */
  *from(address: bigint): Generator<IoMapping> {
    const around = this.indexIn(address, address);
    for (let index = around < 0 ? this.#firstFrom(address) : around; index < this.#mappings.length; index++) {
      yield this.#mappings[index]!;
    }
  }

  /** Where in {@link entries} the mapping with some address of the range lies, the highest one; -1: none has. */
  indexIn(start: bigint, last: bigint): number {
    let index = this.#firstFrom(last + 1n) - 1;
    while (index >= 0 && isEmpty(this.#mappings[index]!)) index -= 1;
    return index >= 0 && this.#mappings[index]!.last >= start ? index : -1;
  }

  /** The mapping of an address; null: none. */
  find(address: bigint): IoMapping | null {
    return this.#mappings[this.indexIn(address, address)] ?? null;
  }

  /** The range must hold no mapping. */
  add(mapping: IoMapping): void {
    this.#mappings.splice(this.#firstFrom(mapping.start), 0, mapping);
  }

  /**
   * Takes away what lies in the range, from the lowest on, up to a mapping that lies in it only in part.
   * @returns what went, and whether such a mapping ended it
   */
  removeIn(start: bigint, last: bigint): { removed: IoMapping[]; cut: boolean } {
    const removed: IoMapping[] = [];
    const from = this.#firstFrom(start);
    if (start > 0n && this.indexIn(start - 1n, start - 1n) >= 0 && this.find(start - 1n)!.last >= start) {
      return { removed, cut: true };
    }
    let to = from;
    let cut = false;
    for (; to < this.#mappings.length && this.#mappings[to]!.start <= last; to++) {
      cut = this.#mappings[to]!.last > last;
      if (cut) break;
      removed.push(this.#mappings[to]!);
    }
    this.#mappings.splice(from, to - from);
    return { removed, cut };
  }

  save(): IoMapping[] {
    return this.#mappings.map((mapping) => ({ ...mapping }));
  }

  restore(state: readonly IoMapping[]): void {
    this.#mappings = state.map((mapping) => ({ ...mapping }));
  }

  /** Index of the first mapping that begins at `address` or behind it. */
  #firstFrom(address: bigint): number {
    let low = 0;
    let high = this.#mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#mappings[middle]!.start < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Its last address lies in front of its first. */
export function isEmpty({ start, last }: Pick<IoMapping, 'start' | 'last'>): boolean {
  return last < start;
}
