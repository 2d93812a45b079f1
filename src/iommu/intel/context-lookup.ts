import type { TableMemory } from '../../memory/table-memory.ts';
import { noTracePoints, type TracePoints } from '../../trace/points/table.ts';
import type { SecondStageTable } from '../walk/second-stage.ts';
import type { RootMode, RootTable } from './invalidation.ts';
import { type EntryLayout, fieldOf } from '../entry-layout.ts';
import {
  CONTEXT_ENTRY,
  ContextType,
  ECS_CONTEXT_ENTRY,
  ECS_ROOT_ENTRY,
  ROOT_ENTRY,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_ROOT_ENTRY,
} from './tables.ts';

/** Layouts and sizes by the mode of the root table. */
export const CONTEXT_LAYOUT: Readonly<Record<RootMode, { root: EntryLayout; context: EntryLayout }>> = {
  legacy: { root: ROOT_ENTRY, context: CONTEXT_ENTRY },
  scalable: { root: SCALABLE_ROOT_ENTRY, context: SCALABLE_CONTEXT_ENTRY },
  ecs: { root: ECS_ROOT_ENTRY, context: ECS_CONTEXT_ENTRY },
};

/** A context entry as it was read: what the context cache keeps. */
export interface ContextWords {
  mode: RootMode;
  /** 32-bit words, low first; a legacy entry uses the first four. */
  readonly words: Uint32Array;
}

/** What a context entry says about a PASID table. */
export interface PasidTableWords {
  /** Guest-physical address of the directory or the flat table. */
  readonly address: number;
  /** In bytes. */
  readonly size: number;
  readonly format: 'vtd-scalable' | 'vtd-ecs';
}

const TWO_TO_12 = 0x1000;
const TWO_TO_32 = 0x1_0000_0000;
const PRESENT = 1;
const ROOT_RESERVED = 0xffe;

export interface ContextOptions {
  /** Bits of a pointer from this one up are reserved. */
  addressWidth: number;
  /** TT 1 and 5, which let the device cache translations, may be used. */
  deviceIotlb: boolean;
  points?: TracePoints;
}

/**
 * Finds the context entry of a source-id: root entry, then context entry, each judged as QEMU judges it (VT-d,
 * sections 9.1 to 9.4). One reader serves any number of lookups; its fields hold the outcome of the last one.
 */
export class ContextReader implements ContextWords {
  /**
   * 0, or the fault reason: 8 root table unreadable, 1 root entry not present, 0xa reserved bits there, 9 context table
   * unreadable, 2 context entry not present, 0xb reserved bits there, 3 address width or translation type invalid.
   */
  code = 0;
  mode: RootMode = 'legacy';
  readonly words = new Uint32Array(8);
  readonly rootWords = new Uint32Array(4);
  rootAddress = 0;
  contextAddress = 0;
  /** How far the lookup came. */
  rootRead = false;
  contextRead = false;
  readonly #beyond: number;
  readonly #deepest: number;
  readonly #deviceIotlb: boolean;
  readonly #points: TracePoints;

  constructor(options: ContextOptions) {
    const { addressWidth, deviceIotlb, points = noTracePoints } = options;
    this.#points = points;
    this.#beyond = ~(2 ** (addressWidth - 32) - 1);
    this.#deepest = addressWidth >= 48 ? 4 : 3;
    this.#deviceIotlb = deviceIotlb;
  }

  /** FPD of the entry that was read, present or not. */
  get faultsDisabled(): boolean {
    return this.contextRead && faultsDisabled(this);
  }

  /** @returns true when the entry in `words` is valid */
  read(memory: TableMemory, root: RootTable, source: number): boolean {
    this.code = 0;
    this.mode = root.mode;
    this.contextRead = false;
    const devfn = source & 0xff;
    const { rootWords } = this;
    this.rootAddress = root.address + 16 * (source >>> 8);
    this.rootRead = readWords(memory, this.rootAddress, rootWords, 2);
    if (!this.rootRead) return this.#end(8);
    const extended = root.mode !== 'legacy';
    const half = extended && devfn >= 0x80 ? 2 : 0;
    if ((rootWords[half]! & PRESENT) === 0) {
      this.#points.vtd_re_not_present?.(source >>> 8);
      return this.#end(1);
    }
    if (this.#isRootReserved(extended)) return this.#end(0xa);

    const table = pointerIn(rootWords, half);
    this.contextAddress = table + (extended ? 32 * (devfn & 0x7f) : 16 * devfn);
    this.contextRead = readWords(memory, this.contextAddress, this.words, extended ? 4 : 2);
    if (!this.contextRead) return this.#end(9);
    if ((this.words[0]! & PRESENT) === 0) {
      this.#points.vtd_ce_not_present?.(source >>> 8, devfn);
      return this.#end(2);
    }
    switch (root.mode) {
      case 'legacy':
        return this.#isLegacyReserved() ? this.#end(0xb) : this.#judgeType(CONTEXT_ENTRY);
      case 'scalable':
        return this.#isScalableReserved() ? this.#end(0xb) : true;
      case 'ecs':
        return this.#isEcsReserved() ? this.#end(0xb) : this.#judgeType(ECS_CONTEXT_ENTRY);
    }
  }

  #isRootReserved(extended: boolean): boolean {
    const [low, high, upperLow, upperHigh] = this.rootWords as unknown as [number, number, number, number];
    if ((low & ROOT_RESERVED) !== 0 || (high & this.#beyond) !== 0) return true;
    return extended
      ? (upperLow & ROOT_RESERVED) !== 0 || (upperHigh & this.#beyond) !== 0
      : upperLow !== 0 || upperHigh !== 0;
  }

  #isLegacyReserved(): boolean {
    const { words } = this;
    return (
      (words[0]! & 0xff0) !== 0 || (words[1]! & this.#beyond) !== 0 || (words[2]! & 0xff00_0080) !== 0 || words[3] !== 0
    );
  }

  #isScalableReserved(): boolean {
    const { words } = this;
    return (
      (words[0]! & 0x1e0) !== 0 ||
      (words[1]! & this.#beyond) !== 0 ||
      (words[2]! & 0xffe0_0000) !== 0 ||
      words[3] !== 0 ||
      words.subarray(4).some((word) => word !== 0)
    );
  }

  #isEcsReserved(): boolean {
    const { words } = this;
    return (
      (words[1]! & this.#beyond) !== 0 ||
      (words[2]! & 0xf000_0000) !== 0 ||
      (words[4]! & 0xff0) !== 0 ||
      (words[5]! & this.#beyond) !== 0 ||
      (words[6]! & 0xfff) !== 0 ||
      (words[7]! & this.#beyond) !== 0
    );
  }

  /** The width is judged first, for a device that passes through as well. */
  #judgeType(layout: typeof CONTEXT_ENTRY | typeof ECS_CONTEXT_ENTRY): boolean {
    const levels = 2 + (this.words[2]! & 7);
    if (levels < 3 || levels > this.#deepest) return this.#end(3);
    switch (fieldOf(layout, this.words, 'TT')) {
      case ContextType.secondStage:
      case ContextType.passThrough:
        return true;
      case ContextType.deviceIotlb:
        return this.#deviceIotlb || this.#end(3);
      case ContextType.passThroughPasid:
        return this.mode === 'ecs' || this.#end(3);
      case ContextType.passThroughPasidDeviceIotlb:
        return (this.mode === 'ecs' && this.#deviceIotlb) || this.#end(3);
      default:
        return this.#end(3);
    }
  }

  #end(code: number): false {
    this.code = code;
    return false;
  }
}

/** FPD. */
export function faultsDisabled(entry: ContextWords): boolean {
  return (entry.words[0]! & 2) !== 0;
}

/** Requests without PASID are not translated; in scalable mode the PASID entry says so, not this one. */
export function passesThrough(entry: ContextWords): boolean {
  if (entry.mode === 'scalable') return false;
  return entry.mode === 'legacy'
    ? ((entry.words[0]! >>> 2) & 3) === ContextType.passThrough
    : fieldOf(ECS_CONTEXT_ENTRY, entry.words, 'TT') >= ContextType.passThrough;
}

/** DID of a legacy or extended entry; scalable ones have it in the PASID entry. */
export function domainIdOf(entry: ContextWords): number {
  return (entry.words[2]! >>> 8) & 0xffff;
}

/** The second-stage table of a legacy or extended entry, into `table`. */
export function describeSecondStage(entry: ContextWords, table: SecondStageTable): void {
  table.address = pointerIn(entry.words, 0);
  table.levels = (entry.words[2]! & 7) === 1 ? 3 : 4;
}

/** The PASID directory of a scalable entry. */
export function directoryOf(entry: ContextWords): number {
  return pointerIn(entry.words, 0);
}

/** PRE: the device may send page requests. */
export function pageRequestsEnabled(entry: ContextWords): boolean {
  switch (entry.mode) {
    case 'legacy':
      return false;
    case 'scalable':
      return fieldOf(SCALABLE_CONTEXT_ENTRY, entry.words, 'PRE') !== 0;
    case 'ecs':
      return fieldOf(ECS_CONTEXT_ENTRY, entry.words, 'PRE') !== 0;
  }
}

/**
 * The PASID table that a valid entry leads to; null without one. In extended mode only with PASIDE, which plain
 * pass-through ignores.
 */
export function pasidTableOf(entry: ContextWords): PasidTableWords | null {
  const { mode, words } = entry;
  if (mode === 'legacy') return null;
  if (mode === 'scalable') {
    const entries = 2 ** (fieldOf(SCALABLE_CONTEXT_ENTRY, words, 'PDTS') + 7);
    return { address: directoryOf(entry), size: 8 * entries, format: 'vtd-scalable' };
  }
  const enabled = fieldOf(ECS_CONTEXT_ENTRY, words, 'PASIDE') !== 0;
  if (!enabled || fieldOf(ECS_CONTEXT_ENTRY, words, 'TT') === ContextType.passThrough) return null;
  const entries = 2 ** (fieldOf(ECS_CONTEXT_ENTRY, words, 'PTS') + 5);
  return { address: fieldOf(ECS_CONTEXT_ENTRY, words, 'PASIDPTR'), size: 8 * entries, format: 'vtd-ecs' };
}

/** The 64-bit word of an entry with that number. */
export function quadOf({ words }: ContextWords, index: number): bigint {
  return (BigInt(words[2 * index + 1]!) << 32n) | BigInt(words[2 * index]!);
}

/** Bits 63:12 of the 64-bit word that begins at 32-bit word `index`, as an address. */
function pointerIn(words: Uint32Array, index: number): number {
  return words[index + 1]! * TWO_TO_32 + Math.floor(words[index]! / TWO_TO_12) * TWO_TO_12;
}

/** Reads `count` 64-bit words; false when one of them cannot be read. */
function readWords(memory: TableMemory, address: number, into: Uint32Array, count: number): boolean {
  for (let word = 0; word < count; word++) {
    if (!memory.read(address + 8 * word)) return false;
    into[2 * word] = memory.low;
    into[2 * word + 1] = memory.high;
  }
  return true;
}
