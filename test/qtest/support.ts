import { OperationCounter } from '../../src/core/operation.ts';
import { QtestLog } from '../../src/qtest/log.ts';
import { QtestSession } from '../../src/qtest/session.ts';
import type { InterceptOutcome, LineDirection, LineWatcher, QtestTarget } from '../../src/qtest/target.ts';

/** 64 KiB of memory and nothing else; ports keep what is written into them. */
export class FlatTarget implements QtestTarget {
  readonly virtualTime: boolean;
  readonly operations = new OperationCounter();
  readonly memory = new Uint8Array(0x1_0000);
  readonly ports = new Map<number, number>();
  /** Sizes of the memory accesses, in order. */
  readonly accesses: number[] = [];
  watcher: LineWatcher | null = null;
  now = 0n;

  constructor(virtualTime = true) {
    this.virtualTime = virtualTime;
  }

  operation<T>(body: () => T): T {
    return this.operations.run(body);
  }

  readMemory(address: bigint, into: Uint8Array): void {
    this.accesses.push(into.length);
    for (let index = 0; index < into.length; index += 1) into[index] = this.memory[Number(address) + index] ?? 0;
  }

  writeMemory(address: bigint, bytes: Uint8Array): void {
    this.accesses.push(bytes.length);
    if (address < 0x1_0000n) this.memory.set(bytes.subarray(0, 0x1_0000 - Number(address)), Number(address));
  }

  readPort(port: number): number {
    return this.ports.get(port) ?? 0xff;
  }

  writePort(port: number, size: 1 | 2 | 4, value: number): void {
    if (value >= 2 ** (8 * size)) throw new RangeError(`${value} does not fit ${size} bytes`);
    this.ports.set(port, value);
  }

  clockStep(nanoseconds: bigint | null): bigint {
    return this.clockSet(this.now + (nanoseconds ?? 7n));
  }

  clockSet(at: bigint): bigint {
    if (at > this.now) this.now = at;
    return this.now;
  }

  interceptInterrupts(path: string, direction: LineDirection, watcher: LineWatcher): InterceptOutcome {
    if (path !== 'ioapic' || direction !== 'in') return 'unknown-device';
    if (this.watcher !== null) return 'already-intercepted';
    this.watcher = watcher;
    return 'ok';
  }

  setInterrupt(
    path: string,
    name: string | null,
    line: bigint,
    level: bigint,
  ): 'unknown-device' | 'no-such-line' | null {
    if (path !== 'ioapic') return 'unknown-device';
    if (name !== null || line > 23n) return 'no-such-line';
    this.watcher?.(Number(line), level !== 0n);
    return null;
  }

  releaseInterrupts(): void {
    this.watcher = null;
  }
}

/** A conversation whose answers and record are kept. */
export class Conversation {
  readonly target: FlatTarget;
  readonly session: QtestSession;
  readonly internalErrors: unknown[] = [];
  sent = '';
  record = '';

  constructor(target = new FlatTarget()) {
    this.target = target;
    let seconds = 0;
    this.session = new QtestSession({
      target,
      send: (text) => (this.sent += text),
      log: new QtestLog(
        (text) => (this.record += text),
        () => (seconds += 0.5),
      ),
      onInternalError: (error) => this.internalErrors.push(error),
    });
  }

  /** Sends one line and returns what came back, without the last line end. */
  ask(line: string): string {
    this.sent = '';
    this.session.push(Buffer.from(`${line}\n`, 'latin1'));
    return this.sent.replace(/\n$/, '');
  }
}
