import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../src/core/address.ts';
import { maximumTableSize } from '../../src/host/binding.ts';
import { bdf, DATA, DIRECTORY, Guest, LEAF_TABLE, MIB, POOL, PRESENT, RO, ROOT, RW, simpleGuest } from './guest.ts';

const IOVA = 0x4000_0000n;
const pageFlush = { granularity: 'page', pasid: 5, address: IOVA, size: 4096n, leafOnly: false } as const;

describe('HostFunction.bindPasidTable', () => {
  it.each([
    [
      'nesting off',
      { iommu: { nesting: false } },
      {},
      "The host IOMMU cannot nest a guest's PASID table below 0000:3b:00.0: it has nesting=off; start with a host-iommu that has nesting=on",
    ],
    [
      'a format that the host lacks',
      {},
      { format: 'amd-gcr3' },
      "The host IOMMU has no PASID table format 'amd-gcr3'; its formats: vtd-scalable, vtd-ecs",
    ],
    [
      'a format that it was told to lack',
      { iommu: { formats: ['vtd-scalable'] } },
      { format: 'vtd-ecs' },
      "The host IOMMU has no PASID table format 'vtd-ecs'; its formats: vtd-scalable",
    ],
    [
      'no PASID bits',
      { iommu: { pasidBits: 0 } },
      {},
      'Host function 0000:3b:00.0 has 0 PASID bits: it cannot use a PASID table',
    ],
    [
      'an unaligned address',
      {},
      { address: 0x1800n },
      'PASID table address 0x1800 is not a multiple of 0x1000: the next one is 0x2000',
    ],
    [
      'size 0',
      {},
      { size: 0n },
      'PASID table size 0 is not a positive multiple of 8, the size of one entry in bytes: give 8',
    ],
    [
      'size 12',
      {},
      { size: 12n },
      'PASID table size 12 is not a positive multiple of 8, the size of one entry in bytes: give 16',
    ],
    [
      'a directory above the maximum',
      {},
      { size: 131080n },
      "PASID table size 131080 is above the host's maximum of 131072 bytes: format vtd-scalable with 20 PASID bits of 0000:3b:00.0",
    ],
    [
      'a flat table above the maximum',
      { iommu: { pasidBits: 8 } },
      { size: 2056n, format: 'vtd-ecs' },
      "PASID table size 2056 is above the host's maximum of 2048 bytes: format vtd-ecs with 8 PASID bits of 0000:3b:00.0",
    ],
    [
      'an address outside RAM',
      {},
      { address: 0x8000_0000n },
      'PASID table 0x80000000-0x80000fff is not wholly in guest RAM: nothing is mapped at 0x80000000',
    ],
    [
      'an end outside RAM',
      {},
      { address: 64n * MIB - 4096n, size: 8192n },
      'PASID table 0x3fff000-0x4000fff is not wholly in guest RAM: nothing is mapped at 0x4000000',
    ],
    [
      'an end beyond the last address',
      {},
      { address: 0xffff_ffff_ffff_f000n, size: 8192n },
      'PASID table of 8192 bytes at 0xfffffffffffff000 goes beyond the last address, 0xffffffffffffffff',
    ],
  ] as const)('refuses %s', (_what, options, table, sentence) => {
    const guest = new Guest({ options });
    const bound = { address: DIRECTORY as Gpa, size: 4096n, format: 'vtd-scalable', ...table } as const;
    expect(() => guest.device.bindPasidTable({ ...bound, address: bound.address as Gpa })).toThrow(sentence);
    expect(guest.device.binding).toBe(null);
  });

  it('refuses while attached to nothing', () => {
    const guest = new Guest();
    guest.device.detach();
    expect(() => guest.bind(DIRECTORY)).toThrow(
      'Host function 0000:3b:00.0 is attached to no page table: attach it to a container first',
    );
  });

  it('keeps the old table when a new one is refused, and replaces it when not', () => {
    const guest = simpleGuest();
    expect(guest.byte(IOVA, 5)).toBe(0xa1);
    expect(() => guest.bind(0x8000_0000n)).toThrow('nothing is mapped');
    expect(guest.device.binding).toEqual({ address: DIRECTORY, size: 4096n, format: 'vtd-scalable' });
    expect(guest.host.iotlbEntries()).toHaveLength(1);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    guest.bind(DIRECTORY, 8n);
    expect(guest.host.iotlbEntries()).toEqual([]);
    expect(guest.byte(IOVA, 5)).toBe(0xb2);
    expect(guest.stale).toEqual([]);
  });

  it('has a maximum by format and by the narrower of both PASID widths', () => {
    const guest = new Guest({ options: { functions: [{ bdf: bdf('3b:00.0'), group: 1, pasidBits: 16 }] } });
    expect(guest.device.maximumTableSize('vtd-scalable')).toBe(8192n);
    expect(guest.device.maximumTableSize('vtd-ecs')).toBe(524288n);
    expect([maximumTableSize('vtd-scalable', 20), maximumTableSize('vtd-scalable', 3)]).toEqual([131072n, 8n]);
  });
});

describe('DMA of a function', () => {
  it('without PASID goes through the second stage alone, bound or not', () => {
    const guest = simpleGuest();
    expect(guest.byte(DATA)).toBe(0xa1);
    expect(guest.write(DATA + 8n, Uint8Array.of(3, 4)).kind).toBe('moved');
    expect(guest.peek(DATA + 8n)).toBe(0x0403n);
    expect(guest.read(0x8000_0000n, 1).result).toEqual({
      kind: 'fault',
      code: 0x06,
      reason: 'read-not-permitted',
      sentence:
        "The read at address 0x80000000 faulted in the host's second stage: the second stage does not permit reads (reason 0x6)",
    });
    expect(guest.write(0x8000_0000n, Uint8Array.of(1))).toMatchObject({ code: 0x05 });
    expect(guest.write(1n << 50n, Uint8Array.of(1))).toMatchObject({ code: 0x04 });
  });

  it.each([
    [
      'a PASID beyond the table',
      512 * 64,
      0x46,
      /PASID 32768 is beyond the bound table, whose 4096 bytes hold 32768 PASIDs/,
    ],
    ['no directory entry', 64, 0x51, /the PASID directory entry is not present, guest-physical 0x100008/],
    ['no entry', 6, 0x59, /the PASID entry is not present, guest-physical 0x101180/],
    ['an entry of another type', 7, 0x5b, /asks for translation type 2; the host takes type 1 .* and 4/],
    ['an unknown paging mode', 8, 0x5b, /asks for an unknown paging mode/],
    ['a PASID of more bits', 1 << 21, 0x46, /host function 0000:3b:00.0 has 20 PASID bits/],
  ])('faults for %s', (_what, pasid, code, sentence) => {
    const guest = simpleGuest();
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 7, { root: ROOT, type: 2n });
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 8, { root: ROOT, mode: 2n });
    const { result } = guest.read(IOVA, 1, pasid);
    expect(result).toMatchObject({ kind: 'fault', code });
    expect(result).toHaveProperty('sentence', expect.stringMatching(sentence));
  });

  it('faults with a PASID while no table is bound, and with nothing while attached to nothing', () => {
    const guest = simpleGuest();
    guest.device.unbindPasidTable();
    expect(guest.read(IOVA, 1, 5).result).toEqual({
      kind: 'fault',
      code: 0,
      reason: 'no-pasid-table',
      sentence:
        'The read at address 0x40000000 with PASID 5 faulted: no PASID table is bound for host function 0000:3b:00.0',
    });
    guest.device.detach();
    expect(guest.read(DATA, 1).result).toMatchObject({ code: 2, reason: 'context-not-present' });
  });

  it.each([
    ['directory', DIRECTORY, 0x9000_0000n | PRESENT, 0x58],
    ['top table', LEAF_TABLE + 64n * 5n + 16n, 0x9000_0000n, 0x75],
    ['lower table', ROOT, 0x9000_0000n | RW, 0x76],
  ])('faults when the %s leads out of RAM', (_what, at, value, code) => {
    const guest = simpleGuest();
    guest.poke(at, value);
    expect(guest.byte(IOVA, 5)).toEqual({ code });
  });

  it('faults when the page itself is nowhere, or beyond the second stage', () => {
    const guest = simpleGuest();
    guest.poke(guest.slot, 0x9000_0000n | RW);
    expect(guest.read(IOVA + 0x10n, 1, 5).result).toHaveProperty(
      'sentence',
      "The read at address 0x40000010 with PASID 5 faulted in the host's second stage: the second stage does not map the page for this access, guest-physical 0x90000000 (reason 0x79)",
    );
    guest.poke(guest.slot, (1n << 49n) | RW);
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0x74 });
  });

  it('marks accessed and dirty, the latter also through an entry that a read had cached', () => {
    const guest = simpleGuest();
    guest.byte(IOVA, 5);
    expect(guest.peek(guest.slot)).toBe(DATA | RW | 0x20n);
    expect(guest.peek(ROOT) & 0x60n).toBe(0x20n);
    guest.write(IOVA, Uint8Array.of(1), 5);
    expect(guest.peek(guest.slot)).toBe(DATA | RW | 0x60n);
    expect(guest.stale).toEqual([]);
    guest.poke(guest.slot, DATA | RW);
    guest.device.flushIotlb(pageFlush);
    guest.byte(IOVA, 5);
    guest.poke(guest.slot, (DATA + 0x1000n) | RW);
    guest.write(IOVA, Uint8Array.of(9), 5);
    expect(guest.peek(guest.slot)).toBe((DATA + 0x1000n) | RW);
  });

  it('cannot mark a table that the second stage keeps read-only', () => {
    const guest = new Guest({ ram: 32n * MIB });
    guest.device.detach();
    const stage = guest.host.iommu.createPageTable();
    const { memory } = guest.host;
    stage.map(0n, 16n * MIB, memory.hpaOf(guest.ram, 0), true);
    stage.map(16n * MIB, 16n * MIB, memory.hpaOf(guest.ram, 16n * MIB), false);
    guest.device.attach(stage);
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 5, { root: ROOT });
    guest.mapPage(ROOT, IOVA, DATA, RW, { next: POOL });
    guest.bind(DIRECTORY);
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0x77 });
    expect(guest.write(0x1000n, Uint8Array.of(1))).toMatchObject({ code: 0x05 });
  });

  it('passes through with type 4, and follows tables of 5 levels and large pages', () => {
    const guest = simpleGuest();
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 6, { root: 0n, type: 4n });
    expect(guest.byte(DATA, 6)).toBe(0xa1);
    const top = ROOT + 0x4000n;
    guest.poke(top, ROOT | RW);
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 7, { root: top, mode: 1n, domainId: 9 });
    expect(guest.byte(IOVA, 7)).toBe(0xa1);
    guest.mapPage(ROOT, 0x8000_0000n, 0x100_0000n, RW, { next: POOL + 0x8_0000n }, 2);
    expect(guest.byte(0x8000_0000n + 0x1000n, 5)).toBe(0xb2);
    expect(guest.host.iotlbEntries().at(-1)).toMatchObject({ size: 2n * MIB, level: 2, pasid: 5, stage: 'nested' });
  });

  it('reads the flat table of 2017', () => {
    const guest = new Guest();
    guest.mapPage(ROOT, IOVA, DATA, RO, { next: POOL });
    guest.poke(DIRECTORY + 8n * 3n, ROOT | PRESENT);
    guest.poke(DATA, 0x77n);
    guest.bind(DIRECTORY, 64n, 'vtd-ecs');
    expect(guest.byte(IOVA, 3)).toBe(0x77);
    expect(guest.write(IOVA, Uint8Array.of(1), 3)).toMatchObject({ code: 0x85 });
    expect(guest.byte(IOVA, 4)).toEqual({ code: 0x59 });
    expect(guest.byte(IOVA, 8)).toEqual({ code: 0x46 });
    expect(guest.host.iotlbEntries()).toMatchObject([{ 'domain-id': 0, pasid: 3, permissions: ['read', 'execute'] }]);
  });

  it('takes addresses at the top of the canonical range', () => {
    const guest = simpleGuest();
    const high = 0xffff_ffff_ffff_f000n;
    guest.mapPage(ROOT, high, DATA + 0x1000n, RW, { next: POOL + 0x9_0000n });
    expect(guest.byte(high, 5)).toBe(0xb2);
    expect(guest.byte(high, 5)).toBe(0xb2);
    expect(guest.host.iotlbEntries()).toMatchObject([{ iova: high }]);
    expect(guest.byte(1n << 60n, 5)).toEqual({ code: 0x80 });
  });
});

describe('unmapping a second stage', () => {
  it('drops what depended on it and nothing else, so nothing stale is left', () => {
    const guest = new Guest({ ram: 32n * MIB });
    const { memory } = guest.host;
    guest.stage.unmap(0n, 32n * MIB);
    guest.stage.map(0n, 16n * MIB, memory.hpaOf(guest.ram, 0), false);
    guest.stage.map(16n * MIB, MIB, memory.hpaOf(guest.ram, 16n * MIB), false);
    guest.stage.map(17n * MIB, MIB, memory.hpaOf(guest.ram, 17n * MIB), false);
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 5, { root: ROOT });
    const pool = { next: POOL };
    guest.mapPage(ROOT, IOVA, 16n * MIB, RW, pool);
    guest.mapPage(ROOT, IOVA + 0x1000n, 17n * MIB, RW, pool);
    guest.bind(DIRECTORY);
    for (const address of [IOVA, IOVA + 0x1000n]) guest.byte(address, 5);
    for (const address of [16n * MIB, 17n * MIB]) guest.byte(address);
    guest.stage.unmap(16n * MIB, MIB);
    expect(guest.host.iotlbEntries().map(({ iova }) => iova)).toEqual([17n * MIB, IOVA + 0x1000n]);
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0x79 });
    guest.stage.map(16n * MIB, MIB, memory.hpaOf(guest.ram, 20n * MIB), false);
    guest.poke(20n * MIB, 0x55n);
    expect(guest.byte(IOVA, 5)).toBe(0x55);
    expect(guest.host.describe().caches).toMatchObject([{ entries: 1 }, { entries: 1 }, { entries: 3 }]);

    guest.stage.unmap(0n, 16n * MIB);
    expect(guest.host.describe().caches).toMatchObject([{ entries: 1 }, { entries: 0 }, { entries: 1 }]);
    expect(guest.byte(IOVA, 5)).toEqual({ code: 0x50 });
    expect(guest.stale).toEqual([]);
  });
});

describe('flushes', () => {
  /** PASIDs 5 and 6 in domain 1, 7 in domain 2, each with two pages; two functions on one table. */
  function flushGuest() {
    const guest = simpleGuest();
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 6, { root: ROOT });
    guest.pasidEntry(DIRECTORY, LEAF_TABLE, 7, { root: ROOT, domainId: 2 });
    guest.poke(guest.slot + 8n, (DATA + 0x1000n) | RW);
    const other = guest.host.findFunction(bdf('5e:00.0'))!;
    other.claim(() => 'dev1');
    other.attach(guest.stage);
    guest.bind(DIRECTORY, 4096n, 'vtd-scalable', other);
    for (const device of [guest.device, other]) {
      for (const pasid of [5, 6, 7]) for (const address of [IOVA, IOVA + 0x1000n]) guest.byte(address, pasid, device);
    }
    const left = () =>
      guest.host.iotlbEntries('dev0').map((entry) => `${entry['domain-id']}:${entry.pasid}:${entry.iova.toString(16)}`);
    return { guest, left, other };
  }

  it.each([
    ['global', { granularity: 'global' }, 6, []],
    ['domain', { granularity: 'domain', domainId: 1 }, 4, ['2:7:40000000', '2:7:40001000']],
    ['a domain that nobody has', { granularity: 'domain', domainId: 3 }, 0, null],
    ['pasid', { granularity: 'pasid', pasid: 6 }, 2, ['1:5:40000000', '2:7:40000000', '1:5:40001000', '2:7:40001000']],
    ['pasid of another domain', { granularity: 'pasid', pasid: 6, domainId: 2 }, 0, null],
    [
      'page',
      { granularity: 'page', pasid: 7, address: IOVA + 0x1000n, size: 4096n },
      1,
      ['1:5:40000000', '1:6:40000000', '2:7:40000000', '1:5:40001000', '1:6:40001000'],
    ],
    [
      'pages',
      { granularity: 'page', pasid: 7, domainId: 2, address: IOVA, size: 8192n },
      2,
      ['1:5:40000000', '1:6:40000000', '1:5:40001000', '1:6:40001000'],
    ],
    ['a page below', { granularity: 'page', pasid: 7, address: IOVA - 0x1000n, size: 4096n }, 0, null],
  ] as const)('of granularity %s drop exactly that', (_what, flush, dropped, rest) => {
    const { guest, left, other } = flushGuest();
    const before = left();
    expect(before).toHaveLength(6);
    expect(guest.device.flushIotlb({ ...flush, leafOnly: false })).toBe(dropped);
    expect(left()).toEqual(rest ?? before);
    expect(guest.host.iotlbEntries('dev1')).toHaveLength(6);
    expect(guest.device.flushIotlb({ ...flush, leafOnly: false })).toBe(0);
    other.release();
    expect(guest.host.iotlbEntries('dev1')).toEqual([]);
  });

  it('take a missing domain id from the cached entry, else from memory, else refuse', () => {
    const { guest } = flushGuest();
    guest.poke(LEAF_TABLE + 64n * 7n + 8n, 9n);
    expect(guest.device.flushIotlb({ ...pageFlush, pasid: 7 })).toBe(1);
    guest.device.flushPasidCache({ granularity: 'global' });
    expect(guest.device.flushIotlb({ granularity: 'pasid', pasid: 7, leafOnly: false })).toBe(0);
    guest.poke(LEAF_TABLE + 64n * 7n, 0n);
    expect(() => guest.device.flushIotlb({ granularity: 'pasid', pasid: 7, leafOnly: false })).toThrow(
      'No domain-id was given, and PASID 7 has no entry in the table at 0x100000 to take it from: give domain-id',
    );
    expect(guest.device.flushIotlb({ granularity: 'pasid', pasid: 7, domainId: 2, leafOnly: false })).toBe(1);
  });

  it('of the PASID cache keep to their domain id and PASID, and leave the IOTLB', () => {
    const { guest, left } = flushGuest();
    const { device } = guest;
    expect(device.flushPasidCache({ granularity: 'pasid', domainId: 2, pasid: 5 })).toBe(0);
    expect(device.flushPasidCache({ granularity: 'pasid', pasid: 5 })).toBe(1);
    expect(device.flushPasidCache({ granularity: 'domain', domainId: 1 })).toBe(1);
    expect(device.flushPasidCache({ granularity: 'global' })).toBe(1);
    expect(left()).toHaveLength(6);
    expect(guest.host.describe().caches[1]).toMatchObject({ name: 'pasid', entries: 3 });
  });

  it('without a bound table drop nothing', () => {
    const guest = new Guest();
    expect(guest.device.flushIotlb(pageFlush)).toBe(0);
    expect(guest.device.flushPasidCache({ granularity: 'global' })).toBe(0);
  });
});
