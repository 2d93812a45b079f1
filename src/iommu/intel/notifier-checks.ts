import { formatShortBdf } from '../../core/bdf.ts';
import { CommandError } from '../../core/errors.ts';
import type { RegionEventType } from '../../memory/iommu-region.ts';
import type { Checks } from '../../trace/checks.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import type { RootMode } from './invalidation.ts';
import type { IntelProperties } from './properties.ts';

/** The notifiers of a space ask for other events than before. */
interface EventsChange {
  readonly space: IntelDeviceSpace;
  readonly old: ReadonlySet<RegionEventType>;
  readonly now: ReadonlySet<RegionEventType>;
}

/**
 * Refuses events that the unit, as it is configured, could never send, as QEMU does. Of those that QEMU lets pass
 * although they can never come, the check `dead-notifier` tells.
 * @throws CommandError to refuse
 */
export function checkNotifiers(
  { properties, root }: { readonly properties: IntelProperties; readonly root: { readonly mode: RootMode } },
  { space, old, now }: EventsChange,
  checks: Checks,
): void {
  if (now.size === 0) return;
  const { cachingMode, deviceIotlb, snoopControl } = properties;
  if (snoopControl) {
    throw new CommandError('Snoop Control with vhost or VFIO is not supported: Operation not supported');
  }
  if (now.has('map') && !cachingMode) {
    throw new CommandError(
      'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
    );
  }
  if (now.has('deviotlb-unmap') && !deviceIotlb) {
    const place = formatShortBdf(space.place.bdf).replace(':', '.');
    throw new CommandError(`device ${place} requires device IOTLB mode: Operation not supported`);
  }
  const why = now.has('map') && !old.has('map') ? whyUnmapped(properties, root.mode) : null;
  if (why === null) return;
  const desc = `A notifier of mappings can never be told of any: ${why}`;
  checks.fail('dead-notifier', { device: space.deviceName, desc });
}

/** Why nothing is ever told mapped; null when it can be. */
function whyUnmapped({ dmaTranslation, firstStage }: IntelProperties, mode: RootMode): string | null {
  if (!dmaTranslation) return 'with dma-translation=off the unit translates nothing';
  if (!firstStage || mode !== 'scalable') return null;
  return 'with fsts=on the tables are of the first stage, which the host nests and nobody shadows';
}
