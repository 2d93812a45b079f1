import type { IntelIommuUnit } from '../../iommu/intel/unit.ts';
import type { AddressSpace } from '../../memory/address-space.ts';

/** One context entry of a guest's tables, or one PASID entry below it, as they are in memory. */
export interface TableEntry {
  readonly bus: number;
  readonly devfn: number;
  /** Words of 64 bits, low first. */
  readonly root: readonly bigint[];
  readonly context: readonly bigint[];
  /** Absent where the mode has no PASID entries of 64 bytes. */
  readonly pasid?: number;
  readonly pasidEntry?: readonly bigint[];
}

/** A page table that an entry leads to. */
export interface PageTableRoot {
  readonly root: bigint;
  readonly levels: number;
  readonly stage: 'first' | 'second';
}

const PRESENT = 1n;
const POINTER = 0x000f_ffff_ffff_f000n;
const BUSES = 256;
const PASIDS_PER_TABLE = 64;

/** Every present context entry, with its present PASID entries in scalable mode, by bus, function and PASID. */
export function* tableEntries(unit: IntelIommuUnit, memory: AddressSpace): Generator<TableEntry> {
  const { address, mode } = unit.root;
  const wide = mode !== 'legacy';
  const [functions, bytes] = wide ? [128, 32] : [256, 16];
  const roots = words(memory, BigInt(address), BUSES * 2);
  for (let bus = 0; bus < BUSES; bus += 1) {
    const root = roots.slice(bus * 2, bus * 2 + 2);
    for (const [half, pointer] of (wide ? root : root.slice(0, 1)).entries()) {
      if ((pointer & PRESENT) === 0n) continue;
      const contexts = words(memory, pointer & POINTER, (functions * bytes) / 8);
      for (let index = 0; index < functions; index += 1) {
        const context = contexts.slice((index * bytes) / 8, ((index + 1) * bytes) / 8);
        if ((context[0]! & PRESENT) === 0n) continue;
        const place = { bus, devfn: half * functions + index, root, context };
        if (mode !== 'scalable') yield place;
        else for (const entry of pasidEntries(memory, context[0]!)) yield { ...place, ...entry };
      }
    }
  }
}

/** Where an entry leads; null for one that leads to no page table. */
export function pageTableOf({ context, pasidEntry }: TableEntry): PageTableRoot | null {
  if (pasidEntry === undefined) {
    const [low = 0n, high = 0n] = context;
    const multiLevel = [0n, 1n].includes((low >> 2n) & (context.length === 4 ? 7n : 3n));
    return multiLevel ? { root: low & POINTER, levels: Number(high & 7n) + 2, stage: 'second' } : null;
  }
  const [first = 0n, , third = 0n] = pasidEntry;
  const type = (first >> 6n) & 7n;
  if (type === 1n) return { root: third & POINTER, levels: ((third >> 2n) & 3n) === 1n ? 5 : 4, stage: 'first' };
  return type === 2n ? { root: first & POINTER, levels: Number((first >> 2n) & 7n) + 2, stage: 'second' } : null;
}

function* pasidEntries(memory: AddressSpace, context: bigint): Generator<{ pasid: number; pasidEntry: bigint[] }> {
  const size = 2 ** (Number((context >> 9n) & 7n) + 7);
  for (const [index, pointer] of words(memory, context & POINTER, size).entries()) {
    if ((pointer & PRESENT) === 0n) continue;
    const table = words(memory, pointer & POINTER, PASIDS_PER_TABLE * 8);
    for (let entry = 0; entry < PASIDS_PER_TABLE; entry += 1) {
      const pasidEntry = table.slice(entry * 8, entry * 8 + 8);
      if ((pasidEntry[0]! & PRESENT) !== 0n) yield { pasid: index * PASIDS_PER_TABLE + entry, pasidEntry };
    }
  }
}

/** Words of guest memory; zeros where nothing answers. */
export function words(memory: AddressSpace, address: bigint, count: number): bigint[] {
  const bytes = new Uint8Array(count * 8);
  memory.read(address, bytes);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, index) => view.getBigUint64(index * 8, true));
}
