import { SeededRandom } from '../core/random.ts';
import type { Permissions } from '../memory/access.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

/** The PASID of a request without PASID; 0 is a PASID. */
export const NO_PASID = -1;

/** Which tables a translation came from: the guest's first stage, one second stage, or both on top of each other. */
export type Stage = 'first' | 'second' | 'nested';

/** One table entry that a translation was derived from, as it was then. */
export interface TableEntry {
  /** In the space that the tables are addressed in: guest-physical for a guest's. */
  readonly address: number;
  readonly low: number;
  readonly high: number;
}

/** What a translation belongs to. A lookup names all three, a flush any of them. */
export interface IotlbTag {
  /** The host page table, or the requester: whatever keeps equal domain ids and PASIDs apart. An integer of at least 0. */
  readonly table: number;
  readonly domainId: number;
  /** {@link NO_PASID}, or 0 to 2^20 - 1. */
  readonly pasid: number;
}

/** A cached translation of one page of 2^shift bytes. Pages and frames are numbers of 4 KiB. */
export interface IotlbEntry extends IotlbTag {
  /** The first 4 KiB page of the input, 0 to 2^52 - 1. */
  readonly page: number;
  /** The frame behind it. */
  readonly frame: number;
  /** Log2 of the page size, at least 12. */
  readonly shift: number;
  readonly permissions: Permissions;
  /** Log2 of the size of the page in the tables, where the cache keeps only what was asked for of it. */
  readonly pageShift?: number;
  readonly stage: Stage;
  /** The level of the leaf; 1 is the lowest. */
  readonly level: number;
  /** The leaf was marked dirty when the entry was made. A write through an entry that is not needs a new walk. */
  readonly dirty: boolean;
  /** The table entries behind the translation, from the top down. */
  readonly derivedFrom: readonly TableEntry[];
  /** The operation that inserted it. */
  readonly operation: number;
}

/**
 * What a flush covers: entries that match every member that is given. So `{}` is a global flush, `{ domainId }` one of
 * a domain, `{ domainId, pasid }` one of a PASID, and `first`/`last` narrow it to entries whose page overlaps these
 * 4 KiB pages (both inclusive).
 */
export interface IotlbScope {
  readonly table?: number;
  readonly domainId?: number;
  readonly pasid?: number;
  readonly stages?: readonly Stage[];
  readonly first?: number;
  readonly last?: number;
}

export interface IotlbOptions {
  /** How many entries fit; at least 1. */
  readonly capacity: number;
  /** What happens to a full cache: one entry chosen by the seed goes (default), or all do, as in QEMU's VT-d. */
  readonly replacement?: 'random' | 'clear';
  /** Default 1. */
  readonly seed?: number;
  /**
   * Lookups find an entry by its domain id too (default). Without, as in QEMU's VT-d, which looks before it knows the
   * domain, the domain id of a lookup is ignored and only flushes look at it.
   */
  readonly keyedByDomain?: boolean;
}

export interface IotlbState {
  /** In the internal order, which replacement depends on. */
  entries: IotlbEntry[];
  hits: number;
  misses: number;
  evictions: number;
  random: { state: number };
}

/** The entries of one tag: by page size, then by page. */
interface TagSet {
  readonly table: number;
  readonly key: number;
  /** How many entries there are; a set without any is forgotten. */
  size: number;
  /** Ascending. */
  readonly shifts: number[];
  /** Beside `shifts`. Keys are page numbers in units of that size. */
  readonly bySize: Map<number, Slot>[];
}

interface Slot {
  readonly entry: IotlbEntry;
  readonly set: TagSet;
  /** Where it stands in the dense list. */
  index: number;
}

/**
 * A cache of translations that keeps what it was given until a flush covers it, whatever becomes of the tables. It
 * never reads a table. Lookups probe one hash per page size in use and allocate nothing; flushes look at every entry.
 */
export class Iotlb implements Snapshottable<IotlbState> {
  readonly capacity: number;
  readonly #replacement: 'random' | 'clear';
  readonly #keyedByDomain: boolean;
  readonly #random: SeededRandom;
  /** By table, then by domain id and PASID in one number. */
  readonly #sets = new Map<number, Map<number, TagSet>>();
  readonly #slots: Slot[] = [];
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  // The tag of the last lookup: a device's requests come in runs.
  #lastTable = -1;
  #lastKey = -1;
  #lastSet: TagSet | undefined;

  constructor(options: IotlbOptions) {
    const { capacity, replacement = 'random', seed = 1, keyedByDomain = true } = options;
    if (!(capacity >= 1)) throw new RangeError(`an IOTLB of ${capacity} entries`);
    this.capacity = capacity;
    this.#replacement = replacement;
    this.#keyedByDomain = keyedByDomain;
    this.#random = new SeededRandom(seed);
  }

  get size(): number {
    return this.#slots.length;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** Entries that had to go for want of room. */
  get evictions(): number {
    return this.#evictions;
  }

  /** The entry that covers the 4 KiB page, counted as hit or miss; of several, the one with the smallest page. */
  lookup(table: number, domainId: number, pasid: number, page: number): IotlbEntry | null {
    const entry = this.peek(table, domainId, pasid, page);
    if (entry === null) this.#misses += 1;
    else this.#hits += 1;
    return entry;
  }

  /** The same without being counted, for those who only look. */
  peek(table: number, domainId: number, pasid: number, page: number): IotlbEntry | null {
    const set = this.#find(table, this.#key(domainId, pasid));
    if (set === undefined) return null;
    const { shifts, bySize } = set;
    for (let i = 0; i < shifts.length; i++) {
      const slot = bySize[i]!.get(unitOf(page, shifts[i]!));
      if (slot !== undefined) return slot.entry;
    }
    return null;
  }

  /**
   * Adds an entry, in the place of one with the same tag, page and size; a full cache makes room first. Page and frame
   * may be those of any 4 KiB inside the page, as a walk reports them; they are aligned here.
   */
  insert(given: IotlbEntry): IotlbEntry {
    const entry = { ...given, page: alignedTo(given.page, given.shift), frame: alignedTo(given.frame, given.shift) };
    const key = this.#key(entry.domainId, entry.pasid);
    const unit = unitOf(entry.page, entry.shift);
    const present = this.#find(entry.table, key);
    const old = present?.bySize[present.shifts.indexOf(entry.shift)]?.get(unit);
    if (old !== undefined) this.#remove(old);
    else if (this.#slots.length >= this.capacity) this.#makeRoom();
    const set = this.#setFor(entry.table, key);
    const slot: Slot = { entry, set, index: this.#slots.length };
    this.#slots.push(slot);
    set.size += 1;
    mapFor(set, entry.shift).set(unit, slot);
    return entry;
  }

  /** Drops what the scope covers; returns how many entries that were. */
  flush(scope: IotlbScope): number {
    return this.drop((entry) => covers(scope, entry));
  }

  /** Drops the entries that `condemned` is true for; returns how many. */
  drop(condemned: (entry: IotlbEntry) => boolean): number {
    let dropped = 0;
    // Removal moves the last slot into the gap: from the end, that one was looked at already.
    for (let i = this.#slots.length - 1; i >= 0; i--) {
      const slot = this.#slots[i]!;
      if (!condemned(slot.entry)) continue;
      this.#remove(slot);
      dropped += 1;
    }
    return dropped;
  }

  /** All entries in no order that means anything, for those who count them. */
  unordered(): IotlbEntry[] {
    return this.#slots.map((slot) => slot.entry);
  }

  /** All entries by table, domain id, PASID (those without first), page and page size. */
  entries(): IotlbEntry[] {
    return this.#slots
      .map((slot) => slot.entry)
      .sort(
        (a, b) =>
          a.table - b.table || a.domainId - b.domainId || a.pasid - b.pasid || a.page - b.page || a.shift - b.shift,
      );
  }

  /** As after construction, counters included. The sequence of replacements goes on. */
  reset(): void {
    this.#clear();
    this.#hits = 0;
    this.#misses = 0;
    this.#evictions = 0;
  }

  save(): IotlbState {
    return {
      entries: this.#slots.map(({ entry }) => ({
        ...entry,
        derivedFrom: entry.derivedFrom.map((step) => ({ ...step })),
      })),
      hits: this.#hits,
      misses: this.#misses,
      evictions: this.#evictions,
      random: this.#random.save(),
    };
  }

  restore(state: IotlbState): void {
    this.#clear();
    for (const entry of state.entries) this.insert(entry);
    this.#hits = state.hits;
    this.#misses = state.misses;
    this.#evictions = state.evictions;
    this.#random.restore(state.random);
  }

  /** Domain id and PASID in one number below 2^37. */
  #key(domainId: number, pasid: number): number {
    return (this.#keyedByDomain ? domainId : 0) * 0x20_0000 + (pasid + 1);
  }

  #find(table: number, key: number): TagSet | undefined {
    if (table !== this.#lastTable || key !== this.#lastKey) {
      this.#lastTable = table;
      this.#lastKey = key;
      this.#lastSet = this.#sets.get(table)?.get(key);
    }
    return this.#lastSet;
  }

  #setFor(table: number, key: number): TagSet {
    let sets = this.#sets.get(table);
    if (sets === undefined) this.#sets.set(table, (sets = new Map<number, TagSet>()));
    let set = sets.get(key);
    if (set === undefined) {
      sets.set(key, (set = { table, key, size: 0, shifts: [], bySize: [] }));
      this.#lastTable = -1;
    }
    return set;
  }

  #makeRoom(): void {
    if (this.#replacement === 'clear') {
      this.#evictions += this.#slots.length;
      this.#clear();
      return;
    }
    this.#evictions += 1;
    this.#remove(this.#slots[this.#random.below(this.#slots.length)]!);
  }

  #remove(slot: Slot): void {
    const { entry, set, index } = slot;
    set.bySize[set.shifts.indexOf(entry.shift)]!.delete(unitOf(entry.page, entry.shift));
    const last = this.#slots.pop()!;
    if (last !== slot) {
      this.#slots[index] = last;
      last.index = index;
    }
    set.size -= 1;
    if (set.size > 0) return;
    const sets = this.#sets.get(set.table)!;
    sets.delete(set.key);
    if (sets.size === 0) this.#sets.delete(set.table);
    this.#lastTable = -1;
  }

  #clear(): void {
    this.#slots.length = 0;
    this.#sets.clear();
    this.#lastTable = -1;
  }
}

/** How many pages of 4 KiB make one of 2^shift bytes. */
const PAGES = Float64Array.from({ length: 64 }, (_, shift) => 2 ** (shift - 12));

/** Number of the page of 2^shift bytes that holds a 4 KiB page. */
function unitOf(page: number, shift: number): number {
  return shift === 12 ? page : Math.floor(page / PAGES[shift]!);
}

function alignedTo(page: number, shift: number): number {
  return unitOf(page, shift) * PAGES[shift]!;
}

function mapFor(set: TagSet, shift: number): Map<number, Slot> {
  const found = set.shifts.indexOf(shift);
  if (found >= 0) return set.bySize[found]!;
  const after = set.shifts.findIndex((other) => other > shift);
  const at = after < 0 ? set.shifts.length : after;
  const map = new Map<number, Slot>();
  set.shifts.splice(at, 0, shift);
  set.bySize.splice(at, 0, map);
  return map;
}

function covers(scope: IotlbScope, entry: IotlbEntry): boolean {
  return (
    (scope.table === undefined || scope.table === entry.table) &&
    (scope.domainId === undefined || scope.domainId === entry.domainId) &&
    (scope.pasid === undefined || scope.pasid === entry.pasid) &&
    (scope.stages === undefined || scope.stages.includes(entry.stage)) &&
    (scope.last === undefined || scope.last >= entry.page) &&
    (scope.first === undefined || scope.first < entry.page + PAGES[entry.shift]!)
  );
}
