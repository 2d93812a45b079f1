import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../src/core/address.ts';
import { CommandError } from '../../src/core/errors.ts';
import { ALL_PAGES } from '../../src/host/nested-page-tables.ts';
import { bdf, DATA, DIRECTORY, Guest, LEAF_TABLE, POOL, ROOT, RW } from './guest.ts';

const IOVA = 0x4000_0000n;

/** PASID 5 attached to a nested page table that maps two pages, both cached. */
function attached() {
  const guest = new Guest();
  guest.pasidEntry(DIRECTORY, LEAF_TABLE, 5, { root: ROOT });
  const pool = { next: POOL };
  guest.mapPage(ROOT, IOVA, DATA, RW, pool);
  guest.mapPage(ROOT, IOVA + 0x1000n, DATA + 0x1000n, RW, pool);
  const pasids = guest.device.openPasids({ address: DIRECTORY as Gpa, size: 4096n, format: 'vtd-scalable' });
  const { nestedPages, translation } = guest.host.iommu;
  const entry = translation.readPasidEntry(guest.device.nested!, 5)!;
  const { firstStage, domainId } = entry;
  const table = nestedPages.allocate(guest.device, guest.stage, { firstStage: firstStage!, domainId });
  pasids.attach(5, table, entry);
  const fill = (): void => {
    for (const address of [IOVA, IOVA + 0x1000n]) guest.byte(address, 5);
  };
  fill();
  return { guest, pasids, nestedPages, entry, table, fill };
}

describe('nested page tables', () => {
  it('know who goes through them, and cannot go before', () => {
    const { guest, pasids, nestedPages, entry, table } = attached();
    const other = guest.host.findFunction(bdf('3b:00.1'))!;
    other.attach(guest.stage);
    other.openPasids({ address: DIRECTORY as Gpa, size: 4096n, format: 'vtd-scalable' }).attach(9, table, entry);
    expect(table.users.map(({ function: { name }, pasid }) => [name, pasid])).toEqual([
      ['0000:3b:00.0', 5],
      ['0000:3b:00.1', 9],
    ]);
    expect(() => nestedPages.destroy(table)).toThrow(
      'Nested page table 3 is used by PASID 5 of host function 0000:3b:00.0: detach that first',
    );
    expect(pasids.detach(5)).toBe(true);
    expect(pasids.detach(5)).toBe(false);
    expect(() => nestedPages.destroy(table)).toThrow(/PASID 9 of host function 0000:3b:00.1/);
    other.unbindPasidTable();
    nestedPages.destroy(table);
    expect(nestedPages.all).toEqual([]);
  });

  it('of one function cannot have PASIDs that it has not', () => {
    const { guest, pasids, entry, table } = attached();
    expect(() => pasids.attach(2 ** 20, table, entry)).toThrow(
      'PASID 1048576 is above 1048575, the last one that 20 PASID bits of host function 0000:3b:00.0 reach',
    );
    expect(guest.device.pasids).toBe(pasids);
  });

  it('lose with their second stage what led through it', () => {
    const { guest } = attached();
    expect(guest.host.iotlbEntries()).toHaveLength(2);
    guest.stage.unmap(0n, 1n << 64n);
    expect(guest.host.iotlbEntries()).toEqual([]);
    expect(guest.byte(IOVA, 5)).toHaveProperty('code');
  });

  it('replaced by another one lose what was cached of them for that PASID', () => {
    const { guest, pasids, nestedPages, entry } = attached();
    const { firstStage, domainId } = entry;
    const second = nestedPages.allocate(guest.device, guest.stage, { firstStage: firstStage!, domainId });
    expect(guest.host.iotlbEntries()).toHaveLength(2);
    expect(pasids.attach(5, second, entry)).toEqual({ replaced: true });
    expect(guest.host.iotlbEntries()).toEqual([]);
  });
});

describe('an invalidation', () => {
  const page = (index: bigint, pages = 1n) => ({ address: IOVA + 0x1000n * index, pages, leafOnly: true });

  it('takes an array of entries and tells how many are done', () => {
    const { nestedPages, table, fill } = attached();
    expect(nestedPages.invalidate(table, [])).toEqual({ handled: 0, dropped: 0, error: null });
    expect(nestedPages.invalidate(table, [page(0n), page(1n)])).toEqual({ handled: 2, dropped: 2, error: null });
    fill();
    expect(nestedPages.invalidate(table, [page(0n, 2n)])).toMatchObject({ handled: 1, dropped: 2 });
    fill();
    const all = { address: 0n, pages: ALL_PAGES, leafOnly: false };
    expect(nestedPages.invalidate(table, [page(7n), all, page(0n)])).toMatchObject({ handled: 3, dropped: 2 });
  });

  it.each([
    [{ address: 0x4000_0800n, pages: 1n, leafOnly: false }, /0x40000800 does not begin at a multiple of 0x1000/],
    [{ address: 0x1000n, pages: ALL_PAGES, leafOnly: false }, /of all pages begins at 0x1000: give address 0x0/],
    [{ address: IOVA, pages: 0n, leafOnly: false }, /at 0x40000000 has 0 pages/],
    [{ address: (1n << 64n) - 0x1000n, pages: 2n, leafOnly: false }, /has 2 pages/],
  ])('ends at an entry like %o; those before are done, those behind are not', (wrong, sentence) => {
    const { nestedPages, table } = attached();
    const { handled, dropped, error } = nestedPages.invalidate(table, [page(0n), wrong, page(1n)]);
    expect({ handled, dropped }).toEqual({ handled: 1, dropped: 1 });
    expect(error).toBeInstanceOf(CommandError);
    expect(error?.message).toMatch(sentence);
  });
});
