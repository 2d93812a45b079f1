import { hex } from '../core/address.ts';
import type { TableEntry } from '../iommu/iotlb.ts';
import type { FirstStageTable } from '../iommu/walk/first-stage.ts';
import type { PasidTable } from '../memory/iommu-object.ts';
import { pasidsOf } from './binding.ts';
import type { StageTableMemory } from './nested-walk.ts';

/** What the host does with requests of one PASID. */
export interface PasidEntry {
  readonly pasid: number;
  /** Id of the nested page table that it belongs to: one per bound PASID table. */
  readonly nestedTable: number;
  /** The guest's. */
  readonly domainId: number;
  /** Null: pass-through, the second stage alone. */
  readonly firstStage: FirstStageTable | null;
  /** Different for each entry that was ever fetched: a translation remembers with which one it agreed last. */
  readonly serial: number;
  /** The words that it was read from. */
  derivedFrom: readonly TableEntry[];
  /** The state of all watched tables in which those words were last seen unchanged; -1: never looked. */
  verifiedAt: number;
}

/** Low halves of the words of a scalable-mode PASID entry (VT-d, section 9.6). */
const PRESENT = 1;
const ADDRESS_LOW = 0xffff_f000;
const DOMAIN_ID = 0xffff;
const WRITE_PROTECT = 1 << 4;
const EXTENDED_ACCESSED = 1 << 7;
const FIRST_STAGE_ONLY = 1;
const PASS_THROUGH = 4;
/** Bits 10:9 of an entry of 2017's flat table, and bits 3:2 of a scalable-mode one: the number of levels. */
const FOUR_LEVELS = 0;
const FIVE_LEVELS = 1;
const TWO_TO_32 = 2 ** 32;

/** Bits 51:12 of a table pointer; those above are ignored, as no guest-physical address reaches them. */
const pointer = (low: number, high: number): number => (high & 0xf_ffff) * TWO_TO_32 + ((low & ADDRESS_LOW) >>> 0);

/**
 * Reads PASID entries out of a bound table in guest memory, each word through the second stage. Used again for each
 * fetch; it knows no cache.
 */
export class PasidReader {
  /** Fault reason that ended the last fetch. */
  code = 0;
  /** Why, as the middle of a sentence. */
  description = '';
  readonly #memory: StageTableMemory;
  #words: TableEntry[] = [];

  constructor(memory: StageTableMemory) {
    this.#memory = memory;
  }

  /** The words that the last fetch read, also those of one that failed. */
  get words(): readonly TableEntry[] {
    return this.#words;
  }

  /** The entry of `pasid`, or null: then {@link code} and {@link description} say why. */
  fetch(table: PasidTable, nestedTable: number, pasid: number, serial: number): PasidEntry | null {
    this.#words = [];
    const room = pasidsOf(table);
    if (pasid >= room) {
      return this.#fail(
        0x46,
        `PASID ${pasid} is beyond the bound table, whose ${table.size} bytes hold ${room} PASIDs`,
      );
    }
    const decoded = table.format === 'vtd-scalable' ? this.#scalable(table, pasid) : this.#flat(table, pasid);
    if (decoded === null) return null;
    return { pasid, nestedTable, ...decoded, serial, derivedFrom: this.#words, verifiedAt: -1 };
  }

  /** Directory of 8-byte entries, 64 PASIDs each, then tables of 64-byte entries (VT-d, sections 9.5 and 9.6). */
  #scalable(table: PasidTable, pasid: number): Decoded | null {
    const directory = this.#read(Number(table.address) + 8 * (pasid >>> 6));
    if (directory === null) return this.#unreachable(0x50, 'the PASID directory entry', table);
    if ((directory.low & PRESENT) === 0) {
      return this.#fail(0x51, `the PASID directory entry at ${hex(directory.address)} is not present`);
    }
    const address = pointer(directory.low, directory.high) + 64 * (pasid & 63);
    const first = this.#read(address);
    const second = first === null ? null : this.#read(address + 8);
    const third = second === null ? null : this.#read(address + 16);
    if (first === null || second === null || third === null) {
      return this.#fail(0x58, `the PASID entry at ${hex(address)} lies in no RAM of the guest`);
    }
    if ((first.low & PRESENT) === 0) return this.#fail(0x59, `the PASID entry at ${hex(address)} is not present`);
    const domainId = second.low & DOMAIN_ID;
    const type = (first.low >>> 6) & 7;
    if (type === PASS_THROUGH) return { domainId, firstStage: null };
    if (type !== FIRST_STAGE_ONLY) {
      return this.#fail(
        0x5b,
        `the PASID entry at ${hex(address)} has translation type ${type}; the host nests type 1 (first stage) and takes 4 (pass-through)`,
      );
    }
    const mode = (third.low >>> 2) & 3;
    return this.#firstStage(mode, third, domainId, address, {
      writeProtect: (third.low & WRITE_PROTECT) !== 0,
      extendedAccessed: (third.low & EXTENDED_ACCESSED) !== 0,
    });
  }

  /** A flat table of 8-byte entries, as extended contexts had it in 2017; their domain id is the context's. */
  #flat(table: PasidTable, pasid: number): Decoded | null {
    const entry = this.#read(Number(table.address) + 8 * pasid);
    if (entry === null) return this.#unreachable(0x58, 'the PASID entry', table);
    if ((entry.low & PRESENT) === 0) {
      return this.#fail(0x59, `the PASID entry at ${hex(entry.address)} is not present`);
    }
    const plain = { writeProtect: false, extendedAccessed: false };
    return this.#firstStage((entry.low >>> 9) & 3, entry, 0, entry.address, plain);
  }

  #firstStage(
    mode: number,
    root: TableEntry,
    domainId: number,
    address: number,
    flags: { writeProtect: boolean; extendedAccessed: boolean },
  ): Decoded | null {
    if (mode !== FOUR_LEVELS && mode !== FIVE_LEVELS) {
      return this.#fail(
        0x5b,
        `the PASID entry at ${hex(address)} has paging mode ${mode}; there are 0 (4 levels) and 1 (5 levels)`,
      );
    }
    const levels = mode === FIVE_LEVELS ? 5 : 4;
    const firstStage = {
      address: pointer(root.low, root.high),
      levels,
      canonicalBits: levels === 5 ? 57 : 48,
      ...flags,
    };
    return { domainId, firstStage: firstStage as FirstStageTable };
  }

  #read(address: number): TableEntry | null {
    if (!this.#memory.read(address)) return null;
    const word = { address, low: this.#memory.low, high: this.#memory.high };
    this.#words.push(word);
    return word;
  }

  #unreachable(code: number, what: string, table: PasidTable): null {
    return this.#fail(code, `${what} in the table at ${hex(table.address)} lies in no RAM of the guest`);
  }

  #fail(code: number, description: string): null {
    this.code = code;
    this.description = description;
    return null;
  }
}

type Decoded = Pick<PasidEntry, 'domainId' | 'firstStage'>;

/** True when two entries of one PASID lead requests to the same tables with the same tag. */
export function leadsAlike(one: PasidEntry, other: PasidEntry): boolean {
  const [a, b] = [one.firstStage, other.firstStage];
  if (one.domainId !== other.domainId || one.nestedTable !== other.nestedTable) return false;
  if (a === null || b === null) return a === b;
  return (
    a.address === b.address &&
    a.levels === b.levels &&
    a.writeProtect === b.writeProtect &&
    a.extendedAccessed === b.extendedAccessed
  );
}
