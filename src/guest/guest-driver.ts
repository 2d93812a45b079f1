import type { Snapshottable } from '../trace/snapshot.ts';
import type { PageRange } from './checks.ts';
import type { PagePermission } from './page-table.ts';
import type { TableRange } from './table-pages.ts';

/** How a driver has its unit translate; `other`: the one way that a unit of another kind than Intel's has. */
export type GuestMode = 'legacy' | 'scalable' | 'ecs' | 'other';

/** What a function's requests are to find. */
export interface GuestMapping extends PageRange {
  readonly sourceId: number;
  readonly address: bigint;
  readonly permissions: readonly PagePermission[];
}

export interface GuestUnmapping extends PageRange {
  readonly sourceId: number;
  /** False leaves the invalidation out, and the unit's caches as they are. */
  readonly flush: boolean;
}

/** A page table of the user's for a PASID. */
export interface PageTableBinding {
  readonly sourceId: number;
  readonly pasid: number;
  readonly pageTable: bigint;
}

/**
 * The built-in guest's driver for one unit, whatever its kind. It knows the unit by what software sees of it alone:
 * registers, queues, hypercalls, instructions and RAM. Which functions there are is the caller's to know: the driver
 * takes the ids that they send requests with. Each command is all or nothing.
 */
export interface GuestDriver extends Snapshottable<unknown> {
  /** Null before the driver has enabled the unit. */
  readonly mode: GuestMode | null;
  /**
   * Sets the unit up and has it translate.
   * @returns where the tables lie
   * @throws CommandError when the unit is enabled, lacks the mode, or the range cannot hold tables
   */
  enable(mode: GuestMode, tables?: TableRange): TableRange;
  /** Maps a range for a function. @throws CommandError when it cannot be mapped whole */
  map(mapping: GuestMapping): void;
  /** @throws CommandError unless all of the range is mapped by whole pages */
  unmap(unmapping: GuestUnmapping): void;
  /** Gives a function's PASID a page table of the user's. @throws CommandError, also where there are no PASIDs */
  bindPageTable(binding: PageTableBinding): void;
  /** @throws CommandError when the PASID has no page table */
  unbindPageTable(unbinding: { sourceId: number; pasid: number; flush: boolean }): void;
  /** The machine was reset: the guest starts anew, and knows of nothing but the RAM that it may overwrite. */
  reset(): void;
}
