import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** The checks that the model makes. */
export function checkHandlers(machine: Machine): HandlersOf<'query-checks' | 'set-check'> {
  const { checks } = machine.trace;
  return {
    'query-checks': () => ({ checks: checks.list() }),
    'set-check': ({ name, enabled, stop }) => {
      checks.set(name, { ...(enabled !== undefined && { enabled }), ...(stop !== undefined && { stop }) });
      return {};
    },
  };
}
