import { setImmediate as nextTurn } from 'node:timers/promises';
import { CommandError } from '../core/errors.ts';
import type { CommandMap } from '../generated/types.ts';
import type { Mapping } from '../iommu/unit.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

type MappingsReturn = CommandMap['query-iommu-mappings']['returns'];

const DEFAULT_LIMIT = 1000;
/** Table entries that one slice reads: a few milliseconds, between which other clients are served. */
const SLICE = 50_000;

/** True when `next` goes on where `before` ends, alike in all else. */
function continues(before: Mapping, next: Mapping): boolean {
  return (
    before.iova + before.size === next.iova &&
    before.address + before.size === next.address &&
    before['page-size'] === next['page-size'] &&
    before.permissions.join() === next.permissions.join()
  );
}

/** Appends to a list, merging across the boundary of two slices. */
function append(list: Mapping[], more: readonly Mapping[]): void {
  for (const mapping of more) {
    const last = list.at(-1);
    if (last !== undefined && continues(last, mapping)) {
      list[list.length - 1] = { ...last, size: last.size + mapping.size };
    } else {
      list.push(mapping);
    }
  }
}

/** What the guest's tables map. */
export function mappingHandlers(machine: Machine): HandlersOf<'query-iommu-mappings'> {
  return {
    'query-iommu-mappings': async ({ device: name, pasid, start = 0n, limit = DEFAULT_LIMIT }) => {
      if (limit < 1) throw new CommandError(`Parameter 'limit' is ${limit}; at least 1 mapping is wanted`);
      const device = machine.findDevice(name);
      const space = machine.spaceOf(device);
      if (space === null) throw new CommandError(`Device '${device.label}' is behind no vIOMMU; nothing is mapped`);
      const mappings: Mapping[] = [];
      const request = { ...(pasid !== undefined && { pasid }), budget: SLICE };
      for (let from = start; ; ) {
        // One more than wanted: only then is it certain where the last one ends.
        const more = limit + 1 - mappings.length;
        const page = space.unit.mappings(space, { ...request, start: from, limit: more });
        append(mappings, page.mappings);
        const following = mappings[limit];
        if (following !== undefined) return { mappings: mappings.slice(0, limit), next: following.iova };
        if (page.next === undefined) return { mappings } satisfies MappingsReturn;
        from = page.next;
        await nextTurn();
        if (!device.realized) throw new CommandError(`Device '${name}' was unplugged while its mappings were read`);
      }
    },
  };
}
