import { CommandError } from '../core/errors.ts';
import type { IotlbFlush } from '../memory/iommu-object.ts';
import type { HostFunction } from './function.ts';
import type { HostIommu } from './iommu.ts';
import type { NestedPageTable } from './nested-page-table.ts';
import { ALL_PAGES, type FirstStageInvalidation } from './nested-page-tables.ts';
import type { HostPageTable } from './page-table.ts';
import type { PasidEntry } from './pasid-entry.ts';

/**
 * The PASIDs of one function that were attached one by one, each to a nested page table or to the second stage itself:
 * what contract iommufd has in place of a guest's PASID table. The host writes these entries, and drops what its caches
 * hold of one that it changes.
 */
export class PasidAttachments {
  readonly #function: HostFunction;
  readonly #iommu: HostIommu;
  readonly #entries = new Map<number, PasidEntry>();

  constructor(owner: HostFunction, iommu: HostIommu) {
    this.#function = owner;
    this.#iommu = iommu;
  }

  /** By PASID; `nestedTable` is the id of what a PASID is attached to. */
  get entries(): ReadonlyMap<number, PasidEntry> {
    return this.#entries;
  }

  /** Ascending. */
  get pasids(): readonly number[] {
    return [...this.#entries.keys()].sort((one, other) => one - other);
  }

  /**
   * Sends requests with `pasid` through `target` from now on, made from the guest's `entry`.
   * @returns whether they went through something before
   * @throws CommandError for a PASID that the function has not; then nothing has changed
   */
  attach(pasid: number, target: NestedPageTable | HostPageTable, entry: PasidEntry): { replaced: boolean } {
    const { pasidBits } = this.#function.capabilities;
    if (pasid >= 2 ** pasidBits) {
      throw new CommandError(
        `PASID ${pasid} is above ${2 ** pasidBits - 1}, the last one that ${pasidBits} PASID bits of host function ` +
          `${this.#function.name} reach`,
      );
    }
    const replaced = this.#leave(pasid);
    this.#entries.set(pasid, { ...entry, pasid, nestedTable: target.id });
    this.#join(pasid, target.id);
    this.#function.pages.attached(pasid);
    return { replaced };
  }

  /** Blocks requests with `pasid`; returns whether they went through something before. */
  detach(pasid: number): boolean {
    const gone = this.#leave(pasid);
    this.#entries.delete(pasid);
    if (gone) this.#function.pages.detached(pasid);
    return gone;
  }

  detachAll(): void {
    for (const pasid of this.pasids) this.detach(pasid);
  }

  /** Attaches exactly what was attached when `before` was copied from {@link entries}; its page tables still exist. */
  takeBack(before: ReadonlyMap<number, PasidEntry>): void {
    for (const pasid of this.pasids) if (!before.has(pasid)) this.detach(pasid);
    for (const [pasid, entry] of before) {
      if (this.#entries.get(pasid) === entry) continue;
      this.#leave(pasid);
      this.#entries.set(pasid, entry);
      this.#join(pasid, entry.nestedTable);
    }
  }

  /**
   * Drops first-stage translations: each nested page table in scope gets one invalidation, also when that of another
   * one failed. Those of PASIDs that pass through are the host's own.
   * @returns how many entries of the IOTLB went
   * @throws CommandError when a domain id is left out and the PASID is not attached; or as the first that failed
   */
  flush(flush: IotlbFlush): number {
    const { domainId, pasid } = flush;
    if (pasid !== undefined && domainId === undefined && !this.#entries.has(pasid)) {
      throw new CommandError(
        `No domain-id was given, and PASID ${pasid} of host function ${this.#function.name} is attached to nothing to take it from: give domain-id`,
      );
    }
    let dropped = 0;
    let failed: CommandError | null = null;
    for (const one of pasid === undefined ? this.pasids : [pasid]) {
      const entry = this.#entries.get(one);
      if (entry === undefined || (domainId ?? entry.domainId) !== entry.domainId) continue;
      const table = this.#iommu.nestedPages.get(entry.nestedTable);
      if (table === null) continue;
      const result = this.#iommu.nestedPages.invalidate(table, [invalidationOf(flush)]);
      dropped += result.dropped;
      failed ??= result.error;
    }
    if (failed !== null) throw failed;
    return dropped;
  }

  save(): PasidEntry[] {
    return this.pasids.map((pasid) => ({ ...structuredClone(this.#entries.get(pasid)!), verifiedAt: -1 }));
  }

  restore(entries: readonly PasidEntry[]): void {
    for (const entry of entries) {
      this.#entries.set(entry.pasid, { ...structuredClone(entry), verifiedAt: -1 });
      this.#join(entry.pasid, entry.nestedTable);
    }
  }

  #join(pasid: number, table: number): void {
    this.#iommu.nestedPages.get(table)?.join({ function: this.#function, pasid });
  }

  /** Takes a PASID from what it goes through, with all that the caches hold of it; its entry stays. */
  #leave(pasid: number): boolean {
    const entry = this.#entries.get(pasid);
    if (entry === undefined) return false;
    this.#iommu.nestedPages.get(entry.nestedTable)?.leave({ function: this.#function, pasid });
    this.#iommu.caches.dropPasid(this.#function.requester, pasid, entry.nestedTable);
    return true;
  }
}

function invalidationOf({ granularity, address, size, leafOnly }: IotlbFlush): FirstStageInvalidation {
  if (granularity !== 'page') return { address: 0n, pages: ALL_PAGES, leafOnly };
  if (address === undefined || size === undefined) throw new Error('a page flush comes with address and size');
  return { address, pages: size >> 12n, leafOnly };
}
