import { SeededRandom } from '../core/random.ts';
import { Iotlb, type IotlbEntry, type IotlbState, type TableEntry } from '../iommu/iotlb.ts';
import type { PasidTable } from '../memory/iommu-object.ts';
import { DeviceCache, type DeviceCacheState } from './device-cache.ts';
import { type CacheStatistics, FixedCache, type FixedCacheState } from './fixed-cache.ts';
import type { HostIommuSettings } from './options.ts';
import type { HostPageTable } from './page-table.ts';
import type { PasidEntry } from './pasid-entry.ts';

/** A guest's PASID table nested over a second stage. Its id tags what the caches hold of it. */
export interface NestedTable {
  readonly id: number;
  readonly table: PasidTable;
  readonly stage: HostPageTable;
  /**
   * Null: the host walks `table` itself (contract pasid-table). Otherwise the host's own PASID entries, which have been
   * made from that table one by one (contract iommufd); each has its own id in place of the table's.
   */
  readonly attached: ReadonlyMap<number, PasidEntry> | null;
}

/** What the host's context entry of one function says. One that says something else is another object. */
export interface ContextEntry {
  readonly requester: number;
  /** Different for each entry that the host ever made. */
  readonly serial: number;
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
  /** The state of the tables of both stages in which it was last seen to agree with them; -1: never looked. */
  verifiedAt: number;
  /** Of that, the state of the second stage alone. */
  verifiedStage: number;
  /** Serial of the PASID entry with which it agreed then; in a device's cache, of the context entry. */
  verifiedWith: number;
}

export interface HostCachesState {
  /** Requesters that have a context entry: the entries themselves follow from what their functions are attached to. */
  context: FixedCacheState<null>;
  pasid: FixedCacheState<PasidEntry>;
  iotlb: IotlbState;
  /** By requester. */
  devices: { requester: number; cache: DeviceCacheState }[];
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
  readonly #settings: HostIommuSettings;
  /** Of the functions that have one, by requester. */
  readonly #devices = new Map<number, DeviceCache>();
  readonly #random: SeededRandom;

  constructor(settings: HostIommuSettings) {
    this.#settings = settings;
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

  /** The function's own cache; made at the first call. */
  deviceCache(requester: number): DeviceCache {
    let cache = this.#devices.get(requester);
    if (cache === undefined) {
      cache = new DeviceCache(this.#settings.atsCacheSize, this.#settings.seed);
      this.#devices.set(requester, cache);
    }
    return cache;
  }

  /** The function is gone. */
  removeDeviceCache(requester: number): void {
    this.#devices.delete(requester);
  }

  /** All translations in no order that means anything. */
  unordered(): HostIotlbEntry[] {
    return this.#iotlb.unordered() as HostIotlbEntry[];
  }

  /** All translations, by table, domain id, PASID and page. */
  translations(): HostIotlbEntry[] {
    return this.#iotlb.entries() as HostIotlbEntry[];
  }

  /**
   * Drops the translations of one nested table that match what is given; `first` and `last` are input pages, both
   * inclusive. With `devices` the devices' caches are invalidated along with the IOTLB, as iommufd does it.
   * @returns how many entries of the IOTLB there were
   */
  flushNested(
    table: number,
    scope: { domainId?: number; pasid?: number; first?: number; last?: number },
    devices = false,
  ): number {
    if (devices) for (const cache of this.#devices.values()) cache.flush({ ...scope, pageTable: table });
    return this.#iotlb.flush({ ...scope, table });
  }

  /** Forgets everything about a nested table. */
  dropNested(table: number): void {
    this.#iotlb.flush({ table });
    this.pasid.drop((entry) => entry.nestedTable === table);
    for (const cache of this.#devices.values()) cache.flush({ pageTable: table });
  }

  /** Forgets the context of one function, and has it forget what it was told in that. */
  dropContext(requester: number): void {
    this.context.drop((entry) => entry.requester === requester);
    this.#devices.get(requester)?.flush({});
  }

  /** Forgets what one function's PASID is attached to, and what was translated by that page table for it. */
  dropPasid(requester: number, pasid: number, table: number): void {
    const key = this.pasidKey(requester, pasid);
    this.pasid.drop((_entry, other) => other === key);
    this.#iotlb.flush({ table, pasid });
    this.#devices.get(requester)?.flush({ pasid });
  }

  /**
   * Drops what depended on input pages `start` to before `end` of a second stage: its own translations of them, and
   * of the tables in `nested`, those over it, every entry that ends there or was read from there. Devices' caches too.
   */
  invalidateRange(stage: number, nested: ReadonlySet<number>, start: number, end: number): void {
    const readThere = (entries: readonly TableEntry[]): boolean =>
      entries.some((entry) => overlaps(Math.floor(entry.address / 4096), 1, start, end));
    const depends = (translation: HostIotlbEntry, table: number): boolean => {
      const pages = 2 ** (translation.shift - 12);
      if (table === stage) return overlaps(translation.page, pages, start, end);
      if (!nested.has(table)) return false;
      return overlaps(translation.guestPage, pages, start, end) || readThere(translation.derivedFrom);
    };
    this.#iotlb.drop((entry) => depends(entry as HostIotlbEntry, entry.table));
    for (const cache of this.#devices.values()) cache.drop((entry) => depends(entry, entry.pageTable));
    this.pasid.drop((entry) => nested.has(entry.nestedTable) && readThere(entry.derivedFrom));
  }

  /** Of the host IOMMU's own caches. */
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
      iotlb: { ...iotlb, entries: iotlb.entries.map(unseen) },
      devices: [...this.#devices]
        .sort(([one], [other]) => one - other)
        .map(([requester, cache]) => ({ requester, cache: unseenCache(cache.save()) })),
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
    this.#iotlb.restore({ ...state.iotlb, entries: state.iotlb.entries.map(unseen) });
    const devices = new Set(state.devices.map(({ requester }) => requester));
    for (const requester of [...this.#devices.keys()]) if (!devices.has(requester)) this.#devices.delete(requester);
    for (const { requester, cache } of state.devices) this.deviceCache(requester).restore(unseenCache(cache));
    this.#random.restore(state.random);
  }
}

/**
 * A copy of an entry for a saved state. Where it was last verified is no state of the model but saves work: after a
 * restore everything is looked at again when it is used next.
 */
function unverified<Entry extends object>(entry: Entry): Entry {
  return { ...structuredClone(entry), verifiedAt: -1, verifiedWith: 0 };
}

function unseen<Entry extends object>(entry: Entry): Entry {
  return { ...unverified(entry), verifiedStage: -1 };
}

function unseenCache(state: DeviceCacheState): DeviceCacheState {
  const { translations } = state;
  return { ...state, translations: { ...translations, entries: translations.entries.map(unseen) } };
}
