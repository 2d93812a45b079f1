import { ADDRESS_LAST, hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { Hypercall, MOST_INDIRECT } from '../../iommu/spapr/hypercalls.ts';
import { RtasStatus, RtasToken } from '../../iommu/spapr/rtas.ts';
import { pageOf, permissionsOf } from '../../iommu/spapr/tce.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { PageRange } from '../checks.ts';
import type { GuestDriver, GuestMapping, GuestMode, GuestUnmapping } from '../guest-driver.ts';
import { PAGE, Processor } from '../processor.ts';
import {
  checkTableRange,
  defaultTableRange,
  TablePages,
  type TablePagesState,
  type TableRange,
} from '../table-pages.ts';
import { callRtas, requireHypercall, type SpaprPlatform } from './platform.ts';

/** A window that the driver works with; all have pages of 4 KiB. Size in bytes. */
interface GuestWindow {
  readonly liobn: number;
  readonly address: bigint;
  readonly size: bigint;
}

interface Running {
  readonly pages: TablePages;
  /** The page for arguments of RTAS calls. */
  readonly buffer: bigint;
  /** The page for lists of TCEs. */
  readonly list: bigint;
}

export interface TceDriverState {
  range: TableRange | null;
  running: { pages: TablePagesState; buffer: bigint; list: bigint } | null;
  /** Windows that the driver has created, by the LIOBN of the default window beside them. */
  created: { beside: number; window: GuestWindow }[];
}

const PAGE_SHIFT = 12;
/** Of a window that is created: 4 GiB. */
const WINDOW_SHIFT = 32;
const NO_PASIDS = 'The unit has no PASIDs: TCE tables map addresses of requests without PASID alone';
const READ = 1n;
const WRITE = 2n;

/**
 * A guest's driver for TCE tables. It maps in the default window of a device, and where that does not reach, in a
 * dynamic one that it has the hypervisor create. Each hypercall is in force at once, so that nothing is ever to be
 * flushed. In RAM it needs two pages: for arguments of RTAS calls, and for lists of TCEs.
 */
export class TceDriver implements GuestDriver {
  readonly #processor: Processor;
  readonly #platform: SpaprPlatform;
  #range: TableRange | null = null;
  #running: Running | null = null;
  #created = new Map<number, GuestWindow>();

  constructor(options: { memory: AddressSpace; platform: SpaprPlatform }) {
    this.#processor = new Processor(options.memory);
    this.#platform = options.platform;
  }

  get mode(): GuestMode | null {
    return this.#running === null ? null : 'other';
  }

  enable(mode: GuestMode, tables?: TableRange): TableRange {
    if (mode !== 'other') throw new CommandError(`The unit has no ${mode} mode: TCE tables have one only, other`);
    if (this.#running !== null) throw new CommandError('The unit is enabled already; use system_reset first');
    const range = tables ?? defaultTableRange(this.#processor);
    checkTableRange(this.#processor, range, this.#range);
    const pages = new TablePages(this.#processor, range);
    pages.require(2, 'Enabling the unit');
    this.#range = range;
    this.#running = { pages, buffer: pages.take(), list: pages.take() };
    return range;
  }

  map(mapping: GuestMapping): void {
    const { list } = this.#ready();
    const { sourceId, address, size, permissions } = mapping;
    checkPages(mapping);
    if (address % PAGE !== 0n) {
      throw new CommandError(`Parameter 'address' ${hex(address)} is not a multiple of ${PAGE}`);
    }
    if (address + size - 1n > ADDRESS_LAST) throw new CommandError(`${size} bytes at ${hex(address)} go beyond 2^64`);
    if (permissions.length === 0) throw new CommandError("Parameter 'permissions' is empty; give read, write or both");
    if (permissions.includes('execute')) throw new CommandError('TCEs have no right to execute; leave execute out');
    const window = this.#windowFor(sourceId, mapping, true);
    for (const [at, tce] of this.#tces(window, mapping)) {
      if (permissionsOf(tce) === 0) continue;
      throw new CommandError(`${hex(at)} is mapped already, to ${hex(pageOf(tce, PAGE_SHIFT))}; unmap it first`);
    }
    const rights = (permissions.includes('read') ? READ : 0n) | (permissions.includes('write') ? WRITE : 0n);
    const batch = BigInt(MOST_INDIRECT) * PAGE;
    for (let done = 0n; done < size; done += batch) {
      const count = Number((size - done < batch ? size - done : batch) / PAGE);
      const bytes = new Uint8Array(8 * count);
      const view = new DataView(bytes.buffer);
      for (let page = 0; page < count; page++) {
        view.setBigUint64(8 * page, (address + done + BigInt(page) * PAGE) | rights);
      }
      this.#processor.store(list, bytes);
      const { iova } = mapping;
      this.#call(Hypercall.putTceIndirect, BigInt(window.liobn), iova + done, list, BigInt(count));
    }
  }

  /** The hypervisor makes what was mapped unreachable at once: `flush` changes nothing. */
  unmap(unmapping: GuestUnmapping): void {
    this.#ready();
    const { sourceId, iova, size } = unmapping;
    checkPages(unmapping);
    const window = this.#windowFor(sourceId, unmapping, false);
    for (const [at, tce] of this.#tces(window, unmapping)) {
      if (permissionsOf(tce) === 0) throw new CommandError(`${hex(at)} is not mapped`);
    }
    this.#call(Hypercall.stuffTce, BigInt(window.liobn), iova, 0n, size / PAGE);
  }

  bindPageTable(): void {
    throw new CommandError(NO_PASIDS);
  }

  unbindPageTable(): void {
    throw new CommandError(NO_PASIDS);
  }

  reset(): void {
    this.#running = null;
    this.#created.clear();
  }

  save(): TceDriverState {
    const running = this.#running && { ...this.#running, pages: this.#running.pages.save() };
    const created = [...this.#created].map(([beside, window]) => ({ beside, window: { ...window } }));
    return { range: this.#range, running, created };
  }

  restore(state: TceDriverState): void {
    this.reset();
    this.#range = state.range;
    for (const { beside, window } of state.created) this.#created.set(beside, window);
    if (state.running === null || state.range === null) return;
    const pages = new TablePages(this.#processor, state.range);
    pages.restore(state.running.pages);
    this.#running = { ...state.running, pages };
  }

  /** @throws CommandError unless the driver has enabled the unit */
  #ready(): Running {
    if (this.#running !== null) return this.#running;
    throw new CommandError('The guest driver has not enabled the unit; use guest-iommu-enable first');
  }

  /**
   * The window of a device that a range lies in.
   * @param create a dynamic window may be created for it
   * @throws CommandError when none has all of it
   */
  #windowFor(liobn: number, range: PageRange, create: boolean): GuestWindow {
    const property = this.#platform.windowOf(liobn);
    if (property === null) throw new CommandError(`LIOBN ${hex(liobn)} has no DMA window`);
    const windows: GuestWindow[] = [{ liobn, address: property.address, size: property.size }];
    const there = this.#created.get(liobn);
    if (there !== undefined) windows.push(there);
    const found = windows.find((window) => holds(window, range));
    if (found !== undefined) return found;
    if (create && there === undefined && property.dynamicBuid !== null) {
      const created = this.#create(property.dynamicBuid);
      if (created !== null && holds(created, range)) {
        this.#created.set(liobn, created);
        return created;
      }
      if (created !== null) {
        windows.push(created);
        this.#rtas(RtasToken.removeDmaWindow, [created.liobn], 1);
      }
    }
    const { iova, size } = range;
    throw new CommandError(
      `${size} bytes at ${hex(iova)} lie in none of the device's DMA windows: ${windows.map(textOf).join(', ')}`,
    );
  }

  /** Null when the hypervisor has no window left. */
  #create(buid: bigint): GuestWindow | null {
    const bridge = [0, Number(buid >> 32n), Number(buid & 0xffff_ffffn)];
    const [status, liobn = 0, high = 0, low = 0] = this.#rtas(
      RtasToken.createDmaWindow,
      [...bridge, PAGE_SHIFT, WINDOW_SHIFT],
      4,
    );
    if (status !== RtasStatus.success) return null;
    const address = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    return { liobn: liobn >>> 0, address, size: 1n << BigInt(WINDOW_SHIFT) };
  }

  /** The pages of a range, by address, with the TCEs that they have. */
  *#tces({ liobn }: GuestWindow, { iova, size }: PageRange): Generator<[bigint, bigint]> {
    for (let at = iova; at < iova + size; at += PAGE) {
      const [tce = 0n] = this.#call(Hypercall.getTce, BigInt(liobn), at);
      yield [at, tce];
    }
  }

  #call(number: number, ...args: readonly bigint[]): readonly bigint[] {
    return requireHypercall(this.#platform, number, ...args);
  }

  #rtas(token: number, args: readonly number[], returns: number): number[] {
    const { buffer } = this.#ready();
    return callRtas({ processor: this.#processor, platform: this.#platform, buffer }, token, args, returns);
  }
}

/** @throws CommandError unless the range is whole pages for requests without PASID */
function checkPages({ iova, size, pasid }: PageRange): void {
  if (pasid !== undefined) throw new CommandError(NO_PASIDS);
  if (size === 0n || size % PAGE !== 0n) {
    throw new CommandError(`Parameter 'size' is ${size}; it must be a multiple of ${PAGE}, and not 0`);
  }
  if (iova % PAGE !== 0n) throw new CommandError(`Parameter 'iova' ${hex(iova)} is not a multiple of ${PAGE}`);
}

function holds(window: GuestWindow, { iova, size }: PageRange): boolean {
  return iova >= window.address && iova + size <= window.address + window.size;
}

function textOf({ address, size }: GuestWindow): string {
  return `${hex(address)} to ${hex(address + size - 1n)}`;
}
