import { Permission, type Permissions } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { ErrorCode } from './errors.ts';
import { Anchor, EntryBit, Level, SHAPE } from './tables.ts';

const TWO_TO_12 = 0x1000;
const TWO_TO_20 = 0x10_0000;
const TWO_TO_32 = 0x1_0000_0000;
/** Tables lie below this: addresses are plain numbers. */
const LARGEST_TABLE = 2 ** 52;

/** The origin of the top table, and what the anchor allows. */
export interface TranslationAnchor {
  readonly origin: number;
  readonly rights: Permissions;
}

export function parseAnchor(anchor: bigint): TranslationAnchor {
  const origin = Number(anchor & ~Anchor.flags);
  return { origin, rights: (anchor & Anchor.protected) === 0n ? Permission.readWrite : Permission.read };
}

/**
 * One walker, used again for every walk: its fields hold the outcome of the last one. It reads only through the table
 * memory, which turns big-endian entries round, writes nothing and knows no cache.
 */
export class ZpciWalker {
  /** 0, or the code of the error that ended the walk: 7, 8 or 9. */
  code = 0;
  /** Level of the entry that was read last; 1 is the lowest. */
  level = 0;
  /** Number of the 4 KiB frame behind the page that was asked for. */
  frame = 0;
  /** Log2 of what the last entry covers: 12, 20 or 31. */
  shift = 0;
  /** What all entries allow; none where an entry is marked invalid, which is no error. */
  permissions: Permissions = Permission.none;
  /** Address of the entry that was read last. */
  entry = 0;
  /** How many entries were read, from the top table down. */
  steps = 0;
  readonly stepAddress = new Float64Array(3);
  readonly stepLow = new Uint32Array(3);
  readonly stepHigh = new Uint32Array(3);

  /**
   * Translates the 4 KiB page with number `page`; of its bits only those that the tables span count. Checks for each
   * entry from the top, in this order: not zero (7; what cannot be read is zero), not marked invalid, whole table (8),
   * table type and target not 0 (9).
   * @returns true when it ended without an error; `permissions` is none then where nothing is mapped
   */
  walk(memory: TableMemory, { origin, rights }: TranslationAnchor, page: number): boolean {
    const { stepAddress, stepLow, stepHigh } = this;
    this.steps = 0;
    let allowed = rights;
    let table = origin;
    for (let level: number = Level.region; ; level--) {
      const index = Math.floor(page / 2 ** (SHAPE.shift(level) - 12)) % SHAPE.entries(level);
      const address = table + 8 * index;
      const readable = address < LARGEST_TABLE && memory.read(address);
      const low = readable ? memory.low : 0;
      const high = readable ? memory.high : 0;
      const step = Level.region - level;
      stepAddress[step] = address;
      stepLow[step] = low;
      stepHigh[step] = high;
      this.steps = step + 1;
      this.entry = address;
      this.level = level;
      this.shift = SHAPE.shift(level);
      if (low === 0 && high === 0) return this.#end(ErrorCode.invalidEntry);
      if ((low & (level === Level.page ? EntryBit.pageInvalid : EntryBit.invalid)) !== 0) return this.#end(0);
      if (level === Level.region && ((low & EntryBit.length) !== EntryBit.length || (low & EntryBit.offset) !== 0)) {
        return this.#end(ErrorCode.invalidLength);
      }
      const next = targetOf(level, low, high);
      if (next === 0) return this.#end(ErrorCode.invalidType);
      if ((low & EntryBit.protected) !== 0) allowed &= Permission.read;
      if (level === Level.page || (level === Level.segment && (low & EntryBit.frame) !== 0)) {
        this.frame = level === Level.page ? next / TWO_TO_12 : frameOf(low, high) + (page % 256);
        this.permissions = allowed;
        this.code = 0;
        return true;
      }
      table = next;
    }
  }

  #end(code: number): boolean {
    this.code = code;
    this.permissions = Permission.none;
    return code === 0;
  }
}

/** The table or frame that an entry leads to; 0 for an entry of another table's type. */
function targetOf(level: number, low: number, high: number): number {
  if (level === Level.page) return addressOf(low, high, 0xffff_f000);
  const type = level === Level.region ? EntryBit.regionType : EntryBit.segmentType;
  if ((low & EntryBit.type) !== type) return 0;
  return addressOf(low, high, level === Level.region ? 0xffff_c000 : 0xffff_f800);
}

/** The 1 MiB frame of a segment entry, as a number of 4 KiB. */
function frameOf(low: number, high: number): number {
  return high * TWO_TO_20 + ((low & 0xfff0_0000) >>> 12);
}

function addressOf(low: number, high: number, mask: number): number {
  return high * TWO_TO_32 + ((low & mask) >>> 0);
}

/** What one entry says to those who list tables, judged by the same rules; null where it maps nothing. */
export function listedEntry(
  level: number,
  low: number,
  high: number,
): { leaf: boolean; rights: Permissions; frame: number } | null {
  if (low === 0 && high === 0) return null;
  if ((low & (level === Level.page ? EntryBit.pageInvalid : EntryBit.invalid)) !== 0) return null;
  if (level === Level.region && ((low & EntryBit.length) !== EntryBit.length || (low & EntryBit.offset) !== 0)) {
    return null;
  }
  const next = targetOf(level, low, high);
  if (next === 0 || (level !== Level.page && next >= LARGEST_TABLE)) return null;
  const rights = (low & EntryBit.protected) === 0 ? Permission.readWrite : Permission.read;
  if (level === Level.segment && (low & EntryBit.frame) !== 0) return { leaf: true, rights, frame: frameOf(low, high) };
  return { leaf: level === Level.page, rights, frame: next / TWO_TO_12 };
}
