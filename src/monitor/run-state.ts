import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Running, stopping, resetting and ending. */
export function runStateHandlers(
  machine: Machine,
): HandlersOf<
  'query-status' | 'stop' | 'cont' | 'system_reset' | 'system_powerdown' | 'quit' | 'query-memory-size-summary'
> {
  return {
    'query-status': () => machine.status(),
    'query-memory-size-summary': () => machine.memorySummary(),
    stop: () => {
      machine.stop();
      return {};
    },
    cont: () => {
      machine.cont();
      return {};
    },
    system_reset: (_args, context) => {
      machine.reset((action) => context.afterReply(action));
      return {};
    },
    system_powerdown: () => {
      machine.powerdown();
      return {};
    },
    quit: (_args, context) => {
      machine.quit((action) => context.afterReply(action));
      return {};
    },
  };
}
