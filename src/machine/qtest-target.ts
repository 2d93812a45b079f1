import type { InterceptOutcome, LineDirection, LineWatcher, QtestTarget } from '../qtest/target.ts';
import type { QomObject } from '../qom/object.ts';
import { resolvePath } from '../qom/tree.ts';
import { InterruptLines } from './interrupt-lines.ts';
import type { Machine } from './machine.ts';

const IO_APIC = 'ioapic';

export interface QtestTargetOptions {
  /** Guest time moves by the protocol alone (`-accel qtest`). */
  readonly virtualTime: boolean;
}

/** The machine as the qtest protocol drives it: in the place of a processor. */
export class MachineQtestTarget implements QtestTarget {
  readonly virtualTime: boolean;
  readonly #machine: Machine;
  #intercepted: { readonly device: unknown; readonly stop: () => void } | null = null;

  constructor(machine: Machine, options: QtestTargetOptions) {
    this.virtualTime = options.virtualTime;
    this.#machine = machine;
  }

  operation<T>(body: () => T): T {
    return this.#machine.operations.run(body);
  }

  readMemory(address: bigint, into: Uint8Array): void {
    this.#machine.memory.read(address, into);
  }

  writeMemory(address: bigint, bytes: Uint8Array): void {
    this.#machine.memory.write(address, bytes);
  }

  readPort(port: number, size: 1 | 2 | 4): number {
    const bytes = new Uint8Array(4);
    const { ok } = this.#machine.io.read(BigInt(port), bytes.subarray(0, size));
    if (!ok) bytes.fill(0xff, 0, size);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  writePort(port: number, size: 1 | 2 | 4, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.#machine.io.write(BigInt(port), bytes.subarray(0, size));
  }

  clockStep(nanoseconds: bigint | null): bigint {
    const { clock } = this.#machine;
    const deadline = nanoseconds === null ? clock.nextDeadline() : clock.now + nanoseconds;
    return deadline === null ? clock.now : this.clockSet(deadline);
  }

  clockSet(at: bigint): bigint {
    const { clock, runState } = this.#machine;
    // Timers belong to the running machine: while it is stopped only the hands of the clock move.
    if (runState.running) clock.advanceTo(at);
    else clock.skipTo(at);
    return clock.now;
  }

  interceptInterrupts(path: string, direction: LineDirection, watcher: LineWatcher): InterceptOutcome {
    const device = this.#deviceOf(path);
    if (device === null) return 'unknown-device';
    if (this.#intercepted !== null) return this.#intercepted.device === device ? 'ok' : 'already-intercepted';
    // Only the I/O APIC's inputs are modelled; the lines of any other device never change.
    const modelled = device === IO_APIC && direction === 'in';
    const stop = modelled ? this.#machine.interruptLines.watch(watcher) : (): void => {};
    this.#intercepted = { device, stop };
    return 'ok';
  }

  setInterrupt(
    path: string,
    name: string | null,
    line: bigint,
    level: bigint,
  ): 'unknown-device' | 'no-such-line' | null {
    const device = this.#deviceOf(path);
    if (device === null) return 'unknown-device';
    const known = device === IO_APIC && name === null && line >= 0n && line <= 0xffffn;
    return known && this.#machine.interruptLines.set(Number(line), level !== 0n) ? null : 'no-such-line';
  }

  releaseInterrupts(): void {
    this.#intercepted?.stop();
    this.#intercepted = null;
  }

  /** The I/O APIC is no object of the tree, since no command can do anything with it; its name is known all the same. */
  #deviceOf(path: string): typeof IO_APIC | QomObject | null {
    if (this.#machine.rootBus !== null && InterruptLines.isIoApic(path)) return IO_APIC;
    const { object } = resolvePath(this.#machine.qom, path);
    return object?.isA('device') === true ? object : null;
  }
}
