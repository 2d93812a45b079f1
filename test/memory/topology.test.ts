import { describe, expect, it } from 'vitest';
import { MemoryRegion } from '../../src/memory/region.ts';
import { newTopology, ram, rangeText } from './support.ts';

describe('MemoryTopology', () => {
  it('makes changes visible when the outermost transaction ends', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', 0x10000n);
    const space = topology.createAddressSpace('space', root);
    expect(space.flatView.ranges).toEqual([]);
    const { generation } = topology;
    topology.transaction(() => {
      topology.transaction(() => root.addSubregion(0n, ram(topology, 'ram', 0x1000n)));
      expect(space.flatView.ranges).toEqual([]);
      root.setSize(0x800n);
      expect(topology.generation).toBe(generation);
    });
    expect(topology.generation).toBe(generation + 1);
    expect(space.flatView.ranges.map(rangeText)).toEqual(['0-2047 ram@0']);
  });

  it('renders a view once per transaction, and not again for one that changed nothing', () => {
    const topology = newTopology();
    const root = ram(topology, 'ram', 0x1000n);
    const space = topology.createAddressSpace('space', root);
    const view = space.flatView;
    topology.transaction(() => root.setEnabled(true));
    expect(space.flatView).toBe(view);
    root.setReadonly(true);
    expect(space.flatView).not.toBe(view);
    expect(space.flatView).toBe(space.flatView);
  });

  it('shows the open transaction to a space that nobody had looked at, and keeps no such view', () => {
    const topology = newTopology();
    const root = MemoryRegion.container(topology, 'root', 0x10000n);
    const space = topology.createAddressSpace('space', root);
    topology.transaction(() => {
      root.addSubregion(0n, ram(topology, 'first', 0x1000n));
      expect(space.flatView.ranges.map(rangeText)).toEqual(['0-4095 first@0']);
      root.addSubregion(0x1000n, ram(topology, 'second', 0x1000n));
    });
    expect(space.flatView.ranges.map(rangeText)).toEqual(['0-4095 first@0', '4096-8191 second@0']);
  });

  it('refuses a commit without a begin', () => {
    expect(() => newTopology().commit()).toThrow('had not begun');
  });

  it('closes a transaction that threw', () => {
    const topology = newTopology();
    const root = ram(topology, 'ram', 0x1000n);
    const space = topology.createAddressSpace('space', root);
    const failing = (): void => {
      root.setReadonly(true);
      throw new Error('half way');
    };
    expect(() => topology.transaction(failing)).toThrow('half way');
    expect(space.flatView.ranges[0]?.readonly).toBe(true);
  });

  it('lists spaces in the order of creation, and takes one out with its listeners', () => {
    const topology = newTopology();
    const root = ram(topology, 'ram', 0x1000n);
    const [a, b] = ['a', 'b'].map((name) => topology.createAddressSpace(name, root));
    expect(topology.addressSpaces()).toEqual([a, b]);
    const told: string[] = [];
    a?.addListener({ priority: 0, regionDelete: (section) => told.push(section.region.name) });
    topology.destroyAddressSpace(a!);
    expect(told).toEqual(['ram']);
    expect(a?.listeners).toEqual([]);
    expect(topology.addressSpaces()).toEqual([b]);
    expect(() => topology.destroyAddressSpace(a!)).toThrow('not part of this topology');
  });
});
