import { describe, expect, it } from 'vitest';
import { FaultPoints, type FaultOrder } from '../../src/trace/fault-points.ts';

/** What `passes` passes of a point meet: the initials of the kinds, a dot where nothing happens. */
function meet(faults: FaultPoints, passes: number, point: FaultOrder['point'] = 'invalidate', device?: string): string {
  return Array.from({ length: passes }, () => faults.reach(point, device)?.kind[0] ?? '.').join('');
}

function refusal(order: FaultOrder): string {
  try {
    new FaultPoints().inject(order);
  } catch (error) {
    return (error as Error).message;
  }
  return 'not refused';
}

describe('fault points', () => {
  it('let everything through until something is injected, and after it was taken back', () => {
    const faults = new FaultPoints();
    expect(meet(faults, 3)).toBe('...');
    const id = faults.inject({ point: 'invalidate', kind: 'lose', count: 9 });
    expect(meet(faults, 2)).toBe('ll');
    faults.clear(id);
    expect(meet(faults, 2)).toBe('..');
    faults.inject({ point: 'invalidate', kind: 'lose' });
    faults.clear();
    expect(meet(faults, 2)).toBe('..');
  });

  it('hit the first pass, or as many as are wanted behind those that are let through', () => {
    const one = new FaultPoints();
    one.inject({ point: 'invalidate', kind: 'lose' });
    expect(meet(one, 4)).toBe('l...');
    const later = new FaultPoints();
    later.inject({ point: 'invalidate', kind: 'reorder', after: 2, count: 3 });
    expect(meet(later, 7)).toBe('..rrr..');
    expect(later.list()).toEqual([{ id: 'fault1', point: 'invalidate', kind: 'reorder', after: 2, count: 3, hits: 3 }]);
  });

  it('count passes of their own point and device alone', () => {
    const faults = new FaultPoints();
    faults.inject({ point: 'invalidate', kind: 'lose', after: 1, device: 'nic0' });
    expect(meet(faults, 3, 'bind', 'nic0')).toBe('...');
    expect(meet(faults, 3, 'invalidate', 'nic1')).toBe('...');
    expect(meet(faults, 3, 'invalidate')).toBe('...');
    expect(meet(faults, 3, 'invalidate', 'nic0')).toBe('.l.');
  });

  it('with several of one point: each counts what the earlier ones let through', () => {
    const faults = new FaultPoints();
    faults.inject({ point: 'invalidate', kind: 'lose', after: 1 });
    faults.inject({ point: 'invalidate', kind: 'reorder', after: 1, count: 2 });
    expect(meet(faults, 5)).toBe('.lrr.');
  });

  it('with a seed hit about every other pass, the same ones in each run', () => {
    const run = (seed: number): string => {
      const faults = new FaultPoints();
      faults.inject({ point: 'invalidate', kind: 'lose', count: 1000, seed });
      return meet(faults, 200);
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
    const hits = run(1).replaceAll('.', '').length;
    expect(hits).toBeGreaterThan(70);
    expect(hits).toBeLessThan(130);
  });

  it('say why something fails, and for how long it is delayed', () => {
    const faults = new FaultPoints();
    faults.inject({ point: 'bind', kind: 'fail', after: 1 });
    faults.inject({ point: 'invalidate', kind: 'delay', delayMs: 3 });
    expect(faults.reach('bind')).toBeNull();
    expect(faults.reach('bind')).toEqual({
      kind: 'fail',
      desc: "Injected fault 'fault1': pass 2 of fault point bind fails",
    });
    expect(faults.reach('invalidate')).toEqual({ kind: 'delay', nanoseconds: 3_000_000n });
  });

  it('refuse what has no meaning', () => {
    expect(refusal({ point: 'bind', kind: 'lose' })).toMatch(/^Fault point 'bind' has no kind 'lose': choose fail/);
    expect(refusal({ point: 'invalidate', kind: 'delay' })).toBe(
      "Kind 'delay' needs 'delay-ms', in milliseconds of guest time",
    );
    expect(refusal({ point: 'map', kind: 'fail', delayMs: 1 })).toBe(
      "Kind 'fail' takes no 'delay-ms': leave it out, or choose kind 'delay'",
    );
    expect(() => new FaultPoints().clear('fault9')).toThrow(
      "There is no injected fault 'fault9': query-faults-injected lists them",
    );
  });

  it('are saved and restored in the middle of their passes', () => {
    const faults = new FaultPoints();
    faults.inject({ point: 'invalidate', kind: 'lose', after: 2, count: 40, seed: 7 });
    faults.inject({ point: 'listener', kind: 'delay', delayMs: 5, device: 'nic0' });
    meet(faults, 20);
    const other = new FaultPoints();
    other.inject({ point: 'map', kind: 'fail' });
    other.restore(structuredClone(faults.save()));
    expect(other.list()).toEqual(faults.list());
    expect(meet(other, 100)).toBe(meet(faults, 100));
    expect(other.inject({ point: 'map', kind: 'fail' })).toBe('fault3');
  });
});
