import type { AddressSpace } from '../../memory/address-space.ts';
import type { PageTableRoot } from './iommu-tables.ts';

/** A text of more lines would hold the daemon, and nobody reads it: query-iommu-mappings goes on in parts. */
const MOST_LINES = 4096;
const POINTER = 0x000f_ffff_ffff_f000n;
const LARGE = 1n << 7n;
const ENTRIES = 512;

const word = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;

/**
 * Every page of a table with the entries that lead to it, highest first.
 * @param pasid null: requests without PASID
 */
export function pageTableText(
  place: string,
  pasid: number | null,
  table: PageTableRoot | null,
  memory: AddressSpace,
): string {
  const name = `Device ${place}${pasid === null ? '' : ` with pasid ${pasid.toString(16)}`}`;
  if (table === null) return `${name} has no page table\n`;
  const head = ['IOVA_PFN'.padEnd(17), ...['PML5E', 'PML4E', 'PDPE', 'PDE'].map((name) => name.padEnd(18)), 'PTE'];
  const present = table.stage === 'first' ? 1n : 3n;
  const lines: string[] = [];
  const bytes = new Map<number, Uint8Array>();
  const visit = (at: bigint, level: number, base: bigint, path: readonly bigint[]): void => {
    const page = bytes.get(level) ?? new Uint8Array(ENTRIES * 8);
    bytes.set(level, page);
    if (!memory.read(at, page).ok) return;
    const view = new DataView(page.slice().buffer);
    for (let index = 0; index < ENTRIES && lines.length < MOST_LINES; index += 1) {
      const entry = view.getBigUint64(index * 8, true);
      if ((entry & present) === 0n) continue;
      const iova = base + (BigInt(index) << BigInt(9 * (level - 1)));
      const further = [...path, entry];
      if (level > 1 && (entry & LARGE) === 0n) visit(entry & POINTER, level - 1, iova, further);
      else lines.push(pageLine(iova, further, table.levels));
    }
  };
  visit(table.root, table.levels, 0n, []);
  const more = lines.length < MOST_LINES ? '' : `(${MOST_LINES} lines; query-iommu-mappings lists all)\n`;
  return `${name} @0x${table.root.toString(16)}\n${head.join('\t')}\n${lines.join('')}${more}\n`;
}

/** Levels that the table does not have are zeros; those below a large page are left out. */
function pageLine(pageNumber: bigint, path: readonly bigint[], levels: number): string {
  const missing = Array.from({ length: 5 - levels }, () => 0n);
  const entries = [...missing, ...path].map(word);
  return `0x${pageNumber.toString(16).padStart(13, '0')} |\t${entries.join('\t')}\n`;
}
