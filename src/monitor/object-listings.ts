import { Iothread, eventLoopProperties, iothreadProperties } from '../devices/iothread.ts';
import { MemoryBackend, memoryBackendProperties } from '../devices/memory-backend.ts';
import type { IOThreadInfo, Memdev } from '../generated/types.ts';
import type { Machine } from '../machine/machine.ts';
import type { QomObject } from '../qom/object.ts';
import type { HandlersOf } from './handlers-of.ts';

/** The user's objects in the order in which QEMU lists them. */
function objectsOf(machine: Machine): QomObject[] {
  const { objects } = machine.tree;
  return objects.list().flatMap(({ name }) => objects.child(name) ?? []);
}

/** What query-memdev tells of one object. */
function memdev(backend: MemoryBackend): Memdev {
  const { merge, dump, prealloc, share, reserve, hostNodes, policy } = memoryBackendProperties;
  return {
    id: backend.name,
    size: backend.block.size,
    merge: backend.value(merge),
    dump: backend.value(dump),
    prealloc: backend.value(prealloc),
    share: backend.value(share),
    reserve: backend.value(reserve),
    'host-nodes': backend.value(hostNodes).map(Number),
    policy: backend.value(policy),
  };
}

/** All RAM that objects hold. */
export function memoryBackends(machine: Machine): Memdev[] {
  return objectsOf(machine).flatMap((object) => (object instanceof MemoryBackend ? [memdev(object)] : []));
}

/** All iothreads, which QEMU lists the other way round. One thread does everything, and all of them name it. */
export function iothreads(machine: Machine): IOThreadInfo[] {
  return objectsOf(machine)
    .toReversed()
    .flatMap((object) => {
      if (!(object instanceof Iothread)) return [];
      return [
        {
          id: object.name,
          'thread-id': process.pid,
          'poll-max-ns': object.value(iothreadProperties.pollMost),
          'poll-grow': object.value(iothreadProperties.pollGrow),
          'poll-shrink': object.value(iothreadProperties.pollShrink),
          'aio-max-batch': object.value(eventLoopProperties.batch),
        },
      ];
    });
}

/** Listings of objects by what they are. */
export function objectListingHandlers(
  machine: Machine,
): HandlersOf<'query-memdev' | 'query-iothreads' | 'query-chardev'> {
  return {
    'query-memdev': () => memoryBackends(machine),
    'query-iothreads': () => iothreads(machine),
    'query-chardev': () =>
      machine.characterDevices.all.map((device) => ({
        label: device.label,
        filename: device.filename(),
        'frontend-open': true,
      })),
  };
}
