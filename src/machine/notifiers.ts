import type { DeviceSpace, IommuUnit } from '../iommu/unit.ts';
import type { RegionEventType } from '../memory/iommu-region.ts';
import type { ObjectEvent } from '../memory/iommu-object.ts';

/** One registrant, as query-iommu-notifiers tells it. */
export interface NotifierInfo {
  readonly device: string;
  readonly listener: string;
  /** On the IOMMU region, which shows only while the space is translated, or on the IOMMU object, which is always there. */
  readonly kind: 'region' | 'object';
  /** Of a region notifier: the addresses that it hears of, both inclusive. */
  readonly start?: bigint;
  readonly last?: bigint;
  readonly events: (RegionEventType | ObjectEvent)[];
  readonly delivered: number;
  readonly failed: number;
}

const REGION_EVENTS: readonly RegionEventType[] = ['map', 'unmap', 'deviotlb-unmap'];

/** All registrants behind a unit: device by device, region notifiers first, each in the order of registration. */
export function notifiersOf(unit: IommuUnit): NotifierInfo[] {
  return unit.deviceSpaces().flatMap((space) => [...regionNotifiers(space), ...objectNotifiers(space)]);
}

function regionNotifiers({ regions }: DeviceSpace): NotifierInfo[] {
  const notifiers = regions.flatMap((region) => region.notifiers);
  return notifiers.map(({ device, name, start, last, events, delivered, failed }) => ({
    device,
    listener: name,
    kind: 'region',
    start,
    last,
    events: REGION_EVENTS.filter((event) => events.has(event)),
    delivered,
    failed,
  }));
}

function objectNotifiers({ iommuObject }: DeviceSpace): NotifierInfo[] {
  return iommuObject.registrations().map(({ listener, events, delivered, failed }) => ({
    device: listener.device,
    listener: listener.name,
    kind: 'object',
    events: [...events],
    delivered,
    failed,
  }));
}
