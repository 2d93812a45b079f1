import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { OperationCounter } from '../../src/core/operation.ts';

describe('virtual clock', () => {
  it('runs what is due in order, each at the time it asked for, and those scheduled on the way', () => {
    const clock = new VirtualClock();
    const log: [string, bigint][] = [];
    const note = (name: string): void => void log.push([name, clock.now]);
    clock.schedule(30n, () => note('late'));
    clock.schedule(10n, () => {
      note('first');
      clock.schedule(20n, () => note('nested'));
    });
    clock.schedule(10n, () => note('second'));
    expect(clock.nextDeadline()).toBe(10n);
    clock.advanceTo(25n);
    expect(log).toEqual([
      ['first', 10n],
      ['second', 10n],
      ['nested', 20n],
    ]);
    expect(clock.now).toBe(25n);
    expect(clock.nextDeadline()).toBe(30n);
  });

  it('never goes back, and a cancelled timer never runs', () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    const handle = clock.schedule(5n, () => ran.push('cancelled'));
    clock.cancel(handle);
    clock.cancel(handle);
    clock.advanceTo(100n);
    clock.advanceTo(50n);
    expect(clock.now).toBe(100n);
    expect(ran).toEqual([]);
    expect(clock.nextDeadline()).toBeNull();
  });

  it('runs what is overdue at the next move after skipping over it', () => {
    const clock = new VirtualClock();
    const ran: bigint[] = [];
    clock.schedule(5n, () => ran.push(clock.now));
    clock.skipTo(9n);
    expect(ran).toEqual([]);
    clock.advanceTo(9n);
    expect(ran).toEqual([9n]);
  });

  it('gives each timer an operation number of its own', () => {
    const operations = new OperationCounter();
    const clock = new VirtualClock({ asOperation: (timer) => operations.run(timer) });
    const numbers: number[] = [];
    clock.schedule(1n, () => numbers.push(operations.current));
    clock.schedule(2n, () => numbers.push(operations.current));
    clock.advanceTo(3n);
    expect(numbers).toEqual([1, 2]);
  });

  it('tells watchers when the next deadline changed', () => {
    const clock = new VirtualClock();
    const deadlines: (bigint | null)[] = [];
    const stop = clock.watch(() => deadlines.push(clock.nextDeadline()));
    clock.schedule(10n, () => {});
    clock.schedule(20n, () => {});
    clock.advanceTo(15n);
    stop();
    clock.advanceTo(30n);
    expect(deadlines).toEqual([10n, 20n]);
  });

  it('runs the same timers at the same times, in whatever steps it moves', () => {
    const delays = fc.array(fc.nat({ max: 100 }), { maxLength: 20 });
    const steps = fc.array(fc.nat({ max: 40 }), { maxLength: 20 });
    fc.assert(
      fc.property(delays, steps, (times, moves) => {
        const play = (stops: readonly bigint[]): [bigint, number][] => {
          const clock = new VirtualClock();
          const log: [bigint, number][] = [];
          times.forEach((at, index) => clock.schedule(BigInt(at), () => log.push([clock.now, index])));
          for (const stop of stops) clock.advanceTo(stop);
          return log;
        };
        let sum = 0n;
        const stops = moves.map((move) => (sum += BigInt(move)));
        expect(play([...stops, 1000n])).toEqual(play([1000n]));
      }),
    );
  });

  it('keeps its time over save and restore', () => {
    const clock = new VirtualClock();
    clock.advanceTo(42n);
    const copy = new VirtualClock();
    copy.restore(clock.save());
    expect(copy.now).toBe(42n);
  });
});
