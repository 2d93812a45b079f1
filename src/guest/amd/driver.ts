import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { checkBinding, checkRange, checkTarget } from '../checks.ts';
import type { GuestDriver, GuestMapping, GuestMode, GuestUnmapping, PageTableBinding } from '../guest-driver.ts';
import { PageTable, type PageTableShape } from '../page-table.ts';
import { Processor } from '../processor.ts';
import {
  checkTableRange,
  defaultTableRange,
  TablePages,
  type TablePagesState,
  type TableRange,
} from '../table-pages.ts';
import { commands, GuestCommandBuffer } from './command-buffer.ts';
import { DEVICE_TABLE_PAGES, DeviceTable } from './device-table.ts';
import { CONTROL, Features, REGISTER } from './registers.ts';

/** What one function has. */
interface GuestDevice {
  readonly sourceId: number;
  readonly domainId: number;
  /** Of its page table; null: requests without PASID pass. */
  root: bigint | null;
  gcr3: bigint | null;
  /** Page tables by PASID; `own`: the driver's. */
  pasids: { pasid: number; table: bigint; own: boolean }[];
}

interface Running {
  readonly pages: TablePages;
  readonly buffer: GuestCommandBuffer;
  readonly table: DeviceTable;
}

export interface AmdGuestDriverState {
  /** The range of the latest enabling, also after a reset. */
  range: TableRange | null;
  running: {
    pages: TablePagesState;
    buffer: { address: bigint; status: bigint; serial: bigint };
    table: bigint;
    devices: GuestDevice[];
  } | null;
}

/** Of the device table, in units of 4 KiB less one. */
const DEVICE_TABLE_SIZE = BigInt(DEVICE_TABLE_PAGES - 1);
/** log2 of the number of events in a page, in bits 59:56 of the base register. */
const EVENT_LOG_SIZE = 8n << 56n;
/** Width of what page tables lead to. */
const ADDRESS_WIDTH = 52;
const PAGES: PageTableShape = { stage: 'amd', levels: 4, leafLevels: 3 };
const PASID_PAGES: PageTableShape = { stage: 'first', levels: 4, leafLevels: 3 };
const MOST_DOMAINS = 0xffff;

/**
 * A guest's driver for one AMD unit: device table, command buffer, event log, page tables of four levels, GCR3 tables.
 * A function that no command has named has no entry, and passes through.
 */
export class AmdGuestDriver implements GuestDriver {
  readonly #processor: Processor;
  readonly #registers: bigint;
  #range: TableRange | null = null;
  #running: Running | null = null;
  #devices = new Map<number, GuestDevice>();

  /** @param options.registers guest-physical address of the unit's registers */
  constructor(options: { memory: AddressSpace; registers: bigint }) {
    this.#processor = new Processor(options.memory);
    this.#registers = options.registers;
  }

  get mode(): GuestMode | null {
    return this.#running === null ? null : 'other';
  }

  enable(mode: GuestMode, tables?: TableRange): TableRange {
    this.#checkEnable(mode);
    const range = tables ?? defaultTableRange(this.#processor);
    checkTableRange(this.#processor, range, this.#range);
    const pages = new TablePages(this.#processor, range);
    pages.requireContiguous(DEVICE_TABLE_PAGES, 'The device table');
    pages.require(DEVICE_TABLE_PAGES + 3, 'Enabling the unit');
    this.#range = range;
    const table = pages.takeContiguous(DEVICE_TABLE_PAGES);
    const place = { address: pages.take(), status: pages.take() };
    const running = this.#assemble(pages, table, place);
    this.#write(REGISTER.deviceTable, table | DEVICE_TABLE_SIZE);
    running.buffer.announce();
    this.#write(REGISTER.eventBase, pages.take() | EVENT_LOG_SIZE);
    this.#write(REGISTER.control, CONTROL.enable | CONTROL.eventLog | CONTROL.commandBuffer);
    running.buffer.submit(commands.all());
    this.#devices.clear();
    this.#running = running;
    return range;
  }

  map(mapping: GuestMapping): void {
    const { sourceId, pasid, iova, address, size, permissions } = mapping;
    const running = this.#ready();
    const shape = this.#shape(pasid);
    checkRange(mapping, shape, ADDRESS_WIDTH);
    checkTarget(mapping, shape, ADDRESS_WIDTH);
    const device = this.#devices.get(sourceId);
    if (device === undefined) this.#requireDomain();
    const root = this.#rootOf(device, pasid);
    if (root === null) {
      const entry = pasid === undefined ? 0 : running.table.demand(device?.gcr3 ?? null, pasid);
      running.pages.require(entry + PageTable.tablesOfNew(shape, iova, address, size), 'The mapping');
    } else {
      running.pages.require(this.#pageTable(shape, root).tablesFor(iova, address, size), 'The mapping');
    }
    const table = root ?? running.pages.take();
    this.#pageTable(shape, table).map(iova, address, size, new Set(permissions));
    const found = device ?? this.#add(sourceId);
    if (root === null) this.#attach(found, pasid, table, true);
    else running.buffer.submit(commands.pages(found.domainId, { address: iova, size }, pasid));
  }

  unmap(unmapping: GuestUnmapping): void {
    const { sourceId, pasid, iova, size, flush } = unmapping;
    const { buffer, pages } = this.#ready();
    const shape = this.#shape(pasid);
    checkRange(unmapping, shape, ADDRESS_WIDTH);
    const device = this.#devices.get(sourceId);
    const root = this.#rootOf(device, pasid);
    if (device === undefined || root === null) {
      throw new CommandError(`${hex(iova)} is not mapped: nothing is, for this device`);
    }
    const table = this.#pageTable(shape, root);
    table.checkMapped(iova, size);
    const gone = table.unmap(iova, size, !flush);
    if (flush) buffer.submit(commands.pages(device.domainId, { address: iova, size }, pasid));
    for (const page of gone) pages.give(page);
  }

  bindPageTable(binding: PageTableBinding): void {
    const { sourceId, pasid, pageTable } = binding;
    const { pages, table } = this.#ready();
    checkBinding(this.#processor, binding, pages);
    this.#shape(pasid);
    const device = this.#devices.get(sourceId);
    const bound = device?.pasids.find((one) => one.pasid === pasid);
    if (bound !== undefined) {
      throw new CommandError(
        bound.own
          ? `PASID ${pasid} of this device has mappings of guest-dma-map; choose another PASID`
          : `PASID ${pasid} of this device is bound already, to ${hex(bound.table)}; unbind it first`,
      );
    }
    if (device === undefined) this.#requireDomain();
    pages.require(table.demand(device?.gcr3 ?? null, pasid), 'The PASID');
    this.#attach(device ?? this.#add(sourceId), pasid, pageTable, false);
  }

  unbindPageTable({ sourceId, pasid, flush }: { sourceId: number; pasid: number; flush: boolean }): void {
    const { buffer, table } = this.#ready();
    const device = this.#devices.get(sourceId);
    const bound = device?.pasids.find((one) => one.pasid === pasid && !one.own);
    if (device === undefined || device.gcr3 === null || bound === undefined) {
      throw new CommandError(`PASID ${pasid} of this device has no page table bound`);
    }
    device.pasids = device.pasids.filter((one) => one !== bound);
    table.unbind(device.gcr3, pasid);
    if (!flush) return;
    buffer.submit(commands.deviceTableEntry(sourceId), commands.pages(device.domainId, undefined, pasid));
  }

  reset(): void {
    this.#running = null;
    this.#devices.clear();
  }

  save(): AmdGuestDriverState {
    if (this.#running === null) return { range: this.#range, running: null };
    const { buffer, pages, table } = this.#running;
    const devices = [...this.#devices.values()].map((device) => ({ ...device, pasids: [...device.pasids] }));
    return {
      range: this.#range,
      running: { pages: pages.save(), buffer: buffer.save(), table: table.address, devices },
    };
  }

  restore(state: AmdGuestDriverState): void {
    this.reset();
    this.#range = state.range;
    if (state.running === null || state.range === null) return;
    const { pages: saved, buffer, table, devices } = state.running;
    const pages = new TablePages(this.#processor, state.range);
    pages.restore(saved);
    this.#running = this.#assemble(pages, table, buffer);
    this.#running.buffer.restore(buffer);
    this.#devices = new Map(devices.map((device) => [device.sourceId, { ...device, pasids: [...device.pasids] }]));
  }

  #checkEnable(mode: GuestMode): void {
    if (mode !== 'other') throw new CommandError(`An amd-iommu has no mode '${mode}'; choose 'other'`);
    if (this.#running !== null) throw new CommandError('The unit is enabled already; use system_reset first');
    const control = this.#processor.load64(this.#registers + REGISTER.control);
    if ((control & CONTROL.enable) !== 0n) {
      throw new CommandError(`The unit is in use (control ${hex(control)}) by somebody else; use system_reset first`);
    }
    if (!this.#features.translates) throw new CommandError('The unit translates no DMA (dma-translation=off)');
  }

  #assemble(pages: TablePages, table: bigint, place: { address: bigint; status: bigint }): Running {
    const { gcr3Levels } = this.#features;
    return {
      pages,
      buffer: new GuestCommandBuffer(this.#processor, this.#registers, place),
      table: new DeviceTable({ processor: this.#processor, pages, address: table, gcr3Levels }),
    };
  }

  /** @throws CommandError unless the driver has enabled the unit, and nobody has programmed it since */
  #ready(): Running {
    if (this.#running === null) {
      throw new CommandError('The guest driver has not enabled the unit; use guest-iommu-enable first');
    }
    this.#running.buffer.requireRunning();
    return this.#running;
  }

  /** @throws CommandError for a PASID that the unit has no room for */
  #shape(pasid: number | undefined): PageTableShape {
    if (pasid === undefined) return PAGES;
    const { pasidBits } = this.#features;
    if (pasidBits === 0) {
      throw new CommandError(`PASID ${pasid} needs a unit with PASIDs; start it with pasid-bits of 2 or more`);
    }
    if (pasid >= 2 ** pasidBits) throw new CommandError(`PASID ${pasid} is beyond the unit's ${pasidBits} bits`);
    return PASID_PAGES;
  }

  #rootOf(device: GuestDevice | undefined, pasid: number | undefined): bigint | null {
    if (pasid === undefined) return device?.root ?? null;
    const bound = device?.pasids.find((one) => one.pasid === pasid);
    if (bound !== undefined && !bound.own) {
      throw new CommandError(`PASID ${pasid} of this device has a page table of its own; unbind that first`);
    }
    return bound?.table ?? null;
  }

  #requireDomain(): void {
    if (this.#devices.size >= MOST_DOMAINS) throw new CommandError(`All ${MOST_DOMAINS} domain-ids are taken`);
  }

  #add(sourceId: number): GuestDevice {
    const device = { sourceId, domainId: this.#devices.size + 1, root: null, gcr3: null, pasids: [] };
    this.#devices.set(sourceId, device);
    return device;
  }

  /** Lets requests go through a page table, and has the unit forget what it knew of the device. */
  #attach(device: GuestDevice, pasid: number | undefined, pageTable: bigint, own: boolean): void {
    const { buffer, pages, table } = this.#running!;
    if (pasid === undefined) {
      device.root = pageTable;
    } else {
      device.gcr3 ??= pages.take();
      table.bind(device.gcr3, pasid, pageTable);
      device.pasids = [...device.pasids, { pasid, table: pageTable, own }];
    }
    table.write(device.sourceId, device);
    buffer.submit(commands.deviceTableEntry(device.sourceId), commands.pages(device.domainId));
  }

  #pageTable(shape: PageTableShape, root: bigint): PageTable {
    return new PageTable(this.#processor, this.#running!.pages, shape, root);
  }

  get #features(): Features {
    return new Features(this.#processor.load64(this.#registers + REGISTER.extendedFeatures));
  }

  #write(register: bigint, value: bigint): void {
    this.#processor.store64(this.#registers + register, value);
  }
}
