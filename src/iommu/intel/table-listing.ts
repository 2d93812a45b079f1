import type { TableMemory } from '../../memory/table-memory.ts';
import type { RootTable } from './invalidation.ts';
import { PASID_ENTRY, PASIDS_PER_DIRECTORY_ENTRY } from './tables.ts';

/** One present entry of the tables behind the root, as it stands in memory; valid or not. */
export interface IntelTableEntry {
  readonly bus: number;
  readonly devfn: number;
  readonly rootAddress: number;
  /** 64-bit words, low first. */
  readonly root: readonly [bigint, bigint];
  /** Two words in legacy mode, four otherwise. */
  readonly context: readonly [bigint, bigint, ...bigint[]];
  /** Scalable mode: one entry of its PASID table. */
  readonly pasid?: number;
  /** Eight words. */
  readonly pasidEntry?: readonly bigint[];
}

const PRESENT = 1n;
const POINTER = ~0xfffn;
const BUSES = 256;

/**
 * Every present context entry by source-id; in scalable mode once for each present entry of its PASID table, and once
 * without when there is none.
 */
export function* tableEntries(memory: TableMemory, root: RootTable): Generator<IntelTableEntry> {
  const extended = root.mode !== 'legacy';
  for (let bus = 0; bus < BUSES; bus++) {
    const rootAddress = root.address + 16 * bus;
    const words = read(memory, rootAddress, 2);
    if (words === null) continue;
    const entry: readonly [bigint, bigint] = [words[0]!, words[1]!];
    for (const half of extended ? [0, 1] : [0]) {
      const pointer = entry[half]!;
      if ((pointer & PRESENT) === 0n) continue;
      const table = Number(pointer & POINTER);
      for (let index = 0; index < (extended ? 128 : 256); index++) {
        const context = read(memory, table + (extended ? 32 : 16) * index, extended ? 4 : 2);
        if (context === null || (context[0]! & PRESENT) === 0n) continue;
        const devfn = 128 * half + index;
        const place = { bus, devfn, rootAddress, root: entry, context: context as [bigint, bigint, ...bigint[]] };
        if (root.mode === 'scalable') yield* withPasids(memory, place);
        else yield place;
      }
    }
  }
}

function* withPasids(memory: TableMemory, place: IntelTableEntry): Generator<IntelTableEntry> {
  const [low] = place.context;
  const directory = Number(low & POINTER);
  const entries = 2 ** (Number((low >> 9n) & 7n) + 7);
  let any = false;
  for (let index = 0; index < entries; index++) {
    const leaf = read(memory, directory + 8 * index, 1)?.[0] ?? 0n;
    if ((leaf & PRESENT) === 0n) continue;
    for (let at = 0; at < PASIDS_PER_DIRECTORY_ENTRY; at++) {
      const pasidEntry = read(memory, Number(leaf & POINTER) + PASID_ENTRY.bytes * at, 8);
      if (pasidEntry === null || (pasidEntry[0]! & PRESENT) === 0n) continue;
      any = true;
      yield { ...place, pasid: index * PASIDS_PER_DIRECTORY_ENTRY + at, pasidEntry };
    }
  }
  if (!any) yield place;
}

function read(memory: TableMemory, address: number, count: number): bigint[] | null {
  const words: bigint[] = [];
  for (let word = 0; word < count; word++) {
    if (!memory.read(address + 8 * word)) return null;
    words.push((BigInt(memory.high) << 32n) | BigInt(memory.low));
  }
  return words;
}
