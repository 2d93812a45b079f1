/** All formats of tables in memory, in one suite, and TCEs, which are in none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listedTables as amdTables } from '../../../src/iommu/amd/decoders.ts';
import { PageTableWalker } from '../../../src/iommu/amd/walk.ts';
import { firstStageTables } from '../../../src/iommu/first-stage-tables.ts';
import { secondStageTables } from '../../../src/iommu/intel/listed-tables.ts';
import { SHAPE, TABLE_BITS } from '../../../src/iommu/s390/tables.ts';
import { listedEntry, parseAnchor, ZpciWalker } from '../../../src/iommu/s390/walk.ts';
import { FirstStageWalker } from '../../../src/iommu/walk/first-stage.ts';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { RtasToken } from '../../../src/iommu/spapr/rtas.ts';
import type { Access } from '../../../src/memory/access.ts';
import { BUID, DYNAMIC, PCI_LIOBN, rig } from '../spapr/rig.ts';
import { SecondStageWalker } from '../../../src/iommu/walk/second-stage.ts';
import { naiveAmd } from './naive/amd.ts';
import { naiveFirstStage, SPEC, tableOf } from './naive/first-stage.ts';
import { naiveSecondStage, type SecondStageOptions } from './naive/second-stage.ts';
import { naiveTce } from './naive/tce.ts';
import { naiveZpci } from './naive/zpci.ts';
import { describeTables, type Outcome, rightsOf, tableAt, type TableFormat } from './table-suite.ts';

const TOP = tableAt(0);
const BRIDGE = [Number(BUID >> 32n), Number(BUID & 0xffff_ffffn)];
const nine = (level: number): number => 3 + 9 * level;

/** Tables of the test, one behind them, and pages; large ones are aligned to 1 GiB, or not. */
const targets = fc.oneof(
  { weight: 6, arbitrary: fc.nat(4).map(tableAt) },
  { weight: 2, arbitrary: fc.constantFrom(0x34_5000n, 0x4000_0000n, 0x8000_0000n, 0x20_0000n) },
);

/** One of these bits now and then, on top of what an entry usually has. */
const oddBits = (...bits: readonly bigint[]): fc.Arbitrary<bigint> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant(0n) },
    { weight: 3, arbitrary: fc.constantFrom(...bits).map((bit) => 1n << bit) },
  );

function found(walker: { frame: number; shift: number; permissions: number }): Outcome {
  const { frame, permissions, shift } = walker;
  return { address: BigInt(frame) << 12n, size: 1n << BigInt(shift), ...rightsOf(permissions) };
}

const firstStage: TableFormat<4 | 5> = {
  name: "VT-d's first stage, which is x86's",
  variants: fc.constantFrom<4 | 5>(4, 5),
  words: fc
    .tuple(targets, fc.constantFrom(7n, 7n, 7n, 7n, 7n, 5n, 3n, 0n), oddBits(5n, 6n, 7n, 7n, 12n, 52n, 63n))
    .map(([target, rights, odd]) => target | rights | odd),
  accesses: ['read', 'write', 'execute', 'none'],
  // Pages of the supervisor are reached by nobody, and not listed.
  listedAs: 'read',
  codes: [0x70, 0x71, 0x72, 0x81, 0x82, 0x85],
  levels: (levels) => levels,
  shift: nine,
  input: (_levels, address) => address,
  walk: (memory, levels, page, access) => {
    const walker = new FirstStageWalker({ addressWidth: 52 });
    const way = walker.walk(memory, tableOf(SPEC, Number(TOP), levels), page, access);
    return way ? found(walker) : { code: walker.code };
  },
  naive: (_words, levels, iova, access, memory) => {
    const request = { root: Number(TOP), levels, address: iova, access, privileged: false };
    const { code, address = 0n, rights, size = 0n } = naiveFirstStage(SPEC, memory, request);
    if (code !== 0 || rights === undefined) return { code };
    return { address, size, read: rights.read, write: rights.write };
  },
  listed: (memory, levels) =>
    firstStageTables(memory, tableOf(SPEC, Number(TOP), levels), new FirstStageWalker({ addressWidth: 52 }), true),
};

const secondStage: TableFormat<SecondStageOptions & { levels: 3 | 4 }> = {
  name: "VT-d's second stage",
  variants: fc.record({
    levels: fc.constantFrom<3 | 4>(3, 4),
    addressWidth: fc.constantFrom(39, 48),
    snoopControl: fc.boolean(),
    transientMapping: fc.boolean(),
  }),
  words: fc.oneof(
    {
      weight: 20,
      arbitrary: fc
        .tuple(
          targets,
          fc.constantFrom(3n, 3n, 3n, 1n, 2n, 0n),
          oddBits(7n, 7n, 11n, 12n, 30n, 39n, 51n, 52n, 62n, 63n),
        )
        .map(([target, rights, odd]) => target | rights | odd),
    },
    { weight: 1, arbitrary: fc.constant((1n << 64n) - 1n) },
  ),
  accesses: ['read', 'write', 'none'],
  codes: [3, 4, 5, 6, 7, 0xc],
  levels: ({ levels }) => levels,
  shift: nine,
  input: (_variant, address) => address,
  walk: (memory, { levels, ...options }, page, access) => {
    const walker = new SecondStageWalker(options);
    return walker.walk(memory, { address: Number(TOP), levels }, page, access) ? found(walker) : { code: walker.code };
  },
  naive: (words, { levels, ...options }, iova, access) => naiveSecondStage(words, TOP, levels, iova, access, options),
  listed: (memory, { levels, ...options }) => {
    const walker = new SecondStageWalker(options);
    return secondStageTables(memory, { address: Number(TOP), levels }, walker, options.addressWidth);
  },
};

const READ = 1n << 61n;
const WRITE = 1n << 62n;
const amd: TableFormat<{ mode: number; rights: bigint }> = {
  name: "AMD's unit, with skipped levels and pages of any size",
  variants: fc.record({
    mode: fc.integer({ min: 1, max: 6 }),
    rights: fc.constantFrom(READ, WRITE, READ | WRITE),
  }),
  words: fc
    .tuple(
      targets,
      fc.constantFrom(0n, 7n, 1n, 1n, 2n, 3n, 4n, 5n),
      fc.constantFrom(READ | WRITE, READ | WRITE, READ, WRITE, 0n),
      fc.constantFrom(0n, 1n, 1n, 1n, 1n),
    )
    .map(([target, next, rights, present]) => target | (next << 9n) | rights | present),
  accesses: ['none'],
  levels: ({ mode }) => mode,
  shift: nine,
  input: (_variant, address) => address & ((1n << 64n) - 1n),
  walk: (memory, { mode, rights }, page, access) => {
    const walker = new PageTableWalker();
    const tables = { address: Number(TOP), levels: mode, rights: Number(rights >> 61n) };
    return walker.walk(memory, tables, page, access) ? found(walker) : null;
  },
  naive: (words, { mode, rights }, iova) => naiveAmd(words, TOP, mode, rights, iova),
  listed: (memory, { mode, rights }) =>
    amdTables(memory, { address: Number(TOP), levels: mode, rights: Number(rights >> 61n) }),
};

const zpci: TableFormat<bigint> = {
  name: 'zPCI',
  variants: fc.constantFrom(TOP | 0x804n, TOP | 0xa04n),
  words: fc.oneof(
    // A region entry, a segment entry or a frame, a page entry; then anything.
    { weight: 4, arbitrary: targets.map((target) => target | 7n) },
    { weight: 4, arbitrary: fc.tuple(targets, oddBits(5n, 9n, 10n)).map(([target, odd]) => target | odd) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(targets, oddBits(0n, 1n, 2n, 3n, 5n, 6n, 7n, 9n, 10n, 11n, 63n), fc.constantFrom(0n, 3n, 7n))
        .map(([target, odd, low]) => target | odd | low),
    },
    { weight: 1, arbitrary: fc.constantFrom(0n, 0x20n, 0x400n, 0x200n) },
  ),
  accesses: ['none'],
  codes: [7, 8, 9],
  levels: () => 3,
  shift: (level) => SHAPE.shift(level),
  input: (_variant, address) => address,
  walk: (memory, anchor, page) => {
    const walker = new ZpciWalker();
    if (!walker.walk(memory, parseAnchor(anchor), page)) return { code: walker.code };
    return walker.permissions === 0 ? null : found(walker);
  },
  naive: (words, anchor, iova) => naiveZpci(words, anchor, iova),
  listed: (memory, anchor) => {
    const { origin, rights } = parseAnchor(anchor);
    const rest = { bits: TABLE_BITS, canonical: false, shape: SHAPE, decode: listedEntry };
    return { memory, reading: 'zpci', address: origin, levels: 3, rights, ...rest };
  },
};

describe('TCEs, which lie in no guest memory', () => {
  it.each([12, 16, 24])('lead where a naive reader says, with pages of 2^%s bytes', (width) => {
    const shift = BigInt(width);
    const stores = fc.array(
      fc.tuple(
        fc.bigInt({ min: 0n, max: 15n }),
        targets,
        fc.constantFrom(0n, 1n, 2n, 3n, 3n),
        fc.constantFrom(0n, 0x5000n, 0x123_4000n),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(stores, fc.constantFrom<Access>('read', 'write', 'none'), (list, access) => {
        const { call, pci, rtas, unit } = rig();
        const base = shift === 12n ? 0n : DYNAMIC;
        if (shift !== 12n) rtas(RtasToken.createDmaWindow, [0, ...BRIDGE, Number(shift), Number(shift) + 4], 4);
        const liobn = shift === 12n ? PCI_LIOBN : PCI_LIOBN + 1n;
        const table = new Map<bigint, bigint>();
        for (const [index, target, rights, offset] of list) {
          const tce = ((target + offset) & ~((1n << shift) - 1n)) | rights;
          expect(call(Hypercall.putTce, liobn, base + (index << shift), tce).status).toBe(0);
          table.set(index, tce);
        }
        const { mappings } = unit.mappings(pci, { limit: 100 });
        for (let index = 0n; index < 16n; index++) {
          const iova = base + (index << shift) + 0x123n;
          const way = naiveTce(table.get(index) ?? 0n, shift, iova);
          const asked = way !== null && (access === 'write' ? way.write : access === 'read' ? way.read : true);
          const answer = unit.translate(pci, { address: iova, access });
          expect(answer.result === 'translated' ? [answer.address, answer.size] : null).toEqual(
            asked ? [way.address, way.size] : null,
          );
          const run = mappings.find((one) => one.iova <= iova && iova < one.iova + one.size);
          expect(run && run.address + (iova - run.iova)).toBe(way?.address);
        }
      }),
      { numRuns: 60, seed: 6 },
    );
  });
});

describeTables(firstStage);
describeTables(secondStage);
describeTables(amd);
describeTables(zpci);
