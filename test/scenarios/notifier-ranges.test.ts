/** Notifiers whose range is not that of their region, as those of emulated processors are. */
import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { MapUnit, testNotifier } from '../memory/iommu-unit.ts';
import { newTopology, PAGE, ram } from '../memory/support.ts';

const REGION = 0x1_0000_0000n;

describe('a notifier that asks for all of 64 bits, of a region that has 32 (QEMU b1ab8f9cc5)', () => {
  /** A unit that insists, as QEMU did for a while: its boards no longer started. */
  class StrictUnit extends MapUnit {
    override notifyFlagChanged(): void {
      const beyond = this.region.notifiers.find(({ last }) => last >= this.region.size);
      if (beyond !== undefined) throw new CommandError(`${beyond.name} reaches beyond the region`);
    }
  }
  const unitOf = (Unit: typeof MapUnit): MapUnit => {
    const topology = newTopology();
    return new Unit(topology, topology.createAddressSpace('memory', ram(topology, 'ram', 0x10_0000n)), REGION);
  };

  it('is refused, and hears nothing', () => {
    const unit = unitOf(StrictUnit);
    const all = testNotifier('all', ['map', 'unmap']);
    expect(() => unit.region.registerNotifier(all.notifier)).toThrow('reaches beyond the region');
    expect(unit.map(0x1000n, 0x5000n)).toEqual([]);
    expect(all.log).toEqual([]);
  });

  it('hears all that the region has', () => {
    const unit = unitOf(MapUnit);
    const all = testNotifier('all', ['map', 'unmap']);
    unit.region.registerNotifier(all.notifier);
    unit.map(REGION - PAGE, 0x5000n);
    unit.region.replay(all.notifier);
    unit.unmap(REGION - PAGE);
    expect(all.log).toEqual([
      'map 0xfffff000+0x1000 to 0x5000 perm 3',
      'map 0xfffff000+0x1000 to 0x5000 perm 3',
      'unmap 0xfffff000+0x1000',
    ]);
  });
});
