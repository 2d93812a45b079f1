import { describe, expect, it } from 'vitest';
import type { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import type { ObjectEvent } from '../../../src/memory/iommu-object.ts';
import type { Gpa } from '../../../src/core/address.ts';
import { RecordingListener } from '../support.ts';
import { Guest, Place } from './guest.ts';
import { withDevice } from './rig.ts';

const ALL_EVENTS: ObjectEvent[] = ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'];
const PASS_THROUGH = [0x101n];
const firstStage = (domainId: number, table = 0x20_0000n) => [0x41n, BigInt(domainId), table];

/** Members that are the same in every event here. */
const COMMON = ['iommu', 'device', 'sequence', 'operation', 'listeners'];

function guest(given: Parameters<typeof resolveIntelProperties>[0], wide: boolean) {
  const all = withDevice({ 'caching-mode': true, ...given });
  const listener = new RecordingListener('vfio');
  all.space.iommuObject.register(listener, ALL_EVENTS);
  const driver = new Guest(all);
  driver.useQueue(wide);
  /** The model events since the last call, by name and what matters of them. */
  const events = () =>
    all.seen
      .splice(0)
      .map(({ name, data }) => [
        name,
        Object.fromEntries(Object.entries(data).filter(([member]) => !COMMON.includes(member))),
      ]);
  return { ...all, listener, driver, events };
}

const scalable = () => {
  const all = guest({ 'scalable-mode': true, 'pasid-bits': 20 }, true);
  all.driver.scalableContext(all.device.devfn, 1n);
  all.driver.pasidEntry(0, PASS_THROUGH);
  all.driver.setRoot('scalable');
  all.driver.enable();
  return all;
};

const BOUND = { address: BigInt(Place.directory), size: 0x800n, format: 'vtd-scalable' };

describe('a bind from the guest, in scalable mode', () => {
  it('happens when remapping is enabled, once the device passes through', () => {
    const { events, space } = scalable();
    expect(events()).toEqual([['IOMMU_PASID_TABLE_BOUND', { ...BOUND, replaced: false, origin: 'guest' }]]);
    expect(space.bypass).toBe(true);
    expect(space.iommuObject.binding).toEqual({ ...BOUND, origin: 'guest' });
  });

  it('follows the context entry at the invalidation that covers it, and not before', () => {
    const { driver, device, events } = scalable();
    events();
    driver.scalableContext(device.devfn, 2n);
    driver.flushIotlb();
    driver.flushContext(device.devfn + 8);
    expect(events().map(([name]) => name)).toEqual(['IOMMU_IOTLB_FLUSHED']);
    driver.flushContext(device.devfn);
    expect(events()).toEqual([
      ['IOMMU_PASID_TABLE_BOUND', { ...BOUND, size: 0x1000n, replaced: true, origin: 'guest' }],
    ]);
    driver.flushContext(device.devfn);
    driver.flushContext();
    expect(events()).toEqual([]);
    driver.extendedContext(device.devfn, [0n]);
    driver.flushContext();
    expect(events()).toEqual([
      ['IOMMU_REGION_SWITCHED', { bypass: false }],
      ['IOMMU_PASID_TABLE_UNBOUND', { ...BOUND, size: 0x1000n, origin: 'guest' }],
    ]);
  });

  it('goes with remapping and with a reset', () => {
    const { driver, unit, events } = scalable();
    events();
    driver.enable(false);
    expect(events()).toEqual([['IOMMU_PASID_TABLE_UNBOUND', { ...BOUND, origin: 'guest' }]]);
    driver.enable();
    expect(events()).toEqual([['IOMMU_PASID_TABLE_BOUND', { ...BOUND, replaced: false, origin: 'guest' }]]);
    unit.reset();
    expect(events()).toEqual([['IOMMU_PASID_TABLE_UNBOUND', { ...BOUND, origin: 'command' }]]);
    expect(unit.mode).toBe('off');
  });

  it('leaves a table alone that a command has bound since, until the entry changes', () => {
    const { driver, device, space, events } = scalable();
    space.iommuObject.bind({ address: 0x30_0000n as Gpa, size: 0x1000n, format: 'vtd-scalable' }, 'command');
    events();
    driver.flushContext(device.devfn);
    expect(events()).toEqual([]);
    driver.scalableContext(device.devfn, 0n);
    driver.flushContext(device.devfn);
    expect(events()).toMatchObject([['IOMMU_PASID_TABLE_BOUND', { size: 0x400n, replaced: true, origin: 'guest' }]]);
  });

  it('that is refused is told by an event, and tried again at the next invalidation', () => {
    const { driver, device, listener, events, seen } = scalable();
    events();
    listener.refused.add(BOUND.address);
    driver.scalableContext(device.devfn, 3n);
    driver.flushContext(device.devfn);
    expect(seen.map(({ name }) => name)).toEqual(['IOMMU_PASID_TABLE_BIND_FAILED']);
    expect(events()).toEqual([
      ['IOMMU_PASID_TABLE_BIND_FAILED', { ...BOUND, size: 0x2000n, desc: 'vfio refuses 20000' }],
    ]);
    driver.submit(0x17n | (1n << 16n) | (5n << 32n));
    expect(events().filter(([name]) => name === 'IOMMU_PASID_TABLE_BIND_FAILED')).toEqual([]);
    listener.refused.clear();
    driver.flushContext(device.devfn);
    expect(events()).toMatchObject([['IOMMU_PASID_TABLE_BOUND', { size: 0x2000n, replaced: true }]]);
  });

  it('waits for somebody who listens', () => {
    const { driver, device, listener, space, events } = scalable();
    space.iommuObject.unregister(listener);
    events();
    driver.flushContext(device.devfn);
    expect(events()).toEqual([]);
    space.iommuObject.register(listener, ALL_EVENTS);
    driver.flushContext(device.devfn);
    expect(events()).toMatchObject([['IOMMU_PASID_TABLE_BOUND', { replaced: false }]]);
  });
});

describe('flushes from the guest, in scalable mode', () => {
  const flushed = (rest: object, leafOnly = false) => [
    'IOMMU_IOTLB_FLUSHED',
    { 'leaf-only': leafOnly, origin: 'guest', dropped: 0, ...rest },
  ];
  const withPasid = () => {
    const all = scalable();
    all.driver.pasidEntry(5, firstStage(9));
    all.driver.submit(7n | (1n << 4n) | (9n << 16n) | (5n << 32n));
    return all;
  };

  it('say of the PASID cache what the descriptor says', () => {
    const { driver, events } = withPasid();
    const cache = (rest: object) => ['IOMMU_PASID_CACHE_FLUSHED', { origin: 'guest', dropped: 0, ...rest }];
    driver.submit(7n | (0n << 4n) | (9n << 16n));
    driver.submit(7n | (3n << 4n));
    expect(events().slice(1)).toEqual([
      cache({ granularity: 'pasid', 'domain-id': 9, pasid: 5 }),
      cache({ granularity: 'domain', 'domain-id': 9 }),
      cache({ granularity: 'global' }),
    ]);
  });

  it('say of translations what the descriptor says, with address, mask and leaf hint', () => {
    const { driver, events } = withPasid();
    events();
    const pasid = 6n | (9n << 16n) | (5n << 32n);
    driver.submit(pasid | (2n << 4n));
    driver.submit(pasid | (3n << 4n), 0x12_7000n | (1n << 6n) | 3n);
    driver.submit(pasid | (3n << 4n), 0x12_7000n);
    driver.flushDomain(9);
    driver.flushPages(9, 0x12_7000n, 0, true);
    driver.flushIotlb();
    expect(events()).toEqual([
      flushed({ granularity: 'pasid', 'domain-id': 9, pasid: 5 }),
      flushed({ granularity: 'page', 'domain-id': 9, pasid: 5, address: 0x12_0000n, size: 0x8000n }, true),
      flushed({ granularity: 'page', 'domain-id': 9, pasid: 5, address: 0x12_7000n, size: 0x1000n }),
      flushed({ granularity: 'domain', 'domain-id': 9 }),
      flushed({ granularity: 'domain', 'domain-id': 9 }, true),
      flushed({ granularity: 'global' }),
    ]);
  });

  it('reach the devices that have the domain, also when its entry is gone by then', () => {
    const { driver, events } = withPasid();
    events();
    driver.flushDomain(10);
    driver.submit(6n | (2n << 4n) | (10n << 16n) | (5n << 32n));
    expect(events()).toEqual([]);
    driver.pasidEntry(5, []);
    driver.submit(7n | (1n << 4n) | (9n << 16n) | (5n << 32n));
    driver.submit(6n | (2n << 4n) | (9n << 16n) | (5n << 32n));
    expect(events().map(([name]) => name)).toEqual(['IOMMU_PASID_CACHE_FLUSHED', 'IOMMU_IOTLB_FLUSHED']);
    driver.flushDomain(9);
    expect(events()).toEqual([]);
  });

  it('reach nobody without a table', () => {
    const { driver, space, events } = withPasid();
    space.iommuObject.unbind('command');
    events();
    driver.flushIotlb();
    driver.flushDomain(9);
    expect(events()).toEqual([]);
  });
});

describe('the trigger of 2017: extended contexts', () => {
  const PASIDE = 1n << 11n;
  const words = (type: bigint, flags = PASIDE, pts = 3n) => [
    1n | (type << 2n) | flags,
    2n | (9n << 8n),
    BigInt(Place.directory) | pts,
    0n,
  ];
  const extended = () => {
    const all = guest({ ecs: true }, false);
    all.driver.extendedContext(all.device.devfn, words(2n, 0n));
    all.driver.setRoot('ecs');
    all.driver.enable();
    return all;
  };
  const ECS = { address: BigInt(Place.directory), size: 0x800n, format: 'vtd-ecs' };

  it('is a flush of the device, once its entry has a PASID table that counts', () => {
    const { driver, device, unit, events, space } = extended();
    expect(unit.mode).toBe('ecs');
    expect(events()).toEqual([]);
    // Pass-through proper ignores the table.
    driver.extendedContext(device.devfn, words(2n));
    driver.flushContext(device.devfn);
    expect(events()).toEqual([]);
    driver.extendedContext(device.devfn, words(4n));
    driver.flushContext();
    driver.flushContext(device.devfn + 1);
    expect(events()).toEqual([]);
    driver.flushContext(device.devfn);
    expect(events()).toEqual([['IOMMU_PASID_TABLE_BOUND', { ...ECS, replaced: false, origin: 'guest' }]]);
    expect(space.bypass).toBe(true);
    driver.extendedContext(device.devfn, words(2n));
    driver.flushContext();
    expect(events()).toEqual([['IOMMU_PASID_TABLE_UNBOUND', { ...ECS, origin: 'guest' }]]);
  });

  it('takes translation type 5 only where devices may cache translations', () => {
    const { driver, device, events } = extended();
    driver.extendedContext(device.devfn, words(5n));
    driver.flushContext(device.devfn);
    expect(events()).toEqual([['IOMMU_REGION_SWITCHED', { bypass: false }]]);
    const ats = guest({ ecs: true, 'device-iotlb': true }, false);
    ats.driver.extendedContext(ats.device.devfn, words(5n));
    ats.driver.setRoot('ecs');
    ats.driver.enable();
    ats.driver.flushContext(ats.device.devfn);
    expect(ats.events().map(([name]) => name)).toEqual(['IOMMU_PASID_TABLE_BOUND']);
  });

  it('passes flushes on by the domain of the context entry', () => {
    const { driver, device, events } = extended();
    driver.extendedContext(device.devfn, words(4n));
    driver.flushContext(device.devfn);
    events();
    driver.flushDomain(8);
    driver.flushDomain(9);
    expect(events()).toMatchObject([['IOMMU_IOTLB_FLUSHED', { granularity: 'domain', 'domain-id': 9 }]]);
  });

  it('is nothing that a scalable unit has', () => {
    expect(() => withDevice({ ecs: true, 'scalable-mode': true })).toThrow('exclude each other');
  });
});
