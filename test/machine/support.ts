import { CommandError } from '../../src/core/errors.ts';
import { createMachine, type MachineConfig } from '../../src/machine/create.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { ModelEvent } from '../../src/trace/model-events.ts';

/** A machine with what it tells: its own events and QEMU's, as texts in the order in which they came. */
export class MachineRig {
  readonly machine: Machine;
  readonly told: string[] = [];
  readonly model: ModelEvent[] = [];
  exits = 0;

  constructor(config: MachineConfig = {}) {
    this.machine = createMachine(config);
    this.machine.subscribe((event) => {
      this.told.push('data' in event ? `${event.name} ${JSON.stringify(event.data)}` : event.name);
    });
    this.machine.events.subscribe((event) => this.model.push(event));
    this.machine.onExit(() => (this.exits += 1));
  }

  /** One command: an operation, then its reply, then what waits for the reply. Returns the error, or `{}`. */
  command(body: (afterReply: (action: () => void) => void) => unknown): string {
    const later: (() => void)[] = [];
    let answer = '{}';
    try {
      this.machine.operations.run(() => body((action) => later.push(action)));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      answer = error.errorClass === 'GenericError' ? error.message : `${error.errorClass}: ${error.message}`;
    }
    this.told.push(`reply ${answer}`);
    for (const action of later) action();
    return answer;
  }

  add(values: Record<string, unknown>): string {
    return this.command(() => this.machine.deviceAdd(values));
  }

  remove(id: string): string {
    return this.command((afterReply) => this.machine.deviceDelete(id, afterReply));
  }

  /** What was told since the last call. */
  take(): string[] {
    return this.told.splice(0);
  }
}

/** The sentence that building a machine is refused with. */
export function startError(config: MachineConfig): string {
  try {
    createMachine(config);
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
  return 'not refused';
}
