import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Access } from '../../../src/memory/access.ts';
import { WordMemory } from '../support.ts';

/** What an entry shall say; a format encodes it in its own bits. */
export interface EntryContents {
  /** Table or page that it points to, a multiple of the page size. */
  readonly address: bigint;
  readonly present: boolean;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly user: boolean;
  /** A leaf above level 1. */
  readonly large: boolean;
  /** Bits that are set beside. */
  readonly extra: bigint;
}

/** How a walk ended, in the words that formats share. */
export interface WalkOutcome {
  /** 0, or the fault code of the format. */
  readonly code: number;
  readonly level: number;
  /** Translated address and size of its page, when the code is 0. */
  readonly address?: bigint;
  readonly size?: bigint;
  readonly rights?: { read: boolean; write: boolean; execute: boolean };
}

export interface WalkRequest {
  readonly root: number;
  readonly levels: number;
  readonly address: bigint;
  readonly access: Access;
  readonly privileged: boolean;
}

/** A table format under test. Indices have nine bits, level 1 is the lowest, pages have 4 KiB. */
export interface WalkFormat {
  readonly name: string;
  readonly levels: readonly number[];
  /** The highest level at which a leaf may stand. */
  readonly largestLeaf: number;
  encode(entry: EntryContents, level: number): bigint;
  walk(memory: WordMemory, request: WalkRequest): WalkOutcome;
  /** The same in plain bigint arithmetic, written from the specification without regard to speed. */
  naive(memory: WordMemory, request: WalkRequest): WalkOutcome;
  /** Bits of an entry that tests set at random, reserved ones among them. */
  readonly extraBits: readonly bigint[];
  /** Addresses that the format takes for a walk of so many levels: the sign is extended, for instance. */
  normalize(address: bigint, levels: number): bigint;
}

const PLAIN: EntryContents = {
  address: 0n,
  present: true,
  read: true,
  write: true,
  execute: true,
  user: true,
  large: false,
  extra: 0n,
};

const sizeAt = (level: number): bigint => 1n << BigInt(3 + 9 * level);
const indexAt = (address: bigint, level: number): number => Number((address >> BigInt(3 + 9 * level)) & 0x1ffn);

/** Tables from `root` down to a leaf at `leafLevel` for one address; returns the address of each entry by level. */
export function buildPath(
  format: WalkFormat,
  memory: WordMemory,
  path: { root: number; levels: number; leafLevel: number; address: bigint; page: bigint },
  change: (level: number) => Partial<EntryContents> = () => ({}),
): Map<number, number> {
  const entries = new Map<number, number>();
  let table = path.root;
  for (let level = path.levels; level >= path.leafLevel; level--) {
    const entry = table + 8 * indexAt(path.address, level);
    const leaf = level === path.leafLevel;
    const next = path.root + 0x1000 * (path.levels - level + 1);
    const contents = { ...PLAIN, address: leaf ? path.page : BigInt(next), large: leaf && level > 1, ...change(level) };
    memory.put(entry, format.encode(contents, level));
    entries.set(level, entry);
    table = next;
  }
  return entries;
}

const ROOT = 0x10_0000;

/** Entries at few indices of few tables, pointing to each other and to pages: most random walks get somewhere. */
const INDICES = [0, 1, 255, 256, 511];
const TABLES = 8;

const randomEntry = (format: WalkFormat) =>
  fc.record({
    table: fc.nat(TABLES - 1),
    index: fc.constantFrom(...INDICES),
    level: fc.integer({ min: 1, max: Math.max(...format.levels) }),
    target: fc.oneof(
      { weight: 4, arbitrary: fc.nat(TABLES) },
      { weight: 1, arbitrary: fc.integer({ min: 512, max: 2048 }) },
    ),
    present: fc.integer({ min: 0, max: 15 }).map((value) => value > 0),
    read: fc.integer({ min: 0, max: 9 }).map((value) => value > 0),
    write: fc.integer({ min: 0, max: 5 }).map((value) => value > 0),
    user: fc.integer({ min: 0, max: 9 }).map((value) => value > 0),
    execute: fc.boolean(),
    large: fc.integer({ min: 0, max: 7 }).map((value) => value === 0),
    extra: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0n) },
      { weight: 1, arbitrary: fc.constantFrom(...format.extraBits) },
    ),
  });

const randomRequest = (format: WalkFormat) =>
  fc.record({
    levels: fc.constantFrom(...format.levels),
    indices: fc.array(fc.constantFrom(...INDICES), { minLength: 5, maxLength: 5 }),
    offset: fc.nat(0xfff),
    badUpper: fc.integer({ min: 0, max: 15 }).map((value) => value === 0),
    access: fc.constantFrom<Access>('none', 'read', 'write', 'execute'),
    privileged: fc.boolean(),
  });

/** The rules that every table format follows, and the comparison with its naive walker. */
export function describeWalks(format: WalkFormat): void {
  describe(`walks of ${format.name}`, () => {
    for (const levels of format.levels) {
      for (let leafLevel = 1; leafLevel <= format.largestLeaf; leafLevel++) {
        it(`translates through ${levels} levels to a leaf at level ${leafLevel}`, () => {
          const memory = new WordMemory();
          const address = format.normalize(0x7abc_dead_beefn, levels);
          const size = sizeAt(leafLevel);
          const page = 0x3_4000_0000n;
          const path = buildPath(format, memory, { root: ROOT, levels, leafLevel, address, page });
          const outcome = format.walk(memory, { root: ROOT, levels, address, access: 'read', privileged: false });
          expect(outcome).toMatchObject({ code: 0, level: leafLevel, address: page + (address & (size - 1n)), size });
          expect(path.size).toBe(levels - leafLevel + 1);
        });
      }

      it(`blames the level whose entry is not present, of ${levels}`, () => {
        const address = format.normalize(0x1234_5678_9000n, levels);
        for (let missing = 1; missing <= levels; missing++) {
          const memory = new WordMemory();
          const change = (level: number) => (level === missing ? { present: false, read: false, write: false } : {});
          buildPath(format, memory, { root: ROOT, levels, leafLevel: 1, address, page: 0x5000n }, change);
          const outcome = format.walk(memory, { root: ROOT, levels, address, access: 'read', privileged: false });
          expect(outcome.level).toBe(missing);
          expect(outcome.code).not.toBe(0);
        }
      });

      it(`blames the level whose table cannot be read, of ${levels}`, () => {
        const address = format.normalize(0x1234_5678_9000n, levels);
        for (let missing = 1; missing <= levels; missing++) {
          const memory = new WordMemory();
          const path = buildPath(format, memory, { root: ROOT, levels, leafLevel: 1, address, page: 0x5000n });
          memory.pages.delete(Math.floor(path.get(missing)! / 4096));
          const outcome = format.walk(memory, { root: ROOT, levels, address, access: 'read', privileged: false });
          expect(outcome.level).toBe(missing);
          expect(outcome.code).not.toBe(0);
        }
      });
    }

    it('agrees with a naive walker over random tables, down to what is written back', () => {
      fc.assert(
        fc.property(fc.array(randomEntry(format), { maxLength: 40 }), randomRequest(format), (entries, wish) => {
          const memory = randomTables(format, entries);
          const request = requestOf(format, wish);
          const other = memory.clone();
          const outcome = format.walk(memory, request);
          expect(outcome).toEqual(format.naive(other, request));
          expect([...memory.words]).toEqual([...other.words]);
        }),
        { numRuns: 1500 },
      );
    });

    it('agrees with it also where a whole path exists', () => {
      let translated = 0;
      fc.assert(
        fc.property(
          fc.array(randomEntry(format), { minLength: 5, maxLength: 5 }),
          fc.integer({ min: 1, max: format.largestLeaf }),
          randomRequest(format),
          (entries, leafLevel, wish) => {
            const memory = new WordMemory();
            const request = requestOf(format, { ...wish, badUpper: false });
            const { levels, address } = request;
            const page = BigInt(entries[0]!.target) * sizeAt(leafLevel);
            buildPath(format, memory, { root: ROOT, levels, leafLevel, address, page }, (level) => {
              const { present, read, write, user, execute, extra } = entries[level - 1]!;
              return { present, read, write, user, execute, extra };
            });
            const other = memory.clone();
            const outcome = format.walk(memory, request);
            expect(outcome).toEqual(format.naive(other, request));
            expect([...memory.words]).toEqual([...other.words]);
            if (outcome.code === 0) translated += 1;
          },
        ),
        { numRuns: 1500 },
      );
      // Otherwise the property compares faults only.
      expect(translated).toBeGreaterThan(150);
    });
  });
}

type RandomEntry = { table: number; index: number; level: number; target: number } & Omit<EntryContents, 'address'>;

function randomTables(format: WalkFormat, entries: readonly RandomEntry[]): WordMemory {
  const memory = new WordMemory();
  for (let table = 0; table < TABLES; table++) memory.pages.add(ROOT / 4096 + table);
  memory.readonlyPages.add(ROOT / 4096 + TABLES - 1);
  for (const { table, index, level, target, ...contents } of entries) {
    const address = BigInt(target < 512 ? ROOT + 0x1000 * target : target * 0x20_0000);
    memory.put(ROOT + 0x1000 * table + 8 * index, format.encode({ ...contents, address }, level));
  }
  return memory;
}

function requestOf(
  format: WalkFormat,
  wish: {
    levels: number;
    indices: readonly number[];
    offset: number;
    badUpper: boolean;
    access: Access;
    privileged: boolean;
  },
): WalkRequest {
  const { levels, access, privileged } = wish;
  const low = wish.indices
    .slice(0, levels)
    .reduce((address, index, i) => address | (BigInt(index) << BigInt(12 + 9 * i)), BigInt(wish.offset));
  const normal = format.normalize(low, levels);
  return { root: ROOT, levels, access, privileged, address: wish.badUpper ? normal ^ (1n << 62n) : normal };
}
