import { describe, expect, it } from 'vitest';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MMIO_START, VfioRig } from './rig.ts';

describe('the map of a container over plain memory', () => {
  it('has all RAM and ROM by ascending address and skips registers', () => {
    const rig = new VfioRig({ unit: false });
    rig.attach('nic0', 0, '0000:3b:00.0');
    expect(rig.changes()).toEqual([
      'map 0 0x0+0x1000000 to low@0x0',
      'map 0 0xfffc0000+0x40000 to rom@0x0 ro',
      'map 0 0x100000000+0x100000 to high@0x0',
    ]);
  });

  it('follows what comes and goes, unmapping before it maps', () => {
    const rig = new VfioRig({ unit: false });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.changes();
    rig.topology.transaction(() => {
      rig.high.setAddress(2n << 32n);
      rig.low.setReadonly(true);
    });
    expect(rig.changes()).toEqual([
      'unmap 0 0x0+0x1000000',
      'unmap 0 0x100000000+0x100000',
      'map 0 0x0+0x1000000 to low@0x0 ro',
      'map 0 0x200000000+0x100000 to high@0x0',
    ]);
  });

  it('neither maps nor unmaps what is not RAM', () => {
    const rig = new VfioRig({ unit: false });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.changes();
    const registers = rig.system.subregions.find(({ name }) => name === 'registers')!;
    registers.setEnabled(false);
    registers.setEnabled(true);
    registers.setAddress(MMIO_START + 0x1000n);
    expect(rig.changes()).toEqual([]);
  });

  it('splits RAM around what covers it, in whole pages', () => {
    const rig = new VfioRig({ unit: false });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.changes();
    const hole = MemoryRegion.reservation(rig.topology, 'hole', 0x800n);
    rig.system.addSubregion(0x5400n, hole, 1);
    expect(rig.changes()).toEqual([
      'unmap 0 0x0+0x1000000',
      'map 0 0x0+0x5000 to low@0x0',
      'map 0 0x6000+0xffa000 to low@0x6000',
    ]);
    rig.system.removeSubregion(hole);
    expect(rig.changes()).toEqual(['unmap 0 0x0+0x5000', 'unmap 0 0x6000+0xffa000', 'map 0 0x0+0x1000000 to low@0x0']);
  });

  it('leaves out RAM whose pages lie across those of the space, and RAM above bit 63, on the way in and out', () => {
    const rig = new VfioRig({ unit: false });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.changes();
    const ram = (name: string) => MemoryRegion.ram(rig.topology, name, new RamBlock(name, 0x4000n, rig.operations));
    const across = ram('across');
    const above = ram('above');
    rig.system.addSubregion(0x9000_0800n, across);
    rig.system.addSubregion(1n << 63n, above);
    rig.system.removeSubregion(across);
    rig.system.removeSubregion(above);
    expect(rig.changes()).toEqual([]);
  });

  it('is shared by the devices of one address space and goes with the last of them', () => {
    const rig = new VfioRig({ unit: false });
    const before = rig.describe();
    const first = rig.attach('nic0', 0, '0000:3b:00.0');
    rig.changes();
    const second = rig.attach('nic1', 8, '0000:3b:00.1');
    expect(rig.changes()).toEqual([]);
    expect(rig.vfio.containers()).toEqual([
      {
        id: 0,
        contract: 'pasid-table',
        groups: [
          { id: 1, devices: ['nic0'] },
          { id: 2, devices: ['nic1'] },
        ],
        mappings: 3,
        listeners: [],
      },
    ]);
    first.release();
    expect(rig.changes()).toEqual([]);
    second.release();
    expect(rig.changes()).toEqual([
      'unmap 0 0x0+0x1000000',
      'unmap 0 0xfffc0000+0x40000',
      'unmap 0 0x100000000+0x100000',
    ]);
    expect(rig.describe()).toEqual({ ...(before as object), vfio: { nextContainer: 1, containers: [], notices: [] } });
  });

  it('refuses a device whose RAM lies above what the host can map, and leaves nothing', () => {
    const rig = new VfioRig({ unit: false, host: { iommu: { addressBits: 32 } } });
    const before = rig.describe();
    expect(() => rig.attach('nic0', 0, '0000:3b:00.0')).toThrow(/^vfio 0000:3b:00\.0: .*0x100000000/);
    expect(rig.describe()).toEqual(before);
  });

  it('moves a device through the host: what it reads is what the guest wrote', () => {
    const rig = new VfioRig({ unit: false });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    rig.memory.write(0x2000n, Uint8Array.of(1, 2, 3, 4));
    const bytes = new Uint8Array(4);
    expect(device.dmaPath.move({ address: 0x2000n, write: false, bytes })).toMatchObject({ kind: 'moved' });
    expect([...bytes]).toEqual([1, 2, 3, 4]);
  });

  it('saves what it counts and takes it back', () => {
    const rig = new VfioRig({ unit: true });
    rig.unit!.space(0).translateNow(true);
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.unit!.space(0).map(0x1000n, 0x2000n, 0x1000n);
    const saved = rig.vfio.save();
    const guestRegions = [{ delivered: 1, failed: 0, notices: { late: [], waiting: [] } }];
    expect(saved.containers).toEqual([{ id: 0, guestRegions, map: { refused: [] } }]);
    rig.unit!.space(0).unmap(0x1000n, 0x1000n);
    rig.vfio.restore(saved);
    expect(rig.vfio.save()).toEqual(saved);
    expect(() => rig.vfio.restore({ nextContainer: 0, containers: [], notices: [] })).toThrow(
      '0 containers were saved, 1 exist',
    );
  });
});
