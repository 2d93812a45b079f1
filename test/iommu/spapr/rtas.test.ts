import { describe, expect, it } from 'vitest';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { RtasToken } from '../../../src/iommu/spapr/rtas.ts';
import { BUID, DYNAMIC, PCI_LIOBN, recording, rig, VIO_REG } from './rig.ts';

const BRIDGE = [Number(BUID >> 32n), Number(BUID & 0xffff_ffffn)];
const { createDmaWindow, queryDmaWindow, removeDmaWindow, resetDmaWindow, setTceBypass } = RtasToken;
const ONE = PCI_LIOBN + 1n;

describe('dynamic DMA windows', () => {
  it('are asked for: windows left, TCEs of the largest, page sizes', () => {
    const { rtas } = rig();
    expect(rtas(queryDmaWindow, [0, ...BRIDGE], 5)).toEqual({ status: 0, values: [0, 1, 0x10_0000, 0x107, 0] });
    expect(rtas(queryDmaWindow, [0, ...BRIDGE], 6).values).toEqual([0, 1, 0, 0x10_0000, 0x107, 0]);
    expect(rig({ pageShifts: [12, 34] }).rtas(queryDmaWindow, [0, ...BRIDGE], 5).values[3]).toBe(0x81);
  });

  it('come behind the default window, with pages of their own size, and translate', () => {
    const { call, memory, pci, rtas, unit } = rig();
    const { values } = rtas(createDmaWindow, [0, ...BRIDGE, 16, 24], 4);
    expect(values).toEqual([0, Number(ONE) | 0, Number(DYNAMIC >> 32n), 0]);
    expect(rtas(queryDmaWindow, [0, ...BRIDGE], 5).values[1]).toBe(0);
    expect(call(Hypercall.putTce, ONE, DYNAMIC + 0x1_2345n, 0x12_3403n).status).toBe(0);
    expect(call(Hypercall.putTce, ONE, DYNAMIC + 0x100_0000n, 3n).status).toBe(-4);
    memory.write(0x12_0040n, Uint8Array.of(1, 2, 3));
    const bytes = new Uint8Array(3);
    expect(pci.addressSpace.read(DYNAMIC + 0x1_0040n, bytes).ok).toBe(true);
    expect([...bytes]).toEqual([1, 2, 3]);
    expect(unit.windows().map(({ address, liobn, size }) => [liobn, address, size])).toEqual([
      [Number(PCI_LIOBN), 0n, 0x4000_0000n],
      [Number(ONE), DYNAMIC, 0x100_0000n],
      [VIO_REG, 0n, 0x100_0000n],
    ]);
  });

  it('are refused: a page size that is not offered, a third one, too many TCEs, other numbers of arguments', () => {
    const { rtas } = rig();
    const create = (pageShift: number, windowShift: number) =>
      rtas(createDmaWindow, [0, ...BRIDGE, pageShift, windowShift], 4).values[0];
    expect(create(13, 30)).toBe(-3);
    expect(create(16, 12)).toBe(-3);
    expect(create(12, 33)).toBe(-1);
    expect(create(12, 32)).toBe(0);
    expect(create(12, 32)).toBe(-1);
    expect(rtas(createDmaWindow, [0, ...BRIDGE, 12], 4).values[0]).toBe(-3);
    expect(rtas(queryDmaWindow, [0, BRIDGE[0]!, 5], 5).values[0]).toBe(-3);
    expect(rtas(queryDmaWindow, [0, ...BRIDGE], 4).values[0]).toBe(-3);
    expect(rig({ dynamic: false }).rtas(queryDmaWindow, [0, ...BRIDGE], 5).values[0]).toBe(-3);
  });

  it('go; the first one that comes then is at the default address, and never over another', () => {
    const { rtas, unit } = rig();
    const remove = (liobn: bigint) => rtas(removeDmaWindow, [Number(liobn)], 1).values;
    const addresses = () => unit.bridges[0]!.space.openWindows().map(({ geometry }) => geometry.busOffset);
    rtas(createDmaWindow, [0, ...BRIDGE, 12, 24], 4);
    expect(remove(PCI_LIOBN)).toEqual([0]);
    expect(addresses()).toEqual([DYNAMIC]);
    expect(rtas(createDmaWindow, [0, ...BRIDGE, 12, 24], 4).values).toEqual([0, Number(PCI_LIOBN) | 0, 0, 0]);
    expect(addresses()).toEqual([0n, DYNAMIC]);
    remove(PCI_LIOBN);
    remove(ONE);
    expect(remove(ONE)).toEqual([-3]);
    expect(rtas(createDmaWindow, [0, ...BRIDGE, 21, 30], 4).values.slice(2)).toEqual([0, 0]);
    expect(remove(0x77n)).toEqual([-3]);
    expect(remove(BigInt(VIO_REG))).toEqual([-3]);
  });

  it('are reset to the empty default window', () => {
    const { call, pci, rtas } = rig();
    rtas(createDmaWindow, [0, ...BRIDGE, 12, 24], 4);
    call(Hypercall.putTce, PCI_LIOBN, 0n, 3n);
    expect(rtas(resetDmaWindow, [0, ...BRIDGE], 1)).toEqual({ status: 0, values: [0] });
    expect(pci.openWindows().map(({ window }) => window.liobn)).toEqual([Number(PCI_LIOBN)]);
    expect(call(Hypercall.getTce, PCI_LIOBN, 0n).values).toEqual([0n]);
  });
});

describe('ibm,set-tce-bypass', () => {
  it('has a VIO device pass by its table, and back', () => {
    const { memory, rtas, seen, vio } = rig();
    memory.write(0x5000n, Uint8Array.of(9));
    const read = () => {
      const bytes = new Uint8Array(1);
      return vio.addressSpace.read(0x5000n, bytes).ok ? bytes[0] : null;
    };
    expect(read()).toBeNull();
    expect(rtas(setTceBypass, [VIO_REG, 1], 1).values).toEqual([0]);
    expect([vio.bypass, read()]).toEqual([true, 9]);
    expect(rtas(setTceBypass, [VIO_REG, 0], 1).values).toEqual([0]);
    expect([vio.bypass, read()]).toEqual([false, null]);
    expect(rtas(setTceBypass, [5, 1], 1).values).toEqual([-3]);
    expect(seen.map(({ name }) => name)).toEqual([
      'IOMMU_FAULT',
      'IOMMU_REGION_SWITCHED',
      'IOMMU_REGION_SWITCHED',
      'IOMMU_FAULT',
    ]);
  });

  it('has a command in front of it until the guest speaks again', () => {
    const { rtas, unit, vio } = rig();
    rtas(setTceBypass, [VIO_REG, 1], 1);
    unit.setBypass(vio, 'translate');
    expect([vio.bypass, vio.forced]).toEqual([false, true]);
    unit.setBypass(vio, 'auto');
    expect([vio.bypass, vio.forced]).toEqual([true, false]);
    unit.setBypass(vio, 'translate');
    rtas(setTceBypass, [VIO_REG, 1], 1);
    expect([vio.bypass, vio.forced]).toEqual([true, false]);
  });
});

describe('other RTAS calls', () => {
  it('fail twice over', () => {
    const { pci, rtas } = rig();
    expect(rtas(0x2000, [], 1)).toEqual({ status: -4, values: [-3] });
    expect(recording(pci.regions[0]!).told).toEqual([]);
  });
});
