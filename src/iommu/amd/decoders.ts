import type { TableMemory } from '../../memory/table-memory.ts';
import type { ListedEntry, ListedTables } from '../listed-tables.ts';
import { ShadowEntry, type ShadowDecoder } from '../shadow.ts';
import { EntryKind, type PageTables, PageTableEntry } from './walk.ts';

const SHADOW_KIND: readonly number[] = [ShadowEntry.unknown, ShadowEntry.absent, ShadowEntry.page, ShadowEntry.table];

/** Reads page-table entries for those who shadow them. */
export class AmdShadowDecoder extends PageTableEntry implements ShadowDecoder {
  override decode(level: number, low: number, high: number, above: number): number {
    return SHADOW_KIND[super.decode(level, low, high, above)]!;
  }
}

/** Page tables as listings see them. */
export function listedTables(memory: TableMemory, { address, levels, rights }: PageTables): ListedTables {
  const entry = new PageTableEntry();
  return {
    memory,
    reading: `amd ${rights}`,
    address,
    levels,
    bits: Math.min(64, 12 + 9 * levels),
    canonical: false,
    rights,
    decode: (level, low, high, above): ListedEntry | null => {
      const kind = entry.decode(level, low, high, above);
      const { frame, next, shift } = entry;
      if (kind === EntryKind.table) return { leaf: false, rights: entry.rights, final: true, frame, next };
      return kind === EntryKind.page ? { leaf: true, rights: entry.rights, final: true, frame, shift } : null;
    },
  };
}
