import type { AtsEntry } from '../pci/ats.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

interface CachedPage extends AtsEntry {
  /** Null: for requests without PASID. */
  readonly pasid: number | null;
}

export interface DeviceTlbState {
  pages: CachedPage[];
  hits: number;
  misses: number;
}

/**
 * A device's own cache of translations that the IOMMU gave it on request (PCI Express Base 5.0, section 10.1.2). What
 * is in it is used without asking again, until an invalidation takes it out. The oldest entry makes room.
 */
export class DeviceTlb implements Snapshottable<DeviceTlbState> {
  readonly size: number;
  /** In the order in which they came. */
  #pages: readonly CachedPage[] = [];
  #hits = 0;
  #misses = 0;

  /** @param size the most entries */
  constructor(size: number) {
    this.size = size;
  }

  get entries(): number {
    return this.#pages.length;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** The entry for an address with at least these rights; null, a miss, where there is none. */
  lookup(pasid: number | null, address: bigint, permissions: number): AtsEntry | null {
    const found = this.#pages.find(
      (page) => covers(page, pasid, address, 1n) && (page.permissions & permissions) === permissions,
    );
    if (found === undefined) this.#misses += 1;
    else this.#hits += 1;
    return found ?? null;
  }

  /** Takes an entry in, in place of those that it covers. */
  insert(pasid: number | null, entry: AtsEntry): void {
    this.drop(pasid, entry.iova, entry.size);
    this.#pages = [...this.#pages, { ...entry, pasid }].slice(-this.size);
  }

  /** Takes out what touches the range. */
  drop(pasid: number | null, address: bigint, size: bigint): void {
    this.#pages = this.#pages.filter((page) => !covers(page, pasid, address, size));
  }

  clear(): void {
    this.#pages = [];
  }

  save(): DeviceTlbState {
    return { pages: [...this.#pages], hits: this.#hits, misses: this.#misses };
  }

  restore(state: DeviceTlbState): void {
    this.#pages = [...state.pages];
    this.#hits = state.hits;
    this.#misses = state.misses;
  }
}

function covers(page: CachedPage, pasid: number | null, address: bigint, size: bigint): boolean {
  return page.pasid === pasid && page.iova < address + size && address < page.iova + page.size;
}
