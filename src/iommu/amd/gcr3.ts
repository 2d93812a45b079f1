import type { PasidTable } from '../../memory/iommu-object.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { FirstStageTable } from '../walk/first-stage.ts';

/** A table of any level has 512 entries: one for each PASID, or for each table below. */
const BITS_PER_LEVEL = 9;
const ENTRY_BYTES = 8;
const MAX_LEVELS = 3;
const VALID = 1;

/** How many PASIDs a bound GCR3 table has room for: its size counts 8 bytes for each, whatever levels there are. */
export function gcr3Capacity({ size }: Pick<PasidTable, 'size'>): number {
  return Number(size / BigInt(ENTRY_BYTES));
}

/** 1 to 3: as many as PASIDs of its capacity need. */
function gcr3LevelsOf(table: Pick<PasidTable, 'size'>): number {
  let levels = 1;
  while (levels < MAX_LEVELS && 2 ** (BITS_PER_LEVEL * levels) < gcr3Capacity(table)) levels += 1;
  return levels;
}

/**
 * Fetches the guest's CR3 of a PASID from a GCR3 table in guest memory (AMD-Vi, section 2.2.6.3). One reader serves any
 * number of fetches; its fields hold the outcome of the last one, with the fault reasons of VT-d, which the host's
 * model has for every format. It knows no cache.
 */
export class Gcr3Reader {
  /** 0, or what ended the fetch: 0x46 beyond the table, 0x50 and 0x51 an upper level, 0x58 and 0x59 the lowest. */
  code = 0;
  /** The device table entry's. */
  domainId = 0;
  /** Tables in the processor's format, of four levels. The object is used again: copy what is kept. */
  readonly firstStage: FirstStageTable = {
    address: 0,
    levels: 4,
    canonicalBits: 48,
    writeProtect: true,
    extendedAccessed: false,
  };
  /** How many entries were read, with their addresses and values in halves. */
  steps = 0;
  readonly stepAddress = new Float64Array(MAX_LEVELS);
  readonly stepLow = new Uint32Array(MAX_LEVELS);
  readonly stepHigh = new Uint32Array(MAX_LEVELS);
  /** Address of the entry that was read last, readable or not. */
  entry = 0;

  read(memory: TableMemory, table: PasidTable, pasid: number): boolean {
    this.code = 0;
    this.steps = 0;
    this.domainId = table.domainId ?? 0;
    this.entry = Number(table.address);
    if (pasid >= gcr3Capacity(table)) return this.#end(0x46);
    let address = this.entry;
    for (let level = gcr3LevelsOf(table); level > 0; level--) {
      this.entry = address + ENTRY_BYTES * (Math.floor(pasid / 2 ** (BITS_PER_LEVEL * (level - 1))) % 512);
      if (!memory.read(this.entry)) return this.#end(level > 1 ? 0x50 : 0x58);
      this.stepAddress[this.steps] = this.entry;
      this.stepLow[this.steps] = memory.low;
      this.stepHigh[this.steps] = memory.high;
      this.steps += 1;
      if ((memory.low & VALID) === 0) return this.#end(level > 1 ? 0x51 : 0x59);
      address = addressOf(memory);
    }
    this.firstStage.address = address;
    return true;
  }

  #end(code: number): false {
    this.code = code;
    return false;
  }
}

/**
 * The PASIDs whose entries are valid, ascending. `mayRead` is asked before each read of an entry: false ends the
 * listing there.
 */
export function* validPasids(
  memory: TableMemory,
  table: Pick<PasidTable, 'address' | 'size'>,
  mayRead: () => boolean,
): Generator<number> {
  yield* pasidsBehind(memory, Number(table.address), gcr3LevelsOf(table), 0, gcr3Capacity(table), mayRead);
}

/** @returns false when nothing more may be read */
function* pasidsBehind(
  memory: TableMemory,
  address: number,
  level: number,
  base: number,
  end: number,
  mayRead: () => boolean,
): Generator<number, boolean> {
  const pasids = 2 ** (BITS_PER_LEVEL * (level - 1));
  for (let index = 0; index < 512 && base + index * pasids < end; index++) {
    if (!mayRead()) return false;
    if (!memory.read(address + ENTRY_BYTES * index) || (memory.low & VALID) === 0) continue;
    if (level === 1) yield base + index;
    else if (!(yield* pasidsBehind(memory, addressOf(memory), level - 1, base + index * pasids, end, mayRead))) {
      return false;
    }
  }
  return true;
}

/** Bits 51:12. */
function addressOf({ low, high }: TableMemory): number {
  return ((high & 0xf_ffff) * 0x10_0000 + (low >>> 12)) * 0x1000;
}
