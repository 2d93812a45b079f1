import type { PasidTable } from '../../memory/iommu-object.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { fieldOf } from '../entry-layout.ts';
import { PASID_DIRECTORY_ENTRY, PASID_ENTRY, PASIDS_PER_DIRECTORY_ENTRY } from './tables.ts';

const PRESENT = 1;

/**
 * The PASIDs whose entries in a table of VT-d are present, ascending; whether an entry is of any use, who reads it
 * finds out. `mayRead` is asked before each read of an entry: false ends the listing there.
 */
export function* presentPasids(
  memory: TableMemory,
  table: Pick<PasidTable, 'address' | 'size' | 'format'>,
  mayRead: () => boolean = () => true,
): Generator<number> {
  const start = Number(table.address);
  const entries = Number(table.size / 8n);
  for (let index = 0; index < entries; index++) {
    if (!mayRead()) return;
    if (!memory.read(start + 8 * index) || (memory.low & PRESENT) === 0) continue;
    if (table.format !== 'vtd-scalable') {
      yield index;
      continue;
    }
    const leaf = fieldOf(PASID_DIRECTORY_ENTRY, Uint32Array.of(memory.low, memory.high), 'SMPTBLPTR');
    for (let entry = 0; entry < PASIDS_PER_DIRECTORY_ENTRY; entry++) {
      if (!mayRead()) return;
      const present = memory.read(leaf + PASID_ENTRY.bytes * entry) && (memory.low & PRESENT) !== 0;
      if (present) yield index * PASIDS_PER_DIRECTORY_ENTRY + entry;
    }
  }
}
