import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import type { MemoryListener, MemorySection } from '../../src/memory/listener.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { UNITS, buildTree, newTopology, ram, rangeText, recipes } from './support.ts';
import type { RandomTree } from './support.ts';

const WHOLE = 1n << 64n;

function sectionText(section: MemorySection): string {
  const rights = section.readonly ? ' readonly' : '';
  return `${section.start}-${section.start + section.size - 1n} ${section.region.name}@${section.offsetInRegion}${rights}`;
}

/** Writes down all that it is told. */
class Recorder implements MemoryListener {
  readonly priority: number;
  readonly name: string;
  readonly log: string[];

  constructor(log: string[] = [], name = '', priority = 0) {
    this.log = log;
    this.name = name;
    this.priority = priority;
  }

  begin(): void {
    this.log.push(`${this.name}begin`);
  }

  regionAdd(section: MemorySection): void {
    this.log.push(`${this.name}add ${sectionText(section)}`);
  }

  regionDelete(section: MemorySection): void {
    this.log.push(`${this.name}delete ${sectionText(section)}`);
  }

  commit(): void {
    this.log.push(`${this.name}commit`);
  }

  take(): string[] {
    return this.log.splice(0);
  }
}

/** Keeps the ranges that it was told of, and refuses a stream that makes no sense. */
class Follower implements MemoryListener {
  readonly priority = 0;
  readonly sections: MemorySection[] = [];

  regionAdd(section: MemorySection): void {
    const last = section.start + section.size - 1n;
    const overlapping = this.sections.filter(
      (other) => other.start <= last && section.start < other.start + other.size,
    );
    expect(overlapping.map(sectionText)).toEqual([]);
    this.sections.push(section);
  }

  regionDelete(section: MemorySection): void {
    const index = this.sections.findIndex((other) => sectionText(other) === sectionText(section));
    expect(index).toBeGreaterThanOrEqual(0);
    this.sections.splice(index, 1);
  }

  texts(): string[] {
    return this.sections.toSorted((a, b) => (a.start < b.start ? -1 : 1)).map(sectionText);
  }
}

function twoPages(): { space: AddressSpace; root: MemoryRegion; low: MemoryRegion; high: MemoryRegion } {
  const topology = newTopology();
  const root = MemoryRegion.container(topology, 'root', WHOLE);
  const low = ram(topology, 'low', 0x1000n);
  const high = ram(topology, 'high', 0x1000n);
  root.addSubregion(0n, low);
  root.addSubregion(0x1000n, high);
  return { space: topology.createAddressSpace('space', root), root, low, high };
}

type Change = readonly [region: number, what: number, value: number];

function apply(tree: RandomTree, [index, what, value]: Change): void {
  const region = tree.regions[index % tree.regions.length]!;
  const { parent } = region;
  if (what === 0) region.setEnabled(!region.enabled);
  else if (what === 1) region.setAddress(BigInt(value));
  else if (what === 2) region.setPriority((value % 5) - 2);
  else if (what === 3) region.setSize(BigInt(value));
  else if (what === 4 && region.kind === 'alias') region.setAliasOffset(BigInt(value));
  else if (what === 5) region.setReadonly(!region.readonly);
  else if (what === 6 && parent !== null) {
    parent.removeSubregion(region);
    if (value % 3 !== 0) parent.addSubregion(BigInt(value), region, value % 3);
  }
}

describe('listeners', () => {
  it('can rebuild the flat view after any sequence of transactions', () => {
    const change = fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 6 }), fc.nat({ max: UNITS }));
    const transactions = fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 6 });
    fc.assert(
      fc.property(recipes, transactions, (list, sequence) => {
        const tree = buildTree(list, 1n);
        const space = tree.topology.createAddressSpace('space', tree.root);
        const follower = new Follower();
        space.addListener(follower);
        for (const changes of sequence) {
          tree.topology.transaction(() => {
            for (const one of changes) apply(tree, one);
          });
          expect(follower.texts()).toEqual(space.flatView.ranges.map(rangeText));
        }
        space.removeListener(follower);
        expect(follower.sections).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('tells a new listener everything, and a removed one that all goes', () => {
    const { space } = twoPages();
    const recorder = new Recorder();
    space.addListener(recorder);
    expect(recorder.take()).toEqual(['begin', 'add 0-4095 low@0', 'add 4096-8191 high@0', 'commit']);
    space.removeListener(recorder);
    expect(recorder.take()).toEqual(['begin', 'delete 0-4095 low@0', 'delete 4096-8191 high@0', 'commit']);
    space.removeListener(recorder);
    expect(recorder.take()).toEqual([]);
  });

  it('gives deletes in descending priority before adds in ascending priority, once per transaction', () => {
    const { space, root, low, high } = twoPages();
    const log: string[] = [];
    for (const [name, priority] of [['b ', 5] as const, ['c ', 5] as const, ['a ', 1] as const]) {
      space.addListener(new Recorder(log, name, priority));
    }
    log.length = 0;
    root.topology.transaction(() => {
      low.setEnabled(false);
      high.setAddress(0x2000n);
      low.setEnabled(true);
    });
    const inOrder = (text: string): string[] => ['a', 'b', 'c'].map((name) => `${name} ${text}`);
    const reversed = (text: string): string[] => inOrder(text).reverse();
    expect(log).toEqual([
      ...inOrder('begin'),
      ...reversed('delete 4096-8191 high@0'),
      ...inOrder('add 8192-12287 high@0'),
      ...inOrder('commit'),
    ]);
  });

  it('says nothing of a space that shows the same as before', () => {
    const { space, root, low } = twoPages();
    const recorder = new Recorder();
    space.addListener(recorder);
    recorder.take();
    const covered = MemoryRegion.reservation(root.topology, 'covered', 0x10n);
    root.addSubregion(0n, covered, -1);
    expect(recorder.take()).toEqual(['begin', 'commit']);
    low.setEnabled(true);
    expect(recorder.take()).toEqual([]);
  });

  it('undoes a listener that refuses a range when it is added', () => {
    const { space } = twoPages();
    const recorder = new Recorder();
    const refusing: MemoryListener = {
      priority: 0,
      begin: () => recorder.begin(),
      regionAdd: (section) => {
        if (section.region.name === 'high') throw new CommandError('no room for high');
        recorder.regionAdd(section);
      },
      regionDelete: (section) => recorder.regionDelete(section),
      commit: () => recorder.commit(),
    };
    expect(() => space.addListener(refusing)).toThrow('no room for high');
    expect(recorder.take()).toEqual(['begin', 'add 0-4095 low@0', 'delete 0-4095 low@0', 'commit']);
    expect(space.listeners).toEqual([]);
  });

  it('tells the others when one fails in a commit, and throws its error afterwards', () => {
    const { space, low } = twoPages();
    const recorder = new Recorder([], '', 1);
    let refuse = false;
    space.addListener({
      priority: 0,
      regionAdd: () => {
        if (refuse) throw new CommandError('full');
      },
    });
    space.addListener(recorder);
    recorder.take();
    refuse = true;
    expect(() => low.setAddress(0x8000n)).toThrow('full');
    expect(recorder.take()).toEqual(['begin', 'delete 0-4095 low@0', 'add 32768-36863 low@0', 'commit']);
  });

  it('publishes what a listener changes itself in a round of its own', () => {
    const { space, low, high } = twoPages();
    const recorder = new Recorder([], '', 1);
    space.addListener({ priority: 0, commit: () => high.setEnabled(low.enabled) });
    space.addListener(recorder);
    recorder.take();
    low.setEnabled(false);
    expect(recorder.take()).toEqual([
      'begin',
      'delete 0-4095 low@0',
      'commit',
      'begin',
      'delete 4096-8191 high@0',
      'commit',
    ]);
  });

  it('is not added twice', () => {
    const { space } = twoPages();
    const recorder = new Recorder();
    space.addListener(recorder);
    expect(() => space.addListener(recorder)).toThrow('already follows address space space');
  });
});
