import { describe, expect, it } from 'vitest';
import { CONTEXT_ENTRY_DEVICE, guestRig } from './rig.ts';

const TABLES = { address: 0x100_0000n, size: 0x40_0000n };
const DEVICE = 0x18;
const POINTER = 0x000f_ffff_ffff_f000n;
const SCALABLE = { 'scalable-mode': true, 'caching-mode': true, 'pasid-bits': 20 };
const PAGE_TABLE = 0x50_0000n;

type Rig = ReturnType<typeof guestRig>;

const contextOf = (rig: Rig): bigint[] => {
  const root = rig.word(0xfed9_0020n) & POINTER;
  return rig.words((rig.word(root) & POINTER) + BigInt(CONTEXT_ENTRY_DEVICE * 32), 4);
};

const pasidEntry = (rig: Rig, pasid: number): bigint[] => {
  const directory = contextOf(rig)[0]! & POINTER;
  const table = rig.word(directory + BigInt(Math.floor(pasid / 64) * 8)) & POINTER;
  return rig.words(table + BigInt((pasid % 64) * 64), 8);
};

const mapping = (more: object = {}) => ({
  sourceId: DEVICE,
  iova: 0x4000_0000n,
  address: 0x20_0000n,
  size: 0x1000n,
  permissions: ['read', 'write'] as const,
  ...more,
});

describe('scalable mode', () => {
  it('leads from context entry, directory and PASID 0 to second-stage tables', () => {
    const rig = guestRig(SCALABLE);
    rig.driver.enable('scalable', TABLES);
    rig.calls.length = 0;
    rig.driver.map(mapping());
    const context = contextOf(rig);
    // P, PASIDE, PDTS 7: a directory for 2^20 PASIDs.
    expect([context[0]! & 0xfffn, ...context.slice(1)]).toEqual([0xe09n, 0n, 0n, 0n]);
    const entry = pasidEntry(rig, 0);
    // P, AW 2, PGTT 2; domain-id 2.
    expect([entry[0]! & 0xfffn, ...entry.slice(1)]).toEqual([0x89n, 2n, 0n, 0n, 0n, 0n, 0n, 0n]);
    expect(rig.walk(entry[0]! & POINTER, 4)).toEqual([{ iova: 0x4000_0000n, entry: 0x20_0003n, size: 0x1000n }]);
    expect(rig.calls).toEqual([
      ['context', { granularity: 'device', domainId: 0, sourceId: DEVICE, functionMask: 0 }],
      ['pasid-cache', { granularity: 'pasid', domainId: 2, pasid: 0 }],
      ['iotlb', { granularity: 'domain', domainId: 2 }],
      ['iotlb', { granularity: 'page', domainId: 2, address: 0x4000_0000n, addressMask: 0, leafOnly: false }],
    ]);
  });

  it('maps by the first stage where the unit has it, and flushes by PASID', () => {
    const rig = guestRig({ ...SCALABLE, fsts: true });
    rig.driver.enable('scalable', TABLES);
    rig.driver.map(mapping());
    const entry = pasidEntry(rig, 0);
    expect([entry[0], entry[1]]).toEqual([0x49n, 2n]);
    const [page] = rig.walk(entry[2]!, 4);
    // No execution; dirty, accessed, user, writable, present.
    expect(page).toEqual({ iova: 0x4000_0000n, entry: 0x8000_0000_0020_0067n, size: 0x1000n });
    rig.calls.length = 0;
    rig.driver.unmap({ sourceId: DEVICE, iova: 0x4000_0000n, size: 0x1000n, flush: true });
    expect(rig.calls).toEqual([
      [
        'pasid-iotlb',
        { granularity: 'page', domainId: 2, pasid: 0, address: 0x4000_0000n, addressMask: 0, leafOnly: true },
      ],
    ]);
    expect(() => rig.driver.map(mapping({ permissions: ['write'] }))).toThrow('always permit reads');
    expect(() => rig.driver.map(mapping({ iova: 1n << 47n }))).toThrow('go beyond 0x7fffffffffff');
    rig.driver.map(mapping({ permissions: ['read', 'execute'] }));
    expect(rig.walk(entry[2]!, 4)[0]!.entry).toBe(0x20_0025n);
  });

  it('maps for a PASID alone: its own domain, while requests without PASID pass', () => {
    const rig = guestRig(SCALABLE);
    rig.driver.enable('scalable', TABLES);
    rig.driver.map(mapping({ pasid: 100 }));
    expect(pasidEntry(rig, 0).slice(0, 2)).toEqual([0x109n, 1n]);
    const entry = pasidEntry(rig, 100);
    expect([entry[0]! & 0xfffn, entry[1]]).toEqual([0x89n, 2n]);
    expect(rig.walk(entry[0]! & POINTER, 4)).toHaveLength(1);
  });

  it('replaces pass-through by a domain: the old entry goes, and is flushed, before the new one comes', () => {
    const rig = guestRig(SCALABLE);
    rig.driver.enable('scalable', TABLES);
    rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 5, pageTable: PAGE_TABLE });
    rig.calls.length = 0;
    rig.driver.map(mapping());
    expect(rig.calls.slice(0, 4)).toEqual([
      ['pasid-cache', { granularity: 'pasid', domainId: 1, pasid: 0 }],
      ['iotlb', { granularity: 'domain', domainId: 1 }],
      ['pasid-cache', { granularity: 'pasid', domainId: 2, pasid: 0 }],
      ['iotlb', { granularity: 'domain', domainId: 2 }],
    ]);
    expect(pasidEntry(rig, 0)[1]).toBe(2n);
    expect(pasidEntry(rig, 5)[2]).toBe(PAGE_TABLE);
  });

  it('binds a page table: pass-through beside it, context flushed first, then the PASID', () => {
    const rig = guestRig(SCALABLE);
    rig.driver.enable('scalable', TABLES);
    rig.calls.length = 0;
    rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 0xf_ffff, pageTable: PAGE_TABLE });
    expect(pasidEntry(rig, 0xf_ffff)).toEqual([0x49n, 1n, PAGE_TABLE, 0n, 0n, 0n, 0n, 0n]);
    expect(rig.calls).toEqual([
      ['context', { granularity: 'device', domainId: 0, sourceId: DEVICE, functionMask: 0 }],
      ['pasid-cache', { granularity: 'pasid', domainId: 1, pasid: 0 }],
      ['iotlb', { granularity: 'domain', domainId: 1 }],
      ['pasid-cache', { granularity: 'pasid', domainId: 1, pasid: 0xf_ffff }],
      ['pasid-iotlb', { granularity: 'pasid', domainId: 1, pasid: 0xf_ffff }],
    ]);
  });

  it('unbinds with or without a flush, in the device too', () => {
    const rig = guestRig({ ...SCALABLE, 'device-iotlb': true });
    rig.driver.enable('scalable', TABLES);
    const bind = () => rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 5, pageTable: PAGE_TABLE });
    bind();
    rig.calls.length = 0;
    rig.driver.unbindPageTable({ sourceId: DEVICE, pasid: 5, flush: false });
    expect(rig.calls).toEqual([]);
    expect(pasidEntry(rig, 5)).toEqual([0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]);
    bind();
    rig.calls.length = 0;
    rig.driver.unbindPageTable({ sourceId: DEVICE, pasid: 5, flush: true });
    expect(rig.calls).toEqual([
      ['pasid-cache', { granularity: 'pasid', domainId: 1, pasid: 5 }],
      ['pasid-iotlb', { granularity: 'pasid', domainId: 1, pasid: 5 }],
      ['device-iotlb', { sourceId: DEVICE, pasid: 5, address: 0n, size: 1n << 64n }],
    ]);
    expect(() => rig.driver.unbindPageTable({ sourceId: DEVICE, pasid: 5, flush: true })).toThrow(
      'PASID 5 of this device has no page table bound',
    );
  });

  it.each<[object, string]>([
    [{ pasid: 0 }, 'PASID 0 serves requests without PASID'],
    [{ pasid: 256 }, "PASID 256 is above 255, the last of the unit's 8 bits"],
    [{ pasid: 5 }, 'PASID 5 of this device is bound already, to 0x500000'],
    [{ pasid: 6 }, 'PASID 6 of this device has mappings of guest-dma-map'],
    [{ pageTable: 0x50_0800n }, "Parameter 'page-table' 0x500800 is not a multiple of 4096"],
    [{ pageTable: 0x4000_0000n }, "Parameter 'page-table' 0x40000000 is not in RAM"],
    [{ pageTable: 0x100_3000n }, "in the guest driver's own tables"],
  ])('refuses to bind %o and changes nothing', (wrong, sentence) => {
    const rig = guestRig({ ...SCALABLE, 'pasid-bits': 8 });
    rig.driver.enable('scalable', TABLES);
    rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 5, pageTable: PAGE_TABLE });
    rig.driver.map(mapping({ pasid: 6 }));
    rig.calls.length = 0;
    const before = rig.driver.save();
    expect(() => rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 7, pageTable: PAGE_TABLE, ...wrong })).toThrow(
      sentence,
    );
    expect(rig.driver.save()).toEqual(before);
    expect(rig.calls).toEqual([]);
    expect(() => rig.driver.map(mapping({ pasid: 5 }))).toThrow('PASID 5 of this device has a page table of its own');
  });

  it('needs PASIDs for them, and none for the rest', () => {
    const rig = guestRig({ 'scalable-mode': true });
    rig.driver.enable('scalable', TABLES);
    expect(() => rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 1, pageTable: PAGE_TABLE })).toThrow(
      'The unit offers no PASIDs',
    );
    rig.driver.map(mapping());
    expect(contextOf(rig)[0]! & 0xfffn).toBe(1n);
  });
});

describe('extended contexts', () => {
  const ECS = { ecs: true, 'caching-mode': true };

  it('bind: pass-through with PASIDs, table pointer and size, state pointer; then the PASID', () => {
    const rig = guestRig(ECS);
    rig.driver.enable('ecs', TABLES);
    rig.calls.length = 0;
    rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 9, pageTable: PAGE_TABLE });
    const [low, width, table, state] = contextOf(rig);
    // P, T 4, deferred invalidation, PASIDE; AW 2, domain-id 1; PTS 10: 2^15 PASIDs.
    expect([low, width, table! & 0xfffn]).toEqual([0x911n, 0x102n, 10n]);
    expect(state! - (table! & POINTER)).toBe(8n << 15n);
    expect(rig.word((table! & POINTER) + 72n)).toBe(PAGE_TABLE | 1n);
    expect(rig.calls).toEqual([
      ['context', { granularity: 'device', domainId: 0, sourceId: DEVICE, functionMask: 0 }],
      ['iotlb', { granularity: 'domain', domainId: 1 }],
      ['pasid-cache', { granularity: 'pasid', domainId: 1, pasid: 9 }],
    ]);
    rig.calls.length = 0;
    rig.driver.unbindPageTable({ sourceId: DEVICE, pasid: 9, flush: true });
    expect(rig.word((table! & POINTER) + 72n)).toBe(0n);
    expect(rig.calls).toEqual([
      ['pasid-cache', { granularity: 'pasid', domainId: 1, pasid: 9 }],
      ['pasid-iotlb', { granularity: 'pasid', domainId: 1, pasid: 9 }],
    ]);
  });

  it('mapping without PASID is second-stage, with PASID first-stage, under one domain-id', () => {
    const rig = guestRig(ECS);
    rig.driver.enable('ecs', TABLES);
    rig.driver.map(mapping());
    expect([contextOf(rig)[0]! & 0xfffn, ...contextOf(rig).slice(1)]).toEqual([1n, 0x102n, 0n, 0n]);
    rig.driver.map(mapping({ pasid: 3 }));
    const [low, width, table] = contextOf(rig);
    // Still the second stage, now with PASIDs.
    expect([low! & 0xfffn, width]).toEqual([0x901n, 0x102n]);
    expect(rig.walk(low! & POINTER, 4)).toEqual([{ iova: 0x4000_0000n, entry: 0x20_0003n, size: 0x1000n }]);
    const first = rig.word((table! & POINTER) + 24n) & POINTER;
    expect(rig.walk(first, 4)).toEqual([{ iova: 0x4000_0000n, entry: 0x8000_0000_0020_0067n, size: 0x1000n }]);
    rig.calls.length = 0;
    rig.driver.unmap({ sourceId: DEVICE, iova: 0x4000_0000n, size: 0x1000n, pasid: 3, flush: true });
    expect(rig.calls[0]).toEqual(['pasid-iotlb', expect.objectContaining({ domainId: 1, pasid: 3 })]);
  });

  it('refuses PASIDs beyond its tables, and tables that do not fit', () => {
    const rig = guestRig(ECS);
    rig.driver.enable('ecs', { address: 0x100_0000n, size: 0x2_0000n });
    const bind = (pasid: number) => rig.driver.bindPageTable({ sourceId: DEVICE, pasid, pageTable: PAGE_TABLE });
    expect(() => bind(1 << 15)).toThrow('PASID 32768 is above 32767');
    expect(() => bind(1)).toThrow(/needs 128 pages in a row/);
  });
});

describe('a saved driver', () => {
  it.each<['scalable' | 'ecs', Record<string, boolean | number>]>([
    ['scalable', SCALABLE],
    ['ecs', { ecs: true, 'caching-mode': true }],
  ])('goes on where it was, %s', (mode, properties) => {
    const rig = guestRig(properties);
    rig.driver.enable(mode, TABLES);
    rig.driver.map(mapping());
    rig.driver.bindPageTable({ sourceId: DEVICE, pasid: 5, pageTable: PAGE_TABLE });
    const state = rig.driver.save();
    const context = contextOf(rig);
    rig.driver.restore(structuredClone(state));
    expect(rig.driver.save()).toEqual(state);
    expect(contextOf(rig)).toEqual(context);
    rig.driver.unmap({ sourceId: DEVICE, iova: 0x4000_0000n, size: 0x1000n, flush: true });
    rig.driver.map(mapping({ sourceId: 0x20 }));
    rig.driver.unbindPageTable({ sourceId: DEVICE, pasid: 5, flush: true });
  });
});
