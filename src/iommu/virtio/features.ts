import type { UnitFeatures } from '../features.ts';

/** A virtio-iommu, which holds what requests have mapped by itself. */
export const VIRTIO_FEATURES: UnitFeatures = {
  translation: true,
  'large-pages': false,
  'tables-in-memory': false,
  'deferred-invalidation': true,
  'translation-cache': false,
  'map-notifiers': true,
  'device-iotlb-notifiers': false,
  'pasid-requests': false,
  'pasid-table-binding': false,
  'guest-pasid-binding': false,
  'page-requests': false,
  'beyond-pci': false,
};
