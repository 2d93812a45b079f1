import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { CommandError } from '../../src/core/errors.ts';
import { FaultPath } from '../../src/trace/fault-path.ts';
import { FaultPoints } from '../../src/trace/fault-points.ts';

const MILLISECOND = 1_000_000n;

/** Steps are texts; what was carried out is kept in order. */
function rig() {
  const faults = new FaultPoints();
  const clock = new VirtualClock();
  const done: string[] = [];
  const path = new FaultPath<string, number>({
    point: 'invalidate',
    faults,
    clock,
    device: () => 'nic0',
    carryOut: (step) => {
      if (step === 'bad') throw new CommandError('bad step');
      return done.push(step);
    },
  });
  return { faults, clock, done, path };
}

describe('a path where faults can hold steps', () => {
  it('carries out what no fault takes, and passes its errors on', () => {
    const { done, faults, path } = rig();
    faults.inject({ point: 'listener', kind: 'lose' });
    faults.inject({ point: 'invalidate', kind: 'lose', device: 'nic1' });
    expect([path.take('a'), path.take('b'), done]).toEqual([1, 2, ['a', 'b']]);
    expect(() => path.take('bad')).toThrow('bad step');
  });

  it('loses and fails as it was told, once by default', () => {
    const { done, faults, path } = rig();
    faults.inject({ point: 'invalidate', kind: 'lose' });
    expect([path.take('a'), path.take('b'), done]).toEqual([null, 1, ['b']]);
    const id = faults.inject({ point: 'invalidate', kind: 'fail', after: 1 });
    expect(path.take('c')).toBe(2);
    expect(() => path.take('d')).toThrow(`Injected fault '${id}': pass 2 of fault point invalidate fails`);
    expect(done).toEqual(['b', 'c']);
  });

  it('carries out late what waits for guest time, in the order of time; an error then concerns nobody', () => {
    const { clock, done, faults, path } = rig();
    faults.inject({ point: 'invalidate', kind: 'delay', delayMs: 3 });
    faults.inject({ point: 'invalidate', kind: 'delay', delayMs: 1, count: 2 });
    for (const step of ['late', 'bad', 'early', 'now']) path.take(step);
    expect(done).toEqual(['now']);
    clock.advanceTo(2n * MILLISECOND);
    expect(done).toEqual(['now', 'early']);
    clock.advanceTo(3n * MILLISECOND);
    expect([done, clock.nextDeadline()]).toEqual([['now', 'early', 'late'], null]);
  });

  it('puts a step behind the next one', () => {
    const { done, faults, path } = rig();
    faults.inject({ point: 'invalidate', kind: 'reorder', count: 2 });
    for (const step of ['a', 'b', 'c', 'd']) path.take(step);
    expect(done).toEqual(['c', 'a', 'b', 'd']);
  });

  it('saves what it holds back, and can forget it', () => {
    const { clock, done, faults, path } = rig();
    faults.inject({ point: 'invalidate', kind: 'delay', delayMs: 2 });
    faults.inject({ point: 'invalidate', kind: 'reorder' });
    for (const step of ['late', 'behind']) path.take(step);
    const saved = structuredClone(path.save());
    expect(saved).toEqual({ late: [{ at: 2n * MILLISECOND, step: 'late' }], waiting: ['behind'] });
    path.drop();
    expect([path.save(), clock.nextDeadline()]).toEqual([{ late: [], waiting: [] }, null]);
    path.restore(saved);
    expect(path.save()).toEqual(saved);
    path.take('next');
    clock.advanceTo(5n * MILLISECOND);
    expect(done).toEqual(['next', 'behind', 'late']);
  });
});
