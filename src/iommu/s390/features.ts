import type { UnitFeatures } from '../features.ts';

/** zPCI: a function goes by the pages that the guest has had refreshed. */
export const ZPCI_FEATURES: UnitFeatures = {
  translation: true,
  'large-pages': false,
  'tables-in-memory': true,
  'deferred-invalidation': true,
  'translation-cache': true,
  'map-notifiers': true,
  'device-iotlb-notifiers': false,
  'pasid-requests': false,
  'pasid-table-binding': false,
  'guest-pasid-binding': false,
  'page-requests': false,
  'beyond-pci': false,
};
