import { describe, expect, it } from 'vitest';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { newTopology, ram } from './support.ts';

const names = (region: MemoryRegion): string[] => region.subregions.map((child) => child.name);

describe('MemoryRegion', () => {
  it('keeps subregions by descending priority, among equals the latest first', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', 100n);
    const add = (name: string, priority?: number): MemoryRegion => {
      const child = MemoryRegion.reservation(topology, name, 10n);
      root.addSubregion(0n, child, priority);
      return child;
    };
    const a = add('a');
    add('b', 1);
    add('c', -1);
    const d = add('d');
    add('e', 1);
    expect(names(root)).toEqual(['e', 'b', 'd', 'a', 'c']);
    a.setAddress(5n);
    expect(names(root)).toEqual(['e', 'b', 'a', 'd', 'c']);
    d.setPriority(-1);
    expect(names(root)).toEqual(['e', 'b', 'a', 'd', 'c']);
    d.setPriority(7);
    expect(names(root)).toEqual(['d', 'e', 'b', 'a', 'c']);
    root.removeSubregion(a);
    expect(names(root)).toEqual(['d', 'e', 'b', 'c']);
    expect([a.parent, a.address]).toEqual([null, 0n]);
  });

  it('is in one place only, and never inside itself', () => {
    const topology = newTopology();
    const outer = MemoryRegion.container(topology, 'outer', 100n);
    const inner = MemoryRegion.container(topology, 'inner', 100n);
    outer.addSubregion(3n, inner);
    expect(() => outer.addSubregion(0n, inner)).toThrow('Memory region inner is already inside outer');
    expect(() => inner.addSubregion(0n, outer)).toThrow('Memory region outer cannot hold itself');
    expect(() => inner.addSubregion(0n, inner)).toThrow();
    expect(() => inner.removeSubregion(outer)).toThrow('Memory region outer is not inside inner');
  });

  it('knows its place in the outermost region', () => {
    const topology = newTopology();
    const outer = MemoryRegion.container(topology, 'outer', 0x1000n);
    const middle = MemoryRegion.container(topology, 'middle', 0x100n);
    const leaf = ram(topology, 'leaf', 0x10n);
    outer.addSubregion(0x200n, middle);
    middle.addSubregion(0x30n, leaf);
    expect(leaf.absoluteAddress()).toBe(0x230n);
    expect(leaf.offset).toBe(0x30n);
  });

  it('refuses sizes that cannot be', () => {
    const topology = newTopology();
    expect(MemoryRegion.container(topology, 'all', 1n << 64n).size).toBe(1n << 64n);
    expect(() => MemoryRegion.container(topology, 'x', (1n << 64n) + 1n)).toThrow(RangeError);
    expect(() => ram(topology, 'x', 0x1000n).setSize(0x1001n)).toThrow('its RAM block has 4096');
    const operations = { read: () => 0n, write: () => {} };
    expect(() => MemoryRegion.mmio(topology, 'x', 1n << 54n, operations)).toThrow('limit of 2^53');
  });

  it('changes what an alias shows, and refuses that to others', () => {
    const topology = newTopology();
    const first = ram(topology, 'first', 0x1000n);
    const second = ram(topology, 'second', 0x1000n);
    const window = MemoryRegion.alias(topology, 'window', first, 0n, 0x100n);
    const space = topology.createAddressSpace('space', window);
    window.setAliasTarget(second);
    window.setAliasOffset(0x80n);
    const [range] = space.flatView.ranges;
    expect([range?.region, range?.offsetInRegion, range?.last]).toEqual([second, 0x80n, 0xffn]);
    expect(() => first.setAliasOffset(1n)).toThrow('Memory region first is no alias');
    expect(() => first.setAliasTarget(second)).toThrow('Memory region first is no alias');
  });

  it('takes its state back', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', 0x1000n);
    const target = MemoryRegion.rom(topology, 'rom', new RamBlock('rom', 0x1000n, topology.operations));
    const window = MemoryRegion.alias(topology, 'window', target, 0x10n, 0x100n);
    root.addSubregion(0x20n, window, 3);
    const state = window.save();
    window.setAddress(0n);
    window.setSize(1n);
    window.setPriority(0);
    window.setEnabled(false);
    window.setReadonly(true);
    window.setAliasOffset(0n);
    const { generation } = topology;
    window.restore(state);
    expect(window.save()).toEqual(state);
    expect(topology.generation).toBe(generation + 1);
  });
});
