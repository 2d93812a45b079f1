import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Steps of the model that are made to go wrong. */
export function faultHandlers(machine: Machine): HandlersOf<'fault-inject' | 'query-faults-injected' | 'fault-clear'> {
  const { faults } = machine.trace;
  return {
    'fault-inject': ({ point, kind, after, count, 'delay-ms': delayMs, seed, device }) => ({
      id: faults.inject({
        point,
        kind,
        ...(after !== undefined && { after }),
        ...(count !== undefined && { count }),
        ...(delayMs !== undefined && { delayMs }),
        ...(seed !== undefined && { seed }),
        ...(device !== undefined && { device: machine.findDevice(device).label }),
      }),
    }),
    'query-faults-injected': () => ({ faults: faults.list() }),
    'fault-clear': ({ id }) => {
      faults.clear(id);
      return {};
    },
  };
}
