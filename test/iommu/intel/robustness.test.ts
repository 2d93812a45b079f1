import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import { RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { RecordingListener } from '../support.ts';
import { dma, Guest, Place } from './guest.ts';
import { ALL, withDevice } from './rig.ts';
import { spaceAt } from '../space-at.ts';

type Given = Parameters<typeof resolveIntelProperties>[0];

const units: Given[] = [
  {},
  { 'scalable-mode': true, 'pasid-bits': 20 },
  { 'scalable-mode': true, fsts: true, 'pasid-bits': 20 },
  { 'scalable-mode': true, 'strict-spec': true, 'pasid-bits': 20 },
  { ecs: true },
];

/** Pointers that lead into the tables or anywhere, with whatever bits. */
const word = fc.oneof(
  fc.constant((1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc
    .tuple(fc.integer({ min: 0x10, max: 0x50 }), fc.bigInt({ min: 0n, max: 0xfffn }))
    .map(([page, bits]) => (BigInt(page) << 12n) | bits | 1n),
);
const place = fc.tuple(
  fc.constantFrom(Place.root, Place.contexts, Place.contexts + 0x300, Place.directory, Place.pasids, 0x3_0000),
  fc.integer({ min: 0, max: 12 }),
  word,
);
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 0xff_ffffn }),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 4n }),
  fc.constantFrom(0xfee0_0000n, 0xffff_ffff_ffff_f000n, 0x7fff_ffff_f000n),
);

describe('tables of any content', () => {
  it('end in a translation or a fault, whoever looks at them', () => {
    const reached = { moved: 0, failed: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...units),
        fc.array(place, { minLength: 3, maxLength: 40 }),
        fc.array(fc.tuple(address, fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 12 }),
        (given, words, uses) => {
          const all = withDevice({ 'caching-mode': true, 'device-iotlb': true, ...given });
          const { bus, device, space, unit } = all;
          const { devfn } = device;
          space.iommuObject.register(new RecordingListener('vfio'), ['bind', 'unbind', 'flush-iotlb']);
          const driver = new Guest(all);
          for (const [base, index, value] of words) driver.put(base + 8 * index, value);
          driver.useQueue(given['scalable-mode'] === true);
          driver.setRoot(given['ecs'] === true ? 'ecs' : given['scalable-mode'] === true ? 'scalable' : 'legacy');
          driver.enable();
          const options = { name: 'n', device: 'dev0', kind: 'vfio', start: 0n, last: ALL - 1n } as const;
          const notifier = new RegionNotifier({ ...options, events: ['map', 'unmap'], notify: () => {} });
          space.region.registerNotifier(notifier);
          space.region.replay(notifier);
          for (const [at, kind] of uses) {
            const pasid = kind % 2 === 0 ? undefined : kind;
            const target = pasid === undefined ? device.addressSpace : unit.getPasidAddressSpace(bus, devfn, pasid);
            if (dma(target, at) === null) reached.failed += 1;
            else reached.moved += 1;
            unit.translate(spaceAt(unit, bus, devfn), {
              address: at,
              access: 'write',
              explain: true,
              ...(pasid !== undefined && { pasid }),
            });
            unit.atsTranslate(bus, devfn, {
              address: at,
              length: 1n,
              write: true,
              ...(pasid !== undefined && { pasid }),
            });
            try {
              unit.mappings(spaceAt(unit, bus, devfn), {
                limit: 5,
                budget: 2000,
                ...(pasid !== undefined && { pasid }),
              });
            } catch (error) {
              expect(String(error)).toContain('There are no tables to list');
            }
          }
          driver.flushContext(devfn);
          driver.flushPages(1, 0n, 9);
          driver.flushIotlb();
          unit.describe();
          unit.iotlbEntries();
          expect(() => unit.reset()).not.toThrow();
        },
      ),
      { numRuns: 300, seed: 1 },
    );
    expect(reached.moved).toBeGreaterThan(0);
    expect(reached.failed).toBeGreaterThan(0);
  });

  it('that lead back to themselves are followed so far, and the daemon goes on', () => {
    const all = withDevice({ 'caching-mode': true });
    const { device, space } = all;
    const driver = new Guest(all);
    const table = driver.table();
    for (let index = 0; index < 512; index += 1) driver.put(table + 8 * index, BigInt(table) | 3n);
    driver.put(Place.root, BigInt(Place.contexts) | 1n);
    driver.put(Place.contexts + 16 * device.devfn, BigInt(table) | 1n);
    driver.put(Place.contexts + 16 * device.devfn + 8, 0x102n);
    driver.setRoot('legacy');
    driver.enable();
    let maps = 0;
    const notify = (): void => {
      maps += 1;
    };
    const notifier = new RegionNotifier({
      name: 'n',
      device: 'dev0',
      kind: 'vfio',
      start: 0n,
      last: ALL - 1n,
      events: ['map', 'unmap'],
      notify,
    });
    space.region.registerNotifier(notifier);
    space.region.replay(notifier);
    expect(maps).toBeGreaterThan(512);
    // Each costs events and a mapping of the host: a quarter of a million held the daemon for seconds.
    expect(maps).toBeLessThan(512 * 32);
    expect(dma(device.addressSpace, 0x1000n)).not.toBeNull();
  });
});
