import { formatShortBdf } from '../../core/bdf.ts';
import { CommandError } from '../../core/errors.ts';
import type { RegionEventType } from '../../memory/iommu-region.ts';
import type { AmdDeviceSpace } from './device-address-space.ts';
import type { AmdProperties } from './properties.ts';

/**
 * Refuses notifiers of maps that could never be told of any, as QEMU does.
 * @throws CommandError to refuse
 */
export function checkNotifiers(
  { dmaRemap }: AmdProperties,
  space: AmdDeviceSpace,
  now: ReadonlySet<RegionEventType>,
): void {
  if (!now.has('map') || dmaRemap) return;
  const place = formatShortBdf(space.place.bdf).replace(':', '.');
  throw new CommandError(`device ${place} requires dma-remap=1: Operation not supported`);
}
