import { Permission, permissionNames } from '../memory/access.ts';
import {
  inputAddress,
  type ListedEntry,
  type ListedTables,
  pagesOfEntry,
  shapeOf,
  type TableShape,
} from './listed-tables.ts';
import type { Mapping, MappingPage } from './unit.ts';

const PAGE_SHIFT = 12n;
const ALL_RIGHTS = Permission.readWrite | Permission.execute;

/**
 * What page tables map from `start` on, runs of neighbours as one. It stops behind `limit` runs, or when it has read
 * `budget` entries; the page's `next` then says where to go on. With `last` (inclusive) nothing behind the page of that
 * address is listed; of tables with a hole it must lie below that.
 */
export function listMappings(
  tables: ListedTables,
  start: bigint,
  limit: number,
  budget: number,
  last?: bigint,
): MappingPage {
  const listing = new Listing(tables, limit, budget, last);
  const half = 2 ** (tables.bits - 1 - 12);
  const first = firstPage(start, tables);
  if (first < 2 * half) listing.table(tables.address, tables.levels, 0, first, tables.rights ?? ALL_RIGHTS);
  return listing.page();
}

/** Input pages run from 0 to 2^bits in the order of the tables; canonical addresses above the hole come second. */
function firstPage(start: bigint, { bits, canonical }: ListedTables): number {
  const size = 1n << BigInt(bits);
  if (start < (canonical ? size / 2n : size)) return Number(start >> PAGE_SHIFT);
  if (!canonical) return Number(size >> PAGE_SHIFT);
  const upper = (1n << 64n) - size / 2n;
  return Number((start < upper ? size / 2n : start - (1n << 64n) + size) >> PAGE_SHIFT);
}

class Listing {
  readonly #tables: ListedTables;
  readonly #shape: TableShape;
  readonly #limit: number;
  readonly #mappings: Mapping[] = [];
  /** The first input page that is not listed. */
  readonly #end: number;
  #budget: number;
  #next: number | null = null;
  /** The run that grows: pages and frames. */
  #run: { page: number; frame: number; pages: number; rights: number; shift: number } | null = null;

  constructor(tables: ListedTables, limit: number, budget: number, last?: bigint) {
    this.#tables = tables;
    this.#shape = shapeOf(tables);
    this.#limit = limit;
    this.#budget = budget;
    const end = 2 ** (tables.bits - 12);
    this.#end = last === undefined ? end : Math.min(end, Number(last >> PAGE_SHIFT) + 1);
  }

  /** @returns false when the listing has ended inside */
  table(address: number, level: number, base: number, first: number, above: number): boolean {
    const { memory } = this.#tables;
    const pages = this.#pagesOf(level);
    const entries = this.#shape.entries(level);
    for (let index = Math.max(0, Math.floor((first - base) / pages)); index < entries; index++) {
      const page = base + index * pages;
      if (page >= this.#end) return true;
      if (this.#budget-- <= 0) return this.#stop(Math.max(page, first));
      const entry = memory.read(address + 8 * index)
        ? this.#tables.decode(level, memory.low, memory.high, above)
        : null;
      const rights = entry === null ? 0 : entry.final === true ? entry.rights : above & entry.rights;
      if (entry === null || (rights & Permission.readWrite) === 0) continue;
      if (!entry.leaf) {
        if (!this.#tablesBehind(entry, level, page, first, rights)) return false;
      } else if (!this.#leaf(entry, level, page, rights)) return false;
    }
    return true;
  }

  /** The table behind an entry: several times over, where levels are skipped. */
  #tablesBehind({ frame, next }: ListedEntry, level: number, page: number, first: number, rights: number): boolean {
    const below = next ?? level - 1;
    const stride = this.#shape.entries(below) * this.#pagesOf(below);
    for (let base = page; base < page + this.#pagesOf(level); base += stride) {
      if (base + stride <= first) continue;
      if (base >= this.#end) return true;
      if (base > page && this.#budget-- <= 0) return this.#stop(Math.max(base, first));
      if (!this.table(frame * 0x1000, below, base, first, rights)) return false;
    }
    return true;
  }

  /** What a leaf's entry covers of its page; of a page that is smaller, the same several times over. */
  #leaf(entry: ListedEntry, level: number, page: number, rights: number): boolean {
    const { frame, shift = this.#shape.shift(level) } = entry;
    const covered = this.#pagesOf(level);
    const pages = Math.min(2 ** (shift - 12), covered);
    const first = frame + (page % 2 ** (shift - 12));
    for (let at = page; at < page + covered; at += pages) {
      if (at >= this.#end) return true;
      if (at > page && this.#budget-- <= 0) return this.#stop(at);
      if (!this.#add(at, first, pages, rights, shift)) return this.#stop(at);
    }
    return true;
  }

  page(): MappingPage {
    this.#finishRun();
    return { mappings: this.#mappings, ...(this.#next !== null && { next: inputAddress(this.#tables, this.#next) }) };
  }

  #pagesOf(level: number): number {
    return pagesOfEntry(level, this.#shape);
  }

  #add(page: number, frame: number, pages: number, rights: number, shift: number): boolean {
    const run = this.#run;
    if (run !== null) {
      const touches = run.page + run.pages === page && run.frame + run.pages === frame;
      const crossesHole = this.#tables.canonical && page === 2 ** (this.#tables.bits - 13);
      if (touches && !crossesHole && run.rights === rights && run.shift === shift) {
        run.pages += pages;
        return true;
      }
      this.#finishRun();
    }
    if (this.#mappings.length >= this.#limit) return false;
    this.#run = { page, frame, pages, rights, shift };
    return true;
  }

  #finishRun(): void {
    const run = this.#run;
    this.#run = null;
    if (run === null) return;
    this.#mappings.push({
      iova: inputAddress(this.#tables, run.page),
      address: BigInt(run.frame) << PAGE_SHIFT,
      size: BigInt(run.pages) << PAGE_SHIFT,
      permissions: permissionNames(run.rights),
      'page-size': 1n << BigInt(run.shift),
    });
  }

  #stop(page: number): false {
    this.#next = page;
    return false;
  }
}
