import { FIRST_DMA_ADDRESS } from '../../../src/iommu/s390/tables.ts';
import { ZpciUnit } from '../../../src/iommu/s390/unit.ts';
import { EMPTY_BLOCK, type InformationBlock } from '../../../src/iommu/s390/information-block.ts';
import type { ZpciFunction } from '../../../src/iommu/s390/function.ts';
import { RamBlock } from '../../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../../src/memory/region.ts';
import { MemoryTopology } from '../../../src/memory/topology.ts';
import { type RegionEvent, RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { PciBus } from '../../../src/pci/bus.ts';
import { PciDevice } from '../../../src/pci/device.ts';
import { registerPciTypes } from '../../../src/pci/types.ts';
import { TypeRegistry } from '../../../src/qom/type-registry.ts';
import { recordedEvents } from '../support.ts';

export const RAM_SIZE = 0x100_0000n;
/** The region-third table, segment table and page table that map the first 1 MiB of the DMA space. */
export const REGION = 0x10_0000n;
export const SEGMENT = 0x10_4000n;
export const PAGES = 0x10_8000n;
export const IOVA = FIRST_DMA_ADDRESS;
/** Tables, region-third. */
export const ANCHOR = REGION | 0x804n;
const LIMIT = 0x3ff_ffff_ffffn;

class PlainDevice extends PciDevice {
  readonly identity = { vendor: 0x1234, device: 1, classCode: 0xff00 };
}

/** Memory of 16 MiB, a PCI bus, and the unit in front of it. */
export function rig() {
  const { seen, operations, ...trace } = recordedEvents();
  const topology = new MemoryTopology(operations);
  const block = new RamBlock('s390.ram', RAM_SIZE, operations);
  const system = MemoryRegion.container(topology, 'system', 1n << 64n);
  system.addSubregion(0n, MemoryRegion.ram(topology, 's390.ram', block));
  const memory = topology.createAddressSpace('memory', system);
  const types = new TypeRegistry();
  registerPciTypes(types);
  types.add({ name: 'plain', parent: 'pci-device' });
  const bus = new PciBus(types.require('PCI'), 'pci.0', { owner: null, memory });
  const dropped: string[] = [];
  const unit: ZpciUnit = new ZpciUnit({
    qomPath: '/machine/s390-pcihost',
    systemMemory: memory,
    memorySize: RAM_SIZE,
    makeFunction: (target) => unit.addFunction({ uid: null, fid: null, target, relaxedTranslation: true }),
    dropFunction: (gone) => {
      dropped.push(gone.target);
      unit.functions.remove(gone);
    },
    ...trace,
  });
  bus.iommuOps = unit;
  const plug = (slot: number, id: string): PlainDevice => {
    const device = new PlainDevice(types.require('plain'));
    device.id = id;
    device.setText('addr', slot.toString(16));
    device.realize(bus);
    return device;
  };
  const store = (address: bigint, value: bigint): void => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value);
    memory.write(address, bytes);
  };
  /** Every entry marked invalid, as a guest begins. */
  const emptyTables = (): void => {
    for (let index = 0n; index < 2048n; index++) {
      store(REGION + 8n * index, 0x20n);
      store(SEGMENT + 8n * index, 0x20n);
    }
    for (let index = 0n; index < 256n; index++) store(PAGES + 8n * index, 0x400n);
    store(REGION + 8n * (IOVA >> 31n), SEGMENT | 7n);
    store(SEGMENT, PAGES);
  };
  return { unit, bus, block, topology, memory, seen, plug, store, emptyTables, dropped };
}

/** The rig with one function, enabled, and empty tables in memory. */
export function withFunction() {
  const all = rig();
  const device = all.plug(3, 'dev0');
  all.emptyTables();
  const own = all.unit.functions.byTarget('dev0')!;
  all.unit.logicalProcessor.set(own.handle, 'enable', 1);
  const space = all.unit.spaceOf(device.addressSpace)!;
  return { ...all, device, own, space };
}

/** Registers the tables. */
export function register(unit: ZpciUnit, own: ZpciFunction, given: Partial<InformationBlock> = {}, operation = 4) {
  const block = { ...EMPTY_BLOCK, base: IOVA, limit: LIMIT, anchor: ANCHOR, ...given };
  return unit.control.modify({ handle: own.handle, dmaSpace: 0, operation }, () => block);
}

export function refresh(unit: ZpciUnit, own: ZpciFunction, start: bigint, length: bigint) {
  return unit.control.refresh(own.handle, 2, start, length);
}

/** A notifier on all of the region that writes down what it hears. */
export function listen(region: { registerNotifier(notifier: RegionNotifier): void }): string[] {
  const heard: string[] = [];
  region.registerNotifier(
    new RegionNotifier({
      name: 'test',
      device: 'dev0',
      kind: 'vfio',
      events: ['map', 'unmap'],
      start: 0n,
      last: LIMIT,
      notify: ({ type, entry }: RegionEvent) => {
        const where = `${type} ${entry.iova.toString(16)}+${(entry.mask + 1n).toString(16)}`;
        heard.push(type === 'map' ? `${where} ${entry.translated.toString(16)} ${entry.permissions}` : where);
      },
    }),
  );
  return heard;
}
