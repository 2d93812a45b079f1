import { formatBdf } from '../core/bdf.ts';
import type { HostBridgeWindows } from '../iommu/spapr/host-bridge.ts';
import { busUnitId, DEFAULT_WINDOWS } from '../iommu/spapr/host-bridge.ts';
import type { TcePlace } from '../iommu/spapr/space.ts';
import type { SpaprTceUnit } from '../iommu/spapr/unit.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { MmioOperations } from '../memory/mmio.ts';
import { PciBus } from '../pci/bus.ts';
import type { PciDecodes } from '../pci/decodes.ts';
import type { PciDevice } from '../pci/device.ts';
import { devices } from '../pci/topology.ts';
import { Device } from '../qom/device.ts';
import { bool, uint32, uint64 } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import type { TypeRegistry } from '../qom/type-registry.ts';

/** QEMU's properties that concern DMA. */
const hostBridgeProperties = {
  index: deviceProperty('index', uint32, 0, { description: 'which host bridge it is' }),
  dmaWindowAddress: deviceProperty('dma_win_addr', uint64, DEFAULT_WINDOWS.address),
  dmaWindowSize: deviceProperty('dma_win_size', uint64, DEFAULT_WINDOWS.size),
  dynamicWindowAddress: deviceProperty('dma64_win_addr', uint64, DEFAULT_WINDOWS.dynamicAddress),
  dynamicWindows: deviceProperty('ddw', bool, DEFAULT_WINDOWS.dynamic, {
    description: 'guests can create DMA windows',
  }),
  pageSizes: deviceProperty(
    'pgsz',
    uint64,
    DEFAULT_WINDOWS.pageShifts.reduce((mask, shift) => mask | (1n << BigInt(shift)), 0n),
    {
      description: 'page sizes for DMA windows, as a mask',
    },
  ),
} as const;

/** Registers the PCI host bridge of a pSeries machine. */
export function registerSpaprHostBridge(types: TypeRegistry): void {
  types.add({
    name: 'spapr-pci-host-bridge',
    parent: 'pci-host-bridge',
    properties: Object.values(hostBridgeProperties),
    create: (type) => new SpaprPciHostBridge(type),
  });
}

/** A pSeries machine's PCI host bridge: all functions behind it share its DMA windows. */
export class SpaprPciHostBridge extends Device {
  /** What the device tree calls it: pci@800000020000000. */
  get nodeName(): string {
    return `pci@${busUnitId(this.value(hostBridgeProperties.index)).toString(16)}`;
  }

  /**
   * Makes its root bus, pci.0, and puts `unit` in front of it. To be called once, when the bridge is in the tree.
   * @param parts.memory the system memory
   * @param parts.messages takes the interrupt messages of the functions
   */
  createBus(parts: {
    types: TypeRegistry;
    unit: SpaprTceUnit;
    memory: AddressSpace;
    decodes: PciDecodes;
    messages: MmioOperations;
  }): PciBus {
    const { types, unit, memory, decodes, messages } = parts;
    const bus = new PciBus(types.require('PCI'), 'pci.0', { owner: this, memory, decodes });
    bus.hotpluggable = true;
    const index = this.value(hostBridgeProperties.index);
    const place = placeOf(bus, this.nodeName);
    bus.iommuOps = unit.addHostBridge({ index, place, windows: this.#windows(), messages });
    return bus;
  }

  #windows(): HostBridgeWindows {
    const pageSizes = this.value(hostBridgeProperties.pageSizes);
    return {
      address: this.value(hostBridgeProperties.dmaWindowAddress),
      size: this.value(hostBridgeProperties.dmaWindowSize),
      dynamic: this.value(hostBridgeProperties.dynamicWindows),
      dynamicAddress: this.value(hostBridgeProperties.dynamicWindowAddress),
      pageShifts: Array.from({ length: 64 }, (_, shift) => shift).filter((shift) => (pageSizes >> BigInt(shift)) & 1n),
    };
  }
}

/** All functions of a bus and below, bridges included. */
function placeOf(bus: PciBus, name: string): TcePlace {
  const functions = (): readonly PciDevice[] => devices(bus);
  return {
    name,
    get requesters() {
      return functions().map((device) => ({ label: device.label, location: formatBdf(device.bdf()) }));
    },
    requesterOf: (sourceId) => functions().find((device) => device.requesterId() === sourceId)?.label ?? null,
  };
}
