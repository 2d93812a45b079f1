import type { PasidTable } from '../memory/iommu-object.ts';
import type { TableMemory } from '../memory/table-memory.ts';
import { gcr3Capacity, validPasids } from '../iommu/amd/gcr3.ts';
import { presentPasids as presentVtdPasids } from '../iommu/intel/present-pasids.ts';
import { pasidCapacity as vtdPasidCapacity } from '../iommu/intel/walk.ts';

/** The PASID tables of all platforms: what those want to know who take any of them. */

/** How many PASIDs a bound table of that size has room for. */
export function pasidCapacity(table: Pick<PasidTable, 'size' | 'format'>): number {
  return table.format === 'amd-gcr3' ? gcr3Capacity(table) : vtdPasidCapacity(table);
}

/**
 * The PASIDs whose entries are present, ascending; whether an entry is of any use, who reads it finds out. `mayRead` is
 * asked before each read of an entry: false ends the listing there.
 */
export function presentPasids(
  memory: TableMemory,
  table: Pick<PasidTable, 'address' | 'size' | 'format'>,
  mayRead: () => boolean = () => true,
): Generator<number> {
  return table.format === 'amd-gcr3' ? validPasids(memory, table, mayRead) : presentVtdPasids(memory, table, mayRead);
}
