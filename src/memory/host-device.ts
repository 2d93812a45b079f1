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
}

/** A host function as the vIOMMU sees it. */
export interface HostIommuDevice {
  readonly name: string;
  readonly capabilities: HostCapabilities;
}
