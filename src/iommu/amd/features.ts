import type { UnitFeatures } from '../features.ts';

/** An `amd-iommu`, which translates nothing unless it is told to. */
export const AMD_FEATURES: UnitFeatures = {
  translation: 'dma-remap=on',
  'large-pages': 'dma-remap=on',
  'tables-in-memory': 'dma-remap=on',
  'deferred-invalidation': 'dma-remap=on',
  'translation-cache': 'dma-remap=on',
  'map-notifiers': 'dma-remap=on',
  'device-iotlb-notifiers': true,
  'pasid-requests': false,
  'pasid-table-binding': true,
  'guest-pasid-binding': 'pasid-bits=16',
  'page-requests': false,
  'beyond-pci': false,
};
