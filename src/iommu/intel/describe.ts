import type { Binding } from '../object.ts';
import type { IommuCapabilities, IommuDeviceInfo, IommuInfo } from '../unit.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import type { IntelProperties } from './properties.ts';
import { IOTLB_ENTRIES, type Remapping } from './remapping.ts';

/** What a unit with these properties offers; its registers say the same in their way. */
export function describeCapabilities(properties: IntelProperties): Omit<IommuCapabilities, 'registers'> {
  const { awBits, cachingMode, deviceIotlb, dmaTranslation, firstStage, pasidBits, svm } = properties;
  return {
    'aw-bits': awBits,
    'pasid-bits': pasidBits,
    'first-stage': firstStage,
    'second-stage': !firstStage && dmaTranslation,
    nested: false,
    'caching-mode': cachingMode,
    'device-iotlb': deviceIotlb,
    'page-requests': svm,
  };
}

/** The devices that share a space, by what the tables say of it now. */
export function describeDevices({ enabled, look, root }: Remapping, space: IntelDeviceSpace): IommuDeviceInfo[] {
  const { iommuObject, bypass } = space;
  const binding = iommuObject.binding && withoutTag(iommuObject.binding);
  const domainId = enabled && look.resolve(root, space.sourceId, -1, null) ? look.domainId : undefined;
  return space.requesters.map(({ label, location }) => ({
    device: label,
    bdf: location,
    bypass,
    ...(domainId !== undefined && { 'domain-id': domainId }),
    ...(binding !== null && { binding }),
  }));
}

export function describeCaches(remapping: Remapping): IommuInfo['caches'] {
  const { contexts, iotlb } = remapping;
  const size = remapping.spaces().filter(({ space }) => space.requesters.length > 0).length;
  return [
    { name: 'context', entries: contexts.entries, size, hits: contexts.hits, misses: contexts.misses },
    { name: 'iotlb', entries: iotlb.size, size: IOTLB_ENTRIES, hits: iotlb.hits, misses: iotlb.misses },
  ];
}

/** The tag is what the unit tells the host; a reply has the device's domain-id beside the binding. */
function withoutTag({ address, size, format, origin }: Binding): Binding {
  return { address, size, format, origin };
}
