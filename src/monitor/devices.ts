import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Adding and removing devices and user-created objects. */
export function deviceHandlers(
  machine: Machine,
): HandlersOf<'device_add' | 'device_del' | 'object-add' | 'object-del'> {
  return {
    device_add: (values) => {
      machine.deviceAdd(values);
      return {};
    },
    device_del: ({ id }, context) => {
      machine.deviceDelete(id, (action) => context.afterReply(action));
      return {};
    },
    'object-add': (values) => {
      machine.objectAdd(values);
      return {};
    },
    'object-del': ({ id }) => {
      machine.objectDelete(id);
      return {};
    },
  };
}
