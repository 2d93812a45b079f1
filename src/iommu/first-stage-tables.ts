import { Permission } from '../memory/access.ts';
import type { TableMemory } from '../memory/table-memory.ts';
import type { ListedTables } from './listed-tables.ts';
import type { FirstStageTable, FirstStageWalker } from './walk/first-stage.ts';

/** Bits of a first-stage entry's low half. */
const PRESENT = 1;
const WRITABLE = 2;
const USER = 4;

/** With `execute`, the right to execute is a right of its own; QEMU's reading knows none. */
export function firstStageTables(
  memory: TableMemory,
  { address, levels, canonicalBits }: FirstStageTable,
  walker: FirstStageWalker,
  execute: boolean,
): ListedTables {
  // A range that the PASID entry narrows ends inside the tables: its lower half is what they can say something about.
  const whole = canonicalBits === 12 + 9 * levels;
  return {
    memory,
    reading: execute ? 'first' : 'first without execution',
    address,
    levels,
    bits: whole ? canonicalBits : canonicalBits - 1,
    canonical: whole,
    decode: (level, low, high) => {
      if ((low & PRESENT) === 0 || (low & USER) === 0 || walker.isReserved(level, low, high)) return null;
      const leaf = walker.isLeaf(level, low);
      const page = (high & 0xf_ffff) * 0x10_0000 + (low >>> 12);
      const rights =
        Permission.read |
        ((low & WRITABLE) !== 0 ? Permission.write : 0) |
        (execute && high >>> 31 === 0 ? Permission.execute : 0);
      // Bit 12 of a large leaf is PAT, not address.
      return { leaf, rights, frame: leaf && level > 1 ? page - (page & 1) : page };
    },
  };
}
