import { hex } from '../core/address.ts';
import { faultReason } from '../iommu/faults.ts';
import { Gcr3Reader } from '../iommu/amd/gcr3.ts';
import { fieldOf } from '../iommu/entry-layout.ts';
import { PASID_DIRECTORY_ENTRY, TranslationType } from '../iommu/intel/tables.ts';
import { PasidEntryReader } from '../iommu/intel/walk.ts';
import type { TableEntry } from '../iommu/iotlb.ts';
import { pasidCapacity } from './pasid-tables.ts';
import type { FirstStageTable } from '../iommu/walk/first-stage.ts';
import type { PasidTable } from '../memory/iommu-object.ts';
import type { StageTableMemory } from './nested-walk.ts';

const PAGE = 4096;
const PRESENT = 1;

/** What the host does with requests of one PASID. */
export interface PasidEntry {
  readonly pasid: number;
  /**
   * What tags translations through it: the id of the bound table that it was read from, or of the page table that the
   * PASID is attached to.
   */
  readonly nestedTable: number;
  /** The guest's. */
  readonly domainId: number;
  /** Null: pass-through, the second stage alone. */
  readonly firstStage: FirstStageTable | null;
  /** Different for each entry that was ever fetched: a translation remembers with which one it agreed last. */
  readonly serial: number;
  /** The words that it was read from. */
  derivedFrom: readonly TableEntry[];
  /** The state of the tables of both stages in which those words were last seen unchanged; -1: never looked. */
  verifiedAt: number;
  /** Serial of the context entry that it was then the right one for. */
  verifiedWith: number;
}

/**
 * Fetches PASID entries out of a bound table in guest memory, each word through the second stage. The guest may nest
 * its first stage or ask for pass-through; what needs a second stage of its own is refused with 0x5B.
 */
export class PasidReader {
  /** Fault reason that ended the last fetch. */
  code = 0;
  /** Why, as the middle of a sentence. */
  description = '';
  readonly #memory: StageTableMemory;
  readonly #gcr3 = new Gcr3Reader();
  readonly #vtd = new PasidEntryReader({
    types: [TranslationType.firstStage, TranslationType.passThrough],
    fiveLevels: true,
  });

  constructor(memory: StageTableMemory) {
    this.#memory = memory;
  }

  /** The entry of `pasid`, or null: then {@link code} and {@link description} say why. */
  fetch(table: PasidTable, nestedTable: number, pasid: number, serial: number): PasidEntry | null {
    const reader = table.format === 'amd-gcr3' ? this.#gcr3 : this.#vtd;
    if (!reader.read(this.#memory, table, pasid)) {
      this.code = reader.code;
      this.description = this.#describe(reader, table, pasid);
      return null;
    }
    const { domainId } = reader;
    const passes = reader === this.#vtd && reader.type === TranslationType.passThrough;
    const firstStage = passes ? null : { ...reader.firstStage };
    const derivedFrom = wordsOf(reader);
    return { pasid, nestedTable, domainId, firstStage, serial, derivedFrom, verifiedAt: -1, verifiedWith: 0 };
  }

  #describe({ code, entry }: PasidEntryReader | Gcr3Reader, table: PasidTable, pasid: number): string {
    const { description } = faultReason(code);
    if (code === 0x46) {
      return `PASID ${pasid} is beyond the bound table, whose ${table.size} bytes hold ${pasidCapacity(table)} PASIDs`;
    }
    // All of a scalable-mode entry is read before it is judged; the sentence names its first byte.
    const start = table.format === 'vtd-scalable' && code === 0x59 ? entry - (entry % 64) : entry;
    if (code !== 0x5b) return `${description}, guest-physical ${hex(start)}`;
    const { firstStage, passThrough } = TranslationType;
    const { type } = this.#vtd;
    const asked = type === firstStage ? 'an unknown paging mode' : `translation type ${type}`;
    return `the PASID entry asks for ${asked}; the host takes type ${firstStage} (first stage, 4 or 5 levels) and ${passThrough} (pass-through)`;
  }
}

/** The words that the entry was read from. */
function wordsOf({ steps, stepAddress, stepLow, stepHigh }: PasidEntryReader | Gcr3Reader): TableEntry[] {
  const words: TableEntry[] = [];
  for (let step = 0; step < steps; step++) {
    words.push({ address: stepAddress[step]!, low: stepLow[step]!, high: stepHigh[step]! });
  }
  return words;
}

/**
 * Has writes to all pages of a table recorded from now on, those for PASIDs that are not there yet too: who has read all
 * of it can be told later when a PASID came.
 */
export function watchPasidTable(memory: StageTableMemory, { address, size, format }: PasidTable): void {
  const start = Number(address);
  // Of GCR3 tables of several levels the top one alone lies there.
  const end = start + (format === 'amd-gcr3' ? PAGE : Number(size));
  for (let page = start; page < end; page += PAGE) memory.watch(page);
  if (format !== 'vtd-scalable') return;
  for (let at = start; at < end; at += 8) {
    if (!memory.read(at) || (memory.low & PRESENT) === 0) continue;
    memory.watch(fieldOf(PASID_DIRECTORY_ENTRY, Uint32Array.of(memory.low, memory.high), 'SMPTBLPTR'));
  }
}

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
