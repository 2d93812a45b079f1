import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectiveRoot } from '../../src/memory/flat-view.ts';
import { hiddenParts } from '../../src/memory/hidden.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { UNITS, answering, buildTree, newTopology, ram, rangeText, recipes } from './support.ts';

const WHOLE = 1n << 64n;

describe('FlatView', () => {
  it.each([1n, 1n << 58n])('equals a map of single addresses for random trees (unit %s)', (unit) => {
    fc.assert(
      fc.property(recipes, (list) => {
        const { topology, root } = buildTree(list, unit);
        const view = topology.createAddressSpace('space', root).flatView;
        for (let index = 0; index < UNITS; index += 1) {
          for (const address of unit === 1n ? [BigInt(index)] : [BigInt(index) * unit, BigInt(index + 1) * unit - 1n]) {
            const range = view.find(address);
            const shown =
              range === null
                ? null
                : `${range.region.name}@${address - range.start + range.offsetInRegion}${range.readonly ? ' readonly' : ''}`;
            expect(shown).toBe(answering(root, address));
            if (unit === 1n) expect(view.findNumber(index)).toBe(range);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has sorted ranges that do not overlap and could not be merged', () => {
    fc.assert(
      fc.property(recipes, (list) => {
        const { topology, root } = buildTree(list, 1n);
        const { ranges } = topology.createAddressSpace('space', root).flatView;
        for (const [index, range] of ranges.entries()) {
          expect(range.last).toBeGreaterThanOrEqual(range.start);
          const next = ranges[index + 1];
          if (next === undefined) continue;
          expect(next.start).toBeGreaterThan(range.last);
          const continues =
            next.start === range.last + 1n &&
            next.region === range.region &&
            next.readonly === range.readonly &&
            next.offsetInRegion - range.offsetInRegion === next.start - range.start;
          expect(continues).toBe(false);
        }
      }),
    );
  });

  it('merges what two aliases show side by side', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', WHOLE);
    const memory = ram(topology, 'ram', 0x3000n);
    root.addSubregion(0n, MemoryRegion.alias(topology, 'low', memory, 0n, 0x1000n));
    root.addSubregion(0x1000n, MemoryRegion.alias(topology, 'middle', memory, 0x1000n, 0x1000n));
    const last = MemoryRegion.alias(topology, 'high', memory, 0x2000n, 0x1000n);
    root.addSubregion(0x2000n, last);
    const space = topology.createAddressSpace('space', root);
    expect(space.flatView.ranges.map(rangeText)).toEqual(['0-12287 ram@0']);
    last.setReadonly(true);
    expect(space.flatView.ranges.map(rangeText)).toEqual(['0-8191 ram@0', '8192-12287 ram@8192 readonly']);
  });

  it('shows a region of 2^64 bytes whole', () => {
    const topology = newTopology();
    const root = MemoryRegion.reservation(topology, 'all', WHOLE);
    const view = topology.createAddressSpace('space', root).flatView;
    expect(view.ranges.map((range) => [range.start, range.last])).toEqual([[0n, WHOLE - 1n]]);
    expect(view.find(WHOLE - 1n)?.region).toBe(root);
    expect(view.findNumber(2 ** 53 - 1)?.region).toBe(root);
  });

  it('knows where a gap ends', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', WHOLE);
    root.addSubregion(0x1000n, ram(topology, 'ram', 0x1000n));
    const { flatView } = topology.createAddressSpace('space', root);
    expect(flatView.gapEnd(5n)).toBe(0xfffn);
    expect(flatView.gapEnd(0x2000n)).toBe(WHOLE - 1n);
  });
});

describe('effectiveRoot', () => {
  it('goes through whole aliases and containers with one whole child, so that views are shared', () => {
    const topology = newTopology();
    const system = MemoryRegion.container(topology, 'system', WHOLE);
    system.addSubregion(0n, ram(topology, 'ram', 0x1000n));
    system.addSubregion(0x1000n, ram(topology, 'more', 0x1000n));
    const roots = ['a', 'b'].map((name) => {
      const root = MemoryRegion.container(topology, name, WHOLE);
      root.addSubregion(0n, MemoryRegion.alias(topology, 'window', system, 0n, WHOLE));
      return root;
    });
    const [first, second] = roots.map((root) => topology.createAddressSpace(root.name, root));
    expect(first?.flatView.root).toBe(system);
    expect(second?.flatView).toBe(first?.flatView);
  });

  it('stops at a second enabled child, at a window on a part, at an own offset and at write protection', () => {
    const topology = newTopology();
    const target = ram(topology, 'ram', 0x2000n);
    const part = MemoryRegion.alias(topology, 'part', target, 0x1000n, 0x2000n);
    expect(effectiveRoot(part)).toBe(part);
    const small = MemoryRegion.alias(topology, 'small', target, 0n, 0x1000n);
    expect(effectiveRoot(small)).toBe(small);
    const guarded = MemoryRegion.alias(topology, 'guarded', target, 0n, 0x2000n);
    guarded.setReadonly(true);
    expect(effectiveRoot(guarded)).toBe(guarded);
    const two = MemoryRegion.container(topology, 'two', WHOLE);
    const other = MemoryRegion.reservation(topology, 'other', 1n);
    two.addSubregion(0n, target);
    two.addSubregion(0x8000n, other);
    expect(effectiveRoot(two)).toBe(two);
    other.setEnabled(false);
    expect(effectiveRoot(two)).toBe(target);
    target.setAddress(1n);
    expect(effectiveRoot(two)).toBe(two);
  });

  it('is nothing for disabled and for empty roots', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', WHOLE);
    expect(effectiveRoot(root)).toBeNull();
    const inner = ram(topology, 'ram', 0x1000n);
    inner.setEnabled(false);
    root.addSubregion(0n, MemoryRegion.alias(topology, 'window', inner, 0n, 0x1000n));
    expect(effectiveRoot(root)).toBeNull();
    expect(topology.createAddressSpace('space', root).flatView.ranges).toEqual([]);
  });
});

describe('hiddenParts', () => {
  it('names what lies over a region, and what is disabled', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', WHOLE);
    const memory = ram(topology, 'ram', 0x4000n);
    const registers = MemoryRegion.reservation(topology, 'registers', 0x1000n);
    const translating = MemoryRegion.reservation(topology, 'dmar', WHOLE);
    const off = MemoryRegion.container(topology, 'off', WHOLE);
    root.addSubregion(0n, memory);
    root.addSubregion(0x1000n, registers, 1);
    off.addSubregion(0x10n, translating);
    root.addSubregion(0n, off);
    off.setEnabled(false);
    const parts = hiddenParts(root).map(({ region, start, last, by }) => [region.name, start, last, by.name]);
    expect(parts).toEqual([
      ['dmar', 0x10n, WHOLE - 1n, 'off'],
      ['ram', 0x1000n, 0x1fffn, 'registers'],
    ]);
  });

  it('does not list a disabled window on bytes that another window shows there', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', WHOLE);
    const memory = ram(topology, 'ram', 0x4000n);
    const disabled = MemoryRegion.alias(topology, 'disabled', memory, 0x1000n, 0x3000n);
    root.addSubregion(0n, MemoryRegion.alias(topology, 'low', memory, 0n, 0x2000n));
    root.addSubregion(0x1000n, disabled);
    disabled.setEnabled(false);
    const parts = hiddenParts(root).map(({ region, start, last, by }) => [region.name, start, last, by.name]);
    expect(parts).toEqual([['ram', 0x2000n, 0x3fffn, 'disabled']]);
  });

  it('lists, address by address, all that would answer and does not show', () => {
    fc.assert(
      fc.property(recipes, (list) => {
        const { topology, root } = buildTree(list, 1n);
        const view = topology.createAddressSpace('space', root).flatView;
        const parts = hiddenParts(root);
        for (let address = 0n; address < BigInt(UNITS); address += 1n) {
          const range = view.find(address);
          const expected = new Set<string>();
          for (const { region, offset, disabled } of candidates(root, address, false)) {
            const same = region === range?.region && offset === address - range.start + range.offsetInRegion;
            if (disabled ? !same : region !== range?.region) expected.add(region.name);
          }
          const found = parts.filter((part) => part.start <= address && address <= part.last);
          expect(new Set(found.map((part) => part.region.name))).toEqual(expected);
          for (const { by } of found) if (by.enabled) expect(by).toBe(range?.region);
        }
      }),
    );
  });
});

interface Candidate {
  readonly region: MemoryRegion;
  readonly offset: bigint;
  readonly disabled: boolean;
}

/** All that would answer at an address were everything enabled and nothing covered. */
function candidates(region: MemoryRegion, offset: bigint, disabled: boolean): Candidate[] {
  if (offset < 0n || offset >= region.size) return [];
  const off = disabled || !region.enabled;
  if (region.aliasTarget !== null) return candidates(region.aliasTarget, offset + region.aliasOffset, off);
  const inside = region.subregions.flatMap((child) => candidates(child, offset - child.address, off));
  return region.terminates ? [...inside, { region, offset, disabled: off }] : inside;
}
