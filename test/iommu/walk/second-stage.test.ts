import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Access } from '../../../src/memory/access.ts';
import { SecondStageWalker } from '../../../src/iommu/walk/second-stage.ts';
import { WordMemory } from '../support.ts';

interface Options {
  addressWidth: number;
  snoopControl: boolean;
  transientMapping: boolean;
}

type Outcome = { code: number } | { code: 0; frame: number; shift: number; permissions: number };

/** The rules as the facts state them, in bigint and without any haste. */
function naive(
  memory: WordMemory,
  top: bigint,
  levels: 3 | 4,
  page: number,
  access: Access,
  options: Options,
): Outcome {
  const iova = BigInt(page) << 12n;
  const width = BigInt(options.addressWidth);
  const span = BigInt(12 + 9 * levels);
  if (iova >= 1n << (width < span ? width : span)) return { code: 4 };
  const usual = (((1n << 52n) - 1n) & ~((1n << width) - 1n)) | (1n << 62n);
  let table = top;
  let rights = 3n;
  for (let level = levels as number; ; level--) {
    const address = table + 8n * ((iova >> BigInt(3 + 9 * level)) & 0x1ffn);
    const unreadable = { code: level === levels ? 3 : 7 };
    if (!memory.read(Number(address))) return unreadable;
    const entry = memory.at(Number(address));
    if (entry === (1n << 64n) - 1n) return unreadable;
    rights &= entry;
    const asked = access === 'write' ? 2n : access === 'none' ? 3n : 1n;
    if ((entry & asked) === 0n) return { code: access === 'write' ? 5 : 6 };
    const large = level > 1 && (entry & 0x80n) !== 0n;
    const leaf = level === 1 || large;
    let reserved = usual | 0x800n;
    if (level === 4) reserved |= 0x80n;
    if (large && level === 2) reserved |= 0x1f_f000n;
    if (large && level === 3) reserved |= 0x3fff_f000n;
    if (leaf && level < 4 && options.snoopControl) reserved &= ~0x800n;
    if (leaf && level < 4 && options.transientMapping) reserved &= ~(1n << 62n);
    if ((entry & reserved) !== 0n) return { code: 0xc };
    const next = entry & ((1n << width) - 1n) & ~0xfffn;
    if (!leaf) {
      table = next;
      continue;
    }
    const size = 1n << BigInt(3 + 9 * level);
    const frame = Number((next | (iova & (size - 1n))) >> 12n);
    return { code: 0, frame, shift: 3 + 9 * level, permissions: Number(rights) };
  }
}

/** Entries lead to one of a few tables, with every bit that may matter set now and then. */
const pointer = fc
  .tuple(fc.integer({ min: 0, max: 7 }), fc.bigInt({ min: 0n, max: 3n }), fc.integer({ min: 0, max: 40 }))
  .map(([table, rights, oddity]) => {
    const base = (BigInt(table + 1) << 12n) | (rights === 0n && oddity < 30 ? 3n : rights);
    const odd = [7n, 7n, 7n, 11n, 12n, 21n, 29n, 30n, 39n, 48n, 51n, 52n, 61n, 62n, 63n];
    return oddity < odd.length ? base | (1n << odd[oddity]!) : base;
  });
const entry = fc.oneof({ weight: 20, arbitrary: pointer }, { weight: 1, arbitrary: fc.constant((1n << 64n) - 1n) });

describe('the second-stage walk', () => {
  it('does what a naive one does, over random tables', () => {
    const tables = fc.array(fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 0, max: 3 }), entry), {
      minLength: 4,
      maxLength: 30,
    });
    const page = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4, maxLength: 4 }).map((indexes) => {
      return indexes.reduce((value, index) => value * 512 + index, 0);
    });
    const codes = new Set<number>();
    fc.assert(
      fc.property(
        tables,
        fc.oneof(
          page,
          fc.maxSafeNat().map((value) => value % 2 ** 52),
        ),
        fc.constantFrom<3 | 4>(3, 4),
        fc.constantFrom<Access>('read', 'write', 'none'),
        fc.record({
          addressWidth: fc.constantFrom(39, 48),
          snoopControl: fc.boolean(),
          transientMapping: fc.boolean(),
        }),
        (words, number, levels, access, options) => {
          const memory = new WordMemory();
          for (let table = 1; table <= 5; table++) memory.pages.add(table);
          for (const [table, index, word] of words) {
            if (memory.pages.has(table)) memory.put(4096 * table + 8 * index, word);
          }
          const walker = new SecondStageWalker(options);
          const ok = walker.walk(memory, { address: 0x1000, levels }, number, access);
          const { code, frame, shift, permissions } = walker;
          const expected = naive(memory, 0x1000n, levels, number, access, options);
          codes.add(code);
          expect(ok ? { code, frame, shift, permissions } : { code }).toEqual(expected);
          expect(memory.written).toEqual([]);
        },
      ),
      { numRuns: 4000, seed: 3 },
    );
    expect([...codes].sort((a, b) => a - b)).toEqual([0, 3, 4, 5, 6, 7, 12]);
  });

  it('writes down what it read', () => {
    const memory = new WordMemory();
    memory.put(0x1000 + 8 * 5, 0x2003n);
    memory.put(0x2000 + 8 * 6, 0x3003n);
    memory.put(0x3000 + 8 * 7, 0x9_9003n);
    const walker = new SecondStageWalker({ addressWidth: 48, snoopControl: false, transientMapping: false });
    const page = (5 * 512 + 6) * 512 + 7;
    expect(walker.walk(memory, { address: 0x1000, levels: 3 }, page, 'read')).toBe(true);
    expect(walker).toMatchObject({ frame: 0x99, shift: 12, permissions: 3, level: 1, steps: 3 });
    expect([...walker.stepAddress.subarray(0, 3)]).toEqual([0x1028, 0x2030, 0x3038]);
    expect([...walker.stepLow.subarray(0, 3)]).toEqual([0x2003, 0x3003, 0x9_9003]);
  });

  it('refuses widths that no unit has', () => {
    const rest = { snoopControl: false, transientMapping: false };
    expect(() => new SecondStageWalker({ addressWidth: 38, ...rest })).toThrow(RangeError);
    expect(() => new SecondStageWalker({ addressWidth: 53, ...rest })).toThrow(RangeError);
  });
});
