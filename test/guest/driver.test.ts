import { describe, expect, it } from 'vitest';
import { guestRig } from './rig.ts';

const TABLES = { address: 0x100_0000n, size: 0x10_0000n };
const DEVICE = 0x18;
const POINTER = 0x000f_ffff_ffff_f000n;

describe('enabling', () => {
  it.each<['legacy' | 'scalable' | 'ecs', Record<string, boolean>, bigint]>([
    ['legacy', {}, 0n],
    ['scalable', { 'scalable-mode': true }, 0x400n],
    ['ecs', { ecs: true }, 0x800n],
  ])('%s: queue, root table, translation', (mode, properties, bits) => {
    const rig = guestRig(properties);
    expect(rig.driver.enable(mode, TABLES)).toEqual(TABLES);
    const root = rig.word(0xfed9_0020n) & ~0xfffn;
    expect(root >= TABLES.address && root < TABLES.address + TABLES.size).toBe(true);
    expect(rig.word(0xfed9_0020n) & 0xfffn).toBe(bits);
    expect(rig.calls).toEqual([
      ['setRoot', { address: Number(root), mode }],
      ['setEnabled', true],
    ]);
    // TES, RTPS, QIES.
    expect(rig.word(0xfed9_0018n) >> 32n).toBe(0xc400_0000n);
    expect(rig.driver.mode).toBe(mode);
  });

  it('takes tables from the top of the RAM by default, and reports where', () => {
    expect(guestRig({}).driver.enable('legacy')).toEqual({ address: 0xf00_0000n, size: 0x100_0000n });
  });

  it('refuses a mode that the unit lacks, and a second time', () => {
    const { driver, calls } = guestRig({});
    expect(() => driver.enable('scalable', TABLES)).toThrow('The unit has no scalable mode');
    expect(() => driver.enable('ecs', TABLES)).toThrow('The unit has no extended contexts');
    expect(() => guestRig({ 'dma-translation': false }).driver.enable('legacy')).toThrow('translates no DMA');
    expect(calls).toEqual([]);
    driver.enable('legacy', TABLES);
    expect(() => driver.enable('legacy', TABLES)).toThrow('enabled already, in legacy mode');
    expect(() => guestRig({}).driver.map(mapping())).toThrow('guest-iommu-enable first');
  });

  it('never takes a range that holds data, is not RAM, or is too small', () => {
    const { driver, memory, word, calls } = guestRig({});
    memory.write(0x100_5123n, Uint8Array.of(1));
    expect(() => driver.enable('legacy', TABLES)).toThrow(/page at 0x1005000 holds data/);
    expect(() => driver.enable('legacy', { address: 0xfff_f000n, size: 0x2000n })).toThrow('0x10000000 is not RAM');
    expect(() => driver.enable('legacy', { address: 0x800n, size: 0x2000n })).toThrow('multiples of 4096');
    expect(() => driver.enable('legacy', { address: 0x20_0000n, size: 0x2000n })).toThrow(/needs 3 pages/);
    expect(word(0x20_0000n)).toBe(0n);
    expect(calls).toEqual([]);
  });

  it('may use its own range again after a reset, although old tables are in it', () => {
    const { driver, level, memory } = guestRig({});
    driver.enable('legacy', TABLES);
    driver.map(mapping());
    level.reset();
    driver.reset();
    expect(() => driver.map(mapping())).toThrow('guest-iommu-enable first');
    expect(driver.enable('legacy', TABLES)).toEqual(TABLES);
    level.reset();
    driver.reset();
    memory.write(0x200_0000n, Uint8Array.of(1));
    expect(() => driver.enable('legacy', { address: 0x200_0000n, size: 0x4000n })).toThrow('holds data');
  });

  it('does not take over a unit that somebody else has programmed', () => {
    const { driver, memory } = guestRig({});
    memory.write(0xfed9_0018n, Uint8Array.of(0, 0, 0, 0x80));
    expect(() => driver.enable('legacy', TABLES)).toThrow(/in use \(GSTS 0x80000000\)/);
  });
});

const mapping = (more: object = {}) => ({
  sourceId: DEVICE,
  iova: 0x4000_0000n,
  address: 0x20_0000n,
  size: 0x1000n,
  permissions: ['read', 'write'] as const,
  ...more,
});

describe('legacy mode', () => {
  it('leads from the root entry to the page, as the specification lays it out', () => {
    const rig = guestRig({});
    rig.driver.enable('legacy', TABLES);
    const root = rig.word(0xfed9_0020n);
    rig.driver.map(mapping());
    const [rootLow] = rig.words(root, 2);
    expect(rootLow! & 0xfffn).toBe(1n);
    const [low, high] = rig.words((rootLow! & POINTER) + BigInt(DEVICE * 16), 2);
    expect([low! & 0xfffn, high]).toEqual([1n, 0x102n]);
    expect(rig.walk(low! & POINTER, 4)).toEqual([{ iova: 0x4000_0000n, entry: 0x20_0003n, size: 0x1000n }]);
    expect(rig.calls.slice(2)).toEqual([]);
  });

  it('uses 3 levels where the unit has 39 bits, and a context table for each bus', () => {
    const rig = guestRig({ 'aw-bits': 39 });
    rig.driver.enable('legacy', TABLES);
    rig.driver.map(mapping({ sourceId: 0x508 }));
    const table = rig.word(rig.word(0xfed9_0020n) + 0x50n) & POINTER;
    const [low, high] = rig.words(table + 0x80n, 2);
    expect(high).toBe(0x101n);
    expect(rig.walk(low! & POINTER, 3)).toHaveLength(1);
    expect(() => rig.driver.map(mapping({ iova: 0x7f_ffff_f000n, size: 0x2000n }))).toThrow('0x7fffffffff');
  });

  it('invalidates after mapping where caching mode asks, the context first', () => {
    const { calls, driver } = guestRig({ 'caching-mode': true });
    driver.enable('legacy', TABLES);
    calls.length = 0;
    driver.map(mapping());
    driver.map(mapping({ iova: 0x5000_1000n, size: 0x2000n }));
    expect(calls).toEqual([
      ['context', { granularity: 'device', domainId: 0, sourceId: DEVICE, functionMask: 0 }],
      ['iotlb', { granularity: 'domain', domainId: 1 }],
      ['iotlb', { granularity: 'page', domainId: 1, address: 0x4000_0000n, addressMask: 0, leafOnly: false }],
      ['iotlb', { granularity: 'page', domainId: 1, address: 0x5000_0000n, addressMask: 2, leafOnly: false }],
    ]);
  });

  it('invalidates after unmapping, unless told not to; a range beyond AM takes the whole domain', () => {
    const { calls, driver } = guestRig({ 'device-iotlb': true });
    driver.enable('legacy', TABLES);
    driver.map(mapping({ size: 0x3000n }));
    driver.map(mapping({ iova: 1n << 32n, address: 0n, size: 1n << 31n }));
    calls.length = 0;
    driver.unmap({ sourceId: DEVICE, iova: 0x4000_1000n, size: 0x1000n, flush: false });
    expect(calls).toEqual([]);
    driver.unmap({ sourceId: DEVICE, iova: 0x4000_0000n, size: 0x1000n, flush: true });
    expect(calls).toEqual([
      ['iotlb', { granularity: 'page', domainId: 1, address: 0x4000_0000n, addressMask: 0, leafOnly: true }],
      ['device-iotlb', { sourceId: DEVICE, address: 0x4000_0000n, size: 0x1000n }],
    ]);
    calls.length = 0;
    driver.unmap({ sourceId: DEVICE, iova: 1n << 32n, size: 1n << 31n, flush: true });
    expect(calls).toEqual([
      ['iotlb', { granularity: 'domain', domainId: 1 }],
      ['device-iotlb', { sourceId: DEVICE, address: 1n << 32n, size: 1n << 31n }],
    ]);
  });

  it('gives each device a domain of its own', () => {
    const { calls, driver } = guestRig({});
    driver.enable('legacy', TABLES);
    driver.map(mapping());
    driver.map(mapping({ sourceId: 0x20 }));
    calls.length = 0;
    driver.unmap({ sourceId: 0x20, iova: 0x4000_0000n, size: 0x1000n, flush: true });
    expect(calls).toEqual([['iotlb', expect.objectContaining({ domainId: 2, leafOnly: true })]]);
  });

  it.each<[object, string | RegExp]>([
    [{ iova: 0x123n }, "Parameter 'iova' 0x123 is not a multiple of 4096"],
    [{ address: 0x123n }, "Parameter 'address' 0x123 is not a multiple of 4096"],
    [{ size: 0n }, "Parameter 'size' is 0"],
    [{ iova: 0x4000_0000n, size: 0x2000n }, '0x40000000 is mapped already'],
    [{ iova: 0xfedf_f000n, size: 0x2000n }, 'cover the interrupt range'],
    [{ iova: 1n << 48n }, 'go beyond 0xffffffffffff'],
    [{ iova: 0n, permissions: [] }, "Parameter 'permissions' is empty"],
    [{ iova: 0n, permissions: ['execute'] }, 'no right to execute'],
    [{ iova: 0n, pasid: 4 }, 'legacy mode has no PASIDs'],
    [{ iova: 0n, address: 0x20_1000n, size: 0x4000_0000n }, /needs 51[34] pages/],
  ])('refuses %o and changes nothing', (wrong, sentence) => {
    const { calls, driver, memory } = guestRig({ 'caching-mode': true });
    driver.enable('legacy', TABLES);
    driver.map(mapping());
    calls.length = 0;
    const image = new Uint8Array(Number(TABLES.size));
    memory.read(TABLES.address, image);
    expect(() => driver.map(mapping(wrong))).toThrow(sentence);
    const after = new Uint8Array(image.length);
    memory.read(TABLES.address, after);
    expect(Buffer.from(after).equals(Buffer.from(image))).toBe(true);
    expect(calls).toEqual([]);
  });

  it('refuses to unmap what is not mapped, or part of a large page', () => {
    const { driver } = guestRig({});
    driver.enable('legacy', TABLES);
    const unmap = (iova: bigint, size: bigint, sourceId = DEVICE) =>
      driver.unmap({ sourceId, iova, size, flush: true });
    expect(() => unmap(0n, 0x1000n)).toThrow('nothing is, for this device');
    driver.map(mapping({ iova: 0x20_0000n, size: 0x20_0000n }));
    expect(() => unmap(0x20_0000n, 0x40_0000n)).toThrow('0x400000 is not mapped');
    expect(() => unmap(0x20_1000n, 0x1000n)).toThrow(/page of 2097152 bytes at 0x200000/);
    unmap(0x20_0000n, 0x20_0000n);
    expect(() => unmap(0x20_0000n, 0x20_0000n)).toThrow('0x200000 is not mapped');
  });

  it('says so when somebody has stopped the queue or translation', () => {
    const { driver, memory, word } = guestRig({ 'caching-mode': true });
    driver.enable('legacy', TABLES);
    const queue = word(0xfed9_0090n) & POINTER;
    const tail = Number(word(0xfed9_0088n));
    memory.write(queue + BigInt(tail), Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0));
    const next = new Uint8Array(4);
    new DataView(next.buffer).setUint32(0, tail + 16, true);
    memory.write(0xfed9_0088n, next);
    expect(() => driver.map(mapping())).toThrow('stopped by an error (FSTS.IQE)');
    const other = guestRig({});
    other.driver.enable('legacy', TABLES);
    other.memory.write(0xfed9_0018n, Uint8Array.of(0, 0, 0, 0x04));
    expect(() => other.driver.map(mapping())).toThrow('Translation was disabled behind the guest driver');
  });
});
