import { describe, expect, it } from 'vitest';
import { RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { dma, Guest } from './guest.ts';
import { ALL, withDevice } from './rig.ts';
import { spaceAt } from '../space-at.ts';

const DOMAIN = 3n;

/** Legacy mode: 0x5000 and 0x6000 lead to 0x40_0000 on, 0x7000 elsewhere. */
function legacy(given = {}) {
  const all = withDevice({ 'caching-mode': true, ...given });
  const driver = new Guest(all);
  const top = driver.table();
  const translated = BigInt(top) | 1n;
  driver.map(top, 4, 0x5000n, 0x40_0003n);
  driver.map(top, 4, 0x6000n, 0x40_1003n);
  driver.map(top, 4, 0x7000n, 0x40_9003n);
  driver.put(0x40_0000, 0x11n);
  driver.put(0x5000, 0x22n);
  const context = (low: bigint): void => driver.context(all.device.devfn, low, 2n | (DOMAIN << 8n));
  context(translated);
  driver.setRoot('legacy');
  const told: string[] = [];
  const notifier = new RegionNotifier({
    name: 'shadow',
    device: 'dev0',
    kind: 'vfio',
    events: ['map', 'unmap'],
    start: 0n,
    last: ALL - 1n,
    notify: ({ type, entry }) => void told.push(`${type} ${entry.iova.toString(16)}+${(entry.mask + 1n).toString(16)}`),
  });
  const names = () => all.seen.splice(0).map(({ name }) => name);
  const passThrough = translated | (2n << 2n);
  return { ...all, driver, top, translated, passThrough, context, told, notifier, names };
}

describe('what a device sees', () => {
  it('changes with remapping', () => {
    const { driver, device, space, names, unit } = legacy();
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x22);
    driver.enable();
    expect(space.bypass).toBe(false);
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x11);
    expect(unit.mode).toBe('legacy');
    driver.enable(false);
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x22);
    expect(names()).toEqual(['IOMMU_REGION_SWITCHED', 'IOMMU_REGION_SWITCHED']);
  });

  it('is plain memory as long as its context entry passes through, and the region when that faults', () => {
    const { driver, device, space, context, passThrough, translated } = legacy();
    driver.enable();
    context(passThrough);
    driver.flushIotlb();
    expect(space.bypass).toBe(false);
    driver.flushContext(device.devfn);
    expect(space.bypass).toBe(true);
    context(translated);
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x22);
    driver.flushContext();
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x11);
    context(0n);
    driver.flushContext();
    expect(space.bypass).toBe(false);
  });

  it('becomes plain memory with the first request that finds pass-through', () => {
    const { driver, device, space, context, passThrough, names } = legacy();
    driver.enable();
    names();
    context(passThrough);
    expect(space.bypass).toBe(false);
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x22);
    expect(space.bypass).toBe(true);
    expect(names()).toEqual(['IOMMU_REGION_SWITCHED']);
  });

  it('is what a command chose, until the registers decide anew', () => {
    const { driver, device, space, unit, bus, context, passThrough } = legacy();
    driver.enable();
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'bypass');
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x22);
    driver.flushContext(device.devfn + 8);
    expect(space.bypass).toBe(true);
    driver.flushContext(device.devfn);
    expect(space.bypass).toBe(false);
    context(passThrough);
    driver.flushContext(device.devfn);
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'translate');
    expect(dma(device.addressSpace, 0x5000n)).toBe(0x22);
    expect(space.bypass).toBe(false);
    unit.setBypass(spaceAt(unit, bus, device.devfn), 'auto');
    expect(space.bypass).toBe(true);
  });

  it('is plain memory again after a reset, and caches are empty', () => {
    const { driver, device, space, unit } = legacy();
    driver.enable();
    dma(device.addressSpace, 0x5000n);
    unit.reset();
    expect(space.bypass).toBe(true);
    expect(unit.describe()).toMatchObject({
      mode: 'off',
      caches: [
        { entries: 0, hits: 0 },
        { entries: 0, hits: 0, misses: 0 },
      ],
    });
  });
});

describe('faults', () => {
  it('are events with what the record has, once each', () => {
    const { driver, device, seen, names } = legacy();
    driver.enable();
    names();
    expect(dma(device.addressSpace, 0x9876n)).toBeNull();
    expect(seen.map(({ name, data }) => [name, data])).toMatchObject([
      [
        'IOMMU_FAULT',
        { iommu: 'iommu0', device: 'dev0', address: 0x9000n, access: 'read', code: 6, reason: 'read-not-permitted' },
      ],
    ]);
    expect(seen[0]!.data).not.toHaveProperty('pasid');
    dma(device.addressSpace, 0x9876n);
    expect(names()).toEqual(['IOMMU_FAULT']);
  });
});

describe('region notifiers', () => {
  it('hear of neighbours page by page, and the event of one operation tells them together', () => {
    const all = legacy();
    all.driver.enable();
    all.space.region.registerNotifier(all.notifier);
    all.names();
    all.topology.operations.run(() => all.space.region.replay(all.notifier));
    const listeners = [{ listener: 'shadow', device: 'dev0', kind: 'vfio', status: 'ok' }];
    const common = { iommu: 'iommu0', device: 'dev0', permissions: ['read', 'write'], listeners };
    expect(all.seen.splice(0).map(({ name, data }) => [name, data])).toMatchObject([
      ['IOMMU_MAPPED', { ...common, iova: 0x5000n, size: 0x2000n, address: 0x40_0000n }],
      ['IOMMU_MAPPED', { ...common, iova: 0x7000n, size: 0x1000n, address: 0x40_9000n }],
    ]);
    for (const iova of [0x5000n, 0x6000n, 0x7000n]) all.driver.clear(all.top, 4, iova);
    all.topology.operations.run(() => all.driver.flushDomain(Number(DOMAIN)));
    expect(all.seen.map(({ name, data }) => [name, data])).toMatchObject([
      ['IOMMU_UNMAPPED', { iova: 0x5000n, size: 0x3000n, listeners }],
    ]);
  });

  it('hear nothing of other domains, and everything of a context entry that is gone', () => {
    const { driver, space, notifier, told, top, context } = legacy();
    driver.enable();
    space.region.registerNotifier(notifier);
    space.region.replay(notifier);
    told.length = 0;
    driver.clear(top, 4, 0x5000n);
    driver.flushDomain(Number(DOMAIN) + 1);
    driver.flushPages(Number(DOMAIN), 0x6000n, 0);
    expect(told).toEqual([]);
    driver.flushPages(Number(DOMAIN), 0x5000n, 0);
    expect(told).toEqual(['unmap 5000+1000']);
    context(0n);
    driver.flushIotlb();
    expect(told.slice(1).every((line) => line.startsWith('unmap'))).toBe(true);
    expect(told.slice(1, 2)).toEqual(['unmap 0+1000000000000']);
  });

  it('hear that all is gone, in aligned pieces, when the root changes', () => {
    const { driver, space, told } = legacy();
    driver.enable();
    const notifier = new RegionNotifier({
      name: 'part',
      device: 'dev0',
      kind: 'vfio',
      events: ['unmap'],
      start: 0x3000n,
      last: 0x9fffn,
      notify: ({ type, entry }) =>
        void told.push(`${type} ${entry.iova.toString(16)}+${(entry.mask + 1n).toString(16)}`),
    });
    space.region.registerNotifier(notifier);
    driver.setRoot('legacy');
    expect(told).toEqual(['unmap 3000+1000', 'unmap 4000+4000', 'unmap 8000+2000']);
    told.length = 0;
    // Those that keep no maps hear of a block as it is named.
    driver.flushPages(Number(DOMAIN), 0x4000n, 2);
    driver.flushIotlb();
    expect(told).toEqual(['unmap 4000+4000', 'unmap 3000+7000']);
  });

  it('of device IOTLBs hear of those descriptors alone', () => {
    const { driver, device, space, told } = legacy({ 'device-iotlb': true });
    const notifier = new RegionNotifier({
      name: 'ats',
      device: 'dev0',
      kind: 'vhost',
      events: ['deviotlb-unmap'],
      start: 0n,
      last: ALL - 1n,
      notify: ({ type, entry }) =>
        void told.push(`${type} ${entry.iova.toString(16)}+${(entry.mask + 1n).toString(16)}`),
    });
    space.region.registerNotifier(notifier);
    driver.useQueue(false);
    driver.enable();
    const source = BigInt(device.devfn) << 32n;
    driver.submit(3n | source, 0x5000n);
    driver.submit(3n | source, 0x1_7001n);
    driver.submit(3n | (9n << 32n), 0x5000n);
    expect(told).toEqual(['deviotlb-unmap 5000+1000', 'deviotlb-unmap 10000+10000']);
  });
});

describe('a unit', () => {
  it('comes back as it was saved, with caches and what notifiers were told', () => {
    const one = legacy();
    one.driver.enable();
    one.space.region.registerNotifier(one.notifier);
    one.space.region.replay(one.notifier);
    dma(one.device.addressSpace, 0x5000n);
    one.driver.put(0x40_9000, 0x33n);
    const state = structuredClone({ ram: one.block.save(), unit: one.unit.save() });

    const other = legacy();
    other.block.restore(state.ram);
    other.space.region.registerNotifier(other.notifier);
    other.unit.restore(state.unit);
    other.told.length = 0;
    expect(other.unit.save()).toEqual(state.unit);
    expect(other.unit.describe()).toEqual(one.unit.describe());
    other.driver.clear(other.top, 4, 0x5000n);
    expect(dma(other.device.addressSpace, 0x5000n)).toBe(0x11);
    expect(dma(other.device.addressSpace, 0x7000n)).toBe(0x33);
    other.driver.flushIotlb();
    expect(other.told).toEqual(['unmap 5000+1000']);
    expect(dma(other.device.addressSpace, 0x5000n)).toBeNull();
  });
});
