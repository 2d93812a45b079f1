import { registerSpaprHostBridge, SpaprPciHostBridge } from '../../devices/spapr-pci-host-bridge.ts';
import { createVioBridge } from '../../devices/vio/vio-bridge.ts';
import { VioDevice } from '../../devices/vio/vio-device.ts';
import { MESSAGE_WINDOW } from '../../iommu/spapr/space.ts';
import { SpaprTceUnit, type SpaprTceUnitState } from '../../iommu/spapr/unit.ts';
import type { MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { PciDecodes } from '../../pci/decodes.ts';
import { assignResources, type PciResources } from '../../pci/firmware.ts';
import { InterruptLog, type InterruptLogState } from '../../pci/interrupts.ts';
import type { Bus } from '../../qom/bus.ts';
import { Device } from '../../qom/device.ts';
import type { TypeRegistry } from '../../qom/type-registry.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { Board, BoardParts } from './board.ts';
import { installPlainRam } from './ram.ts';

/** Where processors reach what PCI decodes, and which part of PCI's own addresses that is. */
const IO_WINDOW = { start: 0x2000_0000_0000n, size: 0x1_0000n } as const;
const MEMORY_WINDOW = { start: 0x2000_8000_0000n, pci: 0x8000_0000n, size: 0x8000_0000n } as const;
const MEMORY_WINDOW_64 = { start: 0x2100_0000_0000n, pci: 0x2100_0000_0000n, size: 0x100_0000_0000n } as const;

/** What firmware gives out, in PCI's own addresses. */
const RESOURCES: PciResources = {
  memory: { base: MEMORY_WINDOW.pci, last: MEMORY_WINDOW.pci + MEMORY_WINDOW.size - 1n },
  io: { base: 0x1000n, last: 0xffffn },
};

export interface PseriesBoardState {
  unit: SpaprTceUnitState;
  interrupts: InterruptLogState;
}

/** The host bridge of the board, and the object that stands for its TCE tables. */
function registerPseriesTypes(types: TypeRegistry): void {
  registerSpaprHostBridge(types);
  types.add({
    name: 'spapr-tce',
    parent: 'sys-bus-device',
    description: 'TCE tables of a pSeries machine',
    create: (type) => new Device(type),
  });
}

/**
 * A pSeries logical partition: RAM from address 0 on, a PCI host bridge with bus pci.0, the VIO bus, and the TCE tables
 * that stand in front of both. Firmware sets PCI up at each start.
 */
export class PseriesBoard implements Board, Snapshottable<PseriesBoardState> {
  readonly rootBus: PciBus;
  readonly interrupts: InterruptLog;
  readonly #unit: SpaprTceUnit;
  readonly #vio: Bus;

  /** @throws CommandError when the RAM cannot be had */
  constructor(parts: BoardParts) {
    const { context, memory, tree, types } = parts;
    const { checks, events, faults, points } = context;
    registerPseriesTypes(types);
    installPlainRam(parts);
    this.interrupts = new InterruptLog(() => context.operations.current);

    const tables = createDevice(types, 'spapr-tce');
    tree.machine.addChild('spapr-tce', tables);
    tables.realize(tree.systemBus);
    this.#unit = new SpaprTceUnit({ qomPath: tables.path, systemMemory: memory, checks, events, faults, points });
    context.units.addBuiltIn(this.#unit);

    const vioBridge = createVioBridge(types, this.#unit);
    tree.unattached.addChild('device[*]', vioBridge);
    vioBridge.realize(tree.systemBus);
    this.#vio = vioBridge.childBuses[0]!;

    const hostBridge = createDevice(types, 'spapr-pci-host-bridge');
    if (!(hostBridge instanceof SpaprPciHostBridge)) throw new Error('spapr-pci-host-bridge makes no host bridge');
    tree.unattached.addChild('device[*]', hostBridge);
    const decodes = showPci(parts, hostBridge.nodeName);
    const messages = messagesTo(this.interrupts);
    this.rootBus = hostBridge.createBus({ types, unit: this.#unit, memory, decodes, messages });
    hostBridge.realize(tree.systemBus);
  }

  devicesBeyondPci(): VioDevice[] {
    return this.#vio.devices.filter((device): device is VioDevice => device instanceof VioDevice);
  }

  populate(): void {}

  boot(): void {
    assignResources(this.rootBus, RESOURCES);
  }

  reset(): void {}

  save(): PseriesBoardState {
    return { unit: this.#unit.save(), interrupts: this.interrupts.save() };
  }

  restore(state: PseriesBoardState): void {
    this.#unit.restore(state.unit);
    this.interrupts.restore(state.interrupts);
  }
}

/** The two spaces in which PCI functions answer, and their windows in the system memory. */
function showPci({ memory }: BoardParts, name: string): PciDecodes {
  const { root: system, topology } = memory;
  const decodes = {
    memory: MemoryRegion.container(topology, `${name}.mmio`, 1n << 64n),
    io: MemoryRegion.container(topology, `${name}.io`, IO_WINDOW.size),
  };
  topology.transaction(() => {
    const show = (window: string, start: bigint, target: MemoryRegion, offset: bigint, size: bigint): void =>
      system.addSubregion(start, MemoryRegion.alias(topology, `${name}.${window}`, target, offset, size));
    show('io-alias', IO_WINDOW.start, decodes.io, 0n, IO_WINDOW.size);
    for (const [window, { start, pci, size }] of [
      ['mmio32-alias', MEMORY_WINDOW],
      ['mmio64-alias', MEMORY_WINDOW_64],
    ] as const) {
      show(window, start, decodes.memory, pci, size);
    }
  });
  return decodes;
}

/** A message is a write of 4 bytes: the number of an interrupt source. */
function messagesTo(log: InterruptLog): MmioOperations {
  return {
    read: () => 0n,
    write: (offset, size, value) => {
      if (size === 4) log.message(MESSAGE_WINDOW.start + BigInt(offset), Number(value));
    },
  };
}

function createDevice(types: TypeRegistry, name: string): Device {
  const device = types.require(name).create();
  if (!(device instanceof Device)) throw new Error(`Type ${name} makes no device`);
  return device;
}
