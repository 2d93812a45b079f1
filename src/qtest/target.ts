/** Whether an interrupt line goes into a device or comes out of it. */
export type LineDirection = 'in' | 'out';

/** What became of a wish to watch a device's interrupt lines. */
export type InterceptOutcome = 'ok' | 'unknown-device' | 'already-intercepted';

/** What happens on an intercepted line. */
export type LineWatcher = (line: number, raised: boolean) => void;

/** What the qtest protocol needs of a machine; the room above implements it. */
export interface QtestTarget {
  /** True where guest time moves by the protocol alone; the commands of the clock exist only then. */
  readonly virtualTime: boolean;

  /** Runs one command as one operation of the model. */
  operation<T>(body: () => T): T;

  /**
   * Reads system memory as a processor would. 1, 2, 4 and 8 bytes are one access. Where nothing answers, `into` keeps
   * what it held.
   */
  readMemory(address: bigint, into: Uint8Array): void;

  /** Writes system memory as a processor would. 1, 2, 4 and 8 bytes are one access; what nothing takes is lost. */
  writeMemory(address: bigint, bytes: Uint8Array): void;

  /** Reads an I/O port, 0 to 0xffff; all ones where nothing answers. */
  readPort(port: number, size: 1 | 2 | 4): number;

  /** Writes an I/O port, 0 to 0xffff. `value` fits `size` bytes. */
  writePort(port: number, size: 1 | 2 | 4, value: number): void;

  /**
   * Moves guest time on by `nanoseconds`, or with null to the next deadline, and runs what is due on the way, each as
   * an operation of its own. Without a deadline, or by a negative number, nothing moves.
   * @returns the new time in nanoseconds
   */
  clockStep(nanoseconds: bigint | null): bigint;

  /** Moves guest time to `at`, as above. @returns the new time */
  clockSet(at: bigint): bigint;

  /** Tells `watcher` of each change on the lines of the device that `path` names in the object tree. */
  interceptInterrupts(path: string, direction: LineDirection, watcher: LineWatcher): InterceptOutcome;

  /**
   * Drives an input line of the device that `path` names.
   * @param name of the group of lines; null for the unnamed one
   * @returns what is wrong, null where it was done
   */
  setInterrupt(
    path: string,
    name: string | null,
    line: bigint,
    level: bigint,
  ): 'unknown-device' | 'no-such-line' | null;

  /** Ends what `interceptInterrupts` began. */
  releaseInterrupts(): void;
}
