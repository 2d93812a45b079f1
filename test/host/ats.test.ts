import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../src/host/host.ts';
import { ACCESSED, DATA, DIRECTORY, type Guest, LEAF_TABLE, POOL, RO, ROOT, RW, simpleGuest } from './guest.ts';

const IOVA = 0x4000_0000n;
const PAGE = 4096n;

function guestWithAts(options?: HostOptions): Guest & { slot: bigint } {
  const guest = simpleGuest(options);
  guest.device.enableAts(true);
  return guest;
}

const flushIotlb = (guest: Guest): number =>
  guest.device.flushIotlb({ granularity: 'page', pasid: 5, address: IOVA, size: PAGE, leafOnly: false });
const flushDevice = (guest: Guest, pasid: number | 'all' = 5): number =>
  guest.device.flushDeviceTlb({ pasid, address: IOVA, size: PAGE });

describe('a function with ATS', () => {
  it('asks once and uses what it keeps from then on', () => {
    const guest = guestWithAts();
    for (let i = 0; i < 3; i++) expect(guest.byte(IOVA, 5)).toBe(0xa1);
    const { deviceCache } = guest.device;
    expect([deviceCache?.size, deviceCache?.hits, deviceCache?.misses]).toEqual([1, 2, 1]);
    const iotlb = guest.host.describe().caches.find(({ name }) => name === 'iotlb');
    expect([iotlb?.hits, iotlb?.misses]).toEqual([0, 1]);
    expect(guest.host.describe().caches.at(-1)).toEqual({
      name: 'device:dev0',
      entries: 1,
      size: 64,
      hits: 2,
      misses: 1,
    });
  });

  it('keeps nothing while ATS are off, and loses all when they are switched', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    expect(guest.device.deviceCache?.size).toBe(0);
    guest.device.enableAts(true);
    guest.byte(IOVA, 5);
    guest.device.enableAts(true);
    expect(guest.device.deviceCache?.size).toBe(1);
    guest.device.enableAts(false);
    expect(guest.device.deviceCache?.size).toBe(0);
  });

  it('has none where the host or the function cannot', () => {
    const guest = guestWithAts({ iommu: { ats: false } });
    expect(guest.device.deviceCache).toBeNull();
    expect(guest.device.atsEnabled).toBe(false);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(flushDevice(guest)).toBe(0);
  });

  it('asks again for the right to write, which marks the page dirty', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    expect(guest.peek(guest.slot) & 0x40n).toBe(0n);
    expect(guest.device.deviceCache?.entries()).toMatchObject([{ permissions: 5 }]);
    guest.write(IOVA, Uint8Array.of(0xcc), 5);
    expect(guest.peek(guest.slot) & 0x40n).toBe(0x40n);
    expect(guest.device.deviceCache?.entries()).toMatchObject([{ permissions: 7 }]);
    expect(guest.device.deviceCache?.misses).toBe(2);
    guest.write(IOVA, Uint8Array.of(0xcd), 5);
    expect(guest.device.deviceCache?.misses).toBe(2);
  });

  it('keeps no refusal: a right that was added is there at once, once the IOTLB knows', () => {
    const guest = guestWithAts();
    guest.poke(guest.slot, DATA | RO);
    guest.byte(IOVA, 5);
    expect(guest.write(IOVA, Uint8Array.of(1), 5)).toMatchObject({ kind: 'fault', code: 0x85 });
    guest.poke(guest.slot, DATA | RW);
    flushIotlb(guest);
    expect(guest.write(IOVA, Uint8Array.of(1), 5).kind).toBe('moved');
    expect(guest.stale).toEqual([]);
  });

  it('loses what depends on its context, its PASID table or the second stage', () => {
    const guest = guestWithAts();
    const fill = (): number | undefined => {
      guest.byte(IOVA, 5);
      guest.byte(DATA);
      return guest.device.deviceCache?.size;
    };
    expect(fill()).toBe(2);
    guest.bind(DIRECTORY);
    expect(guest.device.deviceCache?.size).toBe(0);
    expect(fill()).toBe(2);
    guest.stage.unmap(0n, 1n << 64n);
    expect(guest.device.deviceCache?.size).toBe(0);
    guest.stage.map(0n, 64n << 20n, guest.host.memory.hpaOf(guest.ram, 0), false);
    expect(fill()).toBe(2);
    guest.device.detach();
    expect(guest.device.deviceCache?.size).toBe(0);
    expect(guest.stale).toEqual([]);
  });

  it('shows what it keeps, and whether that is old', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    flushIotlb(guest);
    const shown = guest.host.iotlbEntries('dev0');
    expect(shown).toMatchObject([{ device: 'dev0', pasid: 5, iova: IOVA, gpa: DATA, cache: 'device', stale: true }]);
    expect(guest.device.translate(IOVA, 'read', 5)).toMatchObject({ address: guest.hpa(DATA), source: 'device' });
    expect(guest.device.translate(IOVA, 'write', 5)).toMatchObject({ gpa: DATA + 0x1000n, source: 'walk' });
  });

  it('gives up entries by the seed, the same ones at each run', () => {
    const run = (seed: number): bigint[] => {
      const guest = guestWithAts({ iommu: { atsCacheSize: 4, seed } });
      const pool = { next: POOL };
      for (let page = 0n; page < 12n; page++) {
        guest.mapPage(ROOT, IOVA + page * PAGE, DATA + page * PAGE, RW, pool);
        guest.byte(IOVA + page * PAGE, 5);
      }
      return guest.host
        .iotlbEntries('dev0')
        .filter(({ cache }) => cache === 'device')
        .map(({ iova }) => iova);
    };
    expect(run(1)).toHaveLength(4);
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  it('is saved with what it keeps', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    const state = structuredClone(guest.host.save());
    guest.device.enableAts(false);
    guest.host.restore(state);
    expect(guest.device.atsEnabled).toBe(true);
    expect(guest.host.save().iommu.caches).toEqual(state.iommu.caches);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    flushIotlb(guest);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toMatchObject([{ cache: 'device' }]);
  });
});

describe('a device-IOTLB invalidation', () => {
  it.each([
    ['of its PASID', 5, 1],
    ['of all PASIDs', 'all', 1],
    ['of another PASID', 6, 0],
  ] as const)('%s drops exactly that', (_what, pasid, dropped) => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    guest.byte(DATA);
    expect(flushDevice(guest, pasid)).toBe(dropped);
    expect(guest.device.deviceCache?.size).toBe(2 - dropped);
  });

  it('without PASID leaves what has one', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    guest.byte(DATA);
    expect(guest.device.flushDeviceTlb({ address: 0n, size: 1n << 64n })).toBe(1);
    expect(guest.device.deviceCache?.entries()).toMatchObject([{ pasid: 5 }]);
  });
});

describe('a stale translation in a device', () => {
  it('is used, and named with the invalidation that was missing', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    const since = guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    flushIotlb(guest);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toEqual([
      {
        device: 'dev0',
        pasid: 5,
        address: IOVA,
        access: 'read',
        cache: 'device',
        cached: { address: guest.hpa(DATA), gpa: DATA, permissions: ['read', 'execute'] },
        current: { address: guest.hpa(DATA + 0x1000n), gpa: DATA + 0x1000n, permissions: ['read', 'write', 'execute'] },
        since,
        write: { address: guest.slot, was: DATA | RW | ACCESSED, is: (DATA + 0x1000n) | RW },
        missing: { granularity: 'page', 'domain-id': 1, pasid: 5, address: IOVA, size: PAGE },
        sequence: 1,
        operation: guest.operations.last,
      },
    ]);
    expect(guest.trace.checks.list()).toContainEqual({
      name: 'stale-translation',
      enabled: true,
      stop: false,
      violations: 1,
      last: {
        sequence: 1,
        operation: guest.operations.last,
        desc: "Device 'dev0' used an old entry of the device cache for its read at 0x40000000 with PASID 5",
      },
    });
    expect(flushDevice(guest)).toBe(1);
    expect(guest.byte(IOVA, 5)).toBe(0xb2);
    expect(guest.stale).toHaveLength(1);
  });

  it('comes back from the IOTLB when the device is told first', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    flushDevice(guest);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale.map(({ cache }) => cache)).toEqual(['iotlb']);
    flushIotlb(guest);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale.map(({ cache }) => cache)).toEqual(['iotlb', 'device']);
  });

  it('names the caches behind it first: that is the order of the flushes', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    const root = ROOT + 0x8000n;
    guest.mapPage(root, IOVA, DATA + 0x1000n, RW, { next: POOL + 0x10_0000n });
    const since = guest.poke(LEAF_TABLE + 64n * 5n + 16n, root);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale.map((event) => [event.cache, event.since])).toEqual([
      ['pasid', since],
      ['iotlb', since],
      ['device', since],
    ]);
  });

  it('is told at each use, and not at all while the check is off', () => {
    const guest = guestWithAts();
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, 0n);
    flushIotlb(guest);
    guest.byte(IOVA, 5);
    guest.byte(IOVA, 5);
    expect(guest.stale).toHaveLength(2);
    expect(guest.stale[0]).not.toHaveProperty('current');
    guest.trace.checks.set('stale-translation', { enabled: false });
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toHaveLength(2);
  });
});

/** The host flushes its own caches when it changes what they come from; here that was lost. */
describe('a flush of the host that was lost', () => {
  const lost = (guest: Guest, change: () => void): number => {
    const { caches } = guest.host.iommu;
    const states = caches.save();
    const context = caches.context.peek(guest.device.requester) ?? null;
    return guest.operations.run(() => {
      change();
      caches.restore(states, () => context);
      return guest.operations.current;
    });
  };

  it('of the context leaves the old table in force', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.pasidEntry(DIRECTORY + 0x8000n, LEAF_TABLE + 0x8000n, 5, { root: ROOT + 0x8000n });
    guest.mapPage(ROOT + 0x8000n, IOVA, DATA + 0x1000n, RW, { next: POOL + 0x10_0000n });
    const since = lost(guest, () => guest.bind(DIRECTORY + 0x8000n));
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale.map((event) => [event.cache, event.since])).toEqual([
      ['context', since],
      ['pasid', since],
    ]);
    expect(guest.stale[0]).toMatchObject({
      missing: { granularity: 'global', 'domain-id': 0 },
      current: { gpa: DATA + 0x1000n },
    });
    guest.host.iommu.caches.dropContext(guest.device.requester);
    guest.host.iommu.caches.pasid.drop(() => true);
    expect(guest.byte(IOVA, 5)).toBe(0xb2);
    expect(guest.stale).toHaveLength(2);
  });

  it('of the context lets a device go on that is attached to nothing', () => {
    const guest = simpleGuest();
    guest.byte(DATA);
    const since = lost(guest, () => guest.device.detach());
    expect(guest.byte(DATA)).toBe(0xa1);
    expect(guest.stale).toMatchObject([{ cache: 'context', since }]);
    expect(guest.stale[0]).not.toHaveProperty('write');
    expect(guest.stale[0]).not.toHaveProperty('pasid');
    expect(guest.stale[0]).not.toHaveProperty('current');
  });

  it.each([
    ['the IOTLB', false, undefined, ['iotlb']],
    ['the IOTLB, with PASID', false, 5, ['iotlb']],
    ['the device', true, undefined, ['iotlb', 'device']],
    ['the device, with PASID', true, 5, ['iotlb', 'device']],
  ] as const)('of %s leaves pages that the second stage has unmapped', (_what, ats, pasid, caches) => {
    const guest = simpleGuest();
    guest.device.enableAts(ats);
    const address = pasid === undefined ? DATA : IOVA;
    guest.byte(address, pasid);
    const since = lost(guest, () => void guest.stage.unmap(0n, 1n << 64n));
    expect(guest.byte(address, pasid)).toBe(0xa1);
    expect(guest.stale.filter(({ cache }) => cache !== 'pasid').map(({ cache }) => cache)).toEqual(caches);
    expect(guest.stale.at(-1)).toMatchObject({ since, cached: { gpa: DATA } });
    expect(guest.stale.at(-1)).not.toHaveProperty('write');
    expect(guest.stale.at(-1)).not.toHaveProperty('current');
  });
});
