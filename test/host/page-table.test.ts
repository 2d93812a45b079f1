import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hpa } from '../../src/core/address.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import { FIRST_FRAME, HostMemory } from '../../src/host/memory.ts';
import { settingsOf } from '../../src/host/options.ts';
import { HostPageTable } from '../../src/host/page-table.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';

const GIB = 1n << 30n;
const BASE = BigInt(FIRST_FRAME);

function makeTable(options: { addressBits?: number; pageSizes?: bigint[] } = {}) {
  const memory = new HostMemory();
  const block = new RamBlock('ram', 4n * GIB, new OperationCounter());
  memory.hpaOf(block, 0);
  const dropped: [number, number][] = [];
  const table = new HostPageTable(1, {
    memory,
    capabilities: settingsOf(options).capabilities,
    operation: 0,
    invalidateRange: (_table, start, end) => dropped.push([start, end]),
  });
  return { table, memory, dropped };
}

const at = (offset: bigint): Hpa => (BASE + offset) as Hpa;

describe('HostPageTable.map', () => {
  it.each([
    [
      0x1001n,
      0x1000n,
      at(0n),
      'Mapping 0x1000 bytes at 0x1001: the iova 0x1001 is not a multiple of the smallest page of the host IOMMU, 0x1000',
    ],
    [
      0x1000n,
      0x800n,
      at(0n),
      'Mapping 0x800 bytes at 0x1000: the size 0x800 is not a multiple of the smallest page of the host IOMMU, 0x1000',
    ],
    [
      0x1000n,
      0x1000n,
      at(8n),
      'Mapping 0x1000 bytes at 0x1000: the host-physical address 0x8000000000008 is not a multiple of the smallest page of the host IOMMU, 0x1000',
    ],
    [0x1000n, 0n, at(0n), 'Mapping 0 bytes at 0x1000: the size must be at least 0x1000'],
    [
      0xffff_ffff_f000n,
      0x2000n,
      at(0n),
      'Mapping 0xfffffffff000-0x1000000000fff: the range ends above 0xffffffffffff, the last address that 48 address bits of the host IOMMU reach',
    ],
    [
      0x3000n,
      0x2000n,
      at(0n),
      'Mapping 0x3000-0x4fff: the range overlaps 0x4000-0x5fff, which is mapped already; unmap that first',
    ],
    [
      0x8000n,
      0x2000n,
      at(4n * GIB - 0x1000n),
      'Mapping 0x2000 bytes at 0x8000: host-physical memory at 0x80000fffff000 has only 0x1000 bytes of RAM',
    ],
    [
      0x8000n,
      0x1000n,
      0x1000n as Hpa,
      'Mapping 0x1000 bytes at 0x8000: host-physical memory at 0x1000 has only 0x0 bytes of RAM',
    ],
  ])('refuses 0x%s + 0x%s', (iova, size, hpa, sentence) => {
    const { table } = makeTable();
    table.map(0x4000n, 0x2000n, at(0x1_0000n), false);
    expect(() => table.map(iova, size, hpa, false)).toThrow(sentence);
    expect(table.rangeCount).toBe(1);
  });

  it('takes the last page of the address width', () => {
    const { table } = makeTable({ addressBits: 39 });
    table.map((1n << 39n) - 0x1000n, 0x1000n, at(0n), true);
    expect(table.lookup(2 ** 27 - 1)).toBe(true);
    expect([table.frame, table.readonly]).toEqual([FIRST_FRAME / 4096, true]);
  });
});

describe('HostPageTable.unmap', () => {
  it('takes whole mappings only, and all of them or none', () => {
    const { table, dropped } = makeTable();
    table.map(0n, 0x2000n, at(0n), false);
    table.map(0x2000n, 0x2000n, at(0x2000n), false);
    expect(() => table.unmap(0n, 0x3000n)).toThrow(
      'Unmapping 0x0-0x2fff would split the mapping 0x2000-0x3fff; unmap whole mappings only',
    );
    expect(() => table.unmap(0x1000n, 0x1000n)).toThrow('would split the mapping 0x0-0x1fff');
    expect([table.rangeCount, table.mergedCount, dropped]).toEqual([2, 1, []]);
    expect(table.unmap(0n, 0x4000n)).toEqual({ bytes: 0x4000n, ranges: 2 });
    expect(dropped).toEqual([[0, 4]]);
    expect(table.lookup(1)).toBe(false);
  });

  it('of what was never mapped is nothing', () => {
    const { table, dropped } = makeTable();
    expect(table.unmap(0x10_0000n, 0x1000n)).toEqual({ bytes: 0n, ranges: 0 });
    expect(dropped).toEqual([]);
  });

  it('of all 2^64 bytes takes everything', () => {
    const { table } = makeTable();
    table.map(0x1000n, 0x1000n, at(0n), false);
    table.map(0x8000_0000n, GIB, at(GIB), false);
    expect(table.unmap(0n, 1n << 64n)).toEqual({ bytes: GIB + 0x1000n, ranges: 2 });
    expect(table.mappings()).toEqual([]);
  });

  it('refuses what is no multiple of a page', () => {
    expect(() => makeTable().table.unmap(0x1000n, 0x10n)).toThrow(
      'Unmapping 0x10 bytes at 0x1000: both must be multiples',
    );
  });
});

describe('HostPageTable.lookup', () => {
  it('uses the largest page that fits inside the range and is aligned on both sides', () => {
    const { table } = makeTable();
    table.map(0n, 2n * GIB + 0x1000n, at(0n), false);
    table.map(0xc000_0000n, GIB, at(3n * GIB - 0x1000n), false);
    const shiftAt = (address: bigint) => (table.lookup(Number(address >> 12n)) ? table.pageShift : null);
    expect(shiftAt(0x1234_5000n)).toBe(30);
    expect(shiftAt(2n * GIB)).toBe(12);
    expect(shiftAt(0xc000_0000n)).toBe(12);
    expect(shiftAt(0xa000_0000n)).toBe(null);
    const small = makeTable({ pageSizes: [0x1000n, 0x20_0000n] }).table;
    small.map(0n, GIB, at(0n), false);
    expect([small.lookup(5), small.pageShift]).toEqual([true, 21]);
  });

  it('merges neighbours that continue each other on both sides', () => {
    const { table } = makeTable();
    table.map(0x2000n, 0x1000n, at(0x2000n), false);
    table.map(0x1000n, 0x1000n, at(0x1000n), false);
    table.map(0x3000n, 0x1000n, at(0x3000n), true);
    table.map(0x4000n, 0x1000n, at(0x8000n), true);
    expect(table.mappings()).toEqual([
      { iova: 0x1000n, size: 0x2000n, hpa: at(0x1000n), readonly: false },
      { iova: 0x3000n, size: 0x1000n, hpa: at(0x3000n), readonly: true },
      { iova: 0x4000n, size: 0x1000n, hpa: at(0x8000n), readonly: true },
    ]);
    expect([table.rangeCount, table.mergedCount]).toEqual([4, 3]);
    expect(table.covers(0x1800n, 0x37ffn)).toEqual({ ok: true });
    expect(table.covers(0x1800n, 0x3801n)).toEqual({ ok: false, firstMissing: 0x5000n });
    expect(table.covers(0x800n, 0x10n)).toEqual({ ok: false, firstMissing: 0x800n });
  });

  it('agrees with a plain page map under random maps and unmaps', () => {
    const step = fc.record({
      unmap: fc.boolean(),
      start: fc.integer({ min: 0, max: 63 }),
      pages: fc.integer({ min: 1, max: 12 }),
      offset: fc.integer({ min: 0, max: 63 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { table } = makeTable();
        let ranges: { start: number; end: number; offset: number }[] = [];
        for (const { unmap, start, pages, offset } of steps) {
          const end = start + pages;
          const met = ranges.filter((range) => range.start < end && range.end > start);
          const iova = BigInt(start) * 4096n;
          const size = BigInt(pages) * 4096n;
          if (unmap && met.every((range) => range.start >= start && range.end <= end)) {
            expect(table.unmap(iova, size).ranges).toBe(met.length);
            ranges = ranges.filter((range) => !met.includes(range));
          } else if (unmap) {
            expect(() => table.unmap(iova, size)).toThrow('would split');
          } else if (met.length > 0) {
            expect(() => table.map(iova, size, at(BigInt(offset) * 4096n), false)).toThrow('overlaps');
          } else {
            table.map(iova, size, at(BigInt(offset) * 4096n), false);
            ranges.push({ start, end, offset });
          }
          for (let pageNumber = 0; pageNumber < 80; pageNumber++) {
            const range = ranges.find((one) => pageNumber >= one.start && pageNumber < one.end);
            expect(table.lookup(pageNumber)).toBe(range !== undefined);
            if (range !== undefined) {
              expect(table.frame).toBe(FIRST_FRAME / 4096 + range.offset + pageNumber - range.start);
            }
          }
        }
        const copy = makeTable().table;
        copy.restore(table.save());
        expect(copy.save()).toEqual(table.save());
        expect(copy.mappings()).toEqual(table.mappings());
      }),
      { numRuns: 100, seed: 3 },
    );
  });
});
