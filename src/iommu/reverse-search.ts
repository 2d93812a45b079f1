import { PAGE_SHIFT, PAGE_SIZE } from '../core/address.ts';
import { type Permissions, Permission, permissionNames } from '../memory/access.ts';
import {
  inputAddress,
  type ListedEntry,
  type ListedTables,
  pagesOfEntry,
  shapeOf,
  type TableShape,
} from './listed-tables.ts';

/** By which address some device reaches the one that is looked for. */
export interface Reach {
  /** Absent: by requests without PASID. */
  readonly pasid?: number;
  /** What leads to exactly that address. */
  readonly iova: bigint;
  /** Of the page that maps it, in bytes. */
  readonly size: bigint;
  readonly permissions: ('read' | 'write' | 'execute')[];
}

/** What a walk says about the page of an input address, by its number; null where it faults. */
export type Confirm = (page: number) => { frame: number; shift: number; permissions: Permissions } | null;

export interface ReverseSearchOptions {
  /** The address that is looked for. */
  readonly address: bigint;
  /** How many table entries may be read, at most; each PASID that is present counts as fifty. */
  readonly budget: number;
  /** How many ways may be found, at most. */
  readonly limit: number;
}

/** What finding the tables of one PASID costs, in reads of an entry: a guest can have a million that share theirs. */
const PASID_COST = 50;
const ALL_RIGHTS = Permission.readWrite | Permission.execute;

/**
 * Looks page tables through backwards: which input addresses lead to one page. One search goes over the tables of any
 * number of devices and PASIDs; tables that they share, and that do not lead to the page, are read only once, so that
 * neither many PASIDs over one table nor tables that lead back to themselves cost more than the tables there are. What
 * is found is confirmed by an ordinary walk, which has the last word on rights and faults.
 */
export class ReverseSearch {
  /** The page of the address that is looked for. */
  readonly page: number;
  /** False once something was left out, since the budget or the limit was used up. */
  complete = true;
  readonly #offset: bigint;
  #budget: number;
  #left: number;
  /** By reading and width: address plus level of tables that do not lead to the page of the present target. */
  readonly #barren = new Map<string, Set<number>>();

  constructor({ address, budget, limit }: ReverseSearchOptions) {
    this.page = Number(address >> BigInt(PAGE_SHIFT));
    this.#offset = address & BigInt(PAGE_SIZE - 1);
    this.#budget = budget;
    this.#left = limit;
  }

  /** Asked before each read of a table entry: false when no more may be read. */
  readonly mayRead = (): boolean => this.#mayTake(1);

  /** Asked before the tables of each PASID: false when no more may be looked at. */
  mayFollow(): boolean {
    return this.#mayTake(PASID_COST);
  }

  /** A way that no page table is asked about. `page` is the input page. */
  direct(page: number, shift: number, permissions: Permissions, pasid: number | undefined): Reach[] {
    if (this.#left <= 0) {
      this.complete = false;
      return [];
    }
    this.#left -= 1;
    return [this.#reach(BigInt(page) << BigInt(PAGE_SHIFT), shift, permissions, pasid)];
  }

  /** The ways through page tables, by ascending input page, to any of the `frames` (ascending; default: the page itself). */
  through(
    tables: ListedTables,
    confirm: Confirm,
    pasid: number | undefined,
    frames: readonly number[] = [this.page],
  ): Reach[] {
    const found: Reach[] = [];
    if (frames.length === 0) return found;
    const walk = new TableSearch(tables, frames, this.mayRead, this.#barrenOf(tables, frames), (page) => {
      const start = inputAddress(tables, page);
      const result = confirm(Number(start >> BigInt(PAGE_SHIFT)));
      if (result === null || !frames.includes(result.frame)) return;
      if (this.#left <= 0) {
        this.complete = false;
        return;
      }
      this.#left -= 1;
      found.push(this.#reach(start, result.shift, result.permissions, pasid));
    });
    walk.table(tables.address, tables.levels, 0, tables.rights ?? ALL_RIGHTS);
    return found;
  }

  #mayTake(entries: number): boolean {
    if (this.#budget <= 0 || this.#left <= 0) {
      this.complete = false;
      return false;
    }
    this.#budget -= entries;
    return true;
  }

  #reach(start: bigint, shift: number, permissions: Permissions, pasid: number | undefined): Reach {
    return {
      ...(pasid !== undefined && { pasid }),
      iova: start | this.#offset,
      size: 1n << BigInt(shift),
      permissions: permissionNames(permissions),
    };
  }

  #barrenOf({ reading, bits }: ListedTables, frames: readonly number[]): Set<number> {
    const key = `${reading}/${bits}/${frames.join()}`;
    let barren = this.#barren.get(key);
    if (barren === undefined) this.#barren.set(key, (barren = new Set<number>()));
    return barren;
  }
}

/** One pass over the tables of one request. */
class TableSearch {
  readonly #tables: ListedTables;
  readonly #shape: TableShape;
  readonly #frames: readonly number[];
  readonly #mayRead: () => boolean;
  readonly #barren: Set<number>;
  readonly #found: (page: number) => void;

  constructor(
    tables: ListedTables,
    frames: readonly number[],
    mayRead: () => boolean,
    barren: Set<number>,
    found: (page: number) => void,
  ) {
    this.#tables = tables;
    this.#shape = shapeOf(tables);
    this.#frames = frames;
    this.#mayRead = mayRead;
    this.#barren = barren;
    this.#found = found;
  }

  /**
   * @param base the first input page behind the table
   * @returns true when something behind it leads to the target, or nothing more may be read
   */
  table(address: number, level: number, base: number, above: number): boolean {
    // Tables are aligned to 4 KiB, so that the sum with the level tells them apart.
    if (this.#barren.has(address + level)) return false;
    const { bits, memory } = this.#tables;
    const pages = this.#pagesOf(level);
    const entries = this.#shape.entries(level);
    const end = 2 ** (bits - PAGE_SHIFT);
    let leads = false;
    for (let index = 0; index < entries; index++) {
      const page = base + index * pages;
      if (page >= end) break;
      if (!this.#mayRead()) return true;
      const entry = memory.read(address + 8 * index)
        ? this.#tables.decode(level, memory.low, memory.high, above)
        : null;
      if (entry === null) continue;
      const rights = entry.final === true ? entry.rights : above & entry.rights;
      if (!entry.leaf) {
        if ((rights & Permission.readWrite) === 0) leads = true;
        else if (this.#tablesBehind(entry, level, page, rights)) leads = true;
      } else if (this.#leaf(entry, level, page, rights)) leads = true;
    }
    if (!leads) this.#barren.add(address + level);
    return leads;
  }

  /** The table behind an entry: several times over, where levels are skipped. */
  #tablesBehind({ frame, next }: ListedEntry, level: number, page: number, rights: number): boolean {
    const below = next ?? level - 1;
    const stride = this.#shape.entries(below) * this.#pagesOf(below);
    let leads = false;
    for (let base = page; base < page + this.#pagesOf(level); base += stride) {
      if (base > page && !this.#mayRead()) return true;
      if (!this.table(frame * PAGE_SIZE, below, base, rights)) break;
      leads = true;
    }
    return leads;
  }

  /** What a leaf's entry covers of its page; of a page that is smaller, the same several times over. */
  #leaf(entry: ListedEntry, level: number, page: number, rights: number): boolean {
    const { frame, shift = this.#shape.shift(level) } = entry;
    const covered = this.#pagesOf(level);
    const pages = Math.min(2 ** (shift - 12), covered);
    const first = frame + (page % 2 ** (shift - 12));
    const wanted = this.#frames.filter((one) => one >= first && one < first + pages);
    if (wanted.length === 0) return false;
    if ((rights & Permission.readWrite) === 0) return true;
    for (let at = page; at < page + covered; at += pages) {
      if (at > page && !this.#mayRead()) return true;
      for (const one of wanted) this.#found(at + (one - first));
    }
    return true;
  }

  #pagesOf(level: number): number {
    return pagesOfEntry(level, this.#shape);
  }
}
