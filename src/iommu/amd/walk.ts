import { type Access, Permission, type Permissions } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { encodedShift, frameOf, NEXT_LEVEL_PAGE, NEXT_LEVEL_SIZED_PAGE, rightsOf } from './tables.ts';

const PRESENT = 1;
const ALL_ONES = 0xffff_ffff;
const MAX_LEVELS = 6;
const TWO_TO_12 = 0x1000;

/** What a device table entry says about its page tables. */
export interface PageTables {
  /** Of the top table: a multiple of 4 KiB below 2^52. */
  address: number;
  /** 1 to 6. */
  levels: number;
  /** IR and IW of the device table entry. */
  rights: Permissions;
}

/** What an entry says of the pages behind it, by the rights that lead to it. */
export const EntryKind = {
  /** All ones: counts as one that cannot be read; or a next level that does not descend. */
  broken: 0,
  /** The walk ends without a mapping. */
  absent: 1,
  page: 2,
  table: 3,
} as const;

/**
 * One entry of the page tables, as QEMU 11.1.3 reads it: rights are those of all levels, with the device table entry's,
 * only as long as any is left; what a page allows is then what its own entry allows. An entry that leaves none ends the
 * walk as if it were a page of its level.
 */
export class PageTableEntry {
  rights: Permissions = Permission.none;
  /** The page, aligned to its size, or the table. */
  frame = 0;
  /** Of a page: log2 of its size. */
  shift = 0;
  /** Of a table: its level. */
  next = 0;

  decode(level: number, low: number, high: number, above: Permissions): number {
    if (low === ALL_ONES && high === ALL_ONES) return EntryKind.broken;
    const own = rightsOf(high);
    const together = above & own;
    const next = (low >>> 9) & 7;
    if ((low & PRESENT) === 0 || own === 0) return EntryKind.absent;
    const frame = frameOf(low, high);
    if (together === 0 || next === NEXT_LEVEL_PAGE) return this.#page(frame, own, 3 + 9 * level);
    if (next === NEXT_LEVEL_SIZED_PAGE) return this.#page(frame, own, encodedShift(low, high));
    if (next >= level) return EntryKind.broken;
    this.rights = together;
    this.frame = frame;
    this.next = next;
    return EntryKind.table;
  }

  #page(frame: number, rights: Permissions, shift: number): number {
    this.rights = rights;
    this.shift = shift;
    this.frame = frame - (frame % 2 ** (shift - 12));
    return EntryKind.page;
  }
}

/**
 * One walker of AMD's page tables of 1 to 6 levels with pages of any power of two from 4 KiB on (AMD-Vi, section 2.2.3),
 * used again for every walk: its fields hold the outcome of the last one. It writes nothing and knows no cache.
 */
export class PageTableWalker {
  /** Address of the entry that could not be read; -1: none. */
  unreadable = -1;
  /** Level of the entry that was used or that faulted; 1 is the lowest. */
  level = 0;
  /** Number of the 4 KiB frame behind the 4 KiB page that was asked for. */
  frame = 0;
  /** Log2 of the size of the page that translates. */
  shift = 0;
  /** What its entry allows. */
  permissions: Permissions = Permission.none;
  /** Address of the entry that was used last. */
  entry = 0;
  /** How many entries were read, from the top table down. */
  steps = 0;
  readonly stepAddress = new Float64Array(MAX_LEVELS);
  readonly stepLevel = new Uint8Array(MAX_LEVELS);
  readonly #decoded = new PageTableEntry();

  /**
   * Translates the 4 KiB page with number `page` (0 to 2^52 - 1). Access `none` asks only where the page leads.
   * @returns true when `frame`, `shift` and `permissions` are valid; false is a page fault
   */
  walk(memory: TableMemory, tables: PageTables, page: number, access: Access): boolean {
    const decoded = this.#decoded;
    this.unreadable = -1;
    this.steps = 0;
    this.permissions = Permission.none;
    this.level = tables.levels;
    if (tables.rights === Permission.none || page >= 2 ** (9 * tables.levels)) return false;
    let { address, levels: level, rights } = tables;
    for (;;) {
      const entry = address + 8 * (Math.floor(page / 2 ** (9 * (level - 1))) % 512);
      this.entry = entry;
      this.level = level;
      if (!memory.read(entry)) {
        this.unreadable = entry;
        return false;
      }
      this.stepAddress[this.steps] = entry;
      this.stepLevel[this.steps++] = level;
      const kind = decoded.decode(level, memory.low, memory.high, rights);
      if (kind === EntryKind.page) break;
      if (kind !== EntryKind.table) return false;
      address = decoded.frame * TWO_TO_12;
      level = decoded.next;
      rights = decoded.rights;
    }
    const asked = access === 'write' ? Permission.write : Permission.read;
    if (access !== 'none' && (decoded.rights & asked) === 0) return false;
    this.shift = decoded.shift;
    this.frame = decoded.frame + (page % 2 ** (decoded.shift - 12));
    this.permissions = decoded.rights;
    return true;
  }
}
