import { Permission } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { ListenerStatus } from '../../memory/iommu-object.ts';
import type { RegionEvent, RegionNotifier } from '../../memory/iommu-region.ts';
import { alignedPieces } from '../aligned-pieces.ts';
import type { MappingEvents } from '../mapping-events.ts';
import type { EndpointSpace } from './endpoint-space.ts';
import { type IoMapping, isEmpty } from './mapping-table.ts';
import { MapFlag } from './protocol.ts';
import { permissionsOf } from './translation.ts';

/**
 * Tells region notifiers of mappings that come and go, in aligned powers of two. What leads to device registers (MMIO)
 * is not told, as in QEMU: no host could map it; nor what permits nothing.
 */
export class MappingNotifications {
  readonly #target: AddressSpace;
  readonly #events: MappingEvents;

  constructor(target: AddressSpace, events: MappingEvents) {
    this.#target = target;
    this.#events = events;
  }

  /** To all notifiers of the space, or to one that has just come. */
  mapped(space: EndpointSpace, mapping: IoMapping, notifier?: RegionNotifier): void {
    if (!isTold(mapping)) return;
    for (const { start, size } of alignedPieces(mapping.start, mapping.last)) {
      const entry = {
        target: this.#target,
        iova: start,
        translated: BigInt.asUintN(64, mapping.physical + (start - mapping.start)),
        mask: size - 1n,
        permissions: permissionsOf(mapping),
      };
      this.#tell(space, { type: 'map', entry }, notifier);
    }
  }

  /** To all notifiers of the space. */
  unmapped(space: EndpointSpace, mapping: IoMapping): void {
    if (!isTold(mapping)) return;
    for (const { start, size } of alignedPieces(mapping.start, mapping.last)) {
      const entry = {
        target: this.#target,
        iova: start,
        translated: 0n,
        mask: size - 1n,
        permissions: Permission.none,
      };
      this.#tell(space, { type: 'unmap', entry });
    }
  }

  /** The guest's request that took these addresses away (inclusive) is done. */
  completed({ region }: EndpointSpace, first: bigint, last: bigint): void {
    for (const notifier of region.notifiers) notifier.completeInvalidation(first, last);
  }

  #tell(space: EndpointSpace, event: RegionEvent, notifier?: RegionNotifier): void {
    const statuses = notifier === undefined ? space.region.notify(event) : [notifier.deliver(event)];
    const listeners = statuses.filter((status): status is ListenerStatus => status !== null);
    if (listeners.length > 0) this.#events.add(space.deviceName, event, listeners);
  }
}

function isTold(mapping: IoMapping): boolean {
  return (mapping.flags & MapFlag.mmio) === 0 && !isEmpty(mapping) && permissionsOf(mapping) !== Permission.none;
}
