import { type Access, Permission, type Permissions } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';

/**
 * Second-stage translation: VT-d's own page tables of 3 and 4 levels with pages of 4 KiB, 2 MiB and 1 GiB
 * (VT-d, section 3.7; entry layout section 9.8). Numbers are plain ones, as in the first-stage walk.
 */

const READ = 1 << 0;
const WRITE = 1 << 1;
const PAGE_SIZE_BIT = 1 << 7;
/** SNP, bit 11. */
const SNOOP = 1 << 11;
/** TM, bit 62, in the high half. */
const TRANSIENT = 1 << 30;
const ALL_ONES = 0xffff_ffff;

const MAX_LEVELS = 4;
const TWO_TO_12 = 0x1000;
const TWO_TO_20 = 0x10_0000;
const TWO_TO_27 = 0x800_0000;

/** What the entry that points to a second-stage table says about it. */
export interface SecondStageTable {
  /** Address of the top table, a multiple of 4 KiB below 2^52. */
  address: number;
  /** AW of the entry, plus 2. */
  levels: 3 | 4;
}

export interface SecondStageOptions {
  /** Width of the unit's addresses, 39 to 52: input beyond it faults, and so do entries that lead beyond it. */
  addressWidth: number;
  /** Bit 11 of a leaf (SNP) may be set. */
  snoopControl: boolean;
  /** Bit 62 of a leaf (TM) may be set. */
  transientMapping: boolean;
}

/**
 * One walker, used again for every walk: its fields hold the outcome of the last one. It reads only through the table
 * memory, writes nothing and knows no cache.
 */
export class SecondStageWalker {
  /** 0, or the fault reason that ended the walk: 3, 4, 5, 6, 7 or 0xc. */
  code = 0;
  /** Level of the entry that was used or that faulted; 1 is the lowest. */
  level = 0;
  /** Number of the 4 KiB frame behind the 4 KiB page that was asked for. */
  frame = 0;
  /** Log2 of the size of the page that translates: 12, 21 or 30. */
  shift = 0;
  /** The rights that all levels allow. */
  permissions: Permissions = Permission.none;
  /** Address of the entry that was used last, readable or not. */
  entry = 0;
  /** How many entries were read, from the top table down. */
  steps = 0;
  readonly stepAddress = new Float64Array(MAX_LEVELS);
  readonly stepLow = new Uint32Array(MAX_LEVELS);
  readonly stepHigh = new Uint32Array(MAX_LEVELS);
  /** Bits of a high half that are the address. */
  readonly #addressHigh: number;
  /** Reserved bits by 2 * level, plus 1 for a leaf. */
  readonly #reservedLow = new Int32Array(2 * MAX_LEVELS + 2);
  readonly #reservedHigh = new Int32Array(2 * MAX_LEVELS + 2);
  readonly #widestPage: number;

  constructor(options: SecondStageOptions) {
    const { addressWidth, snoopControl, transientMapping } = options;
    if (!(addressWidth >= 39 && addressWidth <= 52)) throw new RangeError(`address width ${addressWidth}`);
    this.#addressHigh = 2 ** (addressWidth - 32) - 1;
    this.#widestPage = 2 ** (addressWidth - 12);
    const beyond = 0xf_ffff & ~this.#addressHigh;
    this.#reservedHigh.fill(beyond | TRANSIENT);
    this.#reservedLow.fill(SNOOP);
    for (let level = 1; level <= 3; level++) {
      const inPage = [0, 0, 0x1f_f000, 0x3fff_f000][level]!;
      this.#reservedLow[2 * level + 1] = inPage | (snoopControl ? 0 : SNOOP);
      if (transientMapping) this.#reservedHigh[2 * level + 1] = beyond;
    }
    // There are no pages of 512 GiB: bit 7 is reserved at the fourth level.
    this.#reservedLow[2 * 4] = this.#reservedLow[2 * 4 + 1] = SNOOP | PAGE_SIZE_BIT;
  }

  /**
   * Translates the 4 KiB page with number `page` (0 to 2^52 - 1). Access `none` asks only where the page leads: no
   * right is missed as long as there is any. Executing needs the right to read.
   *
   * Checks in this order: the width of the address (4); then for each entry from the top: readable and not all ones
   * (3 at the top, else 7), the right that is asked for (5 for writing, else 6), reserved bits (0xc). Rights are those
   * of all levels together, but only the asked one is judged on the way.
   * @returns true when `frame`, `shift` and `permissions` are valid; otherwise `code` says why not
   */
  walk(memory: TableMemory, table: SecondStageTable, page: number, access: Access): boolean {
    const { levels } = table;
    const { stepAddress, stepLow, stepHigh } = this;
    this.steps = 0;
    if (page >= this.#widestPage || page >= 2 ** (9 * levels)) return this.#fail(4, levels);
    const upper = Math.floor(page / TWO_TO_27);
    const lower = page - upper * TWO_TO_27;
    const asked = access === 'write' ? WRITE : access === 'none' ? READ | WRITE : READ;
    let rights = READ | WRITE;
    let address = table.address;
    for (let level: number = levels; ; level--) {
      const index = (level > 3 ? upper : lower >> (9 * (level - 1))) & 0x1ff;
      const entry = address + 8 * index;
      this.entry = entry;
      if (!memory.read(entry)) return this.#fail(level === levels ? 3 : 7, level);
      const low = memory.low;
      const high = memory.high;
      const step = levels - level;
      stepAddress[step] = entry;
      stepLow[step] = low;
      stepHigh[step] = high;
      this.steps = step + 1;
      if (low === ALL_ONES && high === ALL_ONES) return this.#fail(level === levels ? 3 : 7, level);
      rights &= low;
      if ((low & asked) === 0) return this.#fail(access === 'write' ? 5 : 6, level);
      const leaf = level === 1 || (low & PAGE_SIZE_BIT) !== 0;
      const kind = 2 * level + (leaf ? 1 : 0);
      if ((low & this.#reservedLow[kind]!) !== 0 || (high & this.#reservedHigh[kind]!) !== 0) {
        return this.#fail(0xc, level);
      }
      const next = (high & this.#addressHigh) * TWO_TO_20 + (low >>> 12);
      if (!leaf) {
        address = next * TWO_TO_12;
        continue;
      }
      this.frame = level === 1 ? next : next + (level === 2 ? lower & 0x1ff : lower & 0x3_ffff);
      this.shift = 3 + 9 * level;
      this.level = level;
      this.permissions = rights;
      this.code = 0;
      return true;
    }
  }

  /** Reserved bits are set in an entry that was read from a table of `level`; also what a replay skips. */
  isReserved(level: number, low: number, high: number): boolean {
    const leaf = level === 1 || (low & PAGE_SIZE_BIT) !== 0;
    const kind = 2 * level + (leaf ? 1 : 0);
    return (low & this.#reservedLow[kind]!) !== 0 || (high & this.#reservedHigh[kind]!) !== 0;
  }

  /** The table or page that an entry leads to, as a number of 4 KiB. */
  frameOf(low: number, high: number): number {
    return (high & this.#addressHigh) * TWO_TO_20 + (low >>> 12);
  }

  #fail(code: number, level: number): false {
    this.code = code;
    this.level = level;
    this.permissions = Permission.none;
    return false;
  }
}
