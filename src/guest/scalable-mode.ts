import { CommandError } from '../core/errors.ts';
import { ContextTables } from './context-tables.ts';
import type { PageTableBinding } from './guest-driver.ts';
import { type Descriptor, descriptors, EVERYTHING, type PageBlock } from './invalidation-queue.ts';
import type { PageTableShape } from './page-table.ts';
import { PAGE } from './processor.ts';
import {
  type Domain,
  firstStageFlush,
  type ModeParts,
  type PageDemand,
  secondStageFlush,
  type TranslationMode,
  type TranslationModeState,
} from './translation-mode.ts';

const PRESENT = 1n;
const POINTER = ~0xfffn & 0xffff_ffff_ffff_ffffn;
/** RTADDR.TTM, bits 11:10: scalable mode. */
const SCALABLE = 1n << 10n;
/** The PASID that serves requests without one. */
const RID_PASID = 0;
/** The domain-id of pass-through and of all bound page tables. */
const SHARED_DOMAIN = 1;
const PASIDS_PER_TABLE = 64;
/** PGTT of a PASID entry, bits 8:6. */
const TYPE = { firstStage: 1n << 6n, secondStage: 2n << 6n, passThrough: 4n << 6n } as const;
/** Bits of a context entry: DTE, PASIDE, PRE. */
const CONTEXT = { deviceIotlb: 1n << 2n, pasids: 1n << 3n, pageRequests: 1n << 4n } as const;

/** Scalable mode: a context entry leads to a PASID directory, and PASID entries to page tables of either stage. */
export class ScalableMode implements TranslationMode {
  readonly #parts: ModeParts;
  readonly #contexts: ContextTables;
  /** By source-id, where the PASID directory lies. */
  #directories = new Map<number, bigint>();

  constructor(parts: ModeParts) {
    this.#parts = parts;
    this.#contexts = new ContextTables(parts, { functions: 128, entryBytes: 32 });
  }

  get rootTable(): bigint {
    return this.#contexts.root | SCALABLE;
  }

  shape(pasid: number | null): PageTableShape {
    const { capabilities } = this.#parts;
    if (pasid !== null) this.#checkPasid(pasid);
    if (capabilities.firstStage) {
      return { stage: 'first', levels: 4, leafLevels: capabilities.firstStageLeafLevels };
    }
    if (!capabilities.secondStage) throw new CommandError('The unit offers neither stage in scalable mode');
    const { secondStageLevels, secondStageLeafLevels } = capabilities;
    return { stage: 'second', levels: secondStageLevels[0]!, leafLevels: secondStageLeafLevels };
  }

  domainId(_sourceId: number, _pasid: number | null, fresh: () => number): number {
    const id = fresh();
    return id === SHARED_DOMAIN ? fresh() : id;
  }

  demand(sourceId: number, pasid: number | null): PageDemand {
    const directory = this.#directories.get(sourceId);
    if (directory === undefined) {
      // The table of the first 64 PASIDs is always there, for requests without PASID.
      const other = (pasid ?? RID_PASID) < PASIDS_PER_TABLE ? 0 : 1;
      return { single: this.#contexts.demand(sourceId) + 1 + other, contiguous: this.#directoryPages };
    }
    return { single: this.#tableOf(directory, pasid ?? RID_PASID) === null ? 1 : 0, contiguous: 0 };
  }

  attach({ id, sourceId, pasid, root }: Domain): void {
    const { stage } = this.shape(pasid);
    const fresh = this.#open(sourceId, pasid !== null);
    const entry =
      stage === 'first'
        ? [this.#width | TYPE.firstStage | PRESENT, BigInt(id), root]
        : [root | this.#width | TYPE.secondStage | PRESENT, BigInt(id)];
    this.#write(sourceId, pasid ?? RID_PASID, entry, !fresh || pasid !== null);
    if (fresh && pasid === null) this.#link(sourceId);
  }

  flushOf(domain: Domain, pages: PageBlock, leafOnly: boolean): Descriptor[] {
    const { capabilities } = this.#parts;
    const { id, sourceId, pasid } = domain;
    const flush =
      this.shape(pasid).stage === 'first'
        ? firstStageFlush(capabilities, { domainId: id, pasid: pasid ?? RID_PASID }, pages, leafOnly)
        : secondStageFlush(capabilities, id, pages, leafOnly);
    return [flush, ...this.#deviceFlush(sourceId, pasid ?? RID_PASID, pages)];
  }

  bind({ sourceId, pasid, pageTable }: PageTableBinding): void {
    this.#checkPasid(pasid);
    this.#open(sourceId, true);
    this.#write(sourceId, pasid, [this.#width | TYPE.firstStage | PRESENT, BigInt(SHARED_DOMAIN), pageTable], true);
  }

  unbind({ sourceId, pasid }: PageTableBinding, flush: boolean): void {
    const { processor, queue } = this.#parts;
    processor.store64(this.#entry(sourceId, pasid), 0n, 0n, 0n);
    if (!flush) return;
    queue.submit(
      descriptors.pasidCache(SHARED_DOMAIN, pasid),
      descriptors.pasidIotlb(SHARED_DOMAIN, pasid),
      ...this.#deviceFlush(sourceId, pasid, EVERYTHING),
    );
  }

  save(): TranslationModeState {
    const devices = [...this.#directories].map(([sourceId, at]): [number, number, bigint] => [sourceId, 0, at]);
    return { root: this.#contexts.root, contextTables: this.#contexts.save(), devices };
  }

  restore(state: TranslationModeState): void {
    this.#contexts.restore(state.contextTables);
    this.#directories = new Map(state.devices.map(([sourceId, , at]) => [sourceId, at]));
  }

  /** AW of a PASID entry, bits 4:2; also the width of first-stage addresses. */
  get #width(): bigint {
    return BigInt((this.#parts.capabilities.secondStageLevels[0] ?? 4) - 2) << 2n;
  }

  /** PDTS of a context entry: the directory has 2^(PDTS+7) entries for 64 PASIDs each. */
  get #directorySize(): number {
    return Math.max(0, this.#parts.capabilities.pasidBits - 13);
  }

  get #directoryPages(): number {
    return Math.ceil((2 ** (this.#directorySize + 7) * 8) / Number(PAGE));
  }

  #checkPasid(pasid: number): void {
    const { pasidBits } = this.#parts.capabilities;
    if (pasidBits === 0) throw new CommandError('The unit offers no PASIDs; start it with pasid-bits above 0');
    if (pasid >= 2 ** pasidBits) {
      throw new CommandError(`PASID ${pasid} is above ${2 ** pasidBits - 1}, the last of the unit's ${pasidBits} bits`);
    }
    if (pasid === RID_PASID) {
      throw new CommandError('PASID 0 serves requests without PASID in scalable mode; choose another, or leave it out');
    }
  }

  /**
   * Makes the directory of a function that has none.
   * @param passThrough and lets its requests without PASID pass: it is only going to be used with PASIDs
   * @returns whether it was new
   */
  #open(sourceId: number, passThrough: boolean): boolean {
    if (this.#directories.has(sourceId)) return false;
    if (passThrough && !this.#parts.capabilities.passThrough) {
      throw new CommandError('The unit offers no pass-through, which requests without PASID would need');
    }
    this.#directories.set(sourceId, this.#parts.pages.takeContiguous(this.#directoryPages));
    if (passThrough) {
      this.#write(sourceId, RID_PASID, [this.#width | TYPE.passThrough | PRESENT, BigInt(SHARED_DOMAIN)], false);
      this.#link(sourceId);
    }
    return true;
  }

  /** Puts the directory into the context entry; what it leads to is there already. */
  #link(sourceId: number): void {
    const { capabilities, processor, queue } = this.#parts;
    const bits =
      (capabilities.deviceIotlb ? CONTEXT.deviceIotlb : 0n) |
      (capabilities.pasidBits > 0 ? CONTEXT.pasids : 0n) |
      (capabilities.pageRequests ? CONTEXT.pageRequests : 0n);
    const size = BigInt(this.#directorySize) << 9n;
    const directory = this.#directories.get(sourceId)!;
    this.#contexts.write(sourceId, [directory | size | bits | PRESENT, BigInt(RID_PASID), 0n, 0n]);
    if (!capabilities.cachingMode) return;
    const entry = this.#entry(sourceId, RID_PASID);
    const domainId = Number(processor.load64(entry + 8n) & 0xffffn);
    const flushes = this.#entryFlush(sourceId, RID_PASID, domainId, processor.load64(entry));
    // With caching mode entries that were not present are cached too, tagged with domain-id 0.
    queue.submit(descriptors.contextDevice(0, sourceId), ...flushes);
  }

  /** Writes a PASID entry, after an older one has gone for good. @param live the device can reach it now */
  #write(sourceId: number, pasid: number, words: readonly bigint[], live: boolean): void {
    const { capabilities, processor, queue } = this.#parts;
    const at = this.#makeEntry(sourceId, pasid);
    const old = processor.load64(at);
    if ((old & PRESENT) !== 0n) {
      const domainId = Number(processor.load64(at + 8n) & 0xffffn);
      processor.store64(at, 0n);
      queue.submit(...this.#entryFlush(sourceId, pasid, domainId, old));
    }
    const [first = 0n, second = 0n, third = 0n] = words;
    processor.store64(at + 8n, second, third);
    processor.store64(at, first);
    if (live && capabilities.cachingMode) {
      queue.submit(...this.#entryFlush(sourceId, pasid, Number(second & 0xffffn), first));
    }
  }

  /** What flushes all that came from a PASID entry. */
  #entryFlush(sourceId: number, pasid: number, domainId: number, entry: bigint): Descriptor[] {
    const first = (entry & (7n << 6n)) === TYPE.firstStage;
    const iotlb = first ? descriptors.pasidIotlb(domainId, pasid) : descriptors.iotlbDomain(domainId);
    return [descriptors.pasidCache(domainId, pasid), iotlb, ...this.#deviceFlush(sourceId, pasid, EVERYTHING)];
  }

  #deviceFlush(sourceId: number, pasid: number, pages: PageBlock): Descriptor[] {
    if (!this.#parts.capabilities.deviceIotlb) return [];
    if (pasid === RID_PASID) return [descriptors.deviceIotlb(sourceId, pages)];
    return [descriptors.pasidDeviceIotlb(sourceId, pasid, pages)];
  }

  /** The PASID table that holds an entry; null where the directory has none. */
  #tableOf(directory: bigint, pasid: number): bigint | null {
    const entry = this.#parts.processor.load64(directoryEntry(directory, pasid));
    return (entry & PRESENT) === 0n ? null : entry & POINTER;
  }

  #makeEntry(sourceId: number, pasid: number): bigint {
    const { pages, processor } = this.#parts;
    const directory = this.#directories.get(sourceId)!;
    if (this.#tableOf(directory, pasid) === null) {
      processor.store64(directoryEntry(directory, pasid), pages.take() | PRESENT);
    }
    return this.#entry(sourceId, pasid);
  }

  #entry(sourceId: number, pasid: number): bigint {
    const table = this.#tableOf(this.#directories.get(sourceId)!, pasid);
    if (table === null) throw new CommandError(`The PASID table of PASID ${pasid} has been taken out of the directory`);
    return table + BigInt((pasid % PASIDS_PER_TABLE) * 64);
  }
}

function directoryEntry(directory: bigint, pasid: number): bigint {
  return directory + BigInt(Math.floor(pasid / PASIDS_PER_TABLE) * 8);
}
