import { hex, isAligned } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { PAGE, type Processor } from './processor.ts';

/** A range of guest-physical addresses, in bytes. */
export interface TableRange {
  readonly address: bigint;
  readonly size: bigint;
}

export interface TablePagesState {
  address: bigint;
  size: bigint;
  next: bigint;
  free: bigint[];
}

const FOUR_GIB = 1n << 32n;
/** Enough tables for 8 GiB in pages of 4 KiB. */
const DEFAULT_SIZE = 16n << 20n;
/** Of the RAM below 4 GiB, the driver never takes more than this part of its own accord. */
const LARGEST_PART = 4n;

/**
 * Where the tables lie when the user does not say: at the top of the RAM below 4 GiB, the place that the user's own
 * data, which usually grows from low addresses, reaches last.
 * @throws CommandError when the machine has no RAM to speak of
 */
export function defaultTableRange(processor: Processor): TableRange {
  const last = processor.lastRamBelow(FOUR_GIB);
  const end = last === null ? 0n : ((last + 1n) / PAGE) * PAGE;
  const part = (end / LARGEST_PART / PAGE) * PAGE;
  const size = part < DEFAULT_SIZE ? part : DEFAULT_SIZE;
  if (size === 0n) throw new CommandError('The machine has no RAM for the tables of the guest driver; start with -m');
  return { address: end - size, size };
}

/**
 * Checks that a range can hold the driver's tables: whole pages of RAM which hold nothing yet.
 * @param own what the driver used before a reset: its old tables are no data of the user
 * @throws CommandError that names the first page which cannot be taken
 */
export function checkTableRange(processor: Processor, range: TableRange, own: TableRange | null): void {
  const { address, size } = range;
  if (size === 0n || !isAligned(address, PAGE) || !isAligned(size, PAGE)) {
    throw new CommandError(
      `Tables cannot lie in ${size} bytes at ${hex(address)}: both must be multiples of ${PAGE}, and the size not 0`,
    );
  }
  const outside = processor.firstOutsideRam(address, size);
  if (outside !== null) {
    throw new CommandError(`Tables cannot lie in ${size} bytes at ${hex(address)}: ${hex(outside)} is not RAM`);
  }
  if (own !== null && own.address === address && own.size === size) return;
  const used = processor.firstUsedPage(address, size);
  if (used !== null) {
    throw new CommandError(
      `Tables cannot lie in ${size} bytes at ${hex(address)}: the page at ${hex(used)} holds data; ` +
        "give another range by 'tables'",
    );
  }
}

/** The pages of one range, handed out from the lowest address on, and freed ones again. */
export class TablePages implements Snapshottable<TablePagesState> {
  readonly #processor: Processor;
  #range: TableRange;
  #next: bigint;
  /** The one freed last is taken first. */
  #free: bigint[] = [];

  constructor(processor: Processor, range: TableRange) {
    this.#processor = processor;
    this.#range = range;
    this.#next = range.address;
  }

  get range(): TableRange {
    return this.#range;
  }

  /** How many single pages can still be had. */
  get available(): number {
    return this.#free.length + this.#untouched;
  }

  /** @throws CommandError when `count` single pages cannot be had */
  require(count: number, what: string): void {
    if (count <= this.available) return;
    const { address, size } = this.#range;
    throw new CommandError(
      `${what} needs ${count} pages for tables; of the ${size / PAGE} at ${hex(address)} ${this.available} are ` +
        "free: enable with a larger range by 'tables'",
    );
  }

  /** @throws CommandError when `count` pages in a row cannot be had */
  requireContiguous(count: number, what: string): void {
    if (count <= this.#untouched) return;
    const { address, size } = this.#range;
    throw new CommandError(
      `${what} needs ${count} pages in a row for a table; of the ${size / PAGE} at ${hex(address)} ` +
        `${this.#untouched} are left at the end: enable with a larger range by 'tables'`,
    );
  }

  /** One page of zeros. The caller has made sure that it is there. */
  take(): bigint {
    const page = this.#free.pop();
    if (page === undefined) return this.takeContiguous(1);
    this.#clear(page, 1);
    return page;
  }

  /** Pages of zeros in a row. The caller has made sure that they are there. */
  takeContiguous(count: number): bigint {
    if (count > this.#untouched) throw new Error(`${count} pages are not left`);
    const first = this.#next;
    this.#next += BigInt(count) * PAGE;
    this.#clear(first, count);
    return first;
  }

  give(page: bigint): void {
    this.#free.push(page);
  }

  /** Whether any byte of the range is one of the tables'. */
  overlaps(address: bigint, size: bigint): boolean {
    return address < this.#range.address + this.#range.size && this.#range.address < address + size;
  }

  save(): TablePagesState {
    return { ...this.#range, next: this.#next, free: [...this.#free] };
  }

  restore(state: TablePagesState): void {
    this.#range = { address: state.address, size: state.size };
    this.#next = state.next;
    this.#free = [...state.free];
  }

  get #untouched(): number {
    return Number((this.#range.address + this.#range.size - this.#next) / PAGE);
  }

  #clear(first: bigint, count: number): void {
    const zeros = new Uint8Array(Number(PAGE));
    for (let index = 0; index < count; index += 1) this.#processor.store(first + BigInt(index) * PAGE, zeros);
  }
}
