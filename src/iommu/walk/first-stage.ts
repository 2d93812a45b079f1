import { type Access, Permission, type Permissions } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { type Reading, SPECIFICATION } from './reading.ts';

/**
 * First-stage translation: the x86 page tables of 4 and 5 levels with pages of 4 KiB, 2 MiB and 1 GiB
 * (VT-d, section 3.6; entry layout section 9.7).
 *
 * All numbers here are plain ones: pages and frames are numbers of 4 KiB (52 bits at most), table addresses have at
 * most 52 bits, and entries come as two unsigned 32-bit halves. bigint would make a walk three to six times slower.
 */

/** Bits of an entry's low half. */
const PRESENT = 1 << 0;
const WRITABLE = 1 << 1;
const USER = 1 << 2;
const ACCESSED = 1 << 5;
const DIRTY = 1 << 6;
const PAGE_SIZE_BIT = 1 << 7;
const EXTENDED_ACCESSED = 1 << 10;
/** XD, bit 63, in the high half. */
const EXECUTE_DISABLE = 1 << 31;

export const MAX_LEVELS = 5;
const TWO_TO_20 = 0x10_0000;
const TWO_TO_27 = 0x800_0000;
const TWO_TO_12 = 0x1000;

/** What the entry that points to a first-stage table says about it. */
export interface FirstStageTable {
  /** Address of the top table, a multiple of 4 KiB below 2^52. */
  address: number;
  levels: 4 | 5;
  /** Bits from this one (minus one) up to 63 of an input address must be equal: 48 or 57, or less; 14 to 57. */
  canonicalBits: number;
  /** WPE: a supervisor's write needs the R/W right too. */
  writeProtect: boolean;
  /** EAFE: the extended-accessed bit is set together with the accessed bit. */
  extendedAccessed: boolean;
}

export interface FirstStageOptions {
  /** Bits of an entry from this one to 51 are reserved; 32 to 52. */
  addressWidth: number;
  /** 1 GiB pages may be used (FS1GP); otherwise bit 7 is reserved in an entry of level 3. Default: true. */
  oneGiB?: boolean;
  /** Default: the specification's. */
  reading?: Reading;
}

/**
 * One walker, used again for every walk: its fields hold the outcome of the last one, so that a walk allocates
 * nothing. It reads and writes only through the table memory, and knows no cache. A walk that must leave no trace
 * gets a table memory that writes nothing.
 */
export class FirstStageWalker {
  /** 0, or the fault reason code (see faults.ts) that ended the walk. */
  code = 0;
  /** Level of the entry that was used or that faulted; 1 is the lowest. For 0x80 the top level. */
  level = 0;
  /** Number of the 4 KiB frame behind the 4 KiB page that was asked for. */
  frame = 0;
  /** Log2 of the size of the page that translates: 12, 21 or 30. */
  shift = 0;
  /** All rights of the page; {@link Permission.privileged} when it is for the supervisor only. */
  permissions: Permissions = Permission.none;
  /** The leaf is marked dirty: a cache may then serve writes without a new walk. */
  dirty = false;
  /** Address of the entry that was used last, readable or not. */
  entry = 0;
  /** How many entries were read, from the top table down. */
  steps = 0;
  /** Addresses of those entries. */
  readonly stepAddress = new Float64Array(MAX_LEVELS);
  /** Their values as they are after the walk, in unsigned halves. */
  readonly stepLow = new Uint32Array(MAX_LEVELS);
  readonly stepHigh = new Uint32Array(MAX_LEVELS);
  readonly #reading: Reading;
  readonly #reservedHigh: number;
  /** Reserved bits of the low half, by 2 * level, plus 1 for a leaf. */
  readonly #reservedLow: readonly number[];
  readonly #oneGiB: boolean;

  constructor(options: FirstStageOptions) {
    const { addressWidth, oneGiB = true, reading = SPECIFICATION } = options;
    if (!(addressWidth >= 32 && addressWidth <= 52)) throw new RangeError(`address width ${addressWidth}`);
    this.#reading = reading;
    this.#oneGiB = oneGiB;
    this.#reservedHigh = 0xf_ffff & ~(2 ** (addressWidth - 32) - 1);
    const table = new Array<number>(2 * MAX_LEVELS + 2).fill(0);
    table[2 * 2 + 1] = 0x1f_e000;
    table[2 * 3 + 1] = 0x3fff_e000;
    if (!oneGiB) table[2 * 3] = PAGE_SIZE_BIT;
    table[2 * 4] = PAGE_SIZE_BIT;
    table[2 * 5] = PAGE_SIZE_BIT;
    this.#reservedLow = table;
  }

  /**
   * Translates the 4 KiB page with number `page` (0 to 2^52 - 1) for `access`; `privileged` is a supervisor's request.
   * Access `none` asks only where the page leads: no right is missed, no bit is set.
   *
   * Checks in this order: canonical address (0x80); then for each entry from the top: readable (0x73 at the top, else
   * 0x70), present (0x71), U/S (0x81), R/W (0x85), XD (0x82), reserved bits (0x72), and the accessed and dirty bits
   * are written back (0x91 when that fails). Entries above a faulting one keep their accessed bit.
   * @returns true when `frame`, `shift` and `permissions` are valid; otherwise `code` says why not
   */
  walk(memory: TableMemory, table: FirstStageTable, page: number, access: Access, privileged = false): boolean {
    const { levels } = table;
    const { stepAddress, stepLow, stepHigh } = this;
    const reserved = this.#reservedLow;
    const reservedHigh = this.#reservedHigh;
    const oneGiB = this.#oneGiB;
    this.steps = 0;
    // Level 1 to 3 are indexed from 27 bits, level 4 and 5 from the 25 bits above.
    const upper = Math.floor(page / TWO_TO_27);
    const lower = page - upper * TWO_TO_27;
    if (!isCanonical(upper, lower, table.canonicalBits)) return this.#fail(0x80, levels);

    const reading = this.#reading;
    const supervisor = privileged && !reading.alwaysUser;
    const needsUser = access !== 'none' && !supervisor;
    const needsWritable = access === 'write' && (!supervisor || table.writeProtect);
    const needsExecutable = access === 'execute' && reading.executeDisable;
    const touched = access === 'none' ? 0 : table.extendedAccessed ? ACCESSED | EXTENDED_ACCESSED : ACCESSED;
    let everywhere = WRITABLE | USER;
    let executeDisable = 0;
    let address = table.address;

    for (let level: number = levels; ; level--) {
      const bits = level > 3 ? upper >> (9 * (level - 4)) : lower >> (9 * (level - 1));
      const entry = address + 8 * (bits & 0x1ff);
      this.entry = entry;
      if (!memory.read(entry)) return this.#fail(level === levels ? 0x73 : 0x70, level);
      const low = memory.low;
      const high = memory.high;
      const step = levels - level;
      stepAddress[step] = entry;
      stepLow[step] = low;
      stepHigh[step] = high;
      this.steps = step + 1;

      if ((low & PRESENT) === 0) return this.#fail(0x71, level);
      if (needsUser && (low & USER) === 0) return this.#fail(0x81, level);
      if (needsWritable && (low & WRITABLE) === 0) return this.#fail(0x85, level);
      if (needsExecutable && (high & EXECUTE_DISABLE) !== 0) return this.#fail(0x82, level);
      const leaf = level === 1 || ((low & PAGE_SIZE_BIT) !== 0 && (level === 2 || (level === 3 && oneGiB)));
      const reservedLow = reserved[2 * level + (leaf ? 1 : 0)]!;
      if ((low & reservedLow) !== 0 || (high & reservedHigh) !== 0) return this.#fail(0x72, level);

      const wanted = leaf && access === 'write' ? touched | DIRTY : touched;
      const update = reading.updateOnlyUntouched ? (low & wanted) === 0 && wanted !== 0 : (low & wanted) !== wanted;
      if (update) {
        if (!memory.setBits(entry, wanted)) return this.#fail(0x91, level);
        stepLow[step] = low | wanted;
      }
      everywhere &= low;
      executeDisable |= high;
      const next = (high & 0xf_ffff) * TWO_TO_20 + (low >>> 12);
      if (!leaf) {
        address = next * TWO_TO_12;
        continue;
      }

      const inPage = level === 1 ? 0 : level === 2 ? lower & 0x1ff : lower & 0x3_ffff;
      // Bit 12 of a large leaf is PAT, not address.
      this.frame = level === 1 ? next : next - (next & 1) + inPage;
      this.shift = 3 + 9 * level;
      this.level = level;
      this.code = 0;
      this.dirty = (stepLow[step] & DIRTY) !== 0;
      this.permissions =
        Permission.read |
        ((everywhere & WRITABLE) !== 0 ? Permission.write : 0) |
        ((everywhere & USER) !== 0 ? 0 : Permission.privileged) |
        ((executeDisable & EXECUTE_DISABLE) === 0 && reading.executeDisable ? Permission.execute : 0);
      return true;
    }
  }

  /** The entry is a leaf of a table of that level. */
  isLeaf(level: number, low: number): boolean {
    return level === 1 || ((low & PAGE_SIZE_BIT) !== 0 && (level === 2 || (level === 3 && this.#oneGiB)));
  }

  /** Reserved bits are set in a present entry of a table of that level. */
  isReserved(level: number, low: number, high: number): boolean {
    const reserved = this.#reservedLow[2 * level + (this.isLeaf(level, low) ? 1 : 0)]!;
    return (low & reserved) !== 0 || (high & this.#reservedHigh) !== 0;
  }

  #fail(code: number, level: number): boolean {
    this.code = code;
    this.level = level;
    this.permissions = Permission.none;
    return false;
  }
}

/** True when the address bits from `bits - 1` up are all equal; the address is given by its page number in two parts. */
function isCanonical(upper: number, lower: number, bits: number): boolean {
  const sign = bits - 13;
  if (sign >= 27) {
    const rest = upper >> (sign - 27);
    return rest === 0 || rest === 0x1ff_ffff >> (sign - 27);
  }
  const rest = lower >> sign;
  return (upper === 0 && rest === 0) || (upper === 0x1ff_ffff && rest === 0x7ff_ffff >> sign);
}
