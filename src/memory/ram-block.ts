import { hex } from '../core/address.ts';
import type { OperationCounter } from '../core/operation.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

const PAGE = 4096;
const WORDS = PAGE / 8;
/**
 * Pages are found through a top array (an entry for 16 MiB: half a MiB of it for a guest of 1 TiB) and one table of 4096
 * pages. A third level would save that half MiB, but each level is one more place in memory that every table entry of a
 * walk waits for. A page number has 32 bits, so that all of it is integer arithmetic: division and remainder of doubles
 * cost more than the whole rest of a read.
 */
const TABLE_SHIFT = 12;
const FANOUT = 1 << TABLE_SHIFT;
/** The most bytes of one block. */
export const LARGEST_RAM_BLOCK = 1n << 44n;

/** Words of a page are read through a 32-bit view, in the byte order of the processor that runs us. */
const littleEndianHost = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function swapped(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

/** One page that was written to, or that a cache watches. */
interface Page {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Per 8-byte word the operation of its last write; null until the page is watched. */
  writes: Float64Array | null;
}

type PageTable = (Page | undefined)[];

export interface RamBlockState {
  /** The touched pages by ascending offset. */
  pages: { offset: number; bytes: Uint8Array; writes: number[] | null }[];
  watchedWrites: number;
}

/**
 * Guest RAM. Only the 4 KiB pages that were written to cost memory; all others read as zeros. Offsets are plain
 * numbers relative to the block, since a table walk cannot afford bigint.
 *
 * A page in which a cache has read table entries can be watched; from then on each write to it leaves the number of
 * its operation on every 8-byte word that it touches, so that a stale translation can name what changed the tables.
 */
export class RamBlock implements Snapshottable<RamBlockState> {
  readonly name: string;
  /** In bytes. */
  readonly size: bigint;
  /** The low and the high half of what {@link entry} read last, unsigned. */
  low = 0;
  high = 0;
  readonly #length: number;
  readonly #operations: OperationCounter;
  #top: (PageTable | undefined)[];
  #pages = 0;
  #watchedWrites = 0;

  /** @throws RangeError unless `size` is 1 to 2^44 (16 TiB) */
  constructor(name: string, size: bigint, operations: OperationCounter) {
    if (size < 1n || size > LARGEST_RAM_BLOCK) {
      throw new RangeError(`RAM block ${name} cannot have ${size} bytes; the limit is ${LARGEST_RAM_BLOCK}`);
    }
    this.name = name;
    this.size = size;
    this.#length = Number(size);
    this.#top = emptyTop(this.#length);
    this.#operations = operations;
  }

  /** What the block costs: the bytes of the pages that were touched. */
  get touchedBytes(): number {
    return this.#pages * PAGE;
  }

  /** Grows with each write to any watched page: as long as it stays the same, no watched table has changed. */
  get watchedWrites(): number {
    return this.#watchedWrites;
  }

  /** Fills `into` from `offset`. @throws RangeError when the range leaves the block */
  read(offset: number, into: Uint8Array): void {
    this.#check(offset, into.length);
    let done = 0;
    while (done < into.length) {
      const at = offset + done;
      const inPage = at & (PAGE - 1);
      const length = Math.min(PAGE - inPage, into.length - done);
      const page = this.#find(at);
      if (page === undefined) into.fill(0, done, done + length);
      else into.set(page.bytes.subarray(inPage, inPage + length), done);
      done += length;
    }
  }

  /** Writes `bytes` at `offset`. @throws RangeError when the range leaves the block */
  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.length);
    let done = 0;
    while (done < bytes.length) {
      const at = offset + done;
      const inPage = at & (PAGE - 1);
      const length = Math.min(PAGE - inPage, bytes.length - done);
      const page = this.#touch(at);
      page.bytes.set(done === 0 && length === bytes.length ? bytes : bytes.subarray(done, done + length), inPage);
      if (page.writes !== null) this.#record(page.writes, inPage, length);
      done += length;
    }
  }

  /** The byte at `offset`. */
  readU8(offset: number): number {
    this.#check(offset, 1);
    return this.#find(offset)?.bytes[offset & (PAGE - 1)] ?? 0;
  }

  /** The 32-bit word at `offset`, a multiple of 4. */
  readU32(offset: number): number {
    this.#check(offset, 4);
    const value = this.#find(offset)?.words[(offset & (PAGE - 1)) >>> 2] ?? 0;
    return littleEndianHost ? value : swapped(value);
  }

  /** Writes the 32-bit word at `offset`, a multiple of 4. */
  writeU32(offset: number, value: number): void {
    this.#check(offset, 4);
    const page = this.#touch(offset);
    page.words[(offset & (PAGE - 1)) >>> 2] = littleEndianHost ? value : swapped(value);
    if (page.writes !== null) this.#record(page.writes, offset & (PAGE - 1), 4);
  }

  /** Reads the 8 bytes at `offset`, a multiple of 8 inside the block, into {@link low} and {@link high}. */
  entry(offset: number): void {
    const page = this.#find(offset);
    if (page === undefined) {
      this.low = 0;
      this.high = 0;
      return;
    }
    const word = (offset & (PAGE - 1)) >>> 2;
    const low = page.words[word]!;
    const high = page.words[word + 1]!;
    this.low = littleEndianHost ? low : swapped(low);
    this.high = littleEndianHost ? high : swapped(high);
  }

  /**
   * ORs `bits` into the 32-bit word at `offset`, a multiple of 4. For the accessed and dirty bits that a walk sets:
   * not recorded as a write, since a cache never disagrees with a table over them.
   */
  orLow(offset: number, bits: number): void {
    this.#check(offset, 4);
    const page = this.#touch(offset);
    const word = (offset & (PAGE - 1)) >>> 2;
    const value = littleEndianHost ? bits : swapped(bits);
    page.words[word] = page.words[word]! | value;
  }

  /** Starts to record writes to the page that `offset` lies in. */
  watch(offset: number): void {
    this.#check(offset, 1);
    const page = this.#touch(offset);
    page.writes ??= new Float64Array(WORDS);
  }

  isWatched(offset: number): boolean {
    return (this.#find(offset)?.writes ?? null) !== null;
  }

  /** The operation of the last write to the 8-byte word that `offset` lies in; 0 when there was none since the watch. */
  lastWrite(offset: number): number {
    return this.#find(offset)?.writes?.[(offset & (PAGE - 1)) >>> 3] ?? 0;
  }

  save(): RamBlockState {
    const pages: RamBlockState['pages'] = [];
    for (const [tableIndex, table] of this.#top.entries()) {
      if (table === undefined) continue;
      for (const [pageIndex, page] of table.entries()) {
        if (page === undefined) continue;
        const offset = (tableIndex * FANOUT + pageIndex) * PAGE;
        pages.push({ offset, bytes: page.bytes.slice(), writes: page.writes === null ? null : [...page.writes] });
      }
    }
    return { pages, watchedWrites: this.#watchedWrites };
  }

  restore(state: RamBlockState): void {
    this.#top = emptyTop(this.#length);
    this.#pages = 0;
    for (const saved of state.pages) {
      this.#check(saved.offset, 1);
      const page = this.#touch(saved.offset);
      page.bytes.set(saved.bytes);
      if (saved.writes !== null) page.writes = Float64Array.from(saved.writes);
    }
    this.#watchedWrites = state.watchedWrites;
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.#length) {
      throw new RangeError(`${length} bytes at ${hex(offset)} are not inside RAM block ${this.name}`);
    }
  }

  #find(offset: number): Page | undefined {
    const number = (offset / PAGE) >>> 0;
    const table = this.#top[number >>> TABLE_SHIFT];
    if (table === undefined) return undefined;
    return table[number & (FANOUT - 1)];
  }

  #touch(offset: number): Page {
    const number = (offset / PAGE) >>> 0;
    const table = (this.#top[number >>> TABLE_SHIFT] ??= new Array<Page | undefined>(FANOUT).fill(undefined));
    const index = number & (FANOUT - 1);
    let page = table[index];
    if (page === undefined) {
      const bytes = new Uint8Array(PAGE);
      page = { bytes, words: new Uint32Array(bytes.buffer), writes: null };
      table[index] = page;
      this.#pages += 1;
    }
    return page;
  }

  #record(writes: Float64Array, inPage: number, length: number): void {
    this.#watchedWrites += 1;
    writes.fill(this.#operations.current, inPage >>> 3, ((inPage + length - 1) >>> 3) + 1);
  }
}

function emptyTop(length: number): undefined[] {
  return new Array<undefined>(Math.ceil(length / (PAGE * FANOUT))).fill(undefined);
}
