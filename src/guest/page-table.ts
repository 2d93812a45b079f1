import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { ENTRY_FORMATS, type EntryFormat } from './entry-formats.ts';
import { PAGE, type Processor } from './processor.ts';
import type { TablePages } from './table-pages.ts';

/** Which kind of page table, and how far it reaches. */
export interface PageTableShape {
  readonly stage: 'first' | 'second' | 'amd';
  /** Levels of tables: 3 or 4. */
  readonly levels: number;
  /** The highest level whose entries may map a page: 1 for 4 KiB, 2 for 2 MiB too, 3 for 1 GiB too. */
  readonly leafLevels: number;
}

export type PagePermission = 'read' | 'write' | 'execute';

const ENTRIES = 512;
const POINTER = 0x000f_ffff_ffff_f000n;
/** Part of a range of addresses that one entry of a table covers; `last` is inclusive. */
interface Part {
  readonly index: number;
  readonly start: bigint;
  readonly last: bigint;
}

/**
 * A page table in guest RAM, of the first or the second stage. What it maps is read from RAM each time: the driver
 * keeps no copy, so that what a user has changed there holds.
 */
export class PageTable {
  readonly #processor: Processor;
  readonly #pages: TablePages;
  readonly #shape: PageTableShape;
  readonly #format: EntryFormat;
  readonly root: bigint;

  constructor(processor: Processor, pages: TablePages, shape: PageTableShape, root: bigint) {
    this.#processor = processor;
    this.#pages = pages;
    this.#shape = shape;
    this.#format = ENTRY_FORMATS[shape.stage];
    this.root = root;
  }

  /**
   * How many new tables mapping the range takes. Changes nothing.
   * @throws CommandError when any page of it is mapped already
   */
  tablesFor(iova: bigint, address: bigint, size: bigint): number {
    return this.#count(this.#shape.levels, this.root, iova, iova + size - 1n, address - iova);
  }

  /** How many tables a page table of its own for the range takes, with its root. */
  static tablesOfNew(shape: PageTableShape, iova: bigint, address: bigint, size: bigint): number {
    return 1 + countNew(shape, shape.levels, iova, iova + size - 1n, address - iova);
  }

  /** Maps the range with the largest pages that fit. The caller has counted the tables and has checked the range. */
  map(iova: bigint, address: bigint, size: bigint, permissions: ReadonlySet<PagePermission>): void {
    this.#map(this.#shape.levels, this.root, iova, iova + size - 1n, address - iova, permissions);
  }

  /** @throws CommandError unless all of the range is mapped, by pages that lie in it as a whole; changes nothing */
  checkMapped(iova: bigint, size: bigint): void {
    this.#check(this.#shape.levels, this.root, iova, iova + size - 1n);
  }

  /**
   * Unmaps the range, which has been checked. Tables go with it where all that they reach lies in the range.
   * @param keepTables leaves these where they are, too
   * @returns the tables that went; they are the caller's to free once no cache can lead to them
   */
  unmap(iova: bigint, size: bigint, keepTables: boolean): bigint[] {
    const gone: bigint[] = [];
    this.#unmap(this.#shape.levels, this.root, iova, iova + size - 1n, keepTables ? null : gone);
    return gone;
  }

  #count(level: number, table: bigint, start: bigint, last: bigint, offset: bigint): number {
    const entries = this.#load(table);
    let needed = 0;
    for (const part of partsOf(level, start, last)) {
      const entry = entries[part.index]!;
      if (!this.#format.isPresent(entry)) {
        needed += tablesUnder(this.#shape, level, part, offset);
      } else if (this.#format.isPage(entry, level)) {
        throw new CommandError(`${hex(part.start)} is mapped already; unmap it first`);
      } else {
        needed += this.#count(level - 1, entry & POINTER, part.start, part.last, offset);
      }
    }
    return needed;
  }

  #map(
    level: number,
    table: bigint,
    start: bigint,
    last: bigint,
    offset: bigint,
    permissions: ReadonlySet<PagePermission>,
  ): void {
    const entries = this.#load(table);
    const before = entries.slice();
    for (const part of partsOf(level, start, last)) {
      const entry = entries[part.index]!;
      if (!this.#format.isPresent(entry) && fits(this.#shape, level, part, offset)) {
        entries[part.index] = this.#format.page(part.start + offset, level, permissions);
        continue;
      }
      const below = this.#format.isPresent(entry) ? entry & POINTER : this.#pages.take();
      // A table is filled before it is linked: nobody who walks meanwhile finds a half.
      this.#map(level - 1, below, part.start, part.last, offset, permissions);
      if (!this.#format.isPresent(entry)) entries[part.index] = this.#format.table(below, level);
    }
    this.#store(table, before, entries);
  }

  #check(level: number, table: bigint, start: bigint, last: bigint): void {
    const entries = this.#load(table);
    for (const part of partsOf(level, start, last)) {
      const entry = entries[part.index]!;
      if (!this.#format.isPresent(entry)) throw new CommandError(`${hex(part.start)} is not mapped`);
      if (!this.#format.isPage(entry, level)) {
        this.#check(level - 1, entry & POINTER, part.start, part.last);
      } else if (!isWhole(level, part)) {
        const size = spanOf(level);
        const page = part.start & ~(size - 1n);
        throw new CommandError(
          `${hex(part.start)} is mapped by a page of ${size} bytes at ${hex(page)}, which goes as a whole only`,
        );
      }
    }
  }

  #unmap(level: number, table: bigint, start: bigint, last: bigint, gone: bigint[] | null): void {
    const entries = this.#load(table);
    const before = entries.slice();
    for (const part of partsOf(level, start, last)) {
      const entry = entries[part.index]!;
      const leaf = this.#format.isPage(entry, level);
      if (!leaf) this.#unmap(level - 1, entry & POINTER, part.start, part.last, gone);
      const goes = !leaf && gone !== null && isWhole(level, part);
      if (goes) gone.push(entry & POINTER);
      if (leaf || goes) entries[part.index] = 0n;
    }
    this.#store(table, before, entries);
  }

  #load(table: bigint): BigUint64Array {
    const bytes = new Uint8Array(ENTRIES * 8);
    this.#processor.load(table, bytes);
    const view = new DataView(bytes.buffer);
    return BigUint64Array.from({ length: ENTRIES }, (_, index) => view.getBigUint64(index * 8, true));
  }

  /** Stores what has changed, runs of entries by one store each. */
  #store(table: bigint, before: BigUint64Array, after: BigUint64Array): void {
    for (let index = 0; index < ENTRIES; index += 1) {
      if (before[index] === after[index]) continue;
      let end = index + 1;
      while (end < ENTRIES && before[end] !== after[end]) end += 1;
      this.#processor.store64(table + BigInt(index * 8), ...after.subarray(index, end));
      index = end;
    }
  }
}

/** Bytes that one entry of a table of this level covers. */
function spanOf(level: number): bigint {
  return PAGE << BigInt(9 * (level - 1));
}

function isWhole(level: number, part: Part): boolean {
  return part.last - part.start + 1n === spanOf(level);
}

/** Whether one entry of this level may map the part. */
function fits(shape: PageTableShape, level: number, part: Part, offset: bigint): boolean {
  if (level === 1) return true;
  const size = spanOf(level);
  return level <= shape.leafLevels && isWhole(level, part) && ((part.start + offset) & (size - 1n)) === 0n;
}

/** New tables below an entry that is not present. */
function tablesUnder(shape: PageTableShape, level: number, part: Part, offset: bigint): number {
  return fits(shape, level, part, offset) ? 0 : 1 + countNew(shape, level - 1, part.start, part.last, offset);
}

/** New tables below a new table. */
function countNew(shape: PageTableShape, level: number, start: bigint, last: bigint, offset: bigint): number {
  if (level === 1) return 0;
  let needed = 0;
  for (const part of partsOf(level, start, last)) needed += tablesUnder(shape, level, part, offset);
  return needed;
}

function* partsOf(level: number, start: bigint, last: bigint): Generator<Part> {
  const span = spanOf(level);
  for (let at = start; at <= last; ) {
    const end = at | (span - 1n);
    yield { index: Number((at / span) & BigInt(ENTRIES - 1)), start: at, last: end < last ? end : last };
    at = end + 1n;
  }
}
