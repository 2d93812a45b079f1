/** What units differ in, with what it means; in the order in which documents list it. */
export const FEATURES = {
  translation: 'requests without PASID find what the guest has mapped',
  'large-pages': 'a range that is aligned to 2 MiB is translated by one page of that size',
  'tables-in-memory': 'the tables are in guest memory: explanations show their words, and writes to them count',
  'deferred-invalidation': 'what the guest has taken away stays reachable until it says so',
  'translation-cache': 'translations of the unit are cached, and `query-iotlb` lists them',
  'map-notifiers': 'a region notifier of maps is taken, as VFIO registers it',
  'device-iotlb-notifiers': 'a region notifier of device-IOTLB invalidations is taken, as vhost registers it for ATS',
  'pasid-requests': 'requests of emulated devices can carry a PASID',
  'pasid-table-binding': 'a command binds a PASID table to an assigned device',
  'guest-pasid-binding': "the guest's own tables do, when it invalidates them",
  'page-requests': 'a device can ask for a page that it misses',
  'beyond-pci': 'devices that are on no PCI bus are behind it, too',
} as const;

export type FeatureName = keyof typeof FEATURES;

/** True: always; false: never, and whoever asks is refused; else the properties that the unit has to be made with. */
export type Availability = boolean | string;

/** What units of one kind can do. */
export type UnitFeatures = Readonly<Record<FeatureName, Availability>>;
