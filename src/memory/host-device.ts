import type { PasidTableFormat } from './iommu-object.ts';

/** What the host's IOMMU and one of its functions can do. */
export interface HostCapabilities {
  /** Width of a second-stage input address, in bits. */
  readonly addressBits: number;
  /** In bytes, ascending. */
  readonly pageSizes: readonly bigint[];
  /** Width of a PASID; 0 where the function has none. */
  readonly pasidBits: number;
  /** A guest's first stage can be nested over the host's second stage. */
  readonly nesting: boolean;
  /** The guest table formats that it can walk. */
  readonly formats: readonly PasidTableFormat[];
  readonly ats: boolean;
  readonly pageRequests: boolean;
  /** Second-stage entries note which pages were written. */
  readonly dirtyTracking: boolean;
  /** Walks and device writes snoop the processors' caches, whatever a request asks for. */
  readonly coherency: boolean;
  /** Below a nested first stage devices can write what the second stage maps read-only (Intel's erratum 772415). */
  readonly errata772415: boolean;
}

/** Which translations a device is to drop that it keeps itself (PCI Express Base 5.0, section 10.3). */
export interface DeviceTlbFlush {
  /** Absent: those of requests without PASID; `all`: those of any PASID. */
  readonly pasid?: number | 'all';
  /** First byte, aligned to the size. */
  readonly address: bigint;
  /** In bytes, a power of two of at least 4 KiB; 2^64 is everything. */
  readonly size: bigint;
}

/** What a vIOMMU offers its guest that takes a host which can do it, once a host's device stands behind it. */
export interface GuestCapabilities {
  /** 0 without PASID. */
  readonly pasidBits: number;
  readonly firstStage: boolean;
  /** Pages of 1 GiB in the first stage. */
  readonly firstStage1G: boolean;
  readonly pageRequests: boolean;
  readonly deviceIotlb: boolean;
  readonly snoopControl: boolean;
}

/** A host function as the vIOMMU sees it. */
export interface HostIommuDevice {
  readonly name: string;
  readonly capabilities: HostCapabilities;
  /** An invalidation of the device's own cache; it is complete on return. @returns how many entries were dropped */
  flushDeviceTlb(flush: DeviceTlbFlush): number;
}
