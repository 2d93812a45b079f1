import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { followRealTime, keepVirtualTime } from '../../src/daemon/guest-time.ts';
import { createMachine } from '../../src/machine/create.ts';
import type { Machine } from '../../src/machine/machine.ts';

const milliseconds = 1_000_000n;

function machineWithLog(): {
  machine: Machine;
  ran: [at: bigint, operation: number][];
  schedule: (at: bigint) => void;
} {
  const machine = createMachine({ type: 'q35', noDefaults: true });
  const ran: [bigint, number][] = [];
  const schedule = (at: bigint): void =>
    void machine.clock.schedule(at, () => ran.push([machine.clock.now, machine.operations.current]));
  return { machine, ran, schedule };
}

describe('guest time that follows real time', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('runs a timer when it is due, as an operation of its own', () => {
    const { machine, ran, schedule } = machineWithLog();
    const stop = followRealTime(machine, () => performance.now());
    const before = machine.operations.last;
    machine.operations.run(() => schedule(machine.clock.now + 100n * milliseconds));
    vi.advanceTimersByTime(99);
    expect(ran).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(ran).toEqual([[100n * milliseconds, before + 2]]);
    stop();
  });

  it('comes to the present before an operation, and stands still within it', () => {
    const { machine, ran, schedule } = machineWithLog();
    let host = 0;
    const stop = followRealTime(machine, () => host);
    schedule(5n * milliseconds);
    host = 10;
    machine.operations.run(() => {
      expect(machine.clock.now).toBe(10n * milliseconds);
      expect(ran).toHaveLength(1);
      host = 20;
      machine.operations.run(() => expect(machine.clock.now).toBe(10n * milliseconds));
    });
    stop();
  });

  it('stands still while the machine is stopped', () => {
    const { machine, ran, schedule } = machineWithLog();
    const stop = followRealTime(machine, () => performance.now());
    vi.advanceTimersByTime(10);
    machine.operations.run(() => machine.stop());
    schedule(machine.clock.now + 5n * milliseconds);
    vi.advanceTimersByTime(1000);
    expect(ran).toEqual([]);
    expect(machine.clock.now).toBe(10n * milliseconds);
    machine.operations.run(() => machine.cont());
    vi.advanceTimersByTime(6);
    expect(ran.map(([at]) => at)).toEqual([15n * milliseconds]);
    stop();
  });

  it('leaves nothing behind when it ends', () => {
    const { machine, schedule } = machineWithLog();
    const stop = followRealTime(machine, () => performance.now());
    schedule(1000n * milliseconds);
    stop();
    expect(vi.getTimerCount()).toBe(0);
    schedule(10n * milliseconds);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('virtual guest time', () => {
  it('runs what became due while the machine was stopped when it goes on', () => {
    const { machine, ran, schedule } = machineWithLog();
    const stop = keepVirtualTime(machine);
    schedule(5n);
    machine.operations.run(() => machine.stop());
    machine.clock.skipTo(9n);
    expect(ran).toEqual([]);
    machine.operations.run(() => machine.cont());
    expect(ran.map(([at]) => at)).toEqual([9n]);
    stop();
  });
});
