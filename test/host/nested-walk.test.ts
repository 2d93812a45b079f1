import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { HostMemory } from '../../src/host/memory.ts';
import { NestedWalker } from '../../src/host/nested-walk.ts';
import { HostPageTable } from '../../src/host/page-table.ts';
import { settingsOf } from '../../src/host/options.ts';
import { Permission } from '../../src/memory/access.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { naiveFirstStage, type NaivePage } from './naive.ts';

const MIB = 1n << 20n;
const RAM = 16n * MIB;
const ROOT = 0x1000n;

/** A piece of guest-physical space: which piece of the block is behind it. */
interface Piece {
  gpa: bigint;
  size: bigint;
  offset: bigint;
  readonly: boolean;
}

/** Guest-physical 0 to 16 MiB in 2 MiB pieces, shuffled over the block; some are missing or read-only. */
const pieces = fc
  .tuple(
    fc.shuffledSubarray([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n], { minLength: 8 }),
    fc.array(fc.constantFrom('rw', 'rw', 'rw', 'ro', 'hole', 'half'), { minLength: 8, maxLength: 8 }),
  )
  .map(([order, kinds]) =>
    order.flatMap((slot, index): Piece[] => {
      const at = { gpa: BigInt(index) * 2n * MIB, offset: slot * 2n * MIB, size: 2n * MIB, readonly: false };
      if (index === 0 || kinds[index] === 'rw') return [at];
      if (kinds[index] === 'hole') return [];
      if (kinds[index] === 'ro') return [{ ...at, readonly: true }];
      return [
        { ...at, size: MIB },
        { ...at, gpa: at.gpa + MIB, offset: at.offset + MIB, size: MIB, readonly: true },
      ];
    }),
  );

const SLOTS = [0, 1, 2, 256, 511];

/** An entry for every slot that walks of the addresses below can use; any of the eight tables can be of any level. */
const entries = fc.array(
  fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({
        target: fc.integer({ min: 0, max: 7 }).map((n) => ROOT + BigInt(n) * 0x1000n),
        flags: fc.oneof({ weight: 20, arbitrary: fc.constant(7n) }, fc.constantFrom(5n, 3n, 6n, 0x87n)),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        target: fc.integer({ min: 0, max: 0x1fff }).map((n) => BigInt(n) * 0x1000n),
        flags: fc.constantFrom(7n, 5n),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        target: fc.constantFrom(0n, 2n * MIB, 4n * MIB, 10n * MIB, 20n * MIB),
        flags: fc.constantFrom(0x87n, 0x87n, 0x85n),
      }),
    },
  ),
  { minLength: 8 * SLOTS.length, maxLength: 8 * SLOTS.length },
);

const addresses = fc.array(
  fc.tuple(
    fc.constantFrom(0n, 0n, 0xffff_8000_0000_0000n, 0xff00_0000_0000_0000n, 0x0001_0000_0000_0000n),
    fc.array(fc.constantFrom(0n, 1n, 2n, 511n, 256n), { minLength: 4, maxLength: 4 }),
  ),
  { minLength: 8, maxLength: 8 },
);

function naiveSecond(map: readonly Piece[], base: bigint, gpa: bigint): { hpa: bigint; piece: Piece } | null {
  const piece = map.find((one) => gpa >= one.gpa && gpa < one.gpa + one.size);
  return piece === undefined ? null : { hpa: base + piece.offset + (gpa - piece.gpa), piece };
}

describe('a nested walk', () => {
  it.each([4, 5] as const)('is the composition of two plain walks, %i levels', (levels) => {
    let translated = 0;
    let large = 0;
    fc.assert(
      fc.property(pieces, entries, addresses, fc.boolean(), (map, written, bases, write) => {
        const block = new RamBlock('ram', RAM, new OperationCounter());
        const memory = new HostMemory();
        const base: bigint = memory.hpaOf(block, 0);
        const { capabilities } = settingsOf({});
        const stage = new HostPageTable(1, { memory, capabilities, operation: 0, invalidateRange: () => undefined });
        for (const { gpa, size, offset, readonly } of map) stage.map(gpa, size, memory.hpaOf(block, offset), readonly);

        const rawWord = (gpa: bigint): { view: DataView; at: number } | null => {
          const found = naiveSecond(map, base, gpa);
          if (found === null) return null;
          const bytes = new Uint8Array(8);
          block.read(Number(found.hpa - base), bytes);
          return { view: new DataView(bytes.buffer), at: Number(found.hpa - base) };
        };
        const read = (gpa: bigint): bigint | null => rawWord(gpa)?.view.getBigUint64(0, true) ?? null;
        for (const [index, { target, flags }] of written.entries()) {
          const slot = SLOTS[index % SLOTS.length]!;
          const word = rawWord(ROOT + BigInt(Math.floor(index / SLOTS.length)) * 0x1000n + 8n * BigInt(slot))!;
          word.view.setBigUint64(0, target | flags, true);
          block.write(word.at, new Uint8Array(word.view.buffer));
        }

        const walker = new NestedWalker(memory, capabilities.addressBits, true);
        const table = {
          address: Number(ROOT),
          levels,
          canonicalBits: levels === 5 ? 57 : 48,
          writeProtect: true,
          extendedAccessed: false,
        };
        for (const [high, [i4, i3, i2, i1]] of bases) {
          const iova = high | (i4! << 39n) | (i3! << 30n) | (i2! << 21n) | (i1! << 12n);
          const first = naiveFirstStage(read, ROOT, levels, iova);
          const second = first === null ? null : naiveSecond(map, base, first.frame << 12n);
          const allowed = second !== null && (!write || (first!.write && !second.piece.readonly));
          const found = walker.nested(stage, table, Number(iova >> 12n), write ? 'write' : 'read');
          // Reserved bits in large entries end a walk, which the plain one does not look at.
          if (walker.code === 0x72) continue;
          // A table that is read-only cannot take its accessed bit; the plain walk marks nothing.
          if (walker.code === 0x77) continue;
          expect(found).toBe(allowed);
          if (!found || second === null) continue;
          translated += 1;
          if (walker.shift > 12) large += 1;
          expect(BigInt(walker.frame)).toBe(second.hpa >> 12n);
          expect(BigInt(walker.guestPage)).toBe(first!.frame);
          expect((walker.permissions & Permission.write) !== 0).toBe(first!.write && !second.piece.readonly);
          expect(1n << BigInt(walker.shift)).toBe(smallest(first!, second.piece, base));
        }
      }),
      { numRuns: 400, seed: 7 },
    );
    expect(translated).toBeGreaterThan(400);
    expect(large).toBeGreaterThan(30);
  });
});

/** Pieces are 2 MiB or less, so the second stage has pages of 2 MiB where a whole piece is one, else of 4 KiB. */
function smallest(first: NaivePage, piece: Piece, base: bigint): bigint {
  const aligned = (base + piece.offset) % (2n * MIB) === 0n;
  const second = piece.size === 2n * MIB && aligned ? 2n * MIB : 0x1000n;
  return first.size < second ? first.size : second;
}
