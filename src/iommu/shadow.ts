import { ADDRESS_LAST } from '../core/address.ts';
import { Permission } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { IommuRegion, RegionEvent, RegionNotifier } from '../memory/iommu-region.ts';
import type { TableMemory } from '../memory/table-memory.ts';
import type { ListenerStatus } from '../memory/iommu-object.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { alignedPieces } from './aligned-pieces.ts';
import { pagesOfEntry } from './listed-tables.ts';
import { type MappedPage, MappedRanges } from './mapped-ranges.ts';

/** Told of every event that reached some notifier, with the answers. */
export type ShadowObserver = (event: RegionEvent, listeners: ListenerStatus[]) => void;

/** What an entry means for those who were told what is mapped. */
export const ShadowEntry = {
  /** It cannot be read, or not be made sense of: what was told stays. */
  unknown: 0,
  /** Nothing behind it is mapped. */
  absent: 1,
  page: 2,
  table: 3,
} as const;

/** How the entries of a unit's tables are read. The fields hold what the last entry said. */
export interface ShadowDecoder {
  /** One of {@link ShadowEntry}. `above`: the rights that lead to the entry. */
  decode(level: number, low: number, high: number, above: number): number;
  /** Of a page: what it allows. Of a table: what it and all above allow. */
  readonly rights: number;
  /** The page, aligned to its size, or the table. */
  readonly frame: number;
  /** Of a page: log2 of its size. */
  readonly shift: number;
  /** Of a table: its level. */
  readonly next: number;
}

/** The top table of an address space. */
export interface ShadowTable {
  readonly address: number;
  readonly levels: number;
  /** What leads to it allows; default to read and to write. */
  readonly rights?: number;
}

type Point<Values extends readonly unknown[]> = ((...values: Values) => void) | null;

/** What a unit traces of the walks; null while nobody listens. Addresses in bytes; a range ends before its second. */
export interface ShadowPoints {
  /** A table is read for the input addresses of a range. */
  readonly level: Point<[table: number, level: number, start: bigint, end: bigint]>;
  /** An entry was passed by: it cannot be read, or not be made sense of. */
  readonly unreadable: Point<[start: bigint, end: bigint]>;
  readonly unknown: Point<[start: bigint, end: bigint]>;
  /** A page was told: mapped with these rights, or, with none, unmapped. */
  readonly told: Point<[iova: bigint, translated: bigint, mask: bigint, rights: number]>;
  /** A page was not told again. */
  readonly mappedAlready: Point<[iova: bigint, mask: bigint, translated: bigint]>;
  readonly unmappedAlready: Point<[iova: bigint, mask: bigint]>;
}

const UNTRACED: ShadowPoints = {
  level: null,
  unreadable: null,
  unknown: null,
  told: null,
  mappedAlready: null,
  unmappedAlready: null,
};

const TWO_TO_12 = 0x1000;
/**
 * How often one round reads tables that it has read before, and how many changes it tells that stand in such tables.
 * Tables that lead back to themselves, or again and again to the same ones, ask for 2^27 and 2^36; what lies behind the
 * others is left as it was told last. Telling costs a hundred times what reading does, hence the second limit. How many
 * tables there are is not limited but by guest RAM.
 */
const MOST_REPEATS = 512;
const MOST_REPEATED_CHANGES = 8192;
/** A page that is smaller than what its entry covers is behind it several times: how often it is told, at most. */
const MOST_PIECES = 512;

/**
 * Keeps the region notifiers of one address space in step with its second-stage tables: walks what an invalidation
 * covers and tells the difference to what was told before, page by page in the sizes of the tables. What did not
 * change is never taken away in between, and an unmap never cuts a page in two that was told as one.
 */
export class Shadow implements Snapshottable<MappedPage[]> {
  readonly #region: IommuRegion;
  readonly #target: AddressSpace;
  readonly #memory: TableMemory;
  readonly #decoder: ShadowDecoder;
  readonly #observe: ShadowObserver;
  readonly #points: ShadowPoints;
  readonly #mapped = new MappedRanges();
  /** Tables read in this round, by address, how many of them again, and what was told of those. */
  readonly #read = new Set<number>();
  #repeats = 0;
  #repeatedChanges = 0;
  /** The first page behind the last one that was mapped in this round. */
  #done = 0;

  constructor(options: {
    region: IommuRegion;
    /** Where mappings lead: the system memory. */
    target: AddressSpace;
    memory: TableMemory;
    decoder: ShadowDecoder;
    observe: ShadowObserver;
    points?: ShadowPoints;
  }) {
    this.#region = options.region;
    this.#target = options.target;
    this.#memory = options.memory;
    this.#decoder = options.decoder;
    this.#observe = options.observe;
    this.#points = options.points ?? UNTRACED;
  }

  /** What the notifiers were told is mapped. */
  get mapped(): MappedRanges {
    return this.#mapped;
  }

  /** Tells what differs from the tables in the pages `first` to `last` (inclusive; of 4 KiB). */
  sync(table: ShadowTable, limit: number, first: number, last: number): void {
    // A page that was told as one goes or stays as one.
    const low = this.#mapped.find(first)?.page ?? first;
    const high = this.#mapped.find(last);
    const end = high === null ? last : high.page + 2 ** (high.shift - 12) - 1;
    if (low < limit) this.#start(table, low, Math.min(end, limit - 1), null);
    this.#dropFrom(Math.max(limit, low), end);
  }

  /** Tells one notifier all that is mapped, from scratch; `table` null: nothing is. */
  replay(notifier: RegionNotifier, table: ShadowTable | null, limit: number): void {
    this.#mapped.clear();
    if (table !== null) this.#start(table, 0, limit - 1, notifier);
  }

  /** Tells every notifier that nothing in its range is mapped, in aligned pieces up to 2^addressWidth. */
  unmapAll(addressWidth: number): void {
    const limit = 1n << BigInt(addressWidth);
    for (const notifier of this.#region.notifiers) {
      const end = notifier.last < limit ? notifier.last + 1n : limit;
      for (const { start, size } of alignedPieces(notifier.start, end - 1n)) {
        this.#tell({ ...this.#unmapEvent(start, size), sweep: true }, notifier);
      }
    }
    this.#mapped.clear();
  }

  /**
   * One unmap for the whole range of every notifier that wants unmaps: for those that keep no maps. A device's own cache
   * hears of device-IOTLB invalidations alone.
   */
  unmapRanges(): void {
    for (const notifier of this.#region.notifiers.filter(({ events }) => events.has('unmap'))) {
      const status = this.#region.unmapRange(notifier, this.#target);
      if (status === null) continue;
      const last = notifier.last < ADDRESS_LAST ? notifier.last : ADDRESS_LAST;
      this.#observe(this.#unmapEvent(notifier.start, last - notifier.start + 1n), [status]);
    }
  }

  /** One unmap of a block, whatever was told before. */
  unmapBlock(address: bigint, size: bigint, type: 'unmap' | 'deviotlb-unmap' = 'unmap'): void {
    this.#tell({ ...this.#unmapEvent(address, size), type }, null);
  }

  save(): MappedPage[] {
    return this.#mapped.save();
  }

  restore(state: MappedPage[]): void {
    this.#mapped.restore(state);
  }

  #start(table: ShadowTable, first: number, last: number, notifier: RegionNotifier | null): void {
    this.#repeats = 0;
    this.#repeatedChanges = 0;
    this.#done = 0;
    this.#walk(table.address, table.levels, 0, first, last, table.rights ?? 3, notifier);
    this.#read.clear();
  }

  /**
   * One table: `base` is the first page behind it. An entry that cannot be read or has reserved bits changes nothing;
   * one without rights unmaps all that lies behind it. A replay (`notifier`) tells what is mapped, and only that.
   */
  #walk(
    address: number,
    level: number,
    base: number,
    first: number,
    last: number,
    above: number,
    notifier: RegionNotifier | null,
  ): void {
    const again = this.#read.has(address);
    if (again && ++this.#repeats > MOST_REPEATS) return;
    this.#read.add(address);
    const memory = this.#memory;
    const decoder = this.#decoder;
    const points = this.#points;
    const pages = pagesOfEntry(level);
    const from = Math.floor((Math.max(first, base) - base) / pages);
    const to = Math.min(511, Math.floor((last - base) / pages));
    points.level?.(address, level, bytes(Math.max(first, base)), bytes(Math.min(last + 1, base + 512 * pages)));
    for (let index = from; index <= to; index++) {
      const page = base + index * pages;
      if (!memory.read(address + 8 * index)) {
        points.unreadable?.(bytes(page), bytes(page + pages));
        continue;
      }
      const kind = decoder.decode(level, memory.low, memory.high, above);
      if (kind === ShadowEntry.unknown) {
        points.unknown?.(bytes(page), bytes(page + pages));
        continue;
      }
      let changed = false;
      if (page + pages <= this.#done) continue;
      if (kind === ShadowEntry.absent) {
        if (notifier === null) changed = this.#unmap(page, 3 + 9 * level);
      } else if (kind === ShadowEntry.page) {
        changed = this.#mapBehind(page, pages, notifier);
      } else if (kind === ShadowEntry.table) {
        this.#tablesBehind(level, page, first, last, notifier);
      }
      if (again && changed && ++this.#repeatedChanges >= MOST_REPEATED_CHANGES) {
        this.#repeats = MOST_REPEATS;
        return;
      }
    }
  }

  /** The table behind the entry that was decoded last: several times over, where levels are skipped. */
  #tablesBehind(level: number, page: number, first: number, last: number, notifier: RegionNotifier | null): void {
    const { frame, next, rights } = this.#decoder;
    const stride = 512 * pagesOfEntry(next);
    for (let base = page; base < page + pagesOfEntry(level) && base <= last; base += stride) {
      if (base + stride <= first) continue;
      if (base > page && this.#repeats > MOST_REPEATS) return;
      this.#walk(frame * TWO_TO_12, next, base, first, last, rights, notifier);
    }
  }

  /** The page of the entry that was decoded last; the entry covers `pages` from `page` on. */
  #mapBehind(page: number, pages: number, notifier: RegionNotifier | null): boolean {
    const { frame, rights, shift } = this.#decoder;
    const size = 2 ** (shift - 12);
    const start = page - (page % size);
    const pieces = Math.min(Math.max(pages / size, 1), MOST_PIECES);
    let changed = false;
    for (let piece = 0; piece < pieces; piece++) {
      if (this.#map(start + piece * size, shift, frame, rights, notifier)) changed = true;
    }
    this.#done = start + pieces * size;
    return changed;
  }

  /** @returns false when that was told already */
  #map(page: number, shift: number, frame: number, rights: number, notifier: RegionNotifier | null): boolean {
    if (this.#mapped.has(page, shift, frame, rights)) {
      this.#points.mappedAlready?.(bytes(page), maskOf(shift), bytes(frame));
      return false;
    }
    this.#unmap(page, shift);
    this.#mapped.add(page, shift, frame, rights);
    const entry = {
      target: this.#target,
      iova: BigInt(page) << 12n,
      translated: BigInt(frame) << 12n,
      mask: (1n << BigInt(shift)) - 1n,
      permissions: rights,
    };
    this.#points.told?.(entry.iova, entry.translated, entry.mask, rights);
    this.#tell({ type: 'map', entry }, notifier);
    return true;
  }

  /** @returns false when nothing of it was told mapped */
  #unmap(page: number, shift: number): boolean {
    const whole = this.#mapped.find(page);
    const wider = whole !== null && whole.shift > shift ? whole : { page, shift };
    if (!this.#mapped.remove(wider.page, wider.shift)) {
      this.#points.unmappedAlready?.(bytes(page), maskOf(shift));
      return false;
    }
    this.#points.told?.(bytes(wider.page), 0n, maskOf(wider.shift), Permission.none);
    this.#tell(this.#unmapEvent(BigInt(wider.page) << 12n, 1n << BigInt(wider.shift)), null);
    return true;
  }

  /** What was told beyond the reach of the tables, which may have become narrower. */
  #dropFrom(first: number, last: number): void {
    if (first > last || this.#mapped.size === 0) return;
    for (const { page, shift } of [...this.#mapped.overlapping(first, last)]) this.#unmap(page, shift);
  }

  #unmapEvent(address: bigint, size: bigint): RegionEvent {
    const entry = {
      target: this.#target,
      iova: address,
      translated: 0n,
      mask: size - 1n,
      permissions: Permission.none,
    };
    return { type: 'unmap', entry };
  }

  #tell(event: RegionEvent, notifier: RegionNotifier | null): void {
    const statuses = notifier === null ? this.#region.notify(event) : [notifier.deliver(event)];
    const listeners = statuses.filter((status) => status !== null);
    if (listeners.length > 0) this.#observe(event, listeners);
  }
}

function bytes(pages: number): bigint {
  return BigInt(pages) << 12n;
}

function maskOf(shift: number): bigint {
  return (1n << BigInt(shift)) - 1n;
}
