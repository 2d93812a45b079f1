import { CommandError } from '../../src/core/errors.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import { Host, type HostOptions } from '../../src/host/host.ts';
import { NotifierIommuObject } from '../../src/iommu/object.ts';
import { Permission } from '../../src/memory/access.ts';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import { type IommuEntry, IommuRegion, type RegionEventType } from '../../src/memory/iommu-region.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MemoryTopology } from '../../src/memory/topology.ts';
import { PciBus } from '../../src/pci/bus.ts';
import type { PciIommuOps } from '../../src/pci/iommu-ops.ts';
import { registerPciTypes } from '../../src/pci/types.ts';
import { TypeRegistry } from '../../src/qom/type-registry.ts';
import type { ModelEvent } from '../../src/trace/model-events.ts';
import { Trace, type TraceParts } from '../../src/trace/trace.ts';
import type { VfioDevice } from '../../src/vfio/device.ts';
import type { HostAddress } from '../../src/vfio/host-address.ts';
import { Vfio } from '../../src/vfio/vfio.ts';

/** Where the devices of the tests sit. */
const DEVFNS = [0, 8];

const PAGE = 0x1000n;
export const RAM_SIZE = 0x100_0000n;
export const ROM_START = 0xfff_c0000n;
export const MMIO_START = 0xfed0_0000n;

/** What a device sees behind {@link TestUnit}: plain memory, or a region whose map the test fills. */
export class TestSpace {
  readonly addressSpace: AddressSpace;
  readonly region: IommuRegion;
  readonly object: NotifierIommuObject;
  readonly #alias: MemoryRegion;
  readonly #memory: AddressSpace;
  readonly #entries = new Map<bigint, IommuEntry>();

  constructor(unit: TestUnit, name: string, memory: AddressSpace, trace: TraceParts) {
    const { topology } = memory;
    this.#memory = memory;
    this.region = new IommuRegion(topology, `${name}-dmar`, 1n << 64n, {
      minPageSize: PAGE,
      translate: (address) => this.#lookUp(address),
      replay: (notifier) => {
        for (const entry of this.#entries.values()) notifier.deliver({ type: 'map', entry });
      },
      notifyFlagChanged: (_old, now) => unit.checkEvents(now),
    });
    this.#alias = MemoryRegion.alias(topology, `${name}-alias`, memory.root, 0n, 1n << 64n);
    const root = MemoryRegion.container(topology, name, 1n << 64n);
    root.addSubregion(0n, this.#alias);
    root.addSubregion(0n, this.region);
    this.region.setEnabled(false);
    this.object = new NotifierIommuObject({ unit: 'test-unit', device: () => name, ...trace });
    this.addressSpace = topology.createAddressSpace(name, root, { iommuGet: () => this.object, device: () => name });
  }

  /** Shows the IOMMU region instead of plain memory, or the reverse. */
  translateNow(on: boolean): void {
    this.region.topology.transaction(() => {
      this.#alias.setEnabled(!on);
      this.region.setEnabled(on);
    });
  }

  /** Maps, and tells the notifiers. */
  map(iova: bigint, gpa: bigint, size: bigint, permissions: number = Permission.readWrite, target = this.#memory) {
    const entry = { target, iova, translated: gpa, mask: size - 1n, permissions };
    this.#entries.set(iova, entry);
    return this.region.notify({ type: 'map', entry });
  }

  unmap(iova: bigint, size: bigint) {
    this.#entries.delete(iova);
    const entry = { target: this.#memory, iova, translated: 0n, mask: size - 1n, permissions: Permission.none };
    return this.region.notify({ type: 'unmap', entry });
  }

  #lookUp(address: bigint): IommuEntry {
    for (const entry of this.#entries.values()) {
      if (address >= entry.iova && address <= entry.iova + entry.mask) return entry;
    }
    return { target: this.#memory, iova: address, translated: 0n, mask: PAGE - 1n, permissions: Permission.none };
  }
}

/** An IOMMU in front of a bus, one space a function, all in bypass at first. */
export class TestUnit implements PciIommuOps {
  readonly attached: string[] = [];
  /** Without it, notifiers of MAP events are refused. */
  cachingMode = true;
  /** Refuses host functions with this sentence. */
  refusal: string | null = null;
  readonly #spaces = new Map<string, TestSpace>();
  readonly #memory: AddressSpace;
  readonly #trace: TraceParts;

  constructor(memory: AddressSpace, trace: TraceParts) {
    this.#memory = memory;
    this.#trace = trace;
  }

  space(devfn: number): TestSpace {
    const name = `dev${devfn}`;
    let space = this.#spaces.get(name);
    if (space === undefined) {
      space = new TestSpace(this, name, this.#memory, this.#trace);
      this.#spaces.set(name, space);
    }
    return space;
  }

  getAddressSpace(_bus: PciBus, devfn: number): AddressSpace {
    return this.space(devfn).addressSpace;
  }

  attachHostDevice(_bus: PciBus, devfn: number, device: { name: string }): void {
    if (this.refusal !== null) throw new CommandError(this.refusal);
    this.attached.push(`${devfn} ${device.name}`);
  }

  detachHostDevice(_bus: PciBus, devfn: number): void {
    this.attached.splice(0, Infinity, ...this.attached.filter((text) => !text.startsWith(`${devfn} `)));
  }

  checkEvents(now: ReadonlySet<RegionEventType>): void {
    if (now.has('map') && !this.cachingMode) throw new CommandError('caching-mode=on is needed for device assignment');
  }
}

/** 16 MiB of RAM at 0 and 1 MiB at 4 GiB, a ROM, registers; a host; a bus, with a unit in front of it if wanted. */
export class VfioRig {
  readonly operations = new OperationCounter();
  readonly trace = new Trace(this.operations);
  readonly topology = new MemoryTopology(this.operations);
  readonly system = MemoryRegion.container(this.topology, 'system', 1n << 64n);
  readonly memory = this.topology.createAddressSpace('memory', this.system);
  readonly low = this.#ram('low', RAM_SIZE);
  readonly high = this.#ram('high', 0x10_0000n);
  readonly host: Host;
  readonly vfio: Vfio;
  readonly bus: PciBus;
  readonly unit: TestUnit | null;
  readonly log: ModelEvent[] = [];

  constructor(options: { unit: boolean; host?: HostOptions }) {
    const { operations, memory } = this;
    const { parts } = this.trace;
    this.system.addSubregion(0n, this.low);
    this.system.addSubregion(1n << 32n, this.high);
    const rom = new RamBlock('rom', 0x4_0000n, operations);
    this.system.addSubregion(ROM_START, MemoryRegion.rom(this.topology, 'rom', rom));
    const registers = { read: () => 0n, write: () => {} };
    this.system.addSubregion(MMIO_START, MemoryRegion.mmio(this.topology, 'registers', 0x1000n, registers));
    this.host = new Host({ operations, ...parts, ...(options.host !== undefined && { options: options.host }) });
    this.vfio = new Vfio({ host: this.host, memory, ...parts });
    const types = new TypeRegistry();
    registerPciTypes(types);
    this.bus = new PciBus(types.require('PCIE'), 'pcie.0', { owner: null, memory });
    this.unit = options.unit ? new TestUnit(memory, parts) : null;
    this.bus.iommuOps = this.unit;
    for (const devfn of DEVFNS) this.unit?.space(devfn);
    parts.events.subscribe((event) => this.log.push(event));
  }

  attach(name: string, devfn: number, address: HostAddress | string, iommufd?: string): VfioDevice {
    const where = typeof address === 'string' ? { host: address } : address;
    return this.vfio.attach({ name, address: where, bus: this.bus, devfn, ...(iommufd !== undefined && { iommufd }) });
  }

  /** The container events since the last call, as texts. */
  changes(): string[] {
    return this.log.splice(0).flatMap((event) => {
      switch (event.name) {
        case 'VFIO_DMA_MAPPED': {
          const { container, iova, size, address, readonly } = event.data;
          const found = this.host.memory.locate(address);
          const where = `${found?.block.name ?? '?'}@0x${found?.offset.toString(16) ?? '?'}`;
          return `map ${container} ${hex(iova)}+${hex(size)} to ${where}${readonly ? ' ro' : ''}`;
        }
        case 'VFIO_DMA_UNMAPPED':
          return `unmap ${event.data.container} ${hex(event.data.iova)}+${hex(event.data.size)}`;
        default:
          return [];
      }
    });
  }

  /** All that attaching a device may change, as plain data. */
  describe(): unknown {
    return structuredClone({
      containers: this.vfio.containers(),
      devices: this.vfio.devices.map(({ name }) => name),
      vfio: this.vfio.save(),
      host: this.host.describe(),
      attachments: this.host.functions.map((one) => [one.name, one.device, one.table?.id ?? null, one.binding]),
      listeners: this.topology.addressSpaces().map((space) => [space.name, space.listeners.length]),
      unit: this.unit?.attached ?? null,
      objects: DEVFNS.map((devfn) => this.unit?.space(devfn).object.save() ?? null),
      regions: DEVFNS.map((devfn) => this.unit?.space(devfn).region.notifiers.length ?? 0),
    });
  }

  #ram(name: string, size: bigint): MemoryRegion {
    return MemoryRegion.ram(this.topology, name, new RamBlock(name, size, this.operations));
  }
}

function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** The sentence that `body` is refused with. */
export function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
  return 'not refused';
}
