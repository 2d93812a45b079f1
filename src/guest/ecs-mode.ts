import { CommandError } from '../core/errors.ts';
import { ContextTables } from './context-tables.ts';
import type { PageTableBinding } from './guest-driver.ts';
import { type Descriptor, descriptors, type PageBlock } from './invalidation-queue.ts';
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
/** RTADDR.RTT, bit 11: the root table is an extended one. */
const EXTENDED = 1n << 11n;
/** Translation types of an extended context entry, bits 4:2 (VT-d 2.5, 9.4). */
const TYPE = { secondStage: 0n, passThroughWithPasid: 4n << 2n } as const;
/** Added to any of these: the device may hold translations of its own. */
const WITH_DEVICE_IOTLB = 1n << 2n;
/** Bits of an extended context entry: deferred invalidation, PASIDs. */
const CONTEXT = { deferInvalidation: 1n << 8n, pasids: 1n << 11n } as const;
/** The driver's own limit: a flat table for all 20 bits would take 8 MiB in a row. */
const MOST_PASID_BITS = 15;

interface EcsDevice {
  /** Tags all of the function's translations, with PASID or without. */
  readonly domainId: number;
  /** Where the PASID table lies, its state table behind it; 0n without. */
  readonly pasidTable: bigint;
}

/**
 * Extended contexts as of 2017: a context entry leads to second-stage tables for requests without PASID, and to a
 * flat PASID table whose entries lead to first-stage tables.
 */
export class EcsMode implements TranslationMode {
  readonly #parts: ModeParts;
  readonly #contexts: ContextTables;
  /** By source-id. */
  #devices = new Map<number, EcsDevice>();

  constructor(parts: ModeParts) {
    this.#parts = parts;
    this.#contexts = new ContextTables(parts, { functions: 128, entryBytes: 32 });
  }

  get rootTable(): bigint {
    return this.#contexts.root | EXTENDED;
  }

  shape(pasid: number | null): PageTableShape {
    const { firstStageLeafLevels, secondStageLevels, secondStageLeafLevels } = this.#parts.capabilities;
    if (pasid === null) return { stage: 'second', levels: secondStageLevels[0]!, leafLevels: secondStageLeafLevels };
    this.#checkPasid(pasid);
    return { stage: 'first', levels: 4, leafLevels: firstStageLeafLevels };
  }

  domainId(sourceId: number, _pasid: number | null, fresh: () => number): number {
    return this.#devices.get(sourceId)?.domainId ?? fresh();
  }

  demand(sourceId: number, pasid: number | null): PageDemand {
    const missing = pasid !== null && (this.#devices.get(sourceId)?.pasidTable ?? 0n) === 0n;
    return { single: this.#contexts.demand(sourceId), contiguous: missing ? 2 * this.#tablePages : 0 };
  }

  attach({ id, sourceId, pasid, root }: Domain): void {
    if (pasid === null) {
      this.#writeContext(sourceId, { domainId: id, pasidTable: this.#devices.get(sourceId)?.pasidTable ?? 0n }, root);
    } else {
      this.#enablePasids(sourceId, id);
      this.#writePasid(sourceId, pasid, root);
    }
  }

  flushOf({ id, sourceId, pasid }: Domain, pages: PageBlock, leafOnly: boolean): Descriptor[] {
    const { capabilities } = this.#parts;
    if (pasid !== null) return [firstStageFlush(capabilities, { domainId: id, pasid }, pages, leafOnly)];
    const flush = secondStageFlush(capabilities, id, pages, leafOnly);
    return capabilities.deviceIotlb ? [flush, descriptors.deviceIotlb(sourceId, pages)] : [flush];
  }

  bind({ sourceId, pasid, pageTable }: PageTableBinding, fresh: () => number): void {
    this.#checkPasid(pasid);
    this.#enablePasids(sourceId, this.domainId(sourceId, pasid, fresh));
    this.#writePasid(sourceId, pasid, pageTable);
  }

  unbind({ sourceId, pasid }: PageTableBinding, flush: boolean): void {
    const { processor, queue } = this.#parts;
    const { domainId, pasidTable } = this.#devices.get(sourceId)!;
    processor.store64(pasidTable + BigInt(pasid * 8), 0n);
    if (flush) queue.submit(descriptors.pasidCache(domainId, pasid), descriptors.pasidIotlb(domainId, pasid));
  }

  save(): TranslationModeState {
    const devices = [...this.#devices].map(([sourceId, device]): [number, number, bigint] => [
      sourceId,
      device.domainId,
      device.pasidTable,
    ]);
    return { root: this.#contexts.root, contextTables: this.#contexts.save(), devices };
  }

  restore(state: TranslationModeState): void {
    this.#contexts.restore(state.contextTables);
    this.#devices = new Map(
      state.devices.map(([sourceId, domainId, pasidTable]) => [sourceId, { domainId, pasidTable }]),
    );
  }

  get #pasidBits(): number {
    return Math.min(this.#parts.capabilities.pasidBits, MOST_PASID_BITS);
  }

  /** PTS of a context entry: the table has 2^(PTS+5) entries of 8 bytes. */
  get #tableSize(): number {
    return Math.max(0, this.#pasidBits - 5);
  }

  get #tablePages(): number {
    return Math.ceil((2 ** (this.#tableSize + 5) * 8) / Number(PAGE));
  }

  #checkPasid(pasid: number): void {
    if (this.#pasidBits === 0) throw new CommandError('The unit offers no PASIDs; start it with pasid-bits above 0');
    const last = 2 ** this.#pasidBits - 1;
    if (pasid > last) {
      throw new CommandError(`PASID ${pasid} is above ${last}, the last that the guest driver's PASID tables hold`);
    }
  }

  /** Gives the function a PASID table; without a domain its requests without PASID then pass through. */
  #enablePasids(sourceId: number, domainId: number): void {
    const device = this.#devices.get(sourceId);
    if (device !== undefined && device.pasidTable !== 0n) return;
    const pasidTable = this.#parts.pages.takeContiguous(2 * this.#tablePages);
    const entry = device === undefined ? 0n : this.#parts.processor.load64(this.#contexts.entry(sourceId));
    this.#writeContext(sourceId, { domainId, pasidTable }, device === undefined ? null : entry & ~0xfffn);
  }

  /** @param root of the second stage; null: requests without PASID pass through */
  #writeContext(sourceId: number, device: EcsDevice, root: bigint | null): void {
    const { capabilities, processor, queue } = this.#parts;
    const { domainId, pasidTable } = device;
    const replaced = (processor.load64(this.#contexts.entry(sourceId)) & PRESENT) !== 0n;
    const pasids = pasidTable === 0n ? 0n : CONTEXT.pasids | CONTEXT.deferInvalidation;
    const type = root === null ? TYPE.passThroughWithPasid : TYPE.secondStage;
    const bits = type | (capabilities.deviceIotlb ? WITH_DEVICE_IOTLB : 0n) | pasids | PRESENT;
    const width = BigInt((capabilities.secondStageLevels[0] ?? 4) - 2);
    this.#contexts.write(sourceId, [
      (root ?? 0n) | bits,
      (BigInt(domainId) << 8n) | width,
      pasids === 0n ? 0n : pasidTable | BigInt(this.#tableSize),
      pasids === 0n ? 0n : pasidTable + BigInt(this.#tablePages) * PAGE,
    ]);
    this.#devices.set(sourceId, device);
    if (!replaced && !capabilities.cachingMode) return;
    queue.submit(descriptors.contextDevice(replaced ? domainId : 0, sourceId), descriptors.iotlbDomain(domainId));
  }

  #writePasid(sourceId: number, pasid: number, pageTable: bigint): void {
    const { capabilities, processor, queue } = this.#parts;
    const { domainId, pasidTable } = this.#devices.get(sourceId)!;
    processor.store64(pasidTable + BigInt(pasid * 8), pageTable | PRESENT);
    if (capabilities.cachingMode) queue.submit(descriptors.pasidCache(domainId, pasid));
  }
}
