import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { Trace } from '../../src/trace/trace.ts';

function completed(trace: Trace, device: string): void {
  trace.events.emit('DMA_COMPLETED', { dma: 1, device, status: 'ok' });
}

describe('the trace of a model', () => {
  it('breaks behind the event, when everybody has it', () => {
    const trace = new Trace(new OperationCounter());
    const told: string[] = [];
    trace.onBreak(() => told.push('break'));
    trace.events.subscribe(({ name }) => told.push(name));
    trace.log.subscribe(({ event }) => told.push(`log ${event.name}`));
    trace.breakpoints.add('DMA_*', 'nic0');
    completed(trace, 'nic1');
    completed(trace, 'nic0');
    trace.checks.set('bad-unmap', { stop: true });
    trace.checks.fail('bad-unmap', { desc: 'x' });
    expect(told).toEqual([
      'log DMA_COMPLETED',
      'DMA_COMPLETED',
      'log DMA_COMPLETED',
      'DMA_COMPLETED',
      'break',
      'log MODEL_CHECK_FAILED',
      'MODEL_CHECK_FAILED',
      'break',
    ]);
  });

  it('is saved and restored as a whole', () => {
    const trace = new Trace(new OperationCounter());
    completed(trace, 'nic0');
    trace.checks.fail('isolation', { desc: 'x' });
    trace.faults.inject({ point: 'map', kind: 'fail' });
    trace.breakpoints.add('IOMMU_FAULT');
    const saved = structuredClone(trace.save());
    const other = new Trace(new OperationCounter());
    other.restore(saved);
    expect(other.save()).toEqual(saved);
    completed(other, 'nic0');
    expect(other.log.read(2).events.map(({ event }) => event.data.sequence)).toEqual([2, 3]);
  });
});
