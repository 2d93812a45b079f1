import { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import { IntelIommuUnit } from '../../../src/iommu/intel/unit.ts';
import { RamBlock } from '../../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../../src/memory/region.ts';
import { MemoryTopology } from '../../../src/memory/topology.ts';
import { PciBus } from '../../../src/pci/bus.ts';
import { PciDevice } from '../../../src/pci/device.ts';
import { registerPciTypes } from '../../../src/pci/types.ts';
import { TypeRegistry } from '../../../src/qom/type-registry.ts';
import { recordedEvents } from '../support.ts';

export const RAM_SIZE = 0x100_0000n;
/** Size of the whole address space. */
export const ALL = 1n << 64n;

class PlainDevice extends PciDevice {
  readonly identity = { vendor: 0x1234, device: 1, classCode: 0xff00 };
}

/** Memory of 16 MiB, a root bus, and the unit in front of it. */
export function rig(given: Parameters<typeof resolveIntelProperties>[0] = { 'caching-mode': true }) {
  const { seen, operations, ...trace } = recordedEvents();
  const topology = new MemoryTopology(operations);
  const block = new RamBlock('pc.ram', RAM_SIZE, operations);
  const system = MemoryRegion.container(topology, 'system', ALL);
  const messages: string[] = [];
  const apic = MemoryRegion.mmio(topology, 'apic-msi', 0x10_0000n, {
    read: () => 0xffn,
    write: (offset, size, value, { requester }) => messages.push(`${requester ?? '-'} ${offset}+${size}=${value}`),
    valid: { min: 4, max: 4 },
  });
  system.addSubregion(0n, MemoryRegion.ram(topology, 'pc.ram', block));
  system.addSubregion(0xfee0_0000n, apic);
  const memory = topology.createAddressSpace('memory', system);

  const types = new TypeRegistry();
  registerPciTypes(types);
  types.add({ name: 'plain', parent: 'pci-device' });
  const bus = new PciBus(types.require('PCIE'), 'pcie.0', { owner: null, memory });
  const properties = resolveIntelProperties(given);
  const qomPath = '/machine/peripheral/iommu0';
  const unit = new IntelIommuUnit({ id: 'iommu0', qomPath, properties, systemMemory: memory, ...trace });
  bus.iommuOps = unit;
  const plug = (slot: number, id: string) => {
    const device = new PlainDevice(types.require('plain'));
    device.id = id;
    device.setText('addr', slot.toString(16));
    device.realize(bus);
    return device;
  };
  return { unit, bus, block, topology, memory, seen, messages, plug };
}

/** The rig with a device in slot 3 that has asked for its address space. */
export function withDevice(given?: Parameters<typeof resolveIntelProperties>[0]) {
  const all = rig(given);
  const device = all.plug(3, 'dev0');
  const { addressSpace } = device;
  const space = all.unit.deviceSpaces().find((candidate) => candidate.addressSpace === addressSpace)!;
  return { ...all, device, space };
}
