import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { checkNesting } from './binding.ts';
import type { HostCaches } from './caches.ts';
import type { HostFunction } from './function.ts';
import { type FirstStage, NestedPageTable, type NestedPageTableState } from './nested-page-table.ts';
import type { HostPageTable } from './page-table.ts';

/** One entry of an invalidation: `pages` pages of 4 KiB from `address` on, or all with {@link ALL_PAGES}. */
export interface FirstStageInvalidation {
  /** A multiple of 4 KiB; 0 with {@link ALL_PAGES}. */
  readonly address: bigint;
  readonly pages: bigint;
  /** Only leaf entries have changed: paging-structure caches may stay. */
  readonly leafOnly: boolean;
}

/** How far an invalidation came. */
export interface InvalidationResult {
  /** Entries that have been carried out, from the first on. */
  readonly handled: number;
  /** Cached translations that went. */
  readonly dropped: number;
  /** Why the entry behind those was not carried out; null when all were. */
  readonly error: CommandError | null;
}

export interface NestedPageTablesParts {
  readonly caches: HostCaches;
  readonly nextId: () => number;
  /** How many there can be. */
  readonly limit: number;
}

/** The number of pages that stands for all. */
export const ALL_PAGES = (1n << 64n) - 1n;

const PAGE = 4096n;

/** The nested page tables of the host's IOMMU. */
export class NestedPageTables {
  readonly #caches: HostCaches;
  readonly #nextId: () => number;
  /** How many there can be. */
  readonly limit: number;
  readonly #tables = new Map<number, NestedPageTable>();

  constructor({ caches, nextId, limit }: NestedPageTablesParts) {
    this.#caches = caches;
    this.#nextId = nextId;
    this.limit = limit;
  }

  /** By id. */
  get all(): readonly NestedPageTable[] {
    return [...this.#tables.values()].sort((one, other) => one.id - other.id);
  }

  /** Ids of those over a second stage. */
  over(parent: HostPageTable): number[] {
    return [...this.#tables.values()].filter((table) => table.parent === parent).map(({ id }) => id);
  }

  get(id: number): NestedPageTable | null {
    return this.#tables.get(id) ?? null;
  }

  /**
   * Makes one for PASIDs of `source`, over the second stage that its requests go through.
   * @throws CommandError when the host cannot nest for that function, or has no room for another one
   */
  allocate(source: HostFunction, parent: HostPageTable, first: FirstStage): NestedPageTable {
    checkNesting(source.name, source.capabilities);
    if (this.#tables.size >= this.limit) {
      throw new CommandError(
        `The host IOMMU has room for ${this.limit} nested page tables, and all are in use: detach PASIDs, or start ` +
          `with a host-iommu that has max-page-tables=${this.limit + 1} or more`,
      );
    }
    const table = new NestedPageTable(this.#nextId(), parent, first);
    this.#tables.set(table.id, table);
    return table;
  }

  /** @throws CommandError while a PASID is attached to it */
  destroy(table: NestedPageTable): void {
    const user = table.users[0];
    if (user !== undefined) {
      throw new CommandError(
        `Nested page table ${table.id} is used by PASID ${user.pasid} of host function ${user.function.name}: detach that first`,
      );
    }
    this.#tables.delete(table.id);
    this.#caches.dropNested(table.id);
  }

  /**
   * Drops cached translations of a table, for everyone who goes through it, and what devices have cached of them: with
   * this contract the host sees to those itself. Entries are carried out in order, up to the first that is wrong.
   */
  invalidate(table: NestedPageTable, entries: readonly FirstStageInvalidation[]): InvalidationResult {
    let dropped = 0;
    for (const [handled, entry] of entries.entries()) {
      const error = wrongEntry(entry);
      if (error !== null) return { handled, dropped, error };
      const first = Number(entry.address / PAGE);
      const range = entry.pages === ALL_PAGES ? {} : { first, last: first + Number(entry.pages) - 1 };
      dropped += this.#caches.flushNested(table.id, range, true);
    }
    return { handled: entries.length, dropped, error: null };
  }

  save(): NestedPageTableState[] {
    return this.all.map((table) => table.save());
  }

  /** Takes the tables back, without users; `parentOf` finds second stages by id. */
  restore(state: readonly NestedPageTableState[], parentOf: (id: number) => HostPageTable | null): void {
    this.#tables.clear();
    for (const { id, parent, ...first } of state) {
      const stage = parentOf(parent);
      if (stage !== null) this.#tables.set(id, new NestedPageTable(id, stage, first));
    }
  }
}

function wrongEntry({ address, pages }: FirstStageInvalidation): CommandError | null {
  if (address % PAGE !== 0n) {
    return new CommandError(`The invalidation at ${hex(address)} does not begin at a multiple of ${hex(PAGE)}`);
  }
  if (pages === ALL_PAGES && address !== 0n) {
    return new CommandError(`The invalidation of all pages begins at ${hex(address)}: give address 0x0`);
  }
  if (pages <= 0n || (pages !== ALL_PAGES && address + pages * PAGE > 1n << 64n)) {
    return new CommandError(
      `The invalidation at ${hex(address)} has ${pages} pages: give a number from 1 to the last page`,
    );
  }
  return null;
}
