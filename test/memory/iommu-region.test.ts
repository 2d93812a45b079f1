import { describe, expect, it } from 'vitest';
import { Permission } from '../../src/memory/access.ts';
import { RegionNotifier } from '../../src/memory/iommu-region.ts';
import { MapUnit, testNotifier } from './iommu-unit.ts';
import { PAGE, newTopology, ram } from './support.ts';

function unit(size?: bigint): MapUnit {
  const topology = newTopology();
  const memory = topology.createAddressSpace('memory', ram(topology, 'ram', 0x100000n));
  return new MapUnit(topology, memory, size);
}

const ok = (name: string) => ({ listener: name, device: `device of ${name}`, kind: 'vfio', status: 'ok' });

describe('region notifiers', () => {
  it('get the events that they ask for, in the order of registration', () => {
    const u = unit();
    const both = testNotifier('both', ['map', 'unmap']);
    const unmaps = testNotifier('unmaps', ['unmap']);
    const device = testNotifier('device', ['deviotlb-unmap']);
    for (const { notifier } of [both, unmaps, device]) u.region.registerNotifier(notifier);
    expect(u.map(0x1000n, 0x5000n, PAGE, Permission.read)).toEqual([ok('both')]);
    expect(u.unmap(0x1000n)).toEqual([ok('both'), ok('unmaps')]);
    expect(u.unmap(0x2000n, PAGE, 'deviotlb-unmap')).toEqual([ok('device')]);
    expect(both.log).toEqual(['map 0x1000+0x1000 to 0x5000 perm 1', 'unmap 0x1000+0x1000']);
    expect(unmaps.log).toEqual(['unmap 0x1000+0x1000']);
    expect(device.log).toEqual(['deviotlb-unmap 0x2000+0x1000']);
    expect([both, unmaps, device].map(({ notifier }) => notifier.delivered)).toEqual([2, 1, 1]);
  });

  it('see only their range, cropped at both ends', () => {
    const u = unit();
    const low = testNotifier('low', ['map', 'unmap'], 0n, 0x1fffn);
    const middle = testNotifier('middle', ['map', 'unmap'], 0x3000n, 0x4fffn);
    const behind = testNotifier('behind', ['map', 'unmap'], 0x10000n);
    for (const { notifier } of [low, middle, behind]) u.region.registerNotifier(notifier);
    expect(u.map(0n, 0x40000n, 0x10000n)).toEqual([ok('low'), ok('middle')]);
    u.unmap(0n, 0x10000n);
    expect(low.log).toEqual(['map 0x0+0x2000 to 0x40000 perm 3', 'unmap 0x0+0x2000']);
    expect(middle.log).toEqual(['map 0x3000+0x2000 to 0x43000 perm 3', 'unmap 0x3000+0x2000']);
    expect(behind.log).toEqual([]);
    expect(behind.notifier.delivered).toBe(0);
  });

  it('are undone by a veto, and the union of events is told only when it changes', () => {
    const u = unit();
    u.refused.add('map');
    const vhost = testNotifier('vhost', ['unmap']);
    const second = testNotifier('second', ['unmap']);
    const vfio = testNotifier('vfio', ['map', 'unmap']);
    u.region.registerNotifier(vhost.notifier);
    u.region.registerNotifier(second.notifier);
    expect(() => u.region.registerNotifier(vfio.notifier)).toThrow('no map without caching mode');
    expect(u.region.notifiers).toEqual([vhost.notifier, second.notifier]);
    u.refused.clear();
    u.region.registerNotifier(vfio.notifier);
    u.region.unregisterNotifier(vhost.notifier);
    u.region.unregisterNotifier(vhost.notifier);
    u.region.unregisterNotifier(vfio.notifier);
    u.region.unregisterNotifier(second.notifier);
    expect(u.flagChanges).toEqual([' -> unmap', 'unmap -> map+unmap', 'map+unmap -> unmap', 'unmap -> ']);
    expect([...u.region.events()]).toEqual([]);
  });

  it('may fail, which is counted and told, and the next one is still asked', () => {
    const u = unit();
    const full = testNotifier('full', ['map'], undefined, undefined, () => true);
    const next = testNotifier('next', ['map']);
    u.region.registerNotifier(full.notifier);
    u.region.registerNotifier(next.notifier);
    expect(u.map(0x1000n, 0x5000n)).toEqual([{ ...ok('full'), status: 'error', desc: 'full is full' }, ok('next')]);
    expect([full.notifier.delivered, full.notifier.failed]).toEqual([1, 1]);
    const state = full.notifier.save();
    u.map(0x1000n, 0x5000n);
    full.notifier.restore(state);
    expect([full.notifier.delivered, full.notifier.failed]).toEqual([1, 1]);
  });

  it('refuse what makes no sense', () => {
    const u = unit();
    const options = { name: 'n', device: 'd', kind: 'vfio', notify: () => {} } as const;
    expect(() => new RegionNotifier({ ...options, events: ['map'], start: 2n, last: 1n })).toThrow('empty range');
    expect(() => new RegionNotifier({ ...options, events: [], start: 0n, last: 1n })).toThrow('asks for no event');
    const { notifier } = testNotifier('twice', ['map']);
    u.region.registerNotifier(notifier);
    expect(() => u.region.registerNotifier(notifier)).toThrow('registered already');
    const entry = { ...u.translate(0n, 'none', {}), permissions: Permission.read };
    expect(() => u.region.notify({ type: 'unmap', entry })).toThrow('cannot carry permissions');
  });
});

describe('replay', () => {
  it('asks page by page without using anything, and maps what has rights in the range', () => {
    const u = unit(0x10000n);
    u.map(0x1000n, 0x5000n);
    u.map(0x3000n, 0x6000n, PAGE, Permission.none);
    u.map(0x4000n, 0x8000n, 0x4000n, Permission.write);
    u.map(0xf000n, 0x9000n, PAGE, Permission.read);
    u.asked.length = 0;
    const { notifier, log } = testNotifier('replayed', ['map', 'unmap']);
    u.region.replay(notifier);
    expect(log).toEqual([
      'map 0x1000+0x1000 to 0x5000 perm 3',
      'map 0x4000+0x4000 to 0x8000 perm 2',
      'map 0xf000+0x1000 to 0x9000 perm 1',
    ]);
    expect(new Set(u.asked.map((line) => line.split(' ')[0]))).toEqual(new Set(['none']));
    expect(u.asked.length).toBe(13);
  });

  it('stays inside the range of the notifier, and ends at the end of 64 bits', () => {
    const u = unit();
    const top = (1n << 64n) - 0x2000n;
    u.map(0x1000n, 0x5000n);
    u.map(top, 0x6000n, 0x2000n);
    const { notifier, log } = testNotifier('top', ['map'], top - 0x2000n + 0x10n);
    u.region.replay(notifier);
    expect(log).toEqual([`map 0x${top.toString(16)}+0x2000 to 0x6000 perm 3`]);
  });

  it('is left to a unit that knows better', () => {
    const topology = newTopology();
    const memory = topology.createAddressSpace('memory', ram(topology, 'ram', 0x100000n));
    class Knowing extends MapUnit {
      replay(notifier: RegionNotifier): void {
        notifier.deliver({ type: 'map', entry: { ...this.translate(0x1000n, 'none', {}), mask: 0xfffn } });
      }
    }
    const u = new Knowing(topology, memory);
    u.map(0x1000n, 0x5000n, 0x2000n);
    const { notifier, log } = testNotifier('replayed', ['map']);
    u.region.replay(notifier);
    expect(log).toEqual(['map 0x1000+0x1000 to 0x5000 perm 3']);
  });
});

describe('unmapRange', () => {
  it('tells by one event that all of the range is gone', () => {
    const u = unit();
    const { target } = u.translate(0n, 'none', {});
    const all = testNotifier('all', ['map', 'unmap']);
    const device = testNotifier('device', ['deviotlb-unmap'], 0x1000n, 0x2fffn);
    u.region.unmapRange(all.notifier, target);
    u.region.unmapRange(device.notifier, target);
    expect(all.log).toEqual(['unmap 0x0+0x10000000000000000']);
    expect(device.log).toEqual(['deviotlb-unmap 0x1000+0x2000']);
  });
});
