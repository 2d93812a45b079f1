import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { Host, type HostOptions } from '../../src/host/host.ts';
import { Trace } from '../../src/trace/trace.ts';
import { bdf, DATA, DIRECTORY, Guest, LEAF_TABLE, MIB, POOL, RO, ROOT, RW, simpleGuest } from './guest.ts';

const IOVA = 0x4000_0000n;
const ALL = ['read', 'write', 'execute'];

function makeHost(options?: HostOptions): Host {
  const operations = new OperationCounter();
  return new Host({ operations, ...new Trace(operations).parts, ...(options ? { options } : {}) });
}

describe('the functions of a host', () => {
  it('are four unless told otherwise', () => {
    expect(makeHost().describe().functions).toEqual([
      { bdf: '0000:00:00.0', 'pasid-bits': 0, ats: false, 'page-requests': false },
      { bdf: '0000:3b:00.0', group: 1, 'pasid-bits': 20, ats: true, 'page-requests': true },
      { bdf: '0000:3b:00.1', group: 2, 'pasid-bits': 20, ats: true, 'page-requests': true },
      { bdf: '0000:5e:00.0', group: 3, 'pasid-bits': 20, ats: true, 'page-requests': true },
    ]);
    expect(makeHost().findFunction(bdf('ff:1f.7'))).toBe(null);
  });

  it('can be added and removed, by address', () => {
    const host = makeHost();
    host.addFunction({ bdf: bdf('3b:00.2'), group: 2, pasidBits: 8 });
    expect(host.functionsOfGroup(2).map(({ name }) => name)).toEqual(['0000:3b:00.1', '0000:3b:00.2']);
    expect(host.findFunction(bdf('3b:00.2'))?.capabilities).toMatchObject({ pasidBits: 8, nesting: true });
    expect(() => host.addFunction({ bdf: bdf('3b:00.2') })).toThrow(
      'The host has a function 0000:3b:00.2 already: give another bdf',
    );
    expect(() => host.addFunction({ bdf: bdf('3b:00.3'), pasidBits: 21 })).toThrow("'pasid-bits' does not take 21");
    host.removeFunction(bdf('3b:00.2'));
    expect(host.findFunction(bdf('3b:00.2'))).toBe(null);
    expect(() => host.removeFunction(bdf('3b:00.2'))).toThrow('The host has no function 0000:3b:00.2');
  });

  it('belong to one device at a time', () => {
    const guest = simpleGuest();
    expect(() => guest.device.claim(() => 'other')).toThrow(
      "Host function 0000:3b:00.0 is used by device 'dev0': remove that one first",
    );
    expect(() => guest.host.removeFunction(bdf('3b:00.0'))).toThrow("is used by device 'dev0'");
    expect(() => guest.host.iommu.destroyPageTable(guest.stage)).toThrow(
      'Page table 1 is used by host function 0000:3b:00.0: detach that first',
    );
    expect(() => guest.host.configure({})).toThrow(
      'The host IOMMU is in use by dev0: set its properties before any device is assigned',
    );
    guest.device.release();
    expect(guest.stage.functions).toEqual([]);
    guest.host.iommu.destroyPageTable(guest.stage);
    guest.host.configure({ pasidBits: 4, nesting: false });
    expect(guest.host.describe()).toMatchObject({
      capabilities: { 'pasid-bits': 4, nesting: false },
      'page-tables': [],
    });
    expect(guest.host.findFunction(bdf('3b:00.0'))?.maximumTableSize('vtd-ecs')).toBe(128n);
    expect(() => guest.host.configure({ addressBits: 99 })).toThrow("'address-bits' does not take 99");
  });

  it('leave the binding behind when they move to another page table', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    const other = guest.host.iommu.createPageTable();
    guest.device.attach(other);
    expect([guest.device.binding, guest.stage.functions.length, other.functions.length]).toEqual([null, 0, 1]);
    expect(guest.byte(DATA)).toEqual({ code: 6 });
    guest.device.attach(guest.stage);
    expect(guest.byte(DATA)).toBe(0xa1);
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0 });
  });
});

describe('what a host shows', () => {
  it('is its page tables and caches', () => {
    const guest = simpleGuest({ iommu: { iotlbSize: 8, pasidCacheSize: 4 } });
    for (let round = 0; round < 3; round++) guest.byte(IOVA, 5);
    expect(guest.host.describe()['page-tables']).toEqual([
      { id: 1, kind: 'second-stage', devices: ['dev0'] },
      { id: 2, kind: 'nested', parent: 1, devices: ['dev0'] },
    ]);
    expect(guest.host.describe().functions[1]).toMatchObject({ bdf: '0000:3b:00.0', device: 'dev0' });
    expect(guest.host.describe().caches).toEqual([
      { name: 'context', entries: 1, size: 64, hits: 2, misses: 1 },
      { name: 'pasid', entries: 1, size: 4, hits: 2, misses: 1 },
      { name: 'iotlb', entries: 1, size: 8, hits: 2, misses: 1 },
    ]);
  });

  it('is its cached translations, each stale or not, by iova', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.byte(DATA);
    const nested = {
      device: 'dev0',
      'domain-id': 1,
      pasid: 5,
      iova: IOVA,
      address: guest.hpa(DATA),
      gpa: DATA,
      size: 4096n,
      permissions: ALL,
      stage: 'nested',
      level: 1,
    };
    expect(guest.host.iotlbEntries()).toEqual([
      {
        device: 'dev0',
        'domain-id': 0,
        iova: DATA,
        address: guest.hpa(DATA),
        size: 2n * MIB,
        permissions: ALL,
        stage: 'second',
        level: 2,
        stale: false,
      },
      { ...nested, stale: false },
    ]);
    guest.poke(guest.slot, DATA | RO);
    expect(guest.host.iotlbEntries().map(({ stale }) => stale)).toEqual([false, true]);
    guest.poke(guest.slot, DATA | RW | 0x20n);
    expect(guest.host.iotlbEntries().map(({ stale }) => stale)).toEqual([false, false]);
    guest.poke(LEAF_TABLE + 64n * 5n, 0n);
    expect(guest.host.iotlbEntries('dev0').map(({ stale }) => stale)).toEqual([false, true]);
    expect(guest.host.iotlbEntries('other')).toEqual([]);
    expect(guest.stale).toEqual([]);
  });

  it('calls a large page stale for any 4 KiB of it', () => {
    const guest = simpleGuest();
    const slot = guest.mapPage(ROOT, 0x8000_0000n, 0x20_0000n * 4n, RW, { next: POOL + 0x8_0000n }, 2);
    guest.byte(0x8000_0000n, 5);
    const table = POOL + 0x9_0000n;
    for (let index = 0n; index < 512n; index++) guest.poke(table + 8n * index, (0x80_0000n + index * 0x1000n) | RW);
    guest.poke(slot, table | RW);
    expect(guest.host.iotlbEntries().map(({ stale }) => stale)).toEqual([false]);
    guest.poke(table + 8n * 500n, RW);
    expect(guest.host.iotlbEntries().map(({ stale }) => stale)).toEqual([true]);
  });
});

describe('HostFunction.translate', () => {
  it('tells where an access leads and leaves no trace', () => {
    const guest = simpleGuest();
    const before = guest.host.save();
    expect(guest.device.translate(IOVA + 0x123n, 'write', 5)).toEqual({
      result: 'translated',
      address: guest.hpa(DATA + 0x123n),
      gpa: DATA + 0x123n,
      size: 4096n,
      permissions: ALL,
      source: 'walk',
    });
    expect(guest.device.translate(DATA, 'read')).toMatchObject({ address: guest.hpa(DATA), source: 'walk' });
    expect(guest.device.translate(IOVA, 'read', 6)).toMatchObject({ result: 'fault', code: 0x59 });
    expect(guest.device.translate(IOVA + 0x1000n, 'read', 5)).toEqual({
      result: 'fault',
      code: 0x71,
      reason: 'first-stage-not-present',
      desc: 'The read at address 0x40001000 with PASID 5 faulted in the first stage, level 1: a first-stage entry is not present (reason 0x71)',
    });
    expect(guest.device.translate(0x9000_0000n, 'write')).toMatchObject({ code: 5 });
    expect(guest.host.save()).toEqual(before);
    expect(guest.peek(guest.slot)).toBe(DATA | RW);
  });

  it('answers from the caches as a DMA would', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    guest.byte(DATA);
    guest.poke(guest.slot, (DATA + 0x1000n) | RO);
    const before = guest.host.save();
    expect(guest.device.translate(IOVA, 'write', 5)).toMatchObject({ gpa: DATA, source: 'iotlb' });
    expect(guest.device.translate(DATA + 4n, 'read')).toMatchObject({ gpa: DATA + 4n, source: 'iotlb' });
    guest.device.flushIotlb({ granularity: 'global', leafOnly: false });
    expect(guest.device.translate(IOVA, 'write', 5)).toMatchObject({ result: 'fault', code: 0x85 });
    expect(guest.device.translate(IOVA, 'execute', 5)).toMatchObject({ gpa: DATA + 0x1000n });
    guest.byte(IOVA, 5);
    expect(guest.device.translate(IOVA, 'write', 5)).toMatchObject({
      code: 0x85,
      desc: expect.stringContaining('the cached translation gives no such right') as string,
    });
    expect(guest.stale).toEqual([]);
    expect(before).not.toEqual(guest.host.save());
    guest.device.unbindPasidTable();
    expect(guest.device.translate(IOVA, 'read', 5)).toMatchObject({ reason: 'no-pasid-table' });
    guest.device.detach();
    expect(guest.device.translate(IOVA, 'read')).toMatchObject({ reason: 'context-not-present' });
  });
});

describe('the size of a cache', () => {
  function fill(seed: number) {
    const guest = simpleGuest({ iommu: { iotlbSize: 4, pasidCacheSize: 2, contextCacheSize: 1, seed } });
    const pool = { next: POOL + 0x10_0000n };
    for (let index = 1n; index < 12n; index++) {
      guest.mapPage(ROOT, IOVA + index * 0x1000n, DATA + index * 0x1000n, RW, pool);
      guest.pasidEntry(DIRECTORY, LEAF_TABLE, 5 + Number(index), { root: ROOT });
    }
    for (let index = 0; index < 12; index++) guest.byte(IOVA + BigInt(index) * 0x1000n, 5 + (index % 5));
    return guest.host.save().iommu.caches;
  }

  it('is kept, by a replacement that the seed decides', () => {
    const [one, again, other] = [fill(3), fill(3), fill(4)];
    expect([one.iotlb.entries.length, one.pasid.entries.length, one.context.entries.length]).toEqual([4, 2, 1]);
    expect(again).toEqual(one);
    const pages = (caches: typeof one) => caches.iotlb.entries.map(({ page }) => page);
    expect(pages(other)).not.toEqual(pages(one));
  });
});

describe('a saved host', () => {
  it('goes on from where it was', () => {
    const guest = simpleGuest({ iommu: { iotlbSize: 4 } });
    guest.host.addFunction({ bdf: bdf('77:00.0'), group: 7 });
    guest.byte(IOVA, 5);
    guest.byte(DATA);
    const state = guest.host.save();
    const ram = guest.ram.save();

    const copy = new Guest({ options: { iommu: { iotlbSize: 4 } } });
    copy.poke(guest.slot, (DATA + 0x1000n) | RW);
    copy.byte(DATA);
    copy.ram.restore(ram);
    copy.operations.restore(guest.operations.save());
    copy.host.restore(state);
    expect(copy.host.save()).toEqual(state);
    expect(copy.host.describe()).toEqual(guest.host.describe());
    expect(copy.host.iommu.pageTable(1)).toBe(copy.stage);
    expect(copy.device.binding).toEqual(guest.device.binding);
    for (const one of [guest, copy]) {
      const since = one.poke(guest.slot, (DATA + 0x1000n) | RW);
      expect(one.byte(IOVA, 5)).toBe(0xa1);
      expect(one.stale).toMatchObject([{ cache: 'iotlb', since, cached: { gpa: DATA } }]);
      expect(one.device.flushIotlb({ granularity: 'global', leafOnly: false })).toBe(1);
      expect(one.byte(IOVA, 5)).toBe(0xb2);
    }
    expect(copy.host.save().iommu.caches).toEqual(guest.host.save().iommu.caches);
  });

  it('is a copy, and takes back what was before', () => {
    const guest = simpleGuest();
    const state = guest.host.save();
    const kept = structuredClone(state);
    guest.byte(IOVA, 5);
    guest.device.release();
    guest.host.removeFunction(bdf('5e:00.0'));
    guest.host.addFunction({ bdf: bdf('5f:00.0') }).attach(guest.host.iommu.createPageTable());
    expect(state).toEqual(kept);
    guest.host.restore(state);
    expect(guest.host.save()).toEqual(kept);
    expect(guest.stage.functions).toEqual([guest.device]);
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
  });
});
