import { describe, expect, it } from 'vitest';
import { Breakpoints } from '../../src/trace/breakpoints.ts';
import type { ModelEvent } from '../../src/trace/model-events.ts';

const completed = (device: string): ModelEvent => ({
  name: 'DMA_COMPLETED',
  data: { dma: 1, device, status: 'ok', sequence: 1, operation: 1 },
});
const unmapped: ModelEvent = {
  name: 'VFIO_DMA_UNMAPPED',
  data: { container: 0, iova: 0n, size: 4096n, sequence: 2, operation: 1 },
};

describe('breakpoints', () => {
  it('match by a glob over names', () => {
    const breakpoints = new Breakpoints();
    expect(breakpoints.matches(unmapped)).toBe(false);
    breakpoints.add('VFIO_DMA_*');
    expect(breakpoints.matches(unmapped)).toBe(true);
    expect(breakpoints.matches(completed('nic0'))).toBe(false);
  });

  it('match by device, and then no event without one', () => {
    const breakpoints = new Breakpoints();
    breakpoints.add('*', 'nic0');
    expect(breakpoints.matches(completed('nic0'))).toBe(true);
    expect(breakpoints.matches(completed('nic1'))).toBe(false);
    expect(breakpoints.matches(unmapped)).toBe(false);
  });

  it('get ids that are not given twice', () => {
    const breakpoints = new Breakpoints();
    expect([breakpoints.add('IOMMU_*'), breakpoints.add('DMA_*', 'nic0')]).toEqual(['break1', 'break2']);
    breakpoints.remove('break2');
    expect(breakpoints.add('HOST_*')).toBe('break3');
    expect(breakpoints.list()).toEqual([
      { id: 'break1', event: 'IOMMU_*' },
      { id: 'break3', event: 'HOST_*' },
    ]);
    expect(() => breakpoints.remove('break2')).toThrow(
      expect.objectContaining({ message: "There is no breakpoint 'break2': query-breaks lists them" }),
    );
  });

  it('that could never be met are refused', () => {
    expect(() => new Breakpoints().add('VFIO_DMA_*', 'nic0')).toThrow(
      "No event that matches 'VFIO_DMA_*' is about one device: leave 'device' out",
    );
    for (const event of ['RESET', 'dma_completed', 'DMA_COMPLETE', '']) {
      expect(() => new Breakpoints().add(event)).toThrow(
        `No event of the model matches '${event}': breakpoints are for those that carry a sequence number`,
      );
    }
  });

  it('are saved and restored', () => {
    const breakpoints = new Breakpoints();
    breakpoints.add('DMA_*', 'nic0');
    breakpoints.add('IOMMU_*');
    breakpoints.remove('break2');
    const other = new Breakpoints();
    other.add('HOST_*');
    other.restore(structuredClone(breakpoints.save()));
    expect(other.list()).toEqual(breakpoints.list());
    expect(other.add('HOST_*')).toBe('break3');
  });
});
