import type { AnyValue } from '../generated/types.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

const DEFAULT_LIMIT = 1000;

/** What the model has said already. */
export function eventLogHandlers(machine: Machine): HandlersOf<'query-event-log'> {
  return {
    'query-event-log': ({ since, limit = DEFAULT_LIMIT }) => {
      const { events, next, lost } = machine.trace.log.read(since, limit);
      return {
        events: events.map(({ event: { name, data }, timestamp }) => ({
          timestamp,
          event: name,
          // What an event carries is JSON; interfaces do not show that to the compiler.
          data: data as unknown as AnyValue,
        })),
        next,
        lost,
      };
    },
  };
}
