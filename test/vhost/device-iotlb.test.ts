import { describe, expect, it } from 'vitest';
import { DeviceIotlb, type IotlbRange } from '../../src/vhost/device-iotlb.ts';
import { IotlbAccess } from '../../src/vhost/messages.ts';

function range(iova: bigint, last: bigint, userAddress = 0x7f00_0000_0000n + iova): IotlbRange {
  return { iova, last, userAddress, access: IotlbAccess.readWrite, tableRights: 3, words: [], operation: 1, told: 0 };
}

describe('a device IOTLB', () => {
  it('finds what lies in a range, and counts', () => {
    const iotlb = new DeviceIotlb(4);
    iotlb.insert(range(0x1000n, 0x1fffn));
    expect(iotlb.lookup(0xfffn)).toBeNull();
    expect(iotlb.lookup(0x1000n)?.iova).toBe(0x1000n);
    expect(iotlb.lookup(0x1fffn)?.iova).toBe(0x1000n);
    expect(iotlb.lookup(0x2000n)).toBeNull();
    expect([iotlb.hits, iotlb.misses]).toEqual([2, 2]);
  });

  it('keeps ranges that overlap, and finds the one that begins first', () => {
    const iotlb = new DeviceIotlb(4);
    iotlb.insert(range(0x3000n, 0x3fffn, 1n));
    iotlb.insert(range(0n, 0xffffn, 2n));
    expect(iotlb.lookup(0x3000n)?.userAddress).toBe(2n);
    expect(iotlb.ranges).toHaveLength(2);
  });

  it('forgets every range that an invalidation touches, as a whole', () => {
    const iotlb = new DeviceIotlb(4);
    for (const at of [0n, 0x1000n, 0x2000n]) iotlb.insert(range(at, at + 0xfffn));
    iotlb.insert(range(0x10_0000n, 0x1f_ffffn));
    expect(iotlb.invalidate(0x1fffn, 0x2000n)).toBe(2);
    expect(iotlb.invalidate(0x18_0000n, 0x18_0fffn)).toBe(1);
    expect(iotlb.ranges.map(({ iova }) => iova)).toEqual([0n]);
    expect(iotlb.invalidate(0n, 2n ** 64n - 1n)).toBe(1);
    expect(iotlb.invalidate(0n, 2n ** 64n - 1n)).toBe(0);
  });

  it('makes room by forgetting the oldest', () => {
    const iotlb = new DeviceIotlb(2);
    for (const at of [0x2000n, 0x1000n, 0n]) iotlb.insert(range(at, at + 0xfffn));
    expect(iotlb.ranges.map(({ iova }) => iova)).toEqual([0x1000n, 0n]);
    expect(iotlb.evictions).toBe(1);
  });

  it('comes back as it was saved', () => {
    const iotlb = new DeviceIotlb(2);
    iotlb.insert(range(0n, 0xfffn));
    iotlb.lookup(1n);
    iotlb.markTold(0x800n, 0x8ffn, 7);
    const state = structuredClone(iotlb.save());
    expect(state.ranges).toMatchObject([{ iova: 0n, told: 7 }]);
    const other = new DeviceIotlb(2);
    other.restore(state);
    expect(other.save()).toEqual(state);
  });
});
