import { ADDRESS_LAST } from '../../core/address.ts';
import { Permission } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { IommuRegion, RegionEvent, RegionNotifier } from '../../memory/iommu-region.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { ListenerStatus } from '../../memory/iommu-object.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { SecondStageTable, SecondStageWalker } from '../walk/second-stage.ts';
import { type MappedPage, MappedRanges } from './mapped-ranges.ts';

/** Told of every event that reached some notifier, with the answers. */
export type ShadowObserver = (event: RegionEvent, listeners: ListenerStatus[]) => void;

const TWO_TO_12 = 0x1000;
const ALL_ONES = 0xffff_ffff;
const PAGE_SIZE_BIT = 1 << 7;
/**
 * How often one round reads tables that it has read before, and how many changes it tells that stand in such tables.
 * Tables that lead back to themselves, or again and again to the same ones, ask for 2^27 and 2^36; what lies behind the
 * others is left as it was told last. Telling costs a hundred times what reading does, hence the second limit. How many
 * tables there are is not limited but by guest RAM.
 */
const MOST_REPEATS = 512;
const MOST_REPEATED_CHANGES = 8192;
/** 4 KiB pages behind one entry of a table of that level. */
const PAGES = [0, 1, 0x200, 0x4_0000, 0x800_0000] as const;

/**
 * Keeps the region notifiers of one address space in step with its second-stage tables: walks what an invalidation
 * covers and tells the difference to what was told before, page by page in the sizes of the tables. What did not
 * change is never taken away in between, and an unmap never cuts a page in two that was told as one.
 */
export class Shadow implements Snapshottable<MappedPage[]> {
  readonly #region: IommuRegion;
  readonly #target: AddressSpace;
  readonly #memory: TableMemory;
  readonly #walker: SecondStageWalker;
  readonly #observe: ShadowObserver;
  readonly #points: TracePoints;
  readonly #domainId: () => number;
  readonly #mapped = new MappedRanges();
  /** Tables read in this round, by address, how many of them again, and what was told of those. */
  readonly #read = new Set<number>();
  #repeats = 0;
  #repeatedChanges = 0;

  constructor(options: {
    region: IommuRegion;
    /** Where mappings lead: the system memory. */
    target: AddressSpace;
    memory: TableMemory;
    walker: SecondStageWalker;
    observe: ShadowObserver;
    points: TracePoints;
    /** Of the tables that are walked now, for trace points. */
    domainId: () => number;
  }) {
    this.#region = options.region;
    this.#target = options.target;
    this.#memory = options.memory;
    this.#walker = options.walker;
    this.#observe = options.observe;
    this.#points = options.points;
    this.#domainId = options.domainId;
  }

  /** What the notifiers were told is mapped. */
  get mapped(): MappedRanges {
    return this.#mapped;
  }

  /** Tells what differs from the tables in the pages `first` to `last` (inclusive; of 4 KiB). */
  sync(table: SecondStageTable, limit: number, first: number, last: number): void {
    // A page that was told as one goes or stays as one.
    const low = this.#mapped.find(first)?.page ?? first;
    const high = this.#mapped.find(last);
    const end = high === null ? last : high.page + 2 ** (high.shift - 12) - 1;
    if (low < limit) this.#start(table, low, Math.min(end, limit - 1), null);
    this.#dropFrom(Math.max(limit, low), end);
  }

  /** Tells one notifier all that is mapped, from scratch; `table` null: nothing is. */
  replay(notifier: RegionNotifier, table: SecondStageTable | null, limit: number): void {
    this.#mapped.clear();
    if (table !== null) this.#start(table, 0, limit - 1, notifier);
  }

  /** Tells every notifier that nothing in its range is mapped, in aligned pieces up to 2^addressWidth. */
  unmapAll(addressWidth: number): void {
    const limit = 1n << BigInt(addressWidth);
    for (const notifier of this.#region.notifiers) {
      const end = notifier.last < limit ? notifier.last + 1n : limit;
      let start = notifier.start;
      while (start < end) {
        const size = alignedPiece(start, end - start);
        this.#tell({ ...this.#unmapEvent(start, size), sweep: true }, notifier);
        start += size;
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

  #start(table: SecondStageTable, first: number, last: number, notifier: RegionNotifier | null): void {
    this.#repeats = 0;
    this.#repeatedChanges = 0;
    this.#walk(table.address, table.levels, 0, first, last, 3, notifier);
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
    const walker = this.#walker;
    const points = this.#points;
    const pages = PAGES[level as 1 | 2 | 3 | 4];
    const from = Math.floor((Math.max(first, base) - base) / pages);
    const to = Math.min(511, Math.floor((last - base) / pages));
    points.vtd_page_walk_level?.(
      address,
      level,
      bytes(Math.max(first, base)),
      bytes(Math.min(last + 1, base + 512 * pages)),
    );
    for (let index = from; index <= to; index++) {
      const page = base + index * pages;
      if (!memory.read(address + 8 * index)) {
        points.vtd_page_walk_skip_read?.(bytes(page), bytes(page + pages));
        continue;
      }
      const low = memory.low;
      const high = memory.high;
      if ((low === ALL_ONES && high === ALL_ONES) || walker.isReserved(level, low, high)) {
        points.vtd_page_walk_skip_reserve?.(bytes(page), bytes(page + pages));
        continue;
      }
      const rights = above & low & 3;
      let changed = false;
      if (rights === 0) {
        if (notifier === null) changed = this.#unmap(page, 3 + 9 * level);
      } else if (level === 1 || (low & PAGE_SIZE_BIT) !== 0) {
        changed = this.#map(page, 3 + 9 * level, walker.frameOf(low, high), rights, notifier);
      } else {
        this.#walk(walker.frameOf(low, high) * TWO_TO_12, level - 1, page, first, last, rights, notifier);
      }
      if (again && changed && ++this.#repeatedChanges >= MOST_REPEATED_CHANGES) {
        this.#repeats = MOST_REPEATS;
        return;
      }
    }
  }

  /** @returns false when that was told already */
  #map(page: number, shift: number, frame: number, rights: number, notifier: RegionNotifier | null): boolean {
    if (this.#mapped.has(page, shift, frame, rights)) {
      this.#points.vtd_page_walk_one_skip_map?.(bytes(page), maskOf(shift), bytes(frame));
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
    this.#points.vtd_page_walk_one?.(this.#domainId(), entry.iova, entry.translated, entry.mask, rights);
    this.#tell({ type: 'map', entry }, notifier);
    return true;
  }

  /** @returns false when nothing of it was told mapped */
  #unmap(page: number, shift: number): boolean {
    const whole = this.#mapped.find(page);
    const wider = whole !== null && whole.shift > shift ? whole : { page, shift };
    if (!this.#mapped.remove(wider.page, wider.shift)) {
      this.#points.vtd_page_walk_one_skip_unmap?.(bytes(page), maskOf(shift));
      return false;
    }
    this.#points.vtd_page_walk_one?.(this.#domainId(), bytes(wider.page), 0, maskOf(wider.shift), Permission.none);
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

/** The largest power of two that `start` is aligned to and that fits into `length`. */
function alignedPiece(start: bigint, length: bigint): bigint {
  const largest = 1n << BigInt(length.toString(2).length - 1);
  if (start === 0n) return largest;
  const alignment = start & -start;
  return alignment < largest ? alignment : largest;
}
