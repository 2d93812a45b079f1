import type { VirtualClock } from '../core/clock.ts';
import { CommandError } from '../core/errors.ts';
import type { OperationCounter } from '../core/operation.ts';
import type { HostCapabilities } from '../memory/host-device.ts';
import type { PasidTable } from '../memory/iommu-object.ts';
import type { Checks } from '../trace/checks.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { TraceParts } from '../trace/trace.ts';
import { AtsTranslation } from './ats-translation.ts';
import { HostCaches, type HostCachesState, type NestedTable } from './caches.ts';
import { HostExplanation } from './explain.ts';
import type { HostFunction } from './function.ts';
import { HostLook } from './look.ts';
import type { HostMemory } from './memory.ts';
import type { HostIommuSettings } from './options.ts';
import type { NestedPageTableState } from './nested-page-table.ts';
import { NestedPageTables } from './nested-page-tables.ts';
import { HostPageTable, type HostPageTableState } from './page-table.ts';
import { HostReverseLookUp } from './reverse-look-up.ts';
import { PasidAttachments } from './pasid-attachments.ts';
import type { PasidEntry } from './pasid-entry.ts';
import { StaleDetector } from './stale.ts';
import { HostTranslation } from './translation.ts';

/** A nested table with the function whose requests it serves. */
export interface NestedTableOwner extends NestedTable {
  readonly owner: HostFunction;
}

/** What stands behind a nested translation of the IOTLB, under either contract. */
export interface Nesting {
  readonly stage: HostPageTable;
  /** By the order in which they came; a nested page table can serve more than one. */
  readonly owners: readonly HostFunction[];
  /** The guest's PASID table that it came from. */
  readonly source: NestedTable;
}

interface NestedTableState {
  id: number;
  table: PasidTable;
  stage: number;
  owner: number;
  /** By PASID; null: the host walks the table itself. */
  attached: PasidEntry[] | null;
}

export interface HostIommuState {
  nextTable: number;
  pageTables: HostPageTableState[];
  nestedPages: NestedPageTableState[];
  nested: NestedTableState[];
  caches: HostCachesState;
  translation: { serial: number };
}

/** The IOMMU of the modelled host: its page tables, its caches and what translates through them. */
export class HostIommu {
  readonly capabilities: HostCapabilities;
  readonly memory: HostMemory;
  readonly caches: HostCaches;
  readonly detector: StaleDetector;
  readonly translation: HostTranslation;
  /** The same for functions that keep translations themselves. */
  readonly ats: AtsTranslation;
  readonly look: HostLook;
  readonly #operations: OperationCounter;
  /** Who is told of what its functions do wrong. */
  readonly checks: Checks;
  /** What can be made to go wrong. */
  readonly faults: FaultPoints;
  /** Guest time. */
  readonly clock: VirtualClock;
  readonly reverseLookUp: HostReverseLookUp;
  readonly explanation: HostExplanation;
  /** Those of single PASIDs. */
  readonly nestedPages: NestedPageTables;
  readonly #pageTables = new Map<number, HostPageTable>();
  readonly #nested = new Map<number, NestedTableOwner>();
  #nextTable = 1;
  #nextContext = 1;

  constructor(
    settings: HostIommuSettings,
    memory: HostMemory,
    operations: OperationCounter,
    trace: TraceParts & { readonly clock: VirtualClock },
  ) {
    const { capabilities } = settings;
    const { addressBits } = capabilities;
    this.capabilities = capabilities;
    this.memory = memory;
    this.#operations = operations;
    this.checks = trace.checks;
    this.faults = trace.faults;
    this.clock = trace.clock;
    this.caches = new HostCaches(settings);
    const { caches } = this;
    const detector = new StaleDetector({ memory, caches, trace, addressBits });
    this.detector = detector;
    this.translation = new HostTranslation({ memory, caches, detector, operations, addressBits });
    this.ats = new AtsTranslation({ memory, detector, translation: this.translation });
    this.look = new HostLook(memory, caches, addressBits);
    this.nestedPages = new NestedPageTables({ caches, nextId: () => this.#nextTable++, limit: settings.maxPageTables });
    this.reverseLookUp = new HostReverseLookUp(memory, addressBits);
    this.explanation = new HostExplanation(memory);
  }

  /** The number of the operation that goes on. */
  get operation(): number {
    return this.#operations.current;
  }

  /** The second stages, by id. */
  get pageTables(): readonly HostPageTable[] {
    return [...this.#pageTables.values()].sort((one, other) => one.id - other.id);
  }

  /** The guests' tables that are nested over them, by id. */
  get nestedTables(): readonly NestedTableOwner[] {
    return [...this.#nested.values()].sort((one, other) => one.id - other.id);
  }

  pageTable(id: number): HostPageTable | null {
    return this.#pageTables.get(id) ?? null;
  }

  nestedTable(id: number): NestedTableOwner | null {
    return this.#nested.get(id) ?? null;
  }

  /** What stands behind translations that are tagged with `id`; null for those of a second stage alone. */
  nestingOf(id: number): Nesting | null {
    const bound = this.#nested.get(id);
    if (bound !== undefined) return { stage: bound.stage, owners: [bound.owner], source: bound };
    const table = this.nestedPages.get(id);
    const owners = [...new Set(table?.users.map((user) => user.function))];
    const source = owners[0]?.nested ?? null;
    return table === null || source === null ? null : { stage: table.parent, owners, source };
  }

  /** An empty second stage. */
  createPageTable(): HostPageTable {
    const table = new HostPageTable(this.#nextTable++, this);
    this.#pageTables.set(table.id, table);
    return table;
  }

  /** @throws CommandError while a function is attached to it */
  destroyPageTable(table: HostPageTable): void {
    const user = table.functions[0];
    if (user !== undefined) {
      throw new CommandError(`Page table ${table.id} is used by host function ${user.name}: detach that first`);
    }
    table.unmap(0n, 1n << 64n);
    this.#pageTables.delete(table.id);
  }

  /** Called by {@link HostFunction} alone: the serial of a new context entry. */
  nextContextSerial(): number {
    return this.#nextContext++;
  }

  /** Called by {@link HostFunction} alone: nests a table that it has checked. */
  nest(
    table: PasidTable,
    stage: HostPageTable,
    owner: HostFunction,
    attached: ReadonlyMap<number, PasidEntry> | null,
  ): NestedTable {
    const nested = { id: this.#nextTable++, table, stage, owner, attached };
    this.#nested.set(nested.id, nested);
    return nested;
  }

  /** Called by {@link HostFunction} alone. */
  unnest(nested: NestedTable): void {
    this.#nested.delete(nested.id);
    this.caches.dropNested(nested.id);
  }

  /** What the host kernel does when it changes a second stage. */
  invalidateRange(table: HostPageTable, start: number, end: number): void {
    const nested = new Set<number>();
    for (const [id, { stage }] of this.#nested) if (stage === table) nested.add(id);
    for (const id of this.nestedPages.over(table)) nested.add(id);
    this.caches.invalidateRange(table.id, nested, start, end);
  }

  save(): HostIommuState {
    return {
      nextTable: this.#nextTable,
      pageTables: this.pageTables.map((table) => table.save()),
      nestedPages: this.nestedPages.save(),
      nested: this.nestedTables.map(({ id, table, stage, owner, attached }) => ({
        id,
        table: { ...table },
        stage: stage.id,
        owner: owner.requester,
        attached: attached && (owner.pasids?.save() ?? []),
      })),
      caches: this.caches.save(),
      translation: this.translation.save(),
    };
  }

  /**
   * Takes back page tables, bindings and caches. Page tables that exist already are kept as objects, since containers
   * hold them; `attached` says which function goes through which.
   */
  restore(state: HostIommuState, functions: readonly HostFunction[], attached: ReadonlyMap<number, number>): void {
    this.#nextTable = state.nextTable;
    const wanted = new Set(state.pageTables.map(({ id }) => id));
    for (const id of [...this.#pageTables.keys()]) if (!wanted.has(id)) this.#pageTables.delete(id);
    for (const saved of state.pageTables) {
      const table = this.#pageTables.get(saved.id) ?? new HostPageTable(saved.id, this);
      table.restore(saved);
      this.#pageTables.set(saved.id, table);
    }
    this.nestedPages.restore(state.nestedPages, (id) => this.pageTable(id));
    this.#nested.clear();
    for (const device of functions) {
      const table = this.#pageTables.get(attached.get(device.requester) ?? 0) ?? null;
      const saved = state.nested.find(({ owner }) => owner === device.requester);
      const stage = saved === undefined ? null : this.pageTable(saved.stage);
      if (saved === undefined || stage === null) {
        device.restoreAttachment(table, null);
        continue;
      }
      const pasids = saved.attached && new PasidAttachments(device, this);
      pasids?.restore(saved.attached ?? []);
      const entries = pasids?.entries ?? null;
      const nested = { id: saved.id, table: { ...saved.table }, stage, owner: device, attached: entries };
      this.#nested.set(saved.id, nested);
      device.restoreAttachment(table, nested, pasids);
    }
    const contextOf = (requester: number) =>
      functions.find((device) => device.requester === requester)?.contextEntry ?? null;
    this.caches.restore(state.caches, contextOf);
    this.translation.restore(state.translation);
  }
}
