import type { TableMemory } from '../../memory/table-memory.ts';
import type { ListedTables } from '../listed-tables.ts';
import type { SecondStageTable, SecondStageWalker } from '../walk/second-stage.ts';

export function secondStageTables(
  memory: TableMemory,
  { address, levels }: SecondStageTable,
  walker: SecondStageWalker,
  addressWidth: number,
): ListedTables {
  return {
    memory,
    reading: 'second',
    address,
    levels,
    bits: Math.min(addressWidth, 12 + 9 * levels),
    canonical: false,
    decode: (level, low, high) => {
      if ((low & 3) === 0 || walker.isReserved(level, low, high)) return null;
      return { leaf: level === 1 || (low & 0x80) !== 0, rights: low & 3, frame: walker.frameOf(low, high) };
    },
  };
}
