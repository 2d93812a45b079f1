import type { Machine } from '../machine/machine.ts';
import { deviceListProperties, qomGet, qomList, qomListProperties, qomListTypes, qomSet } from '../qom/commands.ts';
import type { HandlersOf } from './handlers-of.ts';

/** The object model, looked at and changed by path. */
export function objectModelHandlers(
  machine: Machine,
): HandlersOf<
  'qom-list' | 'qom-get' | 'qom-set' | 'qom-list-types' | 'qom-list-properties' | 'device-list-properties'
> {
  return {
    'qom-list': ({ path }) => qomList(machine.qom, path),
    'qom-get': ({ path, property }) => qomGet(machine.qom, path, property),
    'qom-set': ({ path, property, value }) => {
      qomSet(machine.qom, path, property, value);
      return {};
    },
    'qom-list-types': (filter) => qomListTypes(machine.types, filter),
    'qom-list-properties': ({ typename }) => qomListProperties(machine.types, typename),
    'device-list-properties': ({ typename }) => deviceListProperties(machine.types, typename),
  };
}
