import { Iotlb, type IotlbState } from '../iommu/iotlb.ts';
import type { Permissions } from '../memory/access.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { HostIotlbEntry } from './caches.ts';

/** A translation that a function was given on request and keeps itself. */
export interface DeviceCacheEntry extends HostIotlbEntry {
  /** Id of the page table that it came from: of the nested one, or of the second stage. */
  readonly pageTable: number;
  /** Id of the second stage under that, or of the same. */
  readonly parent: number;
  /** How many of the words that it came from, the first ones, are of the PASID entry. */
  readonly pasidWords: number;
}

/**
 * What an invalidation covers: entries that match every member that is given. `pasid: 'all'` stands for any PASID, but
 * not for none; `first` and `last` are input pages, both inclusive.
 */
export interface DeviceCacheScope {
  readonly pageTable?: number;
  readonly domainId?: number;
  readonly pasid?: number | 'all';
  readonly first?: number;
  readonly last?: number;
}

export interface DeviceCacheState {
  enabled: boolean;
  hits: number;
  misses: number;
  translations: IotlbState;
}

/** In the tag of an entry: a device knows neither page tables nor domain ids, only PASIDs. */
const ONE_TABLE = 0;

/**
 * The address translation cache of one host function (PCI Express Base 5.0, section 10.1): what the IOMMU answered to
 * its translation requests, used without asking again until an invalidation takes it out. It is in use only while
 * address translation services are enabled for the function; whenever that changes it is empty.
 */
export class DeviceCache implements Snapshottable<DeviceCacheState> {
  readonly capacity: number;
  readonly #translations: Iotlb;
  #enabled = false;
  #hits = 0;
  #misses = 0;

  /**
   * @param capacity the most entries, at least 1
   * @param seed picks the entry that a full cache gives up
   */
  constructor(capacity: number, seed: number) {
    this.capacity = capacity;
    this.#translations = new Iotlb({ capacity, seed, keyedByDomain: false });
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Section 10.5.1.3: the cache of a function whose ATS is switched holds nothing. */
  set enabled(on: boolean) {
    if (on === this.#enabled) return;
    this.#enabled = on;
    this.#translations.flush({});
  }

  get size(): number {
    return this.#translations.size;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /**
   * The entry for a page that gives all of `needed`, counted as a hit or a miss: without the right a device asks the
   * IOMMU again.
   */
  lookup(pasid: number, page: number, needed: Permissions): DeviceCacheEntry | null {
    const found = this.peek(pasid, page, needed);
    if (found === null) this.#misses += 1;
    else this.#hits += 1;
    return found;
  }

  /** The same without being counted, for those who only look. */
  peek(pasid: number, page: number, needed: Permissions): DeviceCacheEntry | null {
    const found = this.#translations.peek(ONE_TABLE, 0, pasid, page) as DeviceCacheEntry | null;
    return found !== null && (found.permissions & needed) === needed ? found : null;
  }

  /** Takes in what the IOMMU answered; `pageTable` says out of which table. */
  insert(entry: Omit<DeviceCacheEntry, 'table'>): void {
    this.#translations.insert({ ...entry, table: ONE_TABLE });
  }

  /** By PASID (those without first) and page. */
  entries(): DeviceCacheEntry[] {
    return this.#translations.entries() as DeviceCacheEntry[];
  }

  /** Takes out what the scope covers; returns how many entries that were. */
  flush({ pageTable, domainId, pasid, first, last }: DeviceCacheScope): number {
    return this.drop(
      (entry) =>
        (pageTable === undefined || entry.pageTable === pageTable) &&
        (domainId === undefined || entry.domainId === domainId) &&
        (pasid === undefined || (pasid === 'all' ? entry.pasid >= 0 : entry.pasid === pasid)) &&
        (last === undefined || entry.page <= last) &&
        (first === undefined || entry.page + 2 ** (entry.shift - 12) > first),
    );
  }

  /** Takes out the entries that `condemned` is true for; returns how many. */
  drop(condemned: (entry: DeviceCacheEntry) => boolean): number {
    return this.#translations.drop((entry) => condemned(entry as DeviceCacheEntry));
  }

  save(): DeviceCacheState {
    return {
      enabled: this.#enabled,
      hits: this.#hits,
      misses: this.#misses,
      translations: this.#translations.save(),
    };
  }

  restore(state: DeviceCacheState): void {
    this.#enabled = state.enabled;
    this.#hits = state.hits;
    this.#misses = state.misses;
    this.#translations.restore(state.translations);
  }
}
