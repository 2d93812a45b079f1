import type { Machine } from '../machine/machine.ts';

/** The longest wait of `setTimeout`, in milliseconds; a deadline that lies further away is looked at again then. */
const LONGEST_WAIT = 2 ** 31 - 1;

/**
 * Moves the machine's clock by real time while the machine runs: before each operation, so that guest time stands
 * still within one, and when a timer is due.
 * @param milliseconds a clock of the host that never goes back
 * @returns a function that ends it
 */
export function followRealTime(machine: Machine, milliseconds: () => number): () => void {
  const { clock, operations } = machine;
  let timer: NodeJS.Timeout | null = null;
  /** Guest time and host time when the machine last began to run; null while it does not. */
  let start: { readonly guest: bigint; readonly host: number } | null = null;

  const present = (): bigint => {
    if (start === null) return clock.now;
    return start.guest + BigInt(Math.round((milliseconds() - start.host) * 1_000_000));
  };
  const arm = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const deadline = clock.nextDeadline();
    if (start === null || deadline === null) return;
    const wait = Math.ceil(Number(deadline - present()) / 1_000_000);
    timer = setTimeout(follow, Math.min(Math.max(wait, 0), LONGEST_WAIT));
  };
  const follow = (): void => {
    if (start === null) return;
    clock.advanceTo(present());
    arm();
  };
  const noticeRunState = (): void => {
    if (machine.runState.running === (start !== null)) return;
    start = machine.runState.running ? { guest: clock.now, host: milliseconds() } : null;
    arm();
  };

  operations.beforeEach(() => {
    if (start !== null) clock.advanceTo(present());
  });
  const stops = [clock.watch(arm), machine.subscribe(noticeRunState)];
  noticeRunState();
  return () => {
    operations.beforeEach(null);
    for (const stop of stops) stop();
    if (timer !== null) clearTimeout(timer);
    start = null;
  };
}

/**
 * Guest time under `-accel qtest`: it moves by the protocol alone. What became due while the machine was stopped runs
 * when it goes on. @returns a function that ends it
 */
export function keepVirtualTime(machine: Machine): () => void {
  return machine.subscribe(({ name }) => {
    if (name === 'RESUME') machine.clock.advanceTo(machine.clock.now);
  });
}
