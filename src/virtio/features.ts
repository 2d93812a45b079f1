/** Numbers of the feature bits that belong to no type of device (Virtio 1.2, section 6). */
export const Feature = {
  /** Legacy: also interrupts when the ring has run empty. Never offered by a modern device. */
  notifyOnEmpty: 24,
  /** Legacy: descriptors can be cut anyhow. A modern device takes that for granted. */
  anyLayout: 27,
  /** A descriptor can lead to a table of descriptors. */
  indirect: 28,
  /** Both sides say at which index they want to be notified. */
  eventIndex: 29,
  /** The device is no legacy one. */
  version1: 32,
  /** Addresses of queues and buffers are those of the device's DMA, behind the IOMMU. */
  accessPlatform: 33,
  /** Single queues can be reset. */
  queueReset: 40,
} as const;

/** Bits of the device status (section 2.1). */
export const Status = {
  acknowledge: 0x01,
  driver: 0x02,
  driverOk: 0x04,
  featuresOk: 0x08,
  needsReset: 0x40,
  failed: 0x80,
} as const;

/** Stands for no vector where a queue or the configuration has none (section 4.1.5.1.2). */
export const NO_VECTOR = 0xffff;

/** The mask of one feature bit. */
export function featureMask(...bits: readonly number[]): bigint {
  return bits.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
}
