import { describe, expect, it } from 'vitest';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { LIST, PCI_LIOBN, recording, rig, VIO_REG } from './rig.ts';

const SUCCESS = 0;
const PARAMETER = -4;
const { getTce, putTce, putTceIndirect, stuffTce } = Hypercall;

describe('H_PUT_TCE and H_GET_TCE', () => {
  it('store and return any 64 bits for the page of an address', () => {
    const { call } = rig();
    expect(call(putTce, PCI_LIOBN, 0x1fffn, 0xdead_beef_0000_0ff3n)).toEqual({ status: SUCCESS, values: [] });
    expect(call(getTce, PCI_LIOBN, 0x1000n)).toEqual({ status: SUCCESS, values: [0xdead_beef_0000_0ff3n] });
    expect(call(getTce, PCI_LIOBN, 0x2000n)).toEqual({ status: SUCCESS, values: [0n] });
  });

  it('know the tables of host bridges and of VIO devices by LIOBN, and refuse what is in no window', () => {
    const { call } = rig();
    const status = (liobn: bigint, address: bigint) => call(putTce, liobn, address, 3n).status;
    expect(status(BigInt(VIO_REG), 0n)).toBe(SUCCESS);
    expect(status(BigInt(VIO_REG), 0xff_ffffn)).toBe(SUCCESS);
    expect(status(BigInt(VIO_REG), 0x100_0000n)).toBe(PARAMETER);
    expect(status(PCI_LIOBN, 0x3fff_ffffn)).toBe(SUCCESS);
    expect(status(PCI_LIOBN, 0x4000_0000n)).toBe(PARAMETER);
    expect(status(PCI_LIOBN + 1n, 0n)).toBe(PARAMETER);
    expect(status(0x1234n, 0n)).toBe(PARAMETER);
    expect(status((1n << 32n) | PCI_LIOBN, 0n)).toBe(PARAMETER);
    expect(call(getTce, PCI_LIOBN, 0x4000_0000n)).toEqual({ status: PARAMETER, values: [] });
    expect(call(getTce, 0x1234n, 0n).status).toBe(PARAMETER);
  });

  it('tell notifiers page by page: a valid TCE maps, over a valid one replaces, an invalid one unmaps', () => {
    const { call, pci, seen } = rig();
    const { told, invalidated } = recording(pci.regions[0]!);
    call(putTce, PCI_LIOBN, 0x3000n, 0x5000n);
    call(putTce, PCI_LIOBN, 0x3000n, 0x5003n);
    call(putTce, PCI_LIOBN, 0x3000n, 0x6001n);
    call(putTce, PCI_LIOBN, 0x3000n, 0x6000n);
    call(putTce, PCI_LIOBN, 0x3000n, 0n);
    expect(told).toEqual(['+3000:1000>5000/3', '=3000:1000>6000/1', '-3000:1000']);
    expect(invalidated).toHaveLength(5);
    expect(invalidated[0]).toBe('3000-3fff');
    expect(seen.map(({ name }) => name)).toEqual(['IOMMU_MAPPED', 'IOMMU_MAPPED', 'IOMMU_UNMAPPED']);
    expect(seen[1]!.data).toMatchObject({ device: 'nic0', iova: 0x3000n, address: 0x6000n, permissions: ['read'] });
  });
});

describe('H_STUFF_TCE', () => {
  it('stores one value for a run of pages, and tells of it by one event', () => {
    const { call, pci, seen } = rig();
    const { told } = recording(pci.regions[0]!);
    call(stuffTce, PCI_LIOBN, 0x8000n, 0x1003n, 3n);
    expect(told).toEqual(['+8000:1000>1000/3', '+9000:1000>1000/3', '+a000:1000>1000/3']);
    seen.length = 0;
    call(stuffTce, PCI_LIOBN, 0n, 0n, 0x4_0000n);
    expect(told.slice(3)).toEqual(['-8000:1000', '-9000:1000', '-a000:1000']);
    expect(seen.map(({ name, data }) => [name, (data as { size: bigint }).size])).toEqual([
      ['IOMMU_UNMAPPED', 0x3000n],
    ]);
  });

  it('refuses more pages than the table has, and stops at the end of the window', () => {
    const { call } = rig();
    const liobn = BigInt(VIO_REG);
    expect(call(stuffTce, liobn, 0n, 3n, 0x1001n).status).toBe(PARAMETER);
    expect(call(getTce, liobn, 0n).values).toEqual([0n]);
    expect(call(stuffTce, liobn, 0xff_e000n, 3n, 3n).status).toBe(PARAMETER);
    expect(call(getTce, liobn, 0xff_e000n).values).toEqual([3n]);
    expect(call(getTce, liobn, 0xff_f000n).values).toEqual([3n]);
    expect(call(stuffTce, liobn, 0x100_0000n, 3n, 0n).status).toBe(SUCCESS);
    expect(call(stuffTce, 0x1234n, 0n, 3n, 0n).status).toBe(PARAMETER);
  });
});

describe('H_PUT_TCE_INDIRECT', () => {
  it('takes TCEs from a list in guest memory, big-endian', () => {
    const { call, put64 } = rig();
    put64(LIST, 0x1003n, 0x2001n, 0n);
    expect(call(putTceIndirect, PCI_LIOBN, 0x10_0000n, LIST, 3n).status).toBe(SUCCESS);
    expect([0n, 1n, 2n].map((page) => call(getTce, PCI_LIOBN, 0x10_0000n + 0x1000n * page).values[0])).toEqual([
      0x1003n,
      0x2001n,
      0n,
    ]);
  });

  it('refuses more than 512, a list that is not aligned, a LIOBN without table; stops where the window ends', () => {
    const { call, put64 } = rig();
    put64(LIST, 3n, 3n);
    const status = (liobn: bigint, address: bigint, list: bigint, count: bigint) =>
      call(putTceIndirect, liobn, address, list, count).status;
    expect(status(PCI_LIOBN, 0n, LIST, 513n)).toBe(PARAMETER);
    expect(status(PCI_LIOBN, 0n, LIST + 8n, 1n)).toBe(PARAMETER);
    expect(status(0x99n, 0n, LIST, 0n)).toBe(PARAMETER);
    expect(call(getTce, PCI_LIOBN, 0n).values).toEqual([0n]);
    expect(status(PCI_LIOBN, 0x3fff_f000n, LIST, 2n)).toBe(PARAMETER);
    expect(call(getTce, PCI_LIOBN, 0x3fff_f000n).values).toEqual([3n]);
    expect(status(PCI_LIOBN, 0n, LIST, 512n)).toBe(SUCCESS);
  });

  it('reads what nothing answers as zeros', () => {
    const { call } = rig();
    call(putTce, PCI_LIOBN, 0n, 3n);
    expect(call(putTceIndirect, PCI_LIOBN, 0n, 0x1_0000_0000n, 1n).status).toBe(SUCCESS);
    expect(call(getTce, PCI_LIOBN, 0n).values).toEqual([0n]);
  });
});

describe('other hypercalls', () => {
  it('are not there', () => {
    expect(rig().call(0x4)).toEqual({ status: -2, values: [] });
  });
});
