import { describe, expect, it } from 'vitest';
import { ACCESSED, DATA, DIRECTORY, LEAF_TABLE, POOL, RO, ROOT, RW, simpleGuest } from './guest.ts';

const IOVA = 0x4000_0000n;

describe('a stale translation', () => {
  it('is used and named with the page flush that was missing', () => {
    const guest = simpleGuest();
    expect(guest.byte(IOVA + 8n * 0n, 5)).toBe(0xa1);
    const since = guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toEqual([
      {
        device: 'dev0',
        pasid: 5,
        address: IOVA,
        access: 'read',
        cache: 'iotlb',
        cached: { address: guest.hpa(DATA), gpa: DATA, permissions: ['read', 'write', 'execute'] },
        current: { address: guest.hpa(DATA + 0x1000n), gpa: DATA + 0x1000n, permissions: ['read', 'write', 'execute'] },
        since,
        write: { address: guest.slot, was: DATA | RW | ACCESSED, is: (DATA + 0x1000n) | RW },
        missing: { granularity: 'page', 'domain-id': 1, pasid: 5, address: IOVA, size: 4096n },
        sequence: 1,
        operation: guest.operations.last,
      },
    ]);
    expect(guest.device.flushIotlb({ granularity: 'page', pasid: 5, address: IOVA, size: 4096n, leafOnly: true })).toBe(
      1,
    );
    expect(guest.byte(IOVA, 5)).toBe(0xb2);
    expect(guest.stale).toHaveLength(1);
  });

  it('has no current one when the page is gone', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    const since = guest.poke(guest.slot, 0n);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toHaveLength(1);
    expect(guest.stale[0]).toMatchObject({ cache: 'iotlb', since });
    expect(guest.stale[0]).not.toHaveProperty('current');
    guest.device.flushIotlb({ granularity: 'domain', domainId: 1, leafOnly: false });
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0x71 });
    expect(guest.stale).toHaveLength(1);
  });

  it('is one only for an access that comes out differently', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, DATA | RO);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toEqual([]);
    expect(guest.write(IOVA, Uint8Array.of(0xcc), 5).kind).toBe('moved');
    expect(guest.stale).toHaveLength(1);
    expect(guest.stale[0]).toMatchObject({ access: 'write', cache: 'iotlb' });
    expect(guest.stale[0]).not.toHaveProperty('current');
    expect(guest.byte(IOVA, 5)).toBe(0xcc);
  });

  it('is one when a right was added and the cached refusal is used', () => {
    const guest = simpleGuest();
    guest.poke(guest.slot, DATA | RO);
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, DATA | RW);
    expect(guest.write(IOVA, Uint8Array.of(1), 5)).toMatchObject({ kind: 'fault', code: 0x85 });
    expect(guest.stale).toHaveLength(1);
    expect(guest.stale[0]).toMatchObject({
      cached: { permissions: ['read', 'execute'] },
      current: { permissions: ['read', 'write', 'execute'] },
    });
  });

  it('says nothing when the tables changed to the same translation', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, DATA | RW | (1n << 52n));
    guest.poke(guest.slot + 8n, (DATA + 0x5000n) | RW);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    guest.poke(guest.slot, DATA | RW);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toEqual([]);
  });

  it('blames an upper-level entry, with the operation that wrote it', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    const other = { next: POOL + 0x10_0000n };
    guest.mapPage(ROOT + 0x8000n, IOVA, DATA + 0x1000n, RW, other);
    const since = guest.poke(ROOT, guest.peek(ROOT + 0x8000n));
    guest.poke(DATA + 0x2000n, 1n);
    guest.byte(IOVA, 5);
    expect(guest.stale).toHaveLength(1);
    expect(guest.stale[0]).toMatchObject({ cache: 'iotlb', since, current: { gpa: DATA + 0x1000n } });
  });
});

describe('a stale PASID entry', () => {
  it('asks for a PASID-cache flush and, since the translation would outlive that, for the IOTLB one', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    const root = ROOT + 0x8000n;
    guest.mapPage(root, IOVA, DATA + 0x1000n, RW, { next: POOL + 0x10_0000n });
    const slot = LEAF_TABLE + 64n * 5n + 16n;
    const since = guest.poke(slot, root);
    const write = { address: slot, was: ROOT, is: root };
    const translations = { cached: { gpa: DATA }, current: { gpa: DATA + 0x1000n } };
    const pasid = { cache: 'pasid', since, write, ...translations };
    const iotlb = { cache: 'iotlb', since, write, ...translations };
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toMatchObject([
      { ...pasid, missing: { granularity: 'pasid', 'domain-id': 1, pasid: 5 } },
      { ...iotlb, missing: { granularity: 'page', 'domain-id': 1, pasid: 5, address: IOVA, size: 4096n } },
    ]);

    // One of the two is not enough, whichever it is; both are.
    expect(guest.device.flushPasidCache({ granularity: 'pasid', domainId: 1, pasid: 5 })).toBe(1);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale.slice(2)).toMatchObject([{ ...iotlb, write: { address: slot, is: root } }]);
    expect(guest.device.flushIotlb({ granularity: 'pasid', pasid: 5, leafOnly: false })).toBe(1);
    expect(guest.byte(IOVA, 5)).toBe(0xb2);
    expect(guest.stale).toHaveLength(3);
  });

  it('asks for its own flush alone when the new entry has no use for the old translation', () => {
    const entry = LEAF_TABLE + 64n * 5n;
    const changes = [
      ['another domain id', entry + 8n, 2n],
      ['pass-through', entry, 0x101n],
      ['not present', entry, 0n],
    ] as const;
    for (const [what, address, value] of changes) {
      const guest = simpleGuest();
      guest.byte(IOVA, 5);
      if (what === 'another domain id') {
        guest.mapPage(ROOT + 0x8000n, IOVA, DATA + 0x1000n, RW, { next: POOL + 0x10_0000n });
        guest.poke(entry + 16n, ROOT + 0x8000n);
      }
      guest.poke(address, value);
      guest.byte(IOVA, 5);
      expect(guest.stale, what).toMatchObject([{ cache: 'pasid', missing: { granularity: 'pasid', pasid: 5 } }]);
      guest.device.flushPasidCache({ granularity: 'pasid', domainId: 1, pasid: 5 });
      guest.byte(IOVA, 5);
      expect(guest.stale, what).toHaveLength(1);
    }
  });

  it('gives two events when page tables and PASID entry have both changed', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    const first = guest.poke(guest.slot, (DATA + 0x3000n) | RW);
    const second = guest.poke(LEAF_TABLE + 64n * 5n, 0n);
    guest.byte(IOVA, 5);
    expect(guest.stale.map(({ cache, since }) => ({ cache, since }))).toEqual([
      { cache: 'pasid', since: second },
      { cache: 'iotlb', since: first },
    ]);
    expect(guest.stale[0]).not.toHaveProperty('current');
  });

  it('is found when it leads a miss astray', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.mapPage(ROOT + 0x8000n, IOVA + 0x1000n, DATA + 0x1000n, RW, { next: POOL + 0x10_0000n });
    guest.poke(LEAF_TABLE + 64n * 5n + 16n, ROOT + 0x8000n);
    expect(guest.byte(IOVA + 0x1000n, 5)).toEqual({ code: 0x71 });
    expect(guest.stale).toHaveLength(1);
    expect(guest.stale[0]).toMatchObject({
      cache: 'pasid',
      cached: { address: guest.hpa(ROOT), gpa: ROOT, permissions: [] },
      current: { gpa: DATA + 0x1000n },
    });
  });

  it.each([
    ['the translation type', 'vtd-scalable', LEAF_TABLE + 64n * 5n, 1n],
    ['the paging mode', 'vtd-ecs', DIRECTORY + 0x8000n + 8n * 5n, ROOT | 1n | (2n << 9n)],
  ] as const)('is one in bits that walks set in page tables: %s', (_what, format, slot, is) => {
    const guest = simpleGuest();
    if (format === 'vtd-ecs') {
      guest.poke(slot, ROOT | 1n);
      guest.bind(DIRECTORY + 0x8000n, 4096n, format);
    }
    guest.byte(IOVA, 5);
    const was = guest.peek(slot);
    const since = guest.poke(slot, is);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toMatchObject([{ cache: 'pasid', since, write: { address: slot, was, is } }]);
    expect(guest.stale[0]).not.toHaveProperty('current');
    guest.device.flushPasidCache({ granularity: 'global' });
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0x5b });
  });

  it('in the directory counts too', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    const since = guest.poke(DIRECTORY, 0n);
    guest.byte(IOVA, 5);
    expect(guest.stale.map((event) => [event.cache, event.since])).toEqual([['pasid', since]]);
  });

  it('says nothing when it was rewritten with what matters unchanged', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.poke(LEAF_TABLE + 64n * 5n, guest.peek(LEAF_TABLE + 64n * 5n) | (1n << 9n));
    guest.byte(IOVA, 5);
    expect(guest.stale).toEqual([]);
  });

  it('is found after a detour over tables that meant the same', () => {
    const guest = simpleGuest();
    const root = LEAF_TABLE + 64n * 5n + 16n;
    const other = ROOT + 0x8000n;
    guest.mapPage(other, IOVA, DATA, RW, { next: POOL + 0x10_0000n });
    guest.byte(IOVA, 5);
    guest.poke(root, other);
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    guest.device.flushPasidCache({ granularity: 'global' });
    guest.byte(IOVA, 5);
    expect(guest.stale).toEqual([]);
    const since = guest.poke(root, ROOT);
    guest.device.flushPasidCache({ granularity: 'global' });
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(guest.stale).toMatchObject([{ cache: 'iotlb', since, current: { gpa: DATA + 0x1000n } }]);
  });

  it('of pass-through names the page', () => {
    const guest = simpleGuest();
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 6, { root: ROOT, type: 4n });
    guest.byte(DATA, 6);
    guest.poke(LEAF_TABLE + 64n * 6n, 0x41n);
    guest.byte(IOVA, 6);
    expect(guest.stale).toMatchObject([
      { cache: 'pasid', cached: { address: 0n, gpa: IOVA, permissions: [] }, current: { gpa: DATA } },
    ]);
  });
});
