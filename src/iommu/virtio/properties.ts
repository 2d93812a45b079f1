import { CommandError } from '../../core/errors.ts';
import { type ReservedRegion, X86_MSI_REGION } from './reserved-regions.ts';

/** The sizes of pages that a unit can be given; `host`: those of the host. */
export const GRANULES = ['host', '4k', '8k', '16k', '64k'] as const;
export type Granule = (typeof GRANULES)[number];

/** What a virtio-iommu is made with. */
export interface VirtioIommuProperties {
  /** Devices see plain memory from each reset of the machine on. */
  readonly bootBypass: boolean;
  /** In bytes: what mappings are multiples of. */
  readonly granule: bigint;
  /** Width of an input address, as the configuration tells it; 32 to 64. */
  readonly awBits: number;
  readonly reservedRegions: readonly ReservedRegion[];
}

const HOST_GRANULE = 4096n;

/** @throws CommandError with QEMU's sentence for a width that no unit has */
export function resolveVirtioIommuProperties(given: {
  bootBypass: boolean;
  granule: Granule;
  awBits: number;
  /** Null: as a PC has them. */
  reservedRegions: readonly ReservedRegion[] | null;
}): VirtioIommuProperties {
  const { bootBypass, granule, awBits, reservedRegions } = given;
  if (awBits < 32 || awBits > 64) throw new CommandError('aw-bits must be within [32,64]');
  return {
    bootBypass,
    granule: granule === 'host' ? HOST_GRANULE : BigInt(Number.parseInt(granule, 10)) * 1024n,
    awBits,
    reservedRegions: reservedRegions ?? [X86_MSI_REGION],
  };
}
