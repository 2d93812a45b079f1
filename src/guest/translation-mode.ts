import type { Snapshottable } from '../trace/snapshot.ts';
import type { PageTableBinding } from './guest-driver.ts';
import { type Descriptor, descriptors, type InvalidationQueue, type PageBlock } from './invalidation-queue.ts';
import type { PageTableShape } from './page-table.ts';
import type { Processor } from './processor.ts';
import type { Capabilities } from './registers.ts';
import type { TablePages } from './table-pages.ts';

/** How the driver has an Intel unit translate. */
export type IntelMode = 'legacy' | 'scalable' | 'ecs';

/** Addresses that share a page table: those of one function, with one PASID or without. */
export interface Domain {
  /** The domain-id that tags its translations. */
  readonly id: number;
  readonly sourceId: number;
  /** Null: requests without PASID. */
  readonly pasid: number | null;
  /** Guest-physical address of the page table. */
  readonly root: bigint;
}

/** Pages that something takes. */
export interface PageDemand {
  readonly single: number;
  /** In a row. */
  readonly contiguous: number;
}

/** What a mode works with. */
export interface ModeParts {
  readonly processor: Processor;
  readonly pages: TablePages;
  readonly queue: InvalidationQueue;
  readonly capabilities: Capabilities;
  /** A page for the root table. */
  readonly root: bigint;
}

export interface TranslationModeState {
  root: bigint;
  /** Bus, or twice the bus and one more for its upper half, and where its context table lies. */
  contextTables: [number, bigint][];
  /** Source-id, domain-id of the device's own, and where its PASID structure lies; 0 without. */
  devices: [number, number, bigint][];
}

/** The structures between the root table and the page tables, as one mode has them. */
export interface TranslationMode extends Snapshottable<TranslationModeState> {
  /** The root table, with the bits of RTADDR that select the mode. */
  readonly rootTable: bigint;
  /** What a page table for such requests looks like. @throws CommandError when the unit serves none */
  shape(pasid: number | null): PageTableShape;
  /** The domain-id for a new domain; `fresh` gives one that nothing has yet. */
  domainId(sourceId: number, pasid: number | null, fresh: () => number): number;
  /** Pages that `attach` or `bind` is going to take. */
  demand(sourceId: number, pasid: number | null): PageDemand;
  /** Lets requests go through the domain's page table, and flushes what the unit may hold of before. */
  attach(domain: Domain): void;
  /** What flushes a block of pages of a domain. */
  flushOf(domain: Domain, pages: PageBlock, leafOnly: boolean): Descriptor[];
  /** Lets requests with the PASID go through a page table of the user's. `fresh` gives an unused domain-id. */
  bind(binding: PageTableBinding, fresh: () => number): void;
  /** Takes it away again. @param flush the caches too */
  unbind(binding: PageTableBinding, flush: boolean): void;
}

/** Flushes pages of requests without PASID, or all of the domain-id where the unit has nothing narrower. */
export function secondStageFlush(
  { pageSelective, largestAddressMask }: Capabilities,
  domainId: number,
  pages: PageBlock,
  leafOnly: boolean,
): Descriptor {
  if (!pageSelective || pages.addressMask > largestAddressMask) return descriptors.iotlbDomain(domainId);
  return descriptors.iotlbPages(domainId, pages, leafOnly);
}

/** Flushes pages of a PASID, or all of the PASID where the unit has nothing narrower. */
export function firstStageFlush(
  { largestAddressMask }: Capabilities,
  tags: { readonly domainId: number; readonly pasid: number },
  pages: PageBlock,
  leafOnly: boolean,
): Descriptor {
  const { domainId, pasid } = tags;
  if (pages.addressMask > largestAddressMask) return descriptors.pasidIotlb(domainId, pasid);
  return descriptors.pasidIotlbPages(domainId, pasid, pages, leafOnly);
}
