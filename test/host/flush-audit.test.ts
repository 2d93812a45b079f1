import { beforeEach, describe, expect, it } from 'vitest';
import { FlushAudit } from '../../src/host/flush-audit.ts';
import type { IotlbFlush, PasidCacheFlush } from '../../src/memory/iommu-object.ts';
import type { CheckName, Violation } from '../../src/trace/checks.ts';
import { DATA, Guest, LEAF_TABLE, POOL, ROOT, RW, simpleGuest } from './guest.ts';

const IOVA = 0x4000_0000n;
const OTHER_ROOT = 0x30_0000n;

let guest: Guest & { slot: bigint };
let audit: FlushAudit;
/** PASID 5 of domain 1 with two pages, PASID 6 of domain 2 with one: all cached. */
beforeEach(() => {
  guest = simpleGuest();
  guest.mapPage(ROOT, IOVA + 0x1000n, DATA + 0x1000n, RW, { next: POOL + 0x10_0000n });
  guest.pasidEntry(0x10_0000n, LEAF_TABLE, 6, { root: OTHER_ROOT, domainId: 2 });
  guest.mapPage(OTHER_ROOT, IOVA, DATA, RW, { next: POOL + 0x20_0000n });
  expect([guest.byte(IOVA, 5), guest.byte(IOVA + 0x1000n, 5), guest.byte(IOVA, 6)]).toEqual([0xa1, 0xb2, 0xa1]);
  audit = new FlushAudit(guest.device, guest.host.iommu);
});

const page = (iova: bigint, size = 0x1000n): IotlbFlush => ({
  granularity: 'page',
  domainId: 1,
  pasid: 5,
  address: iova,
  size,
  leafOnly: false,
});
const table = (): number => guest.device.nested!.id;
const found = (name: CheckName): { violations: number; last?: Violation } =>
  guest.trace.checks.list().find((check) => check.name === name)!;
const flushed = (scope: Parameters<typeof guest.host.iommu.caches.flushNested>[1]) => (): number =>
  guest.host.iommu.caches.flushNested(table(), scope);

describe('flush-scope', () => {
  it.each<[string, IotlbFlush]>([
    ['everything', { granularity: 'global', leafOnly: false }],
    ['a domain', { granularity: 'domain', domainId: 1, leafOnly: false }],
    ['a PASID, whose domain its entry tells', { granularity: 'pasid', pasid: 5, leafOnly: false }],
    ['a page', page(IOVA)],
    ['a range of pages', page(IOVA, 0x2000n)],
  ])('agrees with the host: %s', (_what, flush) => {
    guest.device.flushIotlb(flush);
    expect(found('flush-scope').violations).toBe(0);
  });

  it.each<[string, IotlbFlush, () => number, string]>([
    [
      'an address-space number that is left out misses entries',
      { granularity: 'domain', domainId: 1, leafOnly: false },
      () => 0,
      "The IOTLB flush of domain 1 of 'dev0' left 2 of the translations in its scope",
    ],
    [
      'a range that ends one page early misses the last',
      page(IOVA, 0x2000n),
      flushed({ pasid: 5, first: 0x4_0000, last: 0x4_0000 }),
      "The IOTLB flush of domain 1, PASID 5, 0x2000 bytes at 0x40000000 of 'dev0' left 1 of the translations in its scope",
    ],
    [
      'a range that ends one page late eats the neighbour',
      page(IOVA),
      flushed({ pasid: 5, first: 0x4_0000, last: 0x4_0001 }),
      "The IOTLB flush of domain 1, PASID 5, 0x1000 bytes at 0x40000000 of 'dev0' took 1 of the translations outside its scope along",
    ],
    [
      'a hash that has lost the PASID takes that of another process along',
      { granularity: 'pasid', domainId: 1, pasid: 5, leafOnly: false },
      flushed({}),
      "The IOTLB flush of domain 1, PASID 5 of 'dev0' took 1 of the translations outside its scope along",
    ],
  ])('%s', (_what, flush, body, desc) => {
    audit.iotlb(flush, body);
    expect(found('flush-scope')).toMatchObject({ violations: 1, last: { desc } });
  });

  it('judges flushes of the PASID cache, too', () => {
    const flush: PasidCacheFlush = { granularity: 'pasid', domainId: 2, pasid: 6 };
    const { caches } = guest.host.iommu;
    audit.pasidCache(flush, () => caches.pasid.drop(({ pasid }) => pasid === 6));
    expect(found('flush-scope').violations).toBe(0);
    guest.byte(IOVA, 6);
    audit.pasidCache(flush, () => caches.pasid.drop(({ pasid }) => pasid === 5));
    expect(found('flush-scope')).toMatchObject({
      violations: 2,
      last: {
        desc: "The PASID-cache flush of domain 2, PASID 6 of 'dev0' took 1 of the PASID entries outside its scope along",
      },
    });
  });

  it('asks nothing of a flush that failed, and nothing while it is off', () => {
    const fail = (): number => {
      throw new Error('no');
    };
    expect(() => audit.iotlb(page(IOVA), fail)).toThrow('no');
    for (const name of ['flush-scope', 'over-flush'] as const) guest.trace.checks.set(name, { enabled: false });
    expect(audit.iotlb(page(IOVA), () => 0)).toBe(0);
    expect(found('flush-scope').violations).toBe(0);
  });
});

describe('over-flush', () => {
  it('counts what the tables still give, and no event tells of it', () => {
    const before = guest.events.sequence;
    guest.poke(guest.slot, 0n);
    guest.device.flushIotlb({ granularity: 'domain', domainId: 1, leafOnly: false });
    expect(found('over-flush')).toMatchObject({
      violations: 1,
      last: { desc: "The IOTLB flush of domain 1 of 'dev0' dropped 1 of the translations that the tables still give" },
    });
    guest.device.flushIotlb({ granularity: 'global', leafOnly: false });
    expect(found('over-flush').violations).toBe(2);
    expect(guest.events.sequence).toBe(before);
  });

  it('counts nothing when the flush is as wide as the change', () => {
    guest.poke(guest.slot, 0n);
    guest.device.flushIotlb(page(IOVA));
    expect(found('over-flush').violations).toBe(0);
  });
});
