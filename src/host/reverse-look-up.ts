import { firstStageTables } from '../iommu/first-stage-tables.ts';
import { presentPasids } from './pasid-tables.ts';
import type { Reach, ReverseSearch } from '../iommu/reverse-search.ts';
import { type FirstStageTable, FirstStageWalker } from '../iommu/walk/first-stage.ts';
import { Permission } from '../memory/access.ts';
import type { NestedTable } from './caches.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import { GUEST_ADDRESS_BITS, NestedWalker, RIGHTS } from './nested-walk.ts';
import type { HostPageTable } from './page-table.ts';
import { PasidReader } from './pasid-entry.ts';

/**
 * By which addresses a host function reaches a host-physical page, by the tables as they are: those of its requests
 * without PASID through the second stage, then those of every PASID through both. Leaves no trace.
 */
export class HostReverseLookUp {
  readonly #walker: NestedWalker;
  readonly #reader: PasidReader;
  /** Judges single entries of a guest's first stage. */
  readonly #first = new FirstStageWalker({ addressWidth: GUEST_ADDRESS_BITS });

  constructor(memory: HostMemory, addressBits: number) {
    this.#walker = new NestedWalker(memory, addressBits, true);
    this.#reader = new PasidReader(this.#walker.tables);
  }

  search(source: HostFunction, search: ReverseSearch): Reach[] {
    const { nested, table: stage } = source;
    if (stage === null) return [];
    const found = this.#second(stage, search, undefined);
    if (nested === null) return found;
    this.#walker.tables.stage = nested.stage;
    for (const { pasid, firstStage } of this.#entries(nested, search)) {
      if (!search.mayFollow()) break;
      found.push(
        ...(firstStage === null
          ? this.#second(nested.stage, search, pasid)
          : this.#nested(nested.stage, firstStage, search, pasid)),
      );
    }
    return found;
  }

  *#entries(
    nested: NestedTable,
    search: ReverseSearch,
  ): Generator<{ pasid: number; firstStage: FirstStageTable | null }> {
    if (nested.attached !== null) {
      yield* nested.attached.values();
      return;
    }
    for (const pasid of presentPasids(this.#walker.tables, nested.table, search.mayRead)) {
      const entry = this.#reader.fetch(nested.table, nested.id, pasid, 0);
      if (entry !== null) yield entry;
    }
  }

  #second(stage: HostPageTable, search: ReverseSearch, pasid: number | undefined): Reach[] {
    return stage.inputsOf(search.page).flatMap((page) => {
      stage.lookup(page);
      return search.direct(page, stage.pageShift, stage.readonly ? RIGHTS & ~Permission.write : RIGHTS, pasid);
    });
  }

  #nested(stage: HostPageTable, table: FirstStageTable, search: ReverseSearch, pasid: number): Reach[] {
    const walker = this.#walker;
    const tables = { ...firstStageTables(walker.tables, table, this.#first, true), reading: `nested ${stage.id}` };
    const confirm = (page: number): { frame: number; shift: number; permissions: number } | null => {
      if (!walker.nested(stage, table, page, 'none')) return null;
      return { frame: walker.guestPage, shift: walker.shift, permissions: walker.permissions };
    };
    return search.through(tables, confirm, pasid, stage.inputsOf(search.page));
  }
}
