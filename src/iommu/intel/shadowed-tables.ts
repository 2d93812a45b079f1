import type { RegionMapping } from '../../memory/iommu-region.ts';
import { NO_PASID } from '../iotlb.ts';
import { listMappings } from '../list-mappings.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import { secondStageTables } from './listed-tables.ts';
import type { Remapping } from './remapping.ts';

/** How many table entries are read at once to see what is mapped: four times those of 1 GiB in pages of 4 KiB. */
const LISTING_BUDGET = 2 ** 20;

/**
 * Finds the tables that the notifiers of a space are told of, into `look.secondStage`; false when its entries fault
 * (`look.code` says how) or nothing is translated by a second stage.
 */
export function findShadowedTables({ enabled, look, root }: Remapping, { sourceId, pasid }: IntelDeviceSpace): boolean {
  if (!enabled || !look.resolve(root, sourceId, pasid ?? NO_PASID, null)) return false;
  return !look.passThrough && look.stage === 'second';
}

/** The address of the top table; null where there is none. */
export function shadowedTable(remapping: Remapping, space: IntelDeviceSpace): bigint | null {
  return findShadowedTables(remapping, space) ? BigInt(remapping.look.secondStage.address) : null;
}

/**
 * What the tables map from `first` to `last` (inclusive), whatever was told; nothing without tables. Null for tables
 * that are too large to be read at once.
 */
export function shadowedMappings(
  remapping: Remapping,
  space: IntelDeviceSpace,
  first: bigint,
  last: bigint,
): RegionMapping[] | null {
  if (!findShadowedTables(remapping, space)) return [];
  const { look, properties } = remapping;
  const tables = secondStageTables(look.memory, look.secondStage, look.second, properties.awBits);
  const listed = listMappings(tables, first, Number.MAX_SAFE_INTEGER, LISTING_BUDGET, last);
  if (listed.next !== undefined) return null;
  return listed.mappings.map(({ iova, address, size, permissions, 'page-size': pageSize }) => ({
    iova,
    address,
    size,
    pageSize,
    writable: permissions.includes('write'),
  }));
}
