import { beforeEach, describe, expect, it } from 'vitest';
import type { CheckName } from '../../src/trace/checks.ts';
import { DmaMap } from '../../src/vfio/dma-map.ts';
import { Isolation } from '../../src/vfio/isolation.ts';
import { refusal, VfioRig } from './rig.ts';

let rig: VfioRig;
let map: DmaMap;
beforeEach(() => {
  rig = new VfioRig({ unit: false });
  map = new DmaMap({
    container: 7,
    tenant: { device: () => 'nic0', isShared: () => false, tables: () => null },
    isolation: new Isolation(rig.trace.parts),
    table: rig.host.iommu.createPageTable(),
    memory: rig.host.memory,
    ...rig.trace.parts,
  });
});

/** One operation. */
const operation = (body: () => void): void => rig.operations.run(body);
const mapPages = (iova: bigint, size: bigint, gpa = iova, readonly = false): void =>
  map.mapRam({ iova, gpa, size, block: rig.low.block!, offset: gpa, readonly, translated: true });
const unmap = (iova: bigint, size: bigint, sweep = false): void => map.unmap({ iova, size, sweep });
const violations = (name: CheckName): number => rig.trace.checks.list().find((one) => one.name === name)!.violations;

describe('bad-unmap', () => {
  it.each<[string, bigint, bigint, number]>([
    ['exactly what was mapped', 0x1_0000n, 0x2000n, 0],
    ['two mappings in a row', 0x1_0000n, 0x3000n, 0],
    ['nothing', 0x4_0000n, 0x1000n, 1],
    ['a range that is mapped in part', 0x1_0000n, 0x4000n, 1],
  ])('is asked of %s', (_what, iova, size, count) => {
    operation(() => mapPages(0x1_0000n, 0x2000n));
    operation(() => mapPages(0x1_2000n, 0x1000n));
    operation(() => unmap(iova, size));
    expect(violations('bad-unmap')).toBe(count);
  });

  it('lets a sweep find whatever there is, but not split it', () => {
    operation(() => unmap(0n, 1n << 64n, true));
    operation(() => mapPages(0x1_0000n, 0x2000n));
    operation(() => unmap(0n, 0x2_0000n, true));
    expect([violations('bad-unmap'), map.table.rangeCount]).toEqual([0, 0]);
    operation(() => mapPages(0x1_0000n, 0x2000n));
    expect(refusal(() => operation(() => unmap(0n, 0x1_1000n, true)))).toContain('would split the mapping');
    expect([violations('bad-unmap'), map.table.rangeCount]).toEqual([1, 1]);
  });

  it('does not mind the unmap of what could not be mapped, once', () => {
    operation(() => mapPages(0x1_0000n, 0x1000n));
    expect(refusal(() => operation(() => mapPages(0x1_0000n, 0x2000n)))).toContain('is mapped already');
    expect(map.isRefused(0x1_1000n, 0x1000n)).toBe(true);
    operation(() => unmap(0x1_0000n, 0x1000n));
    const saved = map.save();
    operation(() => unmap(0x1_0000n, 0x2000n));
    expect([violations('bad-unmap'), map.save()]).toEqual([0, { refused: [] }]);
    operation(() => unmap(0x1_0000n, 0x2000n));
    expect(violations('bad-unmap')).toBe(1);
    map.restore(saved);
    operation(() => unmap(0x1_0000n, 0x2000n));
    expect(violations('bad-unmap')).toBe(1);
  });

  it('is off by its name', () => {
    rig.trace.checks.set('bad-unmap', { enabled: false });
    operation(() => unmap(0n, 0x1000n));
    expect(violations('bad-unmap')).toBe(0);
  });
});

describe('transient-empty-table', () => {
  it('sees what one operation sweeps away and brings back, once for all of it', () => {
    operation(() => {
      mapPages(0n, 0x1000n);
      mapPages(0x2000n, 0x1000n);
    });
    operation(() => {
      unmap(0n, 1n << 64n, true);
      mapPages(0n, 0x1000n);
      mapPages(0x2000n, 0x1000n);
    });
    expect(violations('transient-empty-table')).toBe(1);
  });

  it.each<[string, () => void]>([
    ['another place', () => mapPages(0n, 0x1000n, 0x5000n)],
    ['other rights', () => mapPages(0n, 0x1000n, 0n, true)],
    ['another size', () => mapPages(0n, 0x2000n)],
  ])('does not mind %s', (_what, change) => {
    operation(() => mapPages(0n, 0x1000n));
    operation(() => {
      unmap(0n, 1n << 64n, true);
      change();
    });
    expect(violations('transient-empty-table')).toBe(0);
  });

  it('does not mind what the guest itself unmaps and maps, nor what comes back in the next operation', () => {
    operation(() => mapPages(0n, 0x1000n));
    operation(() => {
      unmap(0n, 0x1000n);
      mapPages(0n, 0x1000n);
    });
    operation(() => unmap(0n, 1n << 64n, true));
    operation(() => mapPages(0n, 0x1000n));
    expect(violations('transient-empty-table')).toBe(0);
  });
});

describe('injected faults', () => {
  it('fail a map or an unmap with their sentence, and leave the table as it was', () => {
    const { faults } = rig.trace;
    faults.inject({ point: 'map', kind: 'fail', device: 'nic0' });
    expect(refusal(() => operation(() => mapPages(0n, 0x1000n)))).toContain('fault point map fails');
    operation(() => mapPages(0n, 0x1000n));
    faults.inject({ point: 'unmap', kind: 'fail' });
    expect(refusal(() => operation(() => unmap(0n, 0x1000n)))).toContain('fault point unmap fails');
    expect(map.table.rangeCount).toBe(1);
  });

  it('lose a map or an unmap, and nobody is told', () => {
    const { faults } = rig.trace;
    faults.inject({ point: 'map', kind: 'lose' });
    operation(() => mapPages(0n, 0x1000n));
    expect(map.table.rangeCount).toBe(0);
    operation(() => mapPages(0n, 0x1000n));
    faults.inject({ point: 'unmap', kind: 'lose' });
    operation(() => unmap(0n, 0x1000n));
    expect(map.table.rangeCount).toBe(1);
    expect(rig.changes()).toHaveLength(1);
  });
});
