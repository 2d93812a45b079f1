import type { IntelTableEntry } from '../../iommu/intel/unit.ts';
import type { AddressSpace } from '../../memory/address-space.ts';

/** A page table that an entry leads to. */
export interface PageTableRoot {
  readonly root: bigint;
  readonly levels: number;
  readonly stage: 'first' | 'second';
}

const POINTER = 0x000f_ffff_ffff_f000n;

/** Where an entry leads; null for one that leads to no page table. */
export function pageTableOf({ context, pasidEntry }: IntelTableEntry): PageTableRoot | null {
  if (pasidEntry === undefined) {
    const [low, high] = context;
    const multiLevel = [0n, 1n].includes((low >> 2n) & (context.length === 4 ? 7n : 3n));
    return multiLevel ? { root: low & POINTER, levels: Number(high & 7n) + 2, stage: 'second' } : null;
  }
  const [first = 0n, , third = 0n] = pasidEntry;
  const type = (first >> 6n) & 7n;
  if (type === 1n) return { root: third & POINTER, levels: ((third >> 2n) & 3n) === 1n ? 5 : 4, stage: 'first' };
  return type === 2n ? { root: first & POINTER, levels: Number((first >> 2n) & 7n) + 2, stage: 'second' } : null;
}

/** Words of guest memory; zeros where nothing answers. */
export function words(memory: AddressSpace, address: bigint, count: number): bigint[] {
  const bytes = new Uint8Array(count * 8);
  memory.read(address, bytes);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, index) => view.getBigUint64(index * 8, true));
}
