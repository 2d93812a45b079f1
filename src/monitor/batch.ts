import { CommandError } from '../core/errors.ts';
import type { AnyValue, BatchCommand, BatchResult } from '../generated/types.ts';
import type { Machine } from '../machine/machine.ts';
import type { CommandContext } from '../qmp/commands.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Negotiation is the client's, the end of the daemon leaves no reply, and batches do not nest. */
const REFUSED: readonly string[] = ['qmp_capabilities', 'quit', 'batch'];

/** Several commands in one message, as one operation. */
export function batchHandlers(machine: Machine): HandlersOf<'batch'> {
  return {
    batch: ({ commands }, context) => {
      const steps = commands.map((command, index) => prepare(command, index, context));
      const results = run(machine, steps);
      return results instanceof Promise ? results.then((all) => ({ results: all })) : { results };
    },
  };
}

/** Runs a command that has been looked up; results are what replies can carry. */
type Step = () => AnyValue | undefined | Promise<AnyValue | undefined>;

/** @throws CommandError when the command cannot be run at all */
function prepare({ execute, arguments: args }: BatchCommand, index: number, context: CommandContext): Step {
  const place = `Command ${index + 1} of the batch`;
  if (REFUSED.includes(execute)) {
    throw new CommandError(`${place}: The command ${execute} cannot be part of a batch, send it by itself`);
  }
  try {
    return context.prepare(execute, args) as Step;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(`${place}: ${error.message}`, error.errorClass);
  }
}

/** Runs the steps in order until one fails. A promise only when one of them waits. */
function run(machine: Machine, steps: readonly Step[]): BatchResult[] | Promise<BatchResult[]> {
  const { operations } = machine;
  const operation = operations.current;
  const results: BatchResult[] = [];
  const from = (first: number): BatchResult[] | Promise<BatchResult[]> => {
    for (const [index, step] of steps.entries()) {
      if (index < first) continue;
      try {
        const result = step();
        if (result instanceof Promise) return result.then((value) => goOn(index, value), end);
        results.push({ return: result ?? {} });
      } catch (error) {
        return end(error);
      }
    }
    return results;
  };
  // What comes behind a wait is still the same operation.
  const goOn = (index: number, value: AnyValue | undefined): BatchResult[] | Promise<BatchResult[]> => {
    results.push({ return: value ?? {} });
    return operations.resume(operation, () => from(index + 1));
  };
  const end = (error: unknown): BatchResult[] => {
    if (!(error instanceof CommandError)) throw error;
    results.push({ error: { class: error.errorClass, desc: error.message } });
    return results;
  };
  return from(0);
}
