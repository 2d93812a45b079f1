import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Where the machine stops for a debugger. */
export function breakHandlers(machine: Machine): HandlersOf<'break-add' | 'break-remove' | 'query-breaks'> {
  const { breakpoints } = machine.trace;
  return {
    'break-add': ({ event, device }) => ({
      id: breakpoints.add(event, device === undefined ? undefined : machine.findDevice(device).label),
    }),
    'break-remove': ({ id }) => {
      breakpoints.remove(id);
      return {};
    },
    'query-breaks': () => ({ breaks: breakpoints.list() }),
  };
}
