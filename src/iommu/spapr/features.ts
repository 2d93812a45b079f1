import type { UnitFeatures } from '../features.ts';

/** TCE tables, which the hypervisor holds: each hypercall is in force at once. */
export const SPAPR_FEATURES: UnitFeatures = {
  translation: true,
  'large-pages': false,
  'tables-in-memory': false,
  'deferred-invalidation': false,
  'translation-cache': false,
  'map-notifiers': true,
  'device-iotlb-notifiers': false,
  'pasid-requests': false,
  'pasid-table-binding': false,
  'guest-pasid-binding': false,
  'page-requests': false,
  'beyond-pci': true,
};
