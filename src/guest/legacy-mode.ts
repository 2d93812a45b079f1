import { CommandError } from '../core/errors.ts';
import { ContextTables } from './context-tables.ts';
import { type Descriptor, descriptors, type PageBlock } from './invalidation-queue.ts';
import type { PageTableShape } from './page-table.ts';
import {
  type Domain,
  type ModeParts,
  type PageDemand,
  secondStageFlush,
  type TranslationMode,
  type TranslationModeState,
} from './translation-mode.ts';

const PRESENT = 1n;
/** Translation types of a context entry, bits 3:2 (VT-d 9.3). */
const SECOND_STAGE = 0n;
const SECOND_STAGE_WITH_DEVICE_IOTLB = 1n << 2n;

/** Legacy mode: a context entry leads to second-stage tables; there are no PASIDs. */
export class LegacyMode implements TranslationMode {
  readonly #parts: ModeParts;
  readonly #contexts: ContextTables;

  constructor(parts: ModeParts) {
    this.#parts = parts;
    this.#contexts = new ContextTables(parts, { functions: 256, entryBytes: 16 });
  }

  get rootTable(): bigint {
    return this.#contexts.root;
  }

  shape(pasid: number | null): PageTableShape {
    if (pasid !== null) throw new CommandError(`PASID ${pasid} needs scalable or ecs mode; legacy mode has no PASIDs`);
    const { secondStageLevels, secondStageLeafLevels } = this.#parts.capabilities;
    return { stage: 'second', levels: secondStageLevels[0]!, leafLevels: secondStageLeafLevels };
  }

  domainId(_sourceId: number, _pasid: number | null, fresh: () => number): number {
    return fresh();
  }

  demand(sourceId: number): PageDemand {
    return { single: this.#contexts.demand(sourceId), contiguous: 0 };
  }

  attach({ id, sourceId, root }: Domain): void {
    const { capabilities, queue } = this.#parts;
    const type = capabilities.deviceIotlb ? SECOND_STAGE_WITH_DEVICE_IOTLB : SECOND_STAGE;
    const width = BigInt(capabilities.secondStageLevels[0]! - 2);
    this.#contexts.write(sourceId, [root | type | PRESENT, (BigInt(id) << 8n) | width]);
    // With caching mode entries that were not present are cached too, tagged with domain-id 0.
    if (capabilities.cachingMode) queue.submit(descriptors.contextDevice(0, sourceId), descriptors.iotlbDomain(id));
  }

  flushOf({ id, sourceId }: Domain, pages: PageBlock, leafOnly: boolean): Descriptor[] {
    const { capabilities } = this.#parts;
    const flush = secondStageFlush(capabilities, id, pages, leafOnly);
    return capabilities.deviceIotlb ? [flush, descriptors.deviceIotlb(sourceId, pages)] : [flush];
  }

  bind(): void {
    throw new CommandError('A page table is bound to a PASID, and legacy mode has none; enable scalable or ecs mode');
  }

  unbind(): void {
    this.bind();
  }

  save(): TranslationModeState {
    return { root: this.#contexts.root, contextTables: this.#contexts.save(), devices: [] };
  }

  restore(state: TranslationModeState): void {
    this.#contexts.restore(state.contextTables);
  }
}
