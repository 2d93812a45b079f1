import type { TableMemory } from '../memory/table-memory.ts';

/** How many entries the tables of a level have; 1 is the lowest. */
export interface TableShape {
  entries(level: number): number;
  /** Log2 of the bytes behind one entry. */
  shift(level: number): number;
}

/** Tables of 4 KiB at every level. */
const EVEN_TABLES: TableShape = { entries: () => 512, shift: (level) => 3 + 9 * level };

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
  /** What leads to the top table allows, as permission bits; default everything. */
  readonly rights?: number;
  /** Default: 512 entries at every level. */
  readonly shape?: TableShape;
  /** Null: the entry maps nothing. `above`: the rights that lead to it. */
  decode(level: number, low: number, high: number, above: number): ListedEntry | null;
}

/** What an entry says. */
export interface ListedEntry {
  readonly leaf: boolean;
  /** Of this entry alone, as permission bits. */
  readonly rights: number;
  /** They hold as they are, whatever is above. */
  readonly final?: boolean;
  /** The page, aligned to its size, or the table, which may begin within a page: then with a fraction. */
  readonly frame: number;
  /** Of a leaf: log2 of the page's size, where that is not what an entry of its level covers. */
  readonly shift?: number;
  /** Otherwise: the level of the table behind it, where that is not the next lower one. It is then behind it repeatedly. */
  readonly next?: number;
}

/** Pages of 4 KiB behind one entry of a table of that level. */
export function pagesOfEntry(level: number, shape: TableShape = EVEN_TABLES): number {
  return 2 ** (shape.shift(level) - 12);
}

/** The shape of tables that are listed. */
export function shapeOf({ shape }: ListedTables): TableShape {
  return shape ?? EVEN_TABLES;
}

/** The address that stands for an input page: input pages run from 0 to 2^bits in the order of the tables. */
export function inputAddress({ bits, canonical }: ListedTables, page: number): bigint {
  const iova = BigInt(page) << 12n;
  const isUpper = canonical && page >= 2 ** (bits - 13);
  return isUpper ? iova - (1n << BigInt(bits)) + (1n << 64n) : iova;
}
