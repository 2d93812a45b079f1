import { CommandError } from '../core/errors.ts';
import type { Machine } from '../machine/machine.ts';
import type { TraceLog, TracePointState } from '../trace/trace-log.ts';
import type { HandlersOf } from './handlers-of.ts';

interface TraceSelection {
  /** A name, or with `*` in it a glob. */
  readonly name: string;
  readonly vcpu?: bigint | undefined;
}

/**
 * The trace points that a client names, in QEMU's order: the opposite of the table's.
 * @throws CommandError for a name that none has, and for any CPU
 */
export function tracePointsOf(log: TraceLog, { name, vcpu }: TraceSelection): readonly TracePointState[] {
  if (vcpu !== undefined) throw new CommandError(`invalid vCPU index ${BigInt.asUintN(32, vcpu)}`);
  const found = log.find(name);
  if (!name.includes('*') && found[0]?.name !== name) throw new CommandError(`unknown event "${name}"`);
  return found.toReversed();
}

/** Switches them. @throws CommandError as {@link tracePointsOf} does, with nothing switched */
export function switchTracePoints(log: TraceLog, selection: TraceSelection, enabled: boolean): void {
  for (const { name } of tracePointsOf(log, selection)) log.set(name, enabled);
}

export function traceHandlers(machine: Machine): HandlersOf<'trace-event-get-state' | 'trace-event-set-state'> {
  const { traceLog } = machine.trace;
  return {
    'trace-event-get-state': (selection) =>
      tracePointsOf(traceLog, selection).map(({ name, enabled }) => ({
        name,
        vcpu: false,
        state: enabled ? 'enabled' : 'disabled',
      })),
    'trace-event-set-state': ({ enable, ...selection }) => {
      switchTracePoints(traceLog, selection, enable);
      return {};
    },
  };
}
