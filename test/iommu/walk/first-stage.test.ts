import { describe, expect, it } from 'vitest';
import { type Access, Permission } from '../../../src/memory/access.ts';
import { FirstStageWalker } from '../../../src/iommu/walk/first-stage.ts';
import { QEMU_11_1_3, SPECIFICATION } from '../../../src/iommu/walk/reading.ts';
import { WordMemory } from '../support.ts';
import { naiveFirstStage, SPEC, tableOf, type Variant } from './naive/first-stage.ts';
import { buildPath, describeWalks, type EntryContents, type WalkFormat, type WalkOutcome } from './walk-suite.ts';

function encode(entry: EntryContents): bigint {
  return (
    entry.address |
    (entry.present ? 1n : 0n) |
    (entry.write ? 2n : 0n) |
    (entry.user ? 4n : 0n) |
    (entry.large ? 0x80n : 0n) |
    (entry.execute ? 0n : 1n << 63n) |
    entry.extra
  );
}

function outcomeOf(walker: FirstStageWalker, found: boolean, address: bigint): WalkOutcome {
  if (!found) return { code: walker.code, level: walker.level };
  const { permissions } = walker;
  return {
    code: 0,
    level: walker.level,
    address: BigInt(walker.frame) * 0x1000n + (address & 0xfffn),
    size: 1n << BigInt(walker.shift),
    rights: {
      read: (permissions & Permission.read) !== 0,
      write: (permissions & Permission.write) !== 0,
      execute: (permissions & Permission.execute) !== 0,
    },
  };
}

function formatOf(name: string, variant: Variant, levels: readonly number[] = [4, 5]): WalkFormat {
  const { reading, addressWidth, oneGiB } = variant;
  const walker = new FirstStageWalker({ addressWidth, oneGiB, reading });
  return {
    name,
    levels,
    largestLeaf: oneGiB ? 3 : 2,
    encode,
    walk: (memory, { root, levels: count, address, access, privileged }) => {
      const found = walker.walk(memory, tableOf(variant, root, count), Number(address >> 12n), access, privileged);
      return outcomeOf(walker, found, address);
    },
    naive: (memory, request) => naiveFirstStage(variant, memory, request),
    extraBits: [
      0x20n,
      0x40n,
      0x60n,
      0x80n,
      0x100n,
      0x400n,
      0x1000n,
      0x2000n,
      1n << 20n,
      1n << 48n,
      1n << 51n,
      1n << 52n,
    ],
    normalize: (address, count) =>
      BigInt.asUintN(64, BigInt.asIntN(variant.canonicalBits ?? (count === 5 ? 57 : 48), address)),
  };
}

describeWalks(formatOf('the first stage by the specification', SPEC));
describeWalks(
  formatOf('the first stage of 48 physical bits without 1 GiB pages', { ...SPEC, addressWidth: 48, oneGiB: false }),
);
describeWalks(
  formatOf('the first stage with EAFE and without WPE', { ...SPEC, writeProtect: false, extendedAccessed: true }),
);
describeWalks(formatOf('the first stage by QEMU 11.1.3', { ...SPEC, reading: QEMU_11_1_3, addressWidth: 48 }, [4]));
describeWalks(
  formatOf('the first stage narrowed to 39 bits', { ...SPEC, reading: QEMU_11_1_3, canonicalBits: 39 }, [4]),
);

describe('FirstStageWalker', () => {
  const ROOT = 0x10_0000;
  const format = formatOf('', SPEC);

  function prepared(address: bigint, change?: (level: number) => Partial<EntryContents>) {
    const memory = new WordMemory();
    const path = { root: ROOT, levels: 4, leafLevel: 1, address, page: 0x9000n };
    return { memory, entries: buildPath(format, memory, path, change) };
  }

  const walk = (walker: FirstStageWalker, memory: WordMemory, address: bigint, access: Access) =>
    walker.walk(memory, tableOf(SPEC, ROOT, 4), Number(address >> 12n), access);

  it('records every entry that it read, as it is afterwards', () => {
    const { memory, entries } = prepared(0x1000n);
    const walker = new FirstStageWalker({ addressWidth: 52 });
    expect(walk(walker, memory, 0x1000n, 'write')).toBe(true);
    expect(walker.steps).toBe(4);
    for (let step = 0; step < 4; step++) {
      const entry = entries.get(4 - step)!;
      expect(walker.stepAddress[step]).toBe(entry);
      expect(BigInt(walker.stepHigh[step]!) * 0x1_0000_0000n + BigInt(walker.stepLow[step]!)).toBe(memory.at(entry));
    }
    expect(walker.dirty).toBe(true);
    expect(walk(walker, new WordMemory(), 0x1000n, 'read')).toBe(false);
    expect([walker.code, walker.steps, walker.entry]).toEqual([0x73, 0, ROOT]);
  });

  it('accepts no bit 12 of a large page as address', () => {
    const memory = new WordMemory();
    const path = { root: ROOT, levels: 4, leafLevel: 2, address: 0x3000n, page: 0x60_0000n };
    buildPath(format, memory, path, (level) => (level === 2 ? { extra: 0x1000n } : {}));
    const walker = new FirstStageWalker({ addressWidth: 52 });
    expect(walk(walker, memory, 0x3000n, 'read')).toBe(true);
    expect(walker.frame).toBe(0x603);
  });

  it('makes a page dirty that was read before, which QEMU 11.1.3 does not', () => {
    for (const [reading, dirty] of [
      [SPECIFICATION, true],
      [QEMU_11_1_3, false],
    ] as const) {
      const { memory, entries } = prepared(0x1000n);
      const walker = new FirstStageWalker({ addressWidth: 48, reading });
      expect(walk(walker, memory, 0x1000n, 'read')).toBe(true);
      expect(memory.at(entries.get(1)!) & 0x60n).toBe(0x20n);
      expect(walk(walker, memory, 0x1000n, 'write')).toBe(true);
      expect(memory.at(entries.get(1)!) & 0x60n).toBe(dirty ? 0x60n : 0x20n);
      expect(walker.dirty).toBe(dirty);
    }
  });

  it('leaves the accessed bit of the entries above a fault, and none on the faulting one', () => {
    const { memory, entries } = prepared(0x1000n, (level) => (level === 2 ? { write: false } : {}));
    const walker = new FirstStageWalker({ addressWidth: 52 });
    expect(walk(walker, memory, 0x1000n, 'write')).toBe(false);
    expect([walker.code, walker.level]).toEqual([0x85, 2]);
    expect([4, 3, 2, 1].map((level) => memory.at(entries.get(level)!) & 0x20n)).toEqual([0x20n, 0x20n, 0n, 0n]);
  });

  it('fails where the accessed bit cannot be written', () => {
    const { memory, entries } = prepared(0x1000n);
    memory.readonlyPages.add(Math.floor(entries.get(3)! / 4096));
    const walker = new FirstStageWalker({ addressWidth: 52 });
    expect(walk(walker, memory, 0x1000n, 'read')).toBe(false);
    expect([walker.code, walker.level]).toEqual([0x91, 3]);
  });

  it('marks a page of the supervisor for those who only look', () => {
    const { memory } = prepared(0x1000n, (level) => (level === 1 ? { user: false } : {}));
    const walker = new FirstStageWalker({ addressWidth: 52 });
    expect(walk(walker, memory, 0x1000n, 'none')).toBe(true);
    expect(walker.permissions & Permission.privileged).not.toBe(0);
    expect(memory.written).toEqual([]);
    expect(walk(walker, memory, 0x1000n, 'read')).toBe(false);
    expect(walker.code).toBe(0x81);
    expect(walker.permissions).toBe(Permission.none);
  });

  it.each([31, 53])('knows no address width of %i bits', (addressWidth) => {
    expect(() => new FirstStageWalker({ addressWidth })).toThrow(RangeError);
  });
});
