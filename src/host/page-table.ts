import { CommandError } from '../core/errors.ts';
import { hex, PAGE_SHIFT, PAGE_SIZE } from '../core/address.ts';
import type { Hpa } from '../core/address.ts';
import type { HostCapabilities } from '../memory/host-device.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';

/** One range of input addresses and the contiguous host frames behind it; sizes in bytes. */
export interface HostMapping {
  readonly iova: bigint;
  readonly size: bigint;
  readonly hpa: Hpa;
  readonly readonly: boolean;
}

export interface HostPageTableState {
  id: number;
  /** By ascending address, as mapped. */
  mappings: HostMapping[];
}

/** What a page table needs from the host IOMMU that it belongs to. */
export interface PageTableHost {
  readonly memory: HostMemory;
  readonly capabilities: HostCapabilities;
  /** The number of the operation that goes on. */
  readonly operation: number;
  /** Drops every cached entry that depended on input pages `start` to before `end` of `table`. */
  invalidateRange(table: HostPageTable, start: number, end: number): void;
}

/** Mapped ranges as page numbers: doubles, exact up to 2^52 pages. */
interface Range {
  /** The first input page. */
  readonly start: number;
  /** The first input page behind the range. */
  readonly end: number;
  /** The host frame of the first page. */
  readonly frame: number;
  readonly readonly: boolean;
}

const SHIFT = BigInt(PAGE_SHIFT);
const page = (address: bigint): number => Number(address >> SHIFT);
const address = (pageNumber: number): bigint => BigInt(pageNumber) << SHIFT;
const spanText = (start: number, end: number): string => `${hex(address(start))}-${hex(address(end) - 1n)}`;

/**
 * A second-stage page table of the host: what a container has mapped for its devices, from guest-physical (or shadowed
 * I/O-virtual) to host-physical addresses. The host kernel writes it and invalidates after its own changes, so nothing
 * stale ever comes from here.
 *
 * A range stays one for its whole life: it can be unmapped only as a whole, which is what both type1 and iommufd ask
 * of their users.
 */
export class HostPageTable implements Snapshottable<HostPageTableState> {
  readonly kind = 'second-stage' as const;
  readonly id: number;
  /** The host frame that {@link lookup} found. */
  frame = 0;
  /** The range that {@link lookup} found cannot be written. */
  readonly = false;
  /** Grows with each change of what is mapped: who remembers a {@link HostPageTable.range} compares it. */
  changes = 0;
  /** The operation of the latest of them. */
  lastChange = 0;
  readonly #host: PageTableHost;
  readonly #functions: HostFunction[] = [];
  /** Larger page sizes than the smallest, as a number of 4 KiB pages, descending. */
  readonly #largePages: readonly number[];
  readonly #smallest: bigint;
  #ranges: Range[] = [];
  /** The index of the range that the latest look-up found: nearly always the next one too. */
  #latest = 0;
  #pageNumber = 0;

  constructor(id: number, host: PageTableHost) {
    this.id = id;
    this.#host = host;
    const sizes = [...host.capabilities.pageSizes].sort((one, other) => (one < other ? -1 : 1));
    this.#smallest = sizes[0]!;
    this.#largePages = sizes.map((size) => Number(size) / PAGE_SIZE).reverse();
  }

  /** The functions whose DMA goes through this table, by address. */
  get functions(): readonly HostFunction[] {
    return this.#functions;
  }

  /** Called by {@link HostFunction} alone. */
  join(device: HostFunction): void {
    this.#functions.push(device);
    this.#functions.sort((one, other) => one.requester - other.requester);
  }

  /** Called by {@link HostFunction} alone. */
  leave(device: HostFunction): void {
    this.#functions.splice(this.#functions.indexOf(device), 1);
  }

  /**
   * Maps `size` bytes at `iova` to the frames at `hpa`.
   * @throws CommandError when anything is no multiple of the smallest page, the range is empty, ends above the
   * address width, overlaps a mapping, or is not backed by RAM
   */
  map(iova: bigint, size: bigint, hpa: Hpa, readonly: boolean): void {
    const smallest = this.#smallest;
    for (const [name, value] of [
      ['iova', iova],
      ['size', size],
      ['host-physical address', hpa],
    ] as const) {
      if (value % smallest !== 0n) {
        throw new CommandError(
          `Mapping ${hex(size)} bytes at ${hex(iova)}: the ${name} ${hex(value)} is not a multiple of the smallest page of the host IOMMU, ${hex(smallest)}`,
        );
      }
    }
    if (size <= 0n)
      throw new CommandError(`Mapping 0 bytes at ${hex(iova)}: the size must be at least ${hex(smallest)}`);
    const bits = this.#host.capabilities.addressBits;
    if (iova + size > 1n << BigInt(bits)) {
      throw new CommandError(
        `Mapping ${hex(iova)}-${hex(iova + size - 1n)}: the range ends above ${hex((1n << BigInt(bits)) - 1n)}, the last address that ${bits} address bits of the host IOMMU reach`,
      );
    }
    const range = { start: page(iova), end: page(iova + size), frame: page(hpa), readonly };
    const at = this.#firstEndingAfter(range.start);
    const next = this.#ranges[at];
    if (next !== undefined && next.start < range.end) {
      throw new CommandError(
        `Mapping ${spanText(range.start, range.end)}: the range overlaps ${spanText(next.start, next.end)}, which is mapped already; unmap that first`,
      );
    }
    if (BigInt(this.#host.memory.bytesFrom(hpa)) < size) {
      throw new CommandError(
        `Mapping ${hex(size)} bytes at ${hex(iova)}: host-physical memory at ${hex(hpa)} has only ${hex(this.#host.memory.bytesFrom(hpa))} bytes of RAM`,
      );
    }
    this.#ranges.splice(at, 0, range);
    this.#changed();
  }

  /**
   * Unmaps every range between `iova` and `iova + size` (at most 2^64 bytes) and drops the cached entries that depended
   * on them. Returns what was unmapped: nothing at all is no error here.
   * @throws CommandError when a range lies only partly inside; then nothing is unmapped
   */
  unmap(iova: bigint, size: bigint): { bytes: bigint; ranges: number } {
    if (iova % this.#smallest !== 0n || size % this.#smallest !== 0n) {
      throw new CommandError(
        `Unmapping ${hex(size)} bytes at ${hex(iova)}: both must be multiples of the smallest page of the host IOMMU, ${hex(this.#smallest)}`,
      );
    }
    const start = page(iova);
    const end = page(iova + size);
    const first = this.#firstEndingAfter(start);
    let behind = first;
    let pages = 0;
    for (let range = this.#ranges[behind]; range !== undefined && range.start < end; range = this.#ranges[++behind]) {
      if (range.start < start || range.end > end) {
        throw new CommandError(
          `Unmapping ${hex(iova)}-${hex(iova + size - 1n)} would split the mapping ${spanText(range.start, range.end)}; unmap whole mappings only`,
        );
      }
      pages += range.end - range.start;
    }
    const gone = this.#ranges.splice(first, behind - first);
    this.#changed();
    // Nothing depends on the holes between them, so one sweep over the caches does for all.
    if (gone.length > 0) this.#host.invalidateRange(this, gone[0]!.start, gone.at(-1)!.end);
    return { bytes: address(pages), ranges: gone.length };
  }

  /**
   * Looks an input page up: true when it is mapped, and then {@link frame}, {@link readonly} and {@link pageShift} tell
   * to what. No bigint and no allocation: every step of a nested walk comes through here.
   */
  lookup(pageNumber: number): boolean {
    let range = this.#ranges[this.#latest];
    if (range === undefined || pageNumber < range.start || pageNumber >= range.end) {
      const at = this.#firstEndingAfter(pageNumber);
      range = this.#ranges[at];
      if (range === undefined || pageNumber < range.start) return false;
      this.#latest = at;
    }
    this.frame = range.frame + (pageNumber - range.start);
    this.readonly = range.readonly;
    this.#pageNumber = pageNumber;
    return true;
  }

  /** The mapped range that {@link lookup} found, in input pages; `end` is the first behind it. */
  get range(): { readonly start: number; readonly end: number } {
    return this.#ranges[this.#latest]!;
  }

  /**
   * Binary logarithm of the size, in bytes, of the page that {@link lookup} found: the largest that the host can use
   * there, aligned on both sides and wholly inside its range.
   */
  get pageShift(): number {
    const range = this.#ranges[this.#latest];
    if (range === undefined) return PAGE_SHIFT;
    for (const pages of this.#largePages) {
      const start = this.#pageNumber - (this.#pageNumber % pages);
      if (start >= range.start && start + pages <= range.end && (range.frame - range.start) % pages === 0) {
        return PAGE_SHIFT + Math.log2(pages);
      }
    }
    return PAGE_SHIFT;
  }

  /** Whether every byte of a range is mapped; if not, the first address that is not. */
  covers(iova: bigint, size: bigint): { ok: true } | { ok: false; firstMissing: bigint } {
    const end = page(iova + size - 1n) + 1;
    for (let at = page(iova); at < end; ) {
      const range = this.#ranges[this.#firstEndingAfter(at)];
      if (range === undefined || range.start > at) {
        const missing = address(at);
        return { ok: false, firstMissing: missing < iova ? iova : missing };
      }
      at = range.end;
    }
    return { ok: true };
  }

  /** The input pages that lead to a host frame, ascending. */
  inputsOf(frame: number): number[] {
    return this.#ranges
      .filter((range) => frame >= range.frame && frame < range.frame + (range.end - range.start))
      .map((range) => range.start + (frame - range.frame));
  }

  /** How many ranges are mapped, as {@link map} made them. */
  get rangeCount(): number {
    return this.#ranges.length;
  }

  /** How many there are when neighbours that continue each other count as one. */
  get mergedCount(): number {
    return this.#merged().length;
  }

  /** What is mapped, by ascending address; neighbours that continue each other on both sides are given as one. */
  mappings(): HostMapping[] {
    return this.#merged().map(asMapping);
  }

  /** The ranges that touch `first` to `last` (inclusive), each as it was mapped, by ascending address. */
  *rangesIn(first: bigint, last: bigint): Generator<HostMapping> {
    const end = page(last) + 1;
    for (let at = this.#firstEndingAfter(page(first)); ; at++) {
      const range = this.#ranges[at];
      if (range === undefined || range.start >= end) return;
      yield asMapping(range);
    }
  }

  save(): HostPageTableState {
    return { id: this.id, mappings: this.#ranges.map(asMapping) };
  }

  restore(state: HostPageTableState): void {
    this.#ranges = state.mappings.map(({ iova, size, hpa, readonly }) => ({
      start: page(iova),
      end: page(iova + size),
      frame: page(hpa),
      readonly,
    }));
    this.#changed();
  }

  #changed(): void {
    this.#latest = 0;
    this.changes += 1;
    this.lastChange = this.#host.operation;
  }

  #merged(): Range[] {
    const merged: Range[] = [];
    for (const range of this.#ranges) {
      const before = merged.at(-1);
      const continues =
        before?.end === range.start &&
        before.readonly === range.readonly &&
        before.frame + (before.end - before.start) === range.frame;
      if (continues) merged[merged.length - 1] = { ...before, end: range.end };
      else merged.push(range);
    }
    return merged;
  }

  /** The index of the first range that ends behind `pageNumber`: the one that holds it, or else the next above. */
  #firstEndingAfter(pageNumber: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.end > pageNumber) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function asMapping(range: Range): HostMapping {
  return {
    iova: address(range.start),
    size: address(range.end - range.start),
    hpa: address(range.frame) as Hpa,
    readonly: range.readonly,
  };
}
