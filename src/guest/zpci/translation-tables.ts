import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { Processor } from '../processor.ts';
import type { TableBlocks } from './table-blocks.ts';

/** A page of the table's, and of guest memory. */
const PAGE = 0x1000n;
/** Bytes behind one entry: of a region table, and of a segment table. */
const REGION_SPAN = 1n << 31n;
const SEGMENT_SPAN = 1n << 20n;
/** Invalid region or segment entry; invalid page entry. */
const INVALID = 0x20n;
const INVALID_PAGE = 0x400n;
const PROTECTED = 0x200n;
/** Type and length of a region entry that leads to a whole segment table. */
const REGION_FLAGS = 0x7n;
const POINTER = ~0x7ffn;

/** A part of a range that one page table holds; `last` is inclusive. */
interface Part {
  readonly start: bigint;
  readonly last: bigint;
}

/**
 * The tables of one function in guest RAM. What they map is read from RAM each time: the driver keeps no copy, so that
 * what a user has changed there holds.
 */
export class TranslationTables {
  readonly #processor: Processor;
  readonly #blocks: TableBlocks;
  /** The region-third table. */
  readonly root: bigint;

  /** @param root null makes a region table that maps nothing */
  constructor(processor: Processor, blocks: TableBlocks, root: bigint | null) {
    this.#processor = processor;
    this.#blocks = blocks;
    this.root = root ?? blocks.takeLarge(INVALID);
  }

  /**
   * How many segment tables and page tables mapping the range takes. Changes nothing.
   * @throws CommandError when any page of it is mapped already
   */
  tablesFor(iova: bigint, size: bigint): { readonly segment: number; readonly page: number } {
    let page = 0;
    const regions = new Set<bigint>();
    for (const { start, last } of parts(iova, size)) {
      const segments = this.#segmentsOf(start);
      if (segments === null) regions.add(start / REGION_SPAN);
      const pages = segments === null ? null : this.#pagesOf(segments, start);
      if (pages === null) page += 1;
      else this.#check(pages, start, last, false);
    }
    return { segment: regions.size, page };
  }

  /** Maps the range. The caller has counted the tables. */
  map(iova: bigint, address: bigint, size: bigint, writable: boolean): void {
    const flags = writable ? 0n : PROTECTED;
    for (const { start, last } of parts(iova, size)) {
      const segments = this.#segmentsOf(start) ?? this.#link(regionEntry(this.root, start), REGION_FLAGS, true);
      const pages = this.#pagesOf(segments, start) ?? this.#link(segmentEntry(segments, start), 0n, false);
      this.#change(pages, start, last, (at) => (at - iova + address) | flags);
    }
  }

  /** @throws CommandError unless all of the range is mapped by pages; changes nothing */
  checkMapped(iova: bigint, size: bigint): void {
    for (const { start, last } of parts(iova, size)) {
      const segments = this.#segmentsOf(start);
      const pages = segments === null ? null : this.#pagesOf(segments, start);
      if (pages === null) throw new CommandError(`${hex(start)} is not mapped`);
      this.#check(pages, start, last, true);
    }
  }

  /** Marks the pages of the range, which has been checked, invalid. Tables stay, as a kernel's do. */
  unmap(iova: bigint, size: bigint): void {
    for (const { start, last } of parts(iova, size)) {
      const pages = this.#pagesOf(this.#segmentsOf(start)!, start)!;
      this.#change(pages, start, last, () => INVALID_PAGE);
    }
  }

  #segmentsOf(iova: bigint): bigint | null {
    const entry = this.#load(regionEntry(this.root, iova));
    return (entry & INVALID) === 0n ? entry & POINTER : null;
  }

  #pagesOf(segments: bigint, iova: bigint): bigint | null {
    const entry = this.#load(segmentEntry(segments, iova));
    return (entry & INVALID) === 0n ? entry & POINTER : null;
  }

  /** A table is filled before it is linked: nobody who walks meanwhile finds a half. */
  #link(entry: bigint, flags: bigint, large: boolean): bigint {
    const table = large ? this.#blocks.takeLarge(INVALID) : this.#blocks.takeSmall(INVALID_PAGE);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, table | flags);
    this.#processor.store(entry, bytes);
    return table;
  }

  #check(pages: bigint, start: bigint, last: bigint, mapped: boolean): void {
    for (let at = start; at <= last; at += PAGE) {
      if (((this.#load(pageEntry(pages, at)) & INVALID_PAGE) === 0n) === mapped) continue;
      throw new CommandError(mapped ? `${hex(at)} is not mapped` : `${hex(at)} is mapped already; unmap it first`);
    }
  }

  /** All entries of one page table in one store. */
  #change(pages: bigint, start: bigint, last: bigint, entryOf: (iova: bigint) => bigint): void {
    const bytes = new Uint8Array((Number((last - start) / PAGE) + 1) * 8);
    const view = new DataView(bytes.buffer);
    for (let at = start, offset = 0; at <= last; at += PAGE, offset += 8) view.setBigUint64(offset, entryOf(at));
    this.#processor.store(pageEntry(pages, start), bytes);
  }

  #load(address: bigint): bigint {
    const bytes = new Uint8Array(8);
    this.#processor.load(address, bytes);
    return new DataView(bytes.buffer).getBigUint64(0);
  }
}

function regionEntry(table: bigint, iova: bigint): bigint {
  return table + 8n * ((iova / REGION_SPAN) & 0x7ffn);
}

function segmentEntry(table: bigint, iova: bigint): bigint {
  return table + 8n * ((iova / SEGMENT_SPAN) & 0x7ffn);
}

function pageEntry(table: bigint, iova: bigint): bigint {
  return table + 8n * ((iova / PAGE) & 0xffn);
}

function* parts(iova: bigint, size: bigint): Generator<Part> {
  const end = iova + size - 1n;
  for (let start = iova; start <= end; ) {
    const boundary = start | (SEGMENT_SPAN - 1n);
    const last = boundary < end ? boundary : end;
    yield { start, last };
    start = last + 1n;
  }
}
