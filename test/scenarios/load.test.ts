/**
 * A state that is loaded shows devices what it did when it was saved (QEMU 552a1e01a4, d355566bd9: DMA to the wrong
 * address space is destructive; bd02851d89: a binding that was lost on the way).
 */
import { describe, expect, it } from 'vitest';
import { IntelIommuUnit, type IntelIommuUnitState } from '../../src/iommu/intel/unit.ts';
import type { HostState } from '../../src/host/host.ts';
import { HandlerRig } from '../support/handlers.ts';

const IOVA = 0x4000_0000n;
const PAGE = 0x20_0000n;

class LoadRig extends HandlerRig {
  /** With `nic0` in the hands of a guest that maps a page for it; in scalable mode, of one of its processes. */
  constructor(mode: 'legacy' | 'scalable') {
    super();
    this.do(() => this.run('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' }));
    this.do(() => this.run('guest-iommu-enable', { mode }));
    if (mode === 'legacy')
      this.do(() => this.run('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x1000n }));
    else this.do(() => this.run('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': 0x11_0000n }));
  }

  get unit(): IntelIommuUnit {
    const [unit] = this.machine.units;
    if (unit instanceof IntelIommuUnit) return unit;
    throw new Error('there is no unit');
  }

  do<Result>(body: () => Result): Result {
    return this.machine.operations.run(body);
  }

  /** Saves, and lets a reset go over all that is not in guest RAM. */
  save(): { unit: IntelIommuUnitState; host: HostState } {
    const state = { unit: this.unit.save(), host: this.machine.host.save() };
    this.do(() => this.run('system_reset', {}));
    return state;
  }

  /** What the check says behind a load. */
  load(body: () => void): string[] {
    this.takeEvents();
    this.do(() => {
      body();
      this.machine.checkLayout('load');
    });
    return this.takeEvents().flatMap(({ name, data }) => (name === 'MODEL_CHECK_FAILED' ? [data.desc] : []));
  }
}

describe('mappings of a saved guest', () => {
  it('are lost while the region is switched', () => {
    const rig = new LoadRig('legacy');
    const saved = rig.save();
    rig.run('fault-inject', { point: 'map', kind: 'lose' });
    expect(rig.load(() => rig.unit.restore(saved.unit))).toEqual([
      'After a load, 0x40000000-0x40000fff is not mapped as it should be in container 0',
    ]);
  });

  it('are replayed', () => {
    const rig = new LoadRig('legacy');
    const saved = rig.save();
    expect(rig.load(() => rig.unit.restore(saved.unit))).toEqual([]);
    expect(rig.machine.host.describe()['page-tables']).toHaveLength(1);
  });
});

describe('a PASID table of a saved guest', () => {
  it('is bound for the guest, and not on the host', () => {
    const rig = new LoadRig('scalable');
    const saved = rig.save();
    expect(rig.load(() => rig.unit.restore(saved.unit))).toEqual([
      expect.stringMatching(
        /^After a load, the PASID table bound for 'nic0' is the one at 0x\w+, and the host nests none$/,
      ),
    ]);
  });

  it('is bound on both sides', () => {
    const rig = new LoadRig('scalable');
    const saved = rig.save();
    const both = (): void => {
      rig.unit.restore(saved.unit);
      rig.machine.host.restore(saved.host);
    };
    expect(rig.load(both)).toEqual([]);
  });
});
