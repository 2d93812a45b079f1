import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listedTables } from '../../../src/iommu/amd/decoders.ts';
import { PageTableWalker } from '../../../src/iommu/amd/walk.ts';
import { listMappings } from '../../../src/iommu/list-mappings.ts';
import { ReverseSearch } from '../../../src/iommu/reverse-search.ts';
import type { TableMemory } from '../../../src/memory/table-memory.ts';

/** Tables in a map: what was not put there is zeros; from `end` on nothing answers. */
class Tables implements TableMemory {
  low = 0;
  high = 0;
  readonly words = new Map<number, bigint>();
  readonly end = 0x10_0000;

  read(address: number): boolean {
    if (address >= this.end) return false;
    const word = this.words.get(address) ?? 0n;
    this.low = Number(word & 0xffff_ffffn);
    this.high = Number(word >> 32n);
    return true;
  }

  setBits(): boolean {
    return false;
  }
}

const READ = 1n << 61n;
const WRITE = 1n << 62n;

/** The walk as the facts say it, with bigints and without a thought for speed. */
function naive(
  tables: Tables,
  root: bigint,
  mode: number,
  rights: bigint,
  address: bigint,
): { address: bigint; size: bigint; rights: bigint } | null {
  if (rights === 0n || (mode < 6 && address >= 1n << BigInt(12 + 9 * mode))) return null;
  let level = BigInt(mode);
  let table = root;
  let together = rights;
  for (;;) {
    const slot = table + 8n * ((address >> (3n + 9n * level)) & 0x1ffn);
    if (slot >= BigInt(tables.end)) return null;
    const entry = tables.words.get(Number(slot)) ?? 0n;
    if (entry === (1n << 64n) - 1n) return null;
    const own = entry & (READ | WRITE);
    together &= own;
    const next = (entry >> 9n) & 7n;
    if ((entry & 1n) === 0n || own === 0n) return null;
    let size = 1n << (3n + 9n * level);
    if (together !== 0n && next > 0n && next < 7n) {
      if (next >= level) return null;
      table = entry & 0x000f_ffff_ffff_f000n;
      level = next;
      continue;
    }
    if (together !== 0n && next === 7n) {
      let bit = 12n;
      while (((entry >> bit) & 1n) === 1n) bit += 1n;
      size = 1n << (bit + 1n);
    }
    const page = entry & 0x000f_ffff_ffff_f000n & ~(size - 1n);
    return { address: page | (address & (size - 1n)), size, rights: own };
  }
}

/** Few tables, so that walks meet; few slots, so that they meet something. */
const TABLES = 8;
const entries = fc.record({
  slot: fc.constantFrom(0, 1, 2, 511),
  table: fc.integer({ min: 0, max: TABLES - 1 }),
  target: fc.oneof(
    fc.integer({ min: 0, max: TABLES - 1 }).map((table) => BigInt(table) * 0x1000n),
    fc.constantFrom(0x7000n, 0x1f_f000n, 0x123_4000n, 0xf_ffff_f000n, 0x20_0000n),
  ),
  next: fc.integer({ min: 0, max: 7 }),
  present: fc.boolean(),
  rights: fc.constantFrom(0n, READ, WRITE, READ | WRITE, READ | WRITE),
});
const programs = fc.record({
  entries: fc.array(entries, { minLength: 4, maxLength: 60 }),
  mode: fc.integer({ min: 1, max: 6 }),
  rights: fc.constantFrom(READ, WRITE, READ | WRITE),
  pages: fc.array(fc.array(fc.constantFrom<bigint>(0n, 1n, 2n, 511n, 7n), { minLength: 6, maxLength: 6 }), {
    maxLength: 12,
  }),
});

function build(
  program: readonly { slot: number; table: number; target: bigint; next: number; present: boolean; rights: bigint }[],
): Tables {
  const tables = new Tables();
  for (const { slot, table, target, next, present, rights } of program) {
    const entry = target | (BigInt(next) << 9n) | rights | (present ? 1n : 0n);
    tables.words.set(table * 0x1000 + 8 * slot, entry);
  }
  return tables;
}

describe('the walk', () => {
  it('gives what a naive walk gives, with every mode, skipped levels and sized pages', () => {
    fc.assert(
      fc.property(programs, ({ entries: program, mode, rights, pages }) => {
        const tables = build(program);
        const walker = new PageTableWalker();
        for (const indices of pages) {
          const page = indices.reduce<bigint>((value, index) => (value << 9n) | index, 0n) & ((1n << 52n) - 1n);
          const wanted = naive(tables, 0n, mode, rights, page << 12n);
          const found = walker.walk(
            tables,
            { address: 0, levels: mode, rights: Number(rights >> 61n) },
            Number(page),
            'none',
          );
          const got = found
            ? {
                address: BigInt(walker.frame) << 12n,
                size: 1n << BigInt(walker.shift),
                rights: BigInt(walker.permissions) << 61n,
              }
            : null;
          expect(got).toEqual(wanted);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lists and finds backwards what it walks to', () => {
    fc.assert(
      fc.property(programs, ({ entries: program, mode, rights }) => {
        const tables = build(program);
        const shape = { address: 0, levels: Math.min(mode, 3), rights: Number(rights >> 61n) };
        const walker = new PageTableWalker();
        const { mappings } = listMappings(listedTables(tables, shape), 0n, 5, 3000);
        for (const { iova, address, size, permissions, 'page-size': pageSize } of mappings) {
          for (const offset of [0n, size - 0x1000n]) {
            expect(walker.walk(tables, shape, Number((iova + offset) >> 12n), 'none')).toBe(true);
            expect(BigInt(walker.frame) << 12n).toBe(address + offset);
            expect(1n << BigInt(walker.shift)).toBe(pageSize);
            expect(walker.permissions).toBe(
              (permissions.includes('read') ? 1 : 0) | (permissions.includes('write') ? 2 : 0),
            );
          }
          const search = new ReverseSearch({ address, budget: 3000, limit: 50 });
          const reaches = search.through(
            listedTables(tables, shape),
            (page) => (walker.walk(tables, shape, page, 'none') ? walker : null),
            undefined,
          );
          if (search.complete) expect(reaches.map((reach) => reach.iova)).toContain(iova);
        }
      }),
      { numRuns: 100 },
    );
  });
});
