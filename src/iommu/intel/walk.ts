import type { PasidTable } from '../../memory/iommu-object.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { FirstStageTable } from '../walk/first-stage.ts';
import { type Reading, SPECIFICATION } from '../walk/reading.ts';
import { fieldOf } from '../entry-layout.ts';
import {
  ECS_PASID_ENTRY,
  PASID_DIRECTORY_ENTRY,
  PASID_ENTRY,
  PASIDS_PER_DIRECTORY_ENTRY,
  TranslationType,
} from './tables.ts';

export interface PasidEntryOptions {
  /** The translation types (PGTT) that are supported. */
  types: readonly number[];
  /** First-stage tables of five levels are supported. */
  fiveLevels: boolean;
  /** The values of AW for which second-stage tables are supported; default 1 and 2 (3 and 4 levels). */
  secondStageWidths?: readonly number[];
  /** The unit's address width, which limits the canonical range in QEMU's reading; default 57. */
  addressWidth?: number;
  /** Default: the specification's. */
  reading?: Reading;
}

/** How many PASIDs a bound table of that size has room for. */
export function pasidCapacity(table: Pick<PasidTable, 'size' | 'format'>): number {
  const entries = Number(table.size / 8n);
  return table.format === 'vtd-scalable' ? entries * PASIDS_PER_DIRECTORY_ENTRY : entries;
}

/** The directory entry, and the first three 64-bit words of a PASID entry: the others are reserved. */
const MAX_STEPS = 4;

/**
 * Fetches PASID entries from guest memory, in both formats that a table can be bound in. One reader serves any number
 * of fetches; its fields hold the outcome of the last one. It knows no cache.
 */
export class PasidEntryReader {
  /**
   * 0, or the fault reason that ended the fetch: 0x46 beyond the bound table, 0x50 directory unreadable, 0x51 directory
   * entry not present, 0x58 table unreadable, 0x59 entry not present, 0x5b entry asks for what is not supported.
   */
  code = 0;
  /** PGTT; always the first stage in `vtd-ecs`. */
  type: number = TranslationType.firstStage;
  /** The guest's domain id; `vtd-ecs` has none in its entries: 0. */
  domainId = 0;
  /** SRE: supervisor requests are allowed. */
  supervisor = false;
  /** FPD of the directory entry or the entry, as far as they were read and present or not: faults are not recorded. */
  faultsDisabled = false;
  /** Where the first-stage walk begins. The object is used again: copy what is kept. */
  readonly firstStage: FirstStageTable = {
    address: 0,
    levels: 4,
    canonicalBits: 48,
    writeProtect: true,
    extendedAccessed: false,
  };
  /** Address of the top second-stage table, and AW. */
  secondStage = 0;
  addressWidthCode = 0;
  /** How many 64-bit words were read, with their addresses and values in halves. */
  steps = 0;
  readonly stepAddress = new Float64Array(MAX_STEPS);
  readonly stepLow = new Uint32Array(MAX_STEPS);
  readonly stepHigh = new Uint32Array(MAX_STEPS);
  /** Address of the word that was read last, readable or not. */
  entry = 0;
  readonly #types: readonly number[];
  readonly #fiveLevels: boolean;
  readonly #secondStageWidths: readonly number[];
  readonly #addressWidth: number;
  readonly #reading: Reading;
  readonly #words = new Uint32Array(6);

  constructor(options: PasidEntryOptions) {
    this.#types = options.types;
    this.#fiveLevels = options.fiveLevels;
    this.#secondStageWidths = options.secondStageWidths ?? [1, 2];
    this.#addressWidth = options.addressWidth ?? 57;
    this.#reading = options.reading ?? SPECIFICATION;
  }

  /**
   * Fetches the entry of `pasid` from a bound table.
   * @throws Error (a bug of the caller) for a format that is not VT-d's
   */
  read(memory: TableMemory, table: PasidTable, pasid: number): boolean {
    this.#begin();
    this.entry = Number(table.address);
    if (pasid >= pasidCapacity(table)) return this.#end(0x46);
    switch (table.format) {
      case 'vtd-scalable':
        return this.#readScalable(memory, this.entry, pasid);
      case 'vtd-ecs':
        this.domainId = table.domainId ?? 0;
        return this.#readFlat(memory, this.entry, pasid);
      case 'amd-gcr3':
        throw new Error('a GCR3 table has no PASID entries of VT-d');
    }
  }

  /** Fetches the entry of `pasid` from a scalable-mode directory of full size. */
  readFrom(memory: TableMemory, directory: number, pasid: number): boolean {
    this.#begin();
    return this.#readScalable(memory, directory, pasid);
  }

  #readScalable(memory: TableMemory, directory: number, pasid: number): boolean {
    if (!this.#fetch(memory, directory + 8 * (pasid >>> 6), 0)) return this.#end(0x50);
    const words = this.#words;
    this.faultsDisabled = fieldOf(PASID_DIRECTORY_ENTRY, words, 'FPD') !== 0;
    if (fieldOf(PASID_DIRECTORY_ENTRY, words, 'P') === 0) return this.#end(0x51);
    const entry = fieldOf(PASID_DIRECTORY_ENTRY, words, 'SMPTBLPTR') + PASID_ENTRY.bytes * (pasid & 63);
    for (let word = 0; word < 3; word++) {
      if (!this.#fetch(memory, entry + 8 * word, 2 * word)) return this.#end(0x58);
    }
    this.type = fieldOf(PASID_ENTRY, words, 'PGTT');
    this.domainId = fieldOf(PASID_ENTRY, words, 'DID');
    this.supervisor = fieldOf(PASID_ENTRY, words, 'SRE') !== 0;
    if (fieldOf(PASID_ENTRY, words, 'FPD') !== 0) this.faultsDisabled = true;
    this.secondStage = fieldOf(PASID_ENTRY, words, 'SSPTPTR');
    this.addressWidthCode = fieldOf(PASID_ENTRY, words, 'AW');
    const mode = fieldOf(PASID_ENTRY, words, 'FSPM');
    this.#describeFirstStage(fieldOf(PASID_ENTRY, words, 'FSPTPTR'), mode);
    this.firstStage.writeProtect = fieldOf(PASID_ENTRY, words, 'WPE') !== 0;
    this.firstStage.extendedAccessed = fieldOf(PASID_ENTRY, words, 'EAFE') !== 0;
    if (this.#reading.narrowedByPasidEntry) {
      const agaw = 30 + 9 * this.addressWidthCode;
      this.firstStage.canonicalBits = Math.min(agaw, this.#addressWidth);
    }
    const present = fieldOf(PASID_ENTRY, words, 'P') !== 0;
    if (!present && !this.#reading.typeBeforePresent) return this.#end(0x59);
    if (!this.#isSupported(mode)) return this.#end(0x5b);
    return present || this.#end(0x59);
  }

  #readFlat(memory: TableMemory, table: number, pasid: number): boolean {
    if (!this.#fetch(memory, table + ECS_PASID_ENTRY.bytes * pasid, 0)) return this.#end(0x58);
    const words = this.#words;
    if (fieldOf(ECS_PASID_ENTRY, words, 'P') === 0) return this.#end(0x59);
    const mode = fieldOf(ECS_PASID_ENTRY, words, 'FLPM');
    this.type = TranslationType.firstStage;
    this.supervisor = fieldOf(ECS_PASID_ENTRY, words, 'SRE') !== 0;
    this.#describeFirstStage(fieldOf(ECS_PASID_ENTRY, words, 'FLPTPTR'), mode);
    // WPE and EAFE stood in the extended context entry, which a bound table does not come with.
    this.firstStage.writeProtect = true;
    this.firstStage.extendedAccessed = false;
    return this.#isSupported(mode) || this.#end(0x5b);
  }

  #describeFirstStage(address: number, mode: number): void {
    const levels = mode === 1 ? 5 : 4;
    this.firstStage.address = address;
    this.firstStage.levels = levels;
    this.firstStage.canonicalBits = levels === 5 ? 57 : 48;
  }

  #isSupported(mode: number): boolean {
    if (!this.#types.includes(this.type)) return false;
    switch (this.type) {
      case TranslationType.firstStage:
        return mode === 0 || (mode === 1 && this.#fiveLevels);
      case TranslationType.secondStage:
        return this.#secondStageWidths.includes(this.addressWidthCode);
      case TranslationType.nested:
        return (
          (mode === 0 || (mode === 1 && this.#fiveLevels)) && this.#secondStageWidths.includes(this.addressWidthCode)
        );
      default:
        return true;
    }
  }

  #begin(): void {
    this.code = 0;
    this.steps = 0;
    this.domainId = 0;
    this.supervisor = false;
    this.faultsDisabled = false;
    this.secondStage = 0;
    this.addressWidthCode = 0;
  }

  #fetch(memory: TableMemory, address: number, into: number): boolean {
    this.entry = address;
    if (!memory.read(address)) return false;
    this.#words[into] = memory.low;
    this.#words[into + 1] = memory.high;
    this.stepAddress[this.steps] = address;
    this.stepLow[this.steps] = memory.low;
    this.stepHigh[this.steps] = memory.high;
    this.steps += 1;
    return true;
  }

  #end(code: number): false {
    this.code = code;
    return false;
  }
}
