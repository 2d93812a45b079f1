import type { UnitFeatures } from '../features.ts';

/** An `intel-iommu`: what depends on a mode of the guest needs the properties that offer that mode. */
export const INTEL_FEATURES: UnitFeatures = {
  translation: true,
  'large-pages': true,
  'tables-in-memory': true,
  'deferred-invalidation': true,
  'translation-cache': true,
  'map-notifiers': 'caching-mode=on',
  'device-iotlb-notifiers': 'device-iotlb=on',
  'pasid-requests': 'scalable-mode=on,pasid-bits=20',
  'pasid-table-binding': true,
  'guest-pasid-binding': 'scalable-mode=on,pasid-bits=20',
  'page-requests': 'scalable-mode=on,fsts=on,device-iotlb=on,pasid-bits=20,svm=on',
  'beyond-pci': false,
};
