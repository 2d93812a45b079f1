import { SeededRandom } from '../core/random.ts';
import { Iotlb, type IotlbEntry, type IotlbState, type TableEntry } from '../iommu/iotlb.ts';
import type { PasidTable } from '../memory/iommu-object.ts';
import { type CacheStatistics, FixedCache, type FixedCacheState } from './fixed-cache.ts';
import type { HostIommuSettings } from './options.ts';
import type { HostPageTable } from './page-table.ts';
import type { PasidEntry } from './pasid-entry.ts';

/** A guest's PASID table nested over a second stage. Its id tags what the caches hold of it. */
export interface NestedTable {
  readonly id: number;
  readonly table: PasidTable;
  readonly stage: HostPageTable;
}

/** What the host's context entry of one function says. */
export interface ContextEntry {
  readonly requester: number;
  readonly stage: HostPageTable;
  /** Null: requests with PASID are blocked. */
  readonly nested: NestedTable | null;
}

/**
 * A translation in the host's IOTLB. `table` in its tag is the id of the nested table, or of the second stage for
 * requests without PASID: so equal domain ids of two guests' tables never mix.
 */
export interface HostIotlbEntry extends IotlbEntry {
  /** The first guest-physical page behind it. */
  readonly guestPage: number;
  /** The first-stage top table and number of levels that it was walked from. */
  root: number;
  levels: number;
  dirty: boolean;
  derivedFrom: readonly TableEntry[];
  /** The state of all watched tables in which it was last seen to agree with them; -1: never looked. */
  verifiedAt: number;
  /** Serial of the PASID entry with which it agreed then. */
  verifiedWith: number;
}

export interface HostCachesState {
  /** Requesters that have a context entry: the entries themselves follow from what their functions are attached to. */
  context: FixedCacheState<null>;
  pasid: FixedCacheState<PasidEntry>;
  iotlb: IotlbState;
  random: { state: number };
}

/** The domain id of second-stage entries: the host manages those, no guest domain is behind them. */
export const HOST_DOMAIN = 0;

const overlaps = (page: number, count: number, start: number, end: number): boolean =>
  page < end && page + count > start;

/**
 * What the host IOMMU keeps. Entries stay, whatever becomes of the guest's tables, until they are dropped; the host
 * kernel drops those that its own changes concern.
 */
export class HostCaches {
  readonly context: FixedCache<ContextEntry>;
  readonly pasid: FixedCache<PasidEntry>;
  readonly #iotlb: Iotlb;
  readonly #random: SeededRandom;

  constructor(settings: HostIommuSettings) {
    this.#random = new SeededRandom(settings.seed);
    this.context = new FixedCache('context', settings.contextCacheSize, this.#random);
    this.pasid = new FixedCache('pasid', settings.pasidCacheSize, this.#random);
    this.#iotlb = new Iotlb({ capacity: settings.iotlbSize, seed: settings.seed });
  }

  /** The key of a function's PASID in the PASID cache: PASIDs have 20 bits, requesters 32. */
  pasidKey(requester: number, pasid: number): number {
    return requester * 2 ** 20 + pasid;
  }

  /** The IOTLB entry that serves a page, counted as hit or miss. */
  lookup(table: number, domainId: number, pasid: number, page: number): HostIotlbEntry | null {
    return this.#iotlb.lookup(table, domainId, pasid, page) as HostIotlbEntry | null;
  }

  /** The same without counting, for those who only look. */
  peek(table: number, domainId: number, pasid: number, page: number): HostIotlbEntry | null {
    return this.#iotlb.peek(table, domainId, pasid, page) as HostIotlbEntry | null;
  }

  insert(entry: HostIotlbEntry): void {
    this.#iotlb.insert(entry);
  }

  /** All translations, by table, domain id, PASID and page. */
  translations(): HostIotlbEntry[] {
    return this.#iotlb.entries() as HostIotlbEntry[];
  }

  /**
   * Drops the translations of one nested table that match what is given; `first` and `last` are input pages, both
   * inclusive. Returns how many there were.
   */
  flushNested(table: number, scope: { domainId?: number; pasid?: number; first?: number; last?: number }): number {
    return this.#iotlb.flush({ ...scope, table });
  }

  /** Forgets everything about a nested table. */
  dropNested(table: number): void {
    this.#iotlb.flush({ table });
    this.pasid.drop((entry) => entry.nestedTable === table);
  }

  /** Forgets the context of one function. */
  dropContext(requester: number): void {
    this.context.drop((entry) => entry.requester === requester);
  }

  /**
   * Drops what depended on input pages `start` to before `end` of a second stage: its own translations of them, and
   * of the tables in `nested`, those over it, every entry that ends there or was read from there.
   */
  invalidateRange(stage: number, nested: ReadonlySet<number>, start: number, end: number): void {
    const readThere = (entries: readonly TableEntry[]): boolean =>
      entries.some((entry) => overlaps(Math.floor(entry.address / 4096), 1, start, end));
    this.#iotlb.drop((entry) => {
      const translation = entry as HostIotlbEntry;
      const pages = 2 ** (translation.shift - 12);
      if (translation.table === stage) return overlaps(translation.page, pages, start, end);
      if (!nested.has(translation.table)) return false;
      return overlaps(translation.guestPage, pages, start, end) || readThere(translation.derivedFrom);
    });
    this.pasid.drop((entry) => nested.has(entry.nestedTable) && readThere(entry.derivedFrom));
  }

  statistics(): CacheStatistics[] {
    const { size, capacity, hits, misses } = this.#iotlb;
    const iotlb = { name: 'iotlb', entries: size, size: capacity, hits, misses };
    return [this.context.statistics(), this.pasid.statistics(), iotlb];
  }

  save(): HostCachesState {
    const context = this.context.save();
    const pasid = this.pasid.save();
    const iotlb = this.#iotlb.save();
    return {
      context: { ...context, entries: context.entries.map(({ key }) => ({ key, value: null })) },
      pasid: { ...pasid, entries: pasid.entries.map(({ key, value }) => ({ key, value: unverified(value) })) },
      iotlb: { ...iotlb, entries: iotlb.entries.map(unverified) },
      random: this.#random.save(),
    };
  }

  /** @param contextOf rebuilds the context entry of a requester */
  restore(state: HostCachesState, contextOf: (requester: number) => ContextEntry | null): void {
    const contexts: { key: number; value: ContextEntry }[] = [];
    for (const { key } of state.context.entries) {
      const value = contextOf(key);
      if (value !== null) contexts.push({ key, value });
    }
    this.context.restore({ ...state.context, entries: contexts });
    const entries = state.pasid.entries.map(({ key, value }) => ({ key, value: unverified(value) }));
    this.pasid.restore({ ...state.pasid, entries });
    this.#iotlb.restore({ ...state.iotlb, entries: state.iotlb.entries.map(unverified) });
    this.#random.restore(state.random);
  }
}

/**
 * A copy of an entry for a saved state. Where it was last verified is no state of the model but saves work: after a
 * restore everything is looked at again when it is used next.
 */
function unverified<Entry extends object>(entry: Entry): Entry {
  return { ...structuredClone(entry), verifiedAt: -1 };
}
