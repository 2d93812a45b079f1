import { describe, expect, it } from 'vitest';
import { TceDriver } from '../../../src/guest/spapr/tce-driver.ts';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { DYNAMIC, PCI_LIOBN, rig, VIO_REG } from '../../iommu/spapr/rig.ts';

const PCI = Number(PCI_LIOBN);

/** The rig of the unit with a driver on it, enabled. */
function driven(windows?: Parameters<typeof rig>[0]) {
  const all = rig(windows);
  const { memory, operations, unit } = all;
  const driver = new TceDriver({
    memory,
    platform: {
      hypercall: (number, args) => unit.hypercalls.call(number, args),
      windowOf: (liobn) => unit.firmwareWindow(liobn),
    },
  });
  const enable = () => driver.enable('other', { address: 0x80_0000n, size: 0x2000n });
  const map = (sourceId: number, iova: bigint, size = 0x1000n, address = 0x10_0000n) =>
    operations.run(() => driver.map({ sourceId, iova, address, size, permissions: ['read', 'write'] }));
  const unmap = (sourceId: number, iova: bigint, size = 0x1000n) =>
    operations.run(() => driver.unmap({ sourceId, iova, size, flush: true }));
  return { ...all, driver, enable, map, unmap };
}

describe('enabling', () => {
  it('takes two pages of RAM, in the one mode there is, once', () => {
    const { driver, enable, map } = driven();
    expect(() => map(PCI, 0n)).toThrow('The guest driver has not enabled the unit; use guest-iommu-enable first');
    expect(() => driver.enable('legacy')).toThrow('The unit has no legacy mode: TCE tables have one only, other');
    expect(() => driver.enable('other', { address: 0x80_0000n, size: 0x1000n })).toThrow('needs 2 pages');
    expect(driver.mode).toBeNull();
    expect(enable()).toEqual({ address: 0x80_0000n, size: 0x2000n });
    expect(driver.mode).toBe('other');
    expect(enable).toThrow('The unit is enabled already');
  });
});

describe('mapping', () => {
  it('fills the default window, more than one list of TCEs at a time', () => {
    const { call, enable, map, pci, unit, unmap, vio } = driven();
    enable();
    map(PCI, 0x20_0000n, 1000n * 0x1000n, 0x40_0000n);
    map(VIO_REG, 0x3000n);
    expect(unit.mappings(pci, { limit: 5 }).mappings).toMatchObject([
      { iova: 0x20_0000n, address: 0x40_0000n, size: 1000n * 0x1000n, permissions: ['read', 'write'] },
    ]);
    expect(unit.mappings(vio, { limit: 5 }).mappings).toHaveLength(1);
    unmap(PCI, 0x20_1000n, 0x2000n);
    expect(call(Hypercall.getTce, PCI_LIOBN, 0x20_0000n).values).toEqual([0x40_0003n]);
    expect(call(Hypercall.getTce, PCI_LIOBN, 0x20_1000n).values).toEqual([0n]);
    expect(call(Hypercall.getTce, PCI_LIOBN, 0x20_3000n).values).toEqual([0x40_3003n]);
  });

  it('creates a dynamic window once for what lies there, and none for what lies nowhere', () => {
    const { enable, map, unit, unmap } = driven();
    enable();
    expect(() => map(PCI, 0x5000_0000n)).toThrow(
      "4096 bytes at 0x50000000 lie in none of the device's DMA windows: 0x0 to 0x3fffffff, 0x800000000000000 to 0x8000000ffffffff",
    );
    expect(unit.windows()).toHaveLength(2);
    map(PCI, DYNAMIC + 0x1000n);
    map(PCI, DYNAMIC + 0x2000n);
    expect(unit.windows().map(({ liobn, mapped }) => [liobn, mapped])).toContainEqual([PCI + 1, 2]);
    unmap(PCI, DYNAMIC + 0x1000n, 0x2000n);
    expect(() => map(VIO_REG, DYNAMIC)).toThrow("in none of the device's DMA windows: 0x0 to 0xffffff");
    const without = driven({ dynamic: false });
    without.enable();
    expect(() => without.map(PCI, DYNAMIC)).toThrow('0x0 to 0x3fffffff');
  });

  it('is all or nothing', () => {
    const { driver, enable, map, unit, unmap } = driven();
    enable();
    map(PCI, 0x3000n);
    expect(() => map(PCI, 0x2000n, 0x2000n)).toThrow('0x3000 is mapped already, to 0x100000; unmap it first');
    expect(() => unmap(PCI, 0x3000n, 0x2000n)).toThrow('0x4000 is not mapped');
    expect(() => map(PCI, 0x2001n)).toThrow('not a multiple of 4096');
    expect(() => map(PCI, 0x2000n, 0n)).toThrow("Parameter 'size' is 0");
    const mapping = { sourceId: PCI, iova: 0x8000n, address: 0x1000n, size: 0x1000n };
    expect(() => driver.map({ ...mapping, permissions: ['read', 'execute'] })).toThrow('no right to execute');
    expect(() => driver.map({ ...mapping, permissions: [] })).toThrow('is empty');
    expect(() => driver.map({ ...mapping, permissions: ['read'], pasid: 1 })).toThrow('The unit has no PASIDs');
    expect(() => driver.bindPageTable()).toThrow('The unit has no PASIDs');
    expect(() => driver.map({ ...mapping, sourceId: 5, permissions: ['read'] })).toThrow('LIOBN 0x5 has no DMA window');
    expect(unit.windows()[0]!.mapped).toBe(1);
  });
});

describe('its state', () => {
  it('comes back, and goes with a reset', () => {
    const { driver, enable, map, memory, unit, unmap } = driven();
    enable();
    map(PCI, DYNAMIC);
    const state = structuredClone(driver.save());
    const other = new TceDriver({
      memory,
      platform: { hypercall: (n, args) => unit.hypercalls.call(n, args), windowOf: (l) => unit.firmwareWindow(l) },
    });
    other.restore(state);
    expect(other.save()).toEqual(state);
    other.unmap({ sourceId: PCI, iova: DYNAMIC, size: 0x1000n, flush: true });
    expect(() => unmap(PCI, DYNAMIC)).toThrow('is not mapped');
    driver.reset();
    expect(driver.mode).toBeNull();
    enable();
  });
});
