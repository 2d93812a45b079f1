import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listMappings } from '../../../src/iommu/list-mappings.ts';
import type { ListedTables } from '../../../src/iommu/listed-tables.ts';
import { ReverseSearch } from '../../../src/iommu/reverse-search.ts';
import { type Access, Permission } from '../../../src/memory/access.ts';
import { WordMemory } from '../support.ts';
import type { Way, Words } from './naive/words.ts';

/** Where an address leads; or a code of the format; or, where the format has no codes, nowhere. */
export type Outcome = Way | { readonly code: number } | null;

/** A format of tables of 64-bit words. A variant is what the unit and the top of the tables choose: levels, widths … */
export interface TableFormat<Variant> {
  readonly name: string;
  readonly variants: fc.Arbitrary<Variant>;
  /** Entries, by what the tables of the test lie at: {@link tableAt}. */
  readonly words: fc.Arbitrary<bigint>;
  readonly accesses: readonly Access[];
  /** The codes of refused walks, all of which the tests meet; default: there are none. */
  readonly codes?: readonly number[];
  /** The access by which a listed page is found; default: the look-up without use. */
  readonly listedAs?: Access;
  /** How many tables are on the way of an address, and the shift and number of index bits of each level, 1 the lowest. */
  levels(variant: Variant): number;
  shift(level: number): number;
  /** The input address of so many low bits, as software would write it. */
  input(variant: Variant, address: bigint): bigint;
  walk(memory: WordMemory, variant: Variant, page: number, access: Access): Outcome;
  /** Written from the specification, without a look at the walker. */
  naive(words: Words, variant: Variant, iova: bigint, access: Access, memory: WordMemory): Outcome;
  listed(memory: WordMemory, variant: Variant): ListedTables;
}

const TABLES = 4;
/** Few slots, so that walks meet something. */
const SLOTS = [0n, 1n, 255n];

/** Where the tables of a test lie; the last one cannot be read. */
export const tableAt = (index: number): bigint => 0x10_0000n + 0x4000n * BigInt(index);

export function rightsOf(permissions: number): { read: boolean; write: boolean } {
  return { read: (permissions & Permission.read) !== 0, write: (permissions & Permission.write) !== 0 };
}

const isWay = (outcome: Outcome): outcome is Way => outcome !== null && !('code' in outcome);

/** What is found of a page whatever for, with any right at all. */
const isMapped = (outcome: Outcome): outcome is Way => isWay(outcome) && (outcome.read || outcome.write);

function memoryOf(entries: readonly { table: number; slot: bigint; word: bigint }[]): WordMemory {
  const memory = new WordMemory();
  for (let table = 0; table < TABLES; table++) {
    for (let page = 0n; page < 4n; page++) memory.pages.add(Number((tableAt(table) >> 12n) + page));
  }
  for (const { table, slot, word } of entries) memory.put(Number(tableAt(table) + 8n * slot), word);
  return memory;
}

/** The rules that hold for every format: what is looked up, what is listed and what is found backwards agree. */
export function describeTables<Variant>(format: TableFormat<Variant>): void {
  const entry = fc.record({
    table: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat(TABLES - 1) }),
    slot: fc.constantFrom(...SLOTS),
    word: format.words,
  });
  const program = fc.record({
    entries: fc.array(entry, { minLength: 6, maxLength: 40 }),
    variant: format.variants,
    indices: fc.array(fc.array(fc.constantFrom(...SLOTS), { minLength: 6, maxLength: 6 }), {
      minLength: 1,
      maxLength: 12,
    }),
    access: fc.constantFrom(...format.accesses),
  });
  const inputs = (variant: Variant, lists: readonly (readonly bigint[])[]): bigint[] =>
    lists.map((indices) => {
      let address = 0n;
      for (let level = 1; level <= format.levels(variant); level++) {
        address |= indices[level - 1]! << BigInt(format.shift(level));
      }
      return format.input(variant, address);
    });
  const wordsOf =
    (memory: WordMemory): Words =>
    (address) =>
      memory.pages.has(Number(address >> 12n)) ? memory.at(Number(address)) : null;
  const page = (iova: bigint): number => Number(iova >> 12n);

  describe(`tables of ${format.name}`, () => {
    it('are walked as a naive reader walks them, and written as it writes them', () => {
      let found = 0;
      const codes = new Set<number>();
      fc.assert(
        fc.property(program, ({ entries, variant, indices, access }) => {
          const memory = memoryOf(entries);
          const other = memory.clone();
          for (const iova of inputs(variant, indices)) {
            const outcome = format.walk(memory, variant, page(iova), access);
            expect(outcome).toEqual(format.naive(wordsOf(other), variant, iova, access, other));
            expect(memory.words).toEqual(other.words);
            if (isWay(outcome)) found += 1;
            else if (outcome !== null) codes.add(outcome.code);
          }
        }),
        { numRuns: 4000, seed: 6 },
      );
      // Otherwise only refusals are compared.
      expect(found).toBeGreaterThan(100);
      expect([...codes].toSorted((a, b) => a - b)).toEqual(format.codes ?? []);
    });

    it('are listed as they are walked, and each page is found backwards', () => {
      let listed = 0;
      fc.assert(
        fc.property(program, ({ entries, variant, indices }) => {
          const memory = memoryOf(entries);
          const tables = format.listed(memory, variant);
          const { mappings, next } = listMappings(tables, 0n, 200, 20_000);
          const walk = (iova: bigint): Outcome => format.walk(memory, variant, page(iova), format.listedAs ?? 'none');
          for (const iova of inputs(variant, indices)) {
            if (next !== undefined && iova >= next) continue;
            const way = walk(iova);
            const run = mappings.find((one) => one.iova <= iova && iova < one.iova + one.size);
            expect(run !== undefined).toBe(isMapped(way));
            if (run === undefined || !isMapped(way)) continue;
            listed += 1;
            expect(run.address + (iova - run.iova)).toBe(way.address);
            expect([run['page-size'], run.permissions.includes('write')]).toEqual([way.size, way.write]);
          }
          for (const { iova, address } of mappings.slice(0, 2)) {
            const search = new ReverseSearch({ address, budget: 20_000, limit: 200 });
            const confirm = (number: number) => {
              const way = format.walk(memory, variant, number, format.listedAs ?? 'none');
              if (!isMapped(way)) return null;
              const permissions = (way.read ? Permission.read : 0) | (way.write ? Permission.write : 0);
              return { frame: Number(way.address >> 12n), shift: way.size.toString(2).length - 1, permissions };
            };
            const reaches = search.through(tables, confirm, undefined);
            if (search.complete) expect(reaches.map((reach) => reach.iova)).toContain(iova);
          }
        }),
        { numRuns: 400, seed: 6 },
      );
      expect(listed).toBeGreaterThan(20);
    });
  });
}
