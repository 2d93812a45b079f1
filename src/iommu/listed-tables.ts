import type { TableMemory } from '../memory/table-memory.ts';

/** Page tables as those see them who list what they map, of either stage. Pages and frames are numbers of 4 KiB. */
export interface ListedTables {
  readonly memory: TableMemory;
  /** How the entries are read: tables of one reading decode alike. */
  readonly reading: string;
  /** Of the top table. */
  readonly address: number;
  readonly levels: number;
  /** Input addresses from 2^bits on do not exist, or (`canonical`) are those that repeat bit bits - 1 above. */
  readonly bits: number;
  readonly canonical: boolean;
  /** Null: the entry maps nothing. Rights are those of this entry alone, as permission bits. */
  decode(level: number, low: number, high: number): { leaf: boolean; rights: number; frame: number } | null;
}

/** The address that stands for an input page: input pages run from 0 to 2^bits in the order of the tables. */
export function inputAddress({ bits, canonical }: ListedTables, page: number): bigint {
  const iova = BigInt(page) << 12n;
  const isUpper = canonical && page >= 2 ** (bits - 13);
  return isUpper ? iova - (1n << BigInt(bits)) + (1n << 64n) : iova;
}
