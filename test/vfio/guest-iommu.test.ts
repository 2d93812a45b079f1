import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../src/core/address.ts';
import { Permission } from '../../src/memory/access.ts';
import type { IotlbFlush, PasidTable } from '../../src/memory/iommu-object.ts';
import { MMIO_START, RAM_SIZE, refusal, ROM_START, VfioRig } from './rig.ts';

const table: PasidTable = { address: 0x10_0000n as Gpa, size: 0x1000n, format: 'vtd-scalable' };

function translatedRig(): VfioRig {
  const rig = new VfioRig({ unit: true });
  rig.unit!.space(0).translateNow(true);
  rig.attach('nic0', 0, '0000:3b:00.0');
  rig.changes();
  return rig;
}

describe('the two frameworks side by side', () => {
  const matrix = (rig: VfioRig) => {
    const space = rig.unit!.space(0);
    return { region: space.region.notifiers.length, object: space.object.registrations().length };
  };

  it('in bypass no region notifier is registered, the object notifier is', () => {
    const rig = new VfioRig({ unit: true });
    rig.attach('nic0', 0, '0000:3b:00.0');
    expect(matrix(rig)).toEqual({ region: 0, object: 1 });
    rig.unit!.space(0).translateNow(true);
    expect(matrix(rig)).toEqual({ region: 1, object: 1 });
    rig.unit!.space(0).translateNow(false);
    expect(matrix(rig)).toEqual({ region: 0, object: 1 });
  });

  it('translated from the start both are', () => {
    const rig = translatedRig();
    expect(matrix(rig)).toEqual({ region: 1, object: 1 });
    expect(rig.vfio.containers()[0]!.listeners).toEqual([
      { device: 'dev0', kind: 'region' },
      { device: 'nic0', kind: 'object' },
    ]);
  });

  it('without an IOMMU there is neither', () => {
    const rig = new VfioRig({ unit: false });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    expect(device.listener).toBeNull();
  });

  it('a device that leaves takes both along', () => {
    const rig = translatedRig();
    const device = rig.vfio.devices[0]!;
    device.release();
    expect(matrix(rig)).toEqual({ region: 0, object: 0 });
    expect(rig.topology.addressSpaces().every(({ listeners }) => listeners.length === 0)).toBe(true);
  });
});

describe('a switch between bypass and translated', () => {
  it('maps anew: first all of the old goes, then the new comes', () => {
    const rig = new VfioRig({ unit: true });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.changes();
    rig.unit!.space(0).map(0x40_0000n, 0x2000n, 0x1000n);
    expect(rig.changes()).toEqual([]);
    rig.unit!.space(0).translateNow(true);
    expect(rig.changes()).toEqual([
      'unmap 0 0x0+0x1000000',
      'unmap 0 0xfffc0000+0x40000',
      'unmap 0 0x100000000+0x100000',
      'map 0 0x400000+0x1000 to low@0x2000',
    ]);
    rig.unit!.space(0).translateNow(false);
    expect(rig.changes()).toEqual([
      'unmap 0 0x400000+0x1000',
      'map 0 0x0+0x1000000 to low@0x0',
      'map 0 0xfffc0000+0x40000 to rom@0x0 ro',
      'map 0 0x100000000+0x100000 to high@0x0',
    ]);
  });

  it('that the IOMMU refuses can be taken back', () => {
    const rig = new VfioRig({ unit: true });
    rig.attach('nic0', 0, '0000:3b:00.0');
    const before = rig.describe();
    rig.unit!.cachingMode = false;
    expect(refusal(() => rig.unit!.space(0).translateNow(true))).toBe(
      'caching-mode=on is needed for device assignment',
    );
    rig.unit!.space(0).translateNow(false);
    expect(rig.describe()).toEqual(before);
  });
});

describe('shadowing what an IOMMU maps', () => {
  it('keeps the host at what the guest has', () => {
    const rig = translatedRig();
    const space = rig.unit!.space(0);
    expect(space.map(0x1_0000n, 0x2000n, 0x2000n)).toEqual([
      { listener: 'vfio-guest-iommu-mr', device: 'dev0', kind: 'vfio', status: 'ok' },
    ]);
    space.map(0x2_0000n, 0x2000n, 0x1000n, Permission.read);
    space.map(0x3_0000n, ROM_START, 0x1000n);
    space.unmap(0x1_0000n, 0x2000n);
    expect(rig.changes()).toEqual([
      'map 0 0x10000+0x2000 to low@0x2000',
      'map 0 0x20000+0x1000 to low@0x2000 ro',
      'map 0 0x30000+0x1000 to rom@0x0 ro',
      'unmap 0 0x10000+0x2000',
    ]);
  });

  it('names the guest-physical address beside the host-physical one', () => {
    const rig = new VfioRig({ unit: true });
    const mapped = (): unknown[] =>
      rig.log.splice(0).flatMap(({ name, data }) => (name === 'VFIO_DMA_MAPPED' ? [[data.iova, data.gpa]] : []));
    rig.attach('nic0', 0, '0000:3b:00.0');
    expect(mapped()).toEqual([0n, ROM_START, 1n << 32n].map((start) => [start, start]));
    rig.unit!.space(0).translateNow(true);
    rig.unit!.space(0).map(0x1_0000n, 0x2000n, 0x2000n);
    expect(mapped()).toEqual([[0x1_0000n, 0x2000n]]);
  });

  it('replays what was mapped before the device came', () => {
    const rig = new VfioRig({ unit: true });
    rig.unit!.space(0).translateNow(true);
    rig.unit!.space(0).map(0x1_0000n, 0x2000n, 0x1000n);
    rig.attach('nic0', 0, '0000:3b:00.0');
    expect(rig.changes()).toEqual(['map 0 0x10000+0x1000 to low@0x2000']);
  });

  it('says nothing of an unmap of what was never mapped', () => {
    const rig = translatedRig();
    expect(rig.unit!.space(0).unmap(0x1_0000n, 0x1000n)).toMatchObject([{ status: 'ok' }]);
    rig.unit!.space(0).map(0x5_0000n, 0x2000n, 0x1000n);
    rig.changes();
    rig.unit!.space(0).unmap(0x1_0000n, 0x1000n);
    expect(rig.changes()).toEqual([]);
  });

  it('tells of a wide unmap what was mapped in it', () => {
    const rig = translatedRig();
    const space = rig.unit!.space(0);
    space.map(0x1_0000n, 0x2000n, 0x1000n);
    space.map(0x1_1000n, 0x8000n, 0x1000n);
    space.map(0x4_0000n, 0x9000n, 0x1000n);
    rig.changes();
    space.unmap(0n, 1n << 64n);
    expect(rig.changes()).toEqual(['unmap 0 0x10000+0x2000', 'unmap 0 0x40000+0x1000']);
  });

  it.each([
    ['registers', MMIO_START, 0x1000n, `iommu map to non memory area 0x${MMIO_START.toString(16)}`],
    ['nothing', 0x9000_0000n, 0x1000n, 'iommu map to non memory area 0x90000000'],
    [
      'the end of RAM',
      RAM_SIZE - 0x1000n,
      0x2000n,
      'iommu has granularity incompatible with target AS: 0x2000 bytes at 0xfff000, of which 0x1000 lie in one section',
    ],
  ])('refuses a mapping to %s', (_what, gpa, size, desc) => {
    const rig = translatedRig();
    expect(rig.unit!.space(0).map(0x1_0000n, gpa, size)).toMatchObject([{ status: 'error', desc }]);
    expect(rig.changes()).toEqual([]);
    expect(rig.unit!.space(0).region.notifiers[0]).toMatchObject({ delivered: 1, failed: 1 });
  });

  it('refuses a mapping into another address space than the system memory', () => {
    const rig = translatedRig();
    const other = rig.topology.createAddressSpace('elsewhere', rig.system);
    const answer = rig.unit!.space(0).map(0x1_0000n, 0x2000n, 0x1000n, Permission.readWrite, other);
    expect(answer[0]?.desc).toBe(
      'Wrong target address space "elsewhere" for IOVA 0x10000: only system memory is allowed',
    );
  });

  it('reports an unmap that would split a mapping, and keeps the mapping', () => {
    const rig = translatedRig();
    const space = rig.unit!.space(0);
    space.map(0x20_0000n, 0x20_0000n, 0x20_0000n);
    expect(space.unmap(0x20_0000n, 0x1000n)).toMatchObject([{ status: 'error' }]);
    expect(rig.vfio.containers()[0]!.mappings).toBe(1);
  });
});

describe('the object notifier', () => {
  it('takes bind, flush and unbind to the host function', () => {
    const rig = new VfioRig({ unit: true });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    const { object } = rig.unit!.space(0);
    expect(object.bind(table, 'command')).toMatchObject({
      replaced: false,
      listeners: [{ listener: 'vfio-guest-iommu-object', device: 'nic0', kind: 'vfio', status: 'ok' }],
    });
    expect(device.function.binding).toMatchObject(table);
    expect(object.flushIotlb({ granularity: 'global', leafOnly: false }, 'command').dropped).toBe(0);
    expect(object.flushPasidCache({ granularity: 'global' }, 'command').dropped).toBe(0);
    object.unbind('command');
    expect(device.function.binding).toBeNull();
  });

  it('refuses what the host refuses', () => {
    const rig = new VfioRig({ unit: true });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    const { object } = rig.unit!.space(0);
    object.bind(table, 'command');
    expect(refusal(() => object.bind({ ...table, format: 'amd-gcr3' }, 'command'))).toContain('amd-gcr3');
    expect(device.function.binding).toMatchObject(table);
  });

  it('refuses a table while the device is translated, and keeps the one bound in bypass', () => {
    const rig = new VfioRig({ unit: true });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    const space = rig.unit!.space(0);
    space.object.bind(table, 'command');
    space.translateNow(true);
    const other = { ...table, address: 0x20_0000n as Gpa };
    expect(refusal(() => space.object.bind(other, 'command'))).toBe(
      "Device 'nic0' is translated by its vIOMMU, so the host maps I/O-virtual addresses for it and cannot walk a " +
        'PASID table in guest-physical memory; switch it with iommu-set-bypass, mode bypass, first',
    );
    expect(device.function.binding).toMatchObject(table);
    expect(space.object.binding).toMatchObject(table);
    space.translateNow(false);
    expect(space.object.bind(other, 'command').replaced).toBe(true);
  });

  it('tells in the event of a flush which domain id it was limited to', () => {
    const rig = new VfioRig({ unit: true });
    rig.attach('nic0', 0, '0000:3b:00.0');
    const { object } = rig.unit!.space(0);
    object.bind(table, 'command');
    const put = (gpa: bigint, ...words: bigint[]): void => {
      const bytes = new Uint8Array(8 * words.length);
      words.forEach((word, index) => new DataView(bytes.buffer).setBigUint64(8 * index, word, true));
      rig.memory.write(gpa, bytes);
    };
    const flushed = (flush: Partial<IotlbFlush> & Pick<IotlbFlush, 'granularity'>): unknown => {
      rig.log.length = 0;
      object.flushIotlb({ leafOnly: false, ...flush }, 'command');
      return (rig.log[0]?.data as { 'domain-id'?: number })['domain-id'];
    };
    expect(flushed({ granularity: 'pasid', pasid: 3 })).toBeUndefined();
    put(table.address, 0x11_0001n);
    put(0x11_0000n + 3n * 64n, 0x41n, 9n, 0x12_0000n);
    expect(flushed({ granularity: 'pasid', pasid: 3 })).toBe(9);
    expect(flushed({ granularity: 'page', pasid: 3, address: 0n, size: 0x1000n })).toBe(9);
    expect(flushed({ granularity: 'page', pasid: 3, domainId: 4, address: 0n, size: 0x1000n })).toBe(4);
    expect(flushed({ granularity: 'global' })).toBeUndefined();
    object.unbind('command');
    expect(flushed({ granularity: 'pasid', pasid: 3 })).toBeUndefined();
  });

  it('keeps its binding over a switch of the space', () => {
    const rig = new VfioRig({ unit: true });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    rig.unit!.space(0).object.bind(table, 'command');
    rig.unit!.space(0).translateNow(true);
    expect(device.function.binding).toMatchObject(table);
  });

  it('lets go of the table when the device leaves', () => {
    const rig = new VfioRig({ unit: true });
    const device = rig.attach('nic0', 0, '0000:3b:00.0');
    const { object } = rig.unit!.space(0);
    object.bind(table, 'command');
    rig.log.length = 0;
    device.release();
    expect(object.binding).toBeNull();
    expect(device.function.binding).toBeNull();
    expect(rig.log.map(({ name }) => name)).toEqual([
      'IOMMU_PASID_TABLE_UNBOUND',
      'VFIO_DMA_UNMAPPED',
      'VFIO_DMA_UNMAPPED',
      'VFIO_DMA_UNMAPPED',
    ]);
  });
});
