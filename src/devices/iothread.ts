import { CommandError } from '../core/errors.ts';
import { int64 } from '../qom/kinds.ts';
import type { QomObject } from '../qom/object.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import { UserObject } from './user-object.ts';

const LARGEST = (1n << 63n) - 1n;

/** A count or a time, which must not be negative. */
function setting(
  name: string,
  value: bigint,
  check?: (object: QomObject, name: string, given: bigint) => void,
): Property<bigint> {
  const property: Property<bigint> = objectProperty(name, { ...int64, type: 'int' }, value, {
    apply: (object, given) => {
      if (given < 0n) throw new CommandError(`${name} value must be in range [0, ${LARGEST}]`);
      check?.(object, name, given);
      object.assign(property, given);
    },
  });
  return property;
}

const poolLeast = setting('thread-pool-min', 0n, checkPool);
const poolMost = setting('thread-pool-max', 64n, checkPool);

/** While the object is made, the two come one after the other: they are compared when it is complete. */
function checkPool(object: QomObject, name: string, given: bigint): void {
  if (object instanceof Iothread && !object.completed) return;
  const least = name === 'thread-pool-min' ? given : object.value(poolLeast);
  const most = name === 'thread-pool-max' ? given : object.value(poolMost);
  if (least > most || most === 0n) throw new CommandError('bad thread-pool-min/thread-pool-max values');
}

/** Of every event loop, in the order of QEMU's listings. */
export const eventLoopProperties = { poolLeast, batch: setting('aio-max-batch', 0n), poolMost } as const;

export const iothreadProperties = {
  pollMost: setting('poll-max-ns', 32768n),
  pollGrow: setting('poll-grow', 0n),
  pollShrink: setting('poll-shrink', 0n),
} as const;

/** A thread for devices' work. Everything is done by one thread here, so its settings are taken and told. */
export class Iothread extends UserObject {
  /** The object is made: its settings are compared one with the other from now on. */
  completed = false;

  override get members(): readonly string[] {
    return ['aio-max-batch', 'thread-pool-min', 'thread-pool-max', 'poll-max-ns', 'poll-grow', 'poll-shrink'];
  }

  complete(): void {
    this.completed = true;
    checkPool(this, 'thread-pool-min', this.value(poolLeast));
  }

  dispose(): void {}
}
