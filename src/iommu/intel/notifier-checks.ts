import { formatShortBdf } from '../../core/bdf.ts';
import { CommandError } from '../../core/errors.ts';
import type { RegionEventType } from '../../memory/iommu-region.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import type { IntelProperties } from './properties.ts';

/** @throws CommandError for events that the unit, as it is configured, could never send */
export function checkNotifiers(
  { cachingMode, deviceIotlb, snoopControl }: IntelProperties,
  space: IntelDeviceSpace,
  events: ReadonlySet<RegionEventType>,
): void {
  if (events.size === 0) return;
  if (snoopControl) {
    throw new CommandError('Snoop Control with vhost or VFIO is not supported: Operation not supported');
  }
  if (events.has('map') && !cachingMode) {
    throw new CommandError(
      'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
    );
  }
  if (events.has('deviotlb-unmap') && !deviceIotlb) {
    const place = formatShortBdf(space.place.bdf).replace(':', '.');
    throw new CommandError(`device ${place} requires device IOTLB mode: Operation not supported`);
  }
}
