import { CommandError } from '../../core/errors.ts';
import { hex } from '../../core/address.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { Processor } from '../processor.ts';
import type { TableRange } from '../table-pages.ts';

/** Region and segment tables: 2048 entries, aligned to their size. */
const LARGE = 0x4000n;
/** Page tables: 256 entries. */
const SMALL = 0x800n;
const SMALL_PER_LARGE = Number(LARGE / SMALL);

export interface TableBlocksState {
  readonly address: bigint;
  readonly size: bigint;
  readonly next: bigint;
  readonly small: bigint[];
}

/** Hands out the tables of one range, from the lowest address on. Tables stay where they are until a reset. */
export class TableBlocks implements Snapshottable<TableBlocksState> {
  readonly #processor: Processor;
  #range: TableRange;
  #next: bigint;
  /** What is left of a large block that was split, the lowest first. */
  #small: bigint[] = [];

  constructor(processor: Processor, range: TableRange) {
    this.#processor = processor;
    this.#range = range;
    this.#next = ((range.address + LARGE - 1n) / LARGE) * LARGE;
  }

  get range(): TableRange {
    return this.#range;
  }

  /** @throws CommandError when so many tables cannot be had */
  require(large: number, small: number, what: string): void {
    const split = Math.ceil(Math.max(0, small - this.#small.length) / SMALL_PER_LARGE);
    const left = this.#left;
    if (large + split <= left) return;
    const { address, size } = this.#range;
    throw new CommandError(
      `${what} needs ${large + split} blocks of 16 KiB for tables; of the ${size} bytes at ${hex(address)} ${left} ` +
        "blocks are free: enable with a larger range by 'tables'",
    );
  }

  /** A region or segment table, every entry of which is `entry`. The caller has made sure that it is there. */
  takeLarge(entry: bigint): bigint {
    if (this.#left === 0) throw new Error('no block for a table is left');
    const block = this.#next;
    this.#next += LARGE;
    this.#fill(block, LARGE, entry);
    return block;
  }

  /** The same for a page table. */
  takeSmall(entry: bigint): bigint {
    if (this.#small.length === 0) {
      const block = this.takeLarge(0n);
      this.#small = Array.from({ length: SMALL_PER_LARGE }, (_, index) => block + BigInt(index) * SMALL);
    }
    const table = this.#small.shift()!;
    this.#fill(table, SMALL, entry);
    return table;
  }

  save(): TableBlocksState {
    return { ...this.#range, next: this.#next, small: [...this.#small] };
  }

  restore({ address, size, next, small }: TableBlocksState): void {
    this.#range = { address, size };
    this.#next = next;
    this.#small = [...small];
  }

  get #left(): number {
    const end = this.#range.address + this.#range.size;
    return this.#next >= end ? 0 : Number((end - this.#next) / LARGE);
  }

  #fill(address: bigint, size: bigint, entry: bigint): void {
    const bytes = new Uint8Array(Number(size));
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += 8) view.setBigUint64(at, entry);
    this.#processor.store(address, bytes);
  }
}
