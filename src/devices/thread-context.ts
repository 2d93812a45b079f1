import { CommandError } from '../core/errors.ts';
import { int64 } from '../qom/kinds.ts';
import { objectProperty, type Property, readonlyProperty } from '../qom/property.ts';
import { integerList } from './integer-list.ts';
import { UserObject } from './user-object.ts';

const nodes = affinity('node-affinity', 'Node list is empty');
const processors = affinity('cpu-affinity', 'CPU list is empty');

function affinity(name: string, whenEmpty: string): Property<readonly bigint[]> {
  const property: Property<readonly bigint[]> = objectProperty<readonly bigint[]>(name, integerList, [], {
    apply: (object, list) => {
      if (list.length === 0) throw new CommandError(whenEmpty);
      object.assign(property, list);
      if (object.value(nodes).length > 0 && object.value(processors).length > 0) {
        throw new CommandError('Mixing CPU and node affinity not supported');
      }
    },
  });
  return property;
}

/** In the order of QEMU's listings. There are no threads to tell apart, so each has number 0. */
export const threadContextProperties: readonly Property<unknown>[] = [
  readonlyProperty('thread-id', { ...int64, type: 'int' }, () => 0n),
  nodes,
  processors,
];

/** Where threads that allocate memory would run: taken and told. */
export class ThreadContext extends UserObject {
  override get members(): readonly string[] {
    return ['cpu-affinity', 'node-affinity'];
  }

  complete(): void {}

  dispose(): void {}
}
