import type { FirstStageTable } from '../iommu/walk/first-stage.ts';
import type { HostFunction } from './function.ts';
import type { HostPageTable } from './page-table.ts';

/** What a nested page table is made from: the first stage of one PASID of the guest. */
export interface FirstStage {
  readonly firstStage: FirstStageTable;
  /** The guest's, which tags the translations. */
  readonly domainId: number;
}

/** A PASID of a function that goes through a nested page table. */
export interface PasidUser {
  readonly function: HostFunction;
  readonly pasid: number;
}

export interface NestedPageTableState {
  id: number;
  parent: number;
  firstStage: FirstStageTable;
  domainId: number;
}

/**
 * A guest's first stage over a second stage, as the contract `iommufd` has it: one for each PASID, made from a PASID
 * entry that the vIOMMU has read. What it translates by is fixed for its life; a guest that changes the entry gets
 * another one in its place.
 */
export class NestedPageTable {
  readonly kind = 'nested' as const;
  /** Of the same numbers as the second stages. */
  readonly id: number;
  readonly parent: HostPageTable;
  readonly firstStage: FirstStageTable;
  readonly domainId: number;
  #users: readonly PasidUser[] = [];

  constructor(id: number, parent: HostPageTable, { firstStage, domainId }: FirstStage) {
    this.id = id;
    this.parent = parent;
    this.firstStage = { ...firstStage };
    this.domainId = domainId;
  }

  /** Who goes through it, in the order in which they came. */
  get users(): readonly PasidUser[] {
    return this.#users;
  }

  /** Called by {@link HostFunction} alone. */
  join(user: PasidUser): void {
    this.#users = [...this.#users, user];
  }

  /** Called by {@link HostFunction} alone. */
  leave({ function: source, pasid }: PasidUser): void {
    this.#users = this.#users.filter((one) => one.function !== source || one.pasid !== pasid);
  }

  save(): NestedPageTableState {
    const { id, parent, firstStage, domainId } = this;
    return { id, parent: parent.id, firstStage: { ...firstStage }, domainId };
  }
}
