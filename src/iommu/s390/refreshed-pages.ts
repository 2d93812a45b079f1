import type { Permissions } from '../../memory/access.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';

/** One page that a refresh found mapped. Pages and frames are numbers of 4 KiB. */
export interface RefreshedPage {
  readonly page: number;
  readonly frame: number;
  readonly permissions: Permissions;
}

/** How many pages a block has: those of one page table. */
const BLOCK = 256;

/**
 * The translations of one function, in pages of 4 KiB: what RPCIT has read from the tables. DMA is translated by these
 * alone, so a change of the tables counts from the next refresh of its range on. They are kept in blocks, so that a
 * large range with little in it is looked through quickly.
 */
export class RefreshedPages implements Snapshottable<RefreshedPage[]> {
  readonly #blocks = new Map<number, Map<number, RefreshedPage>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Null when the page is not mapped. */
  find(page: number): RefreshedPage | null {
    return this.#blocks.get(blockOf(page))?.get(page) ?? null;
  }

  set({ page, frame, permissions }: RefreshedPage): void {
    const number = blockOf(page);
    let block = this.#blocks.get(number);
    if (block === undefined) this.#blocks.set(number, (block = new Map<number, RefreshedPage>()));
    if (!block.has(page)) this.#size += 1;
    block.set(page, { page, frame, permissions });
  }

  /** @returns false when it was not there */
  delete(page: number): boolean {
    const number = blockOf(page);
    const block = this.#blocks.get(number);
    if (block?.delete(page) !== true) return false;
    this.#size -= 1;
    if (block.size === 0) this.#blocks.delete(number);
    return true;
  }

  /** How many blocks have to be looked at for the pages from `first` to `last` (inclusive). */
  blocksWithin(first: number, last: number): number {
    return Math.min(blockOf(last) - blockOf(first) + 1, this.#blocks.size);
  }

  /** The pages from `first` to `last` (inclusive) that are mapped, by ascending number. */
  within(first: number, last: number): RefreshedPage[] {
    const found: RefreshedPage[] = [];
    const [start, end] = [blockOf(first), blockOf(last)];
    const take = (block: Map<number, RefreshedPage> | undefined): void => {
      for (const one of block?.values() ?? []) if (one.page >= first && one.page <= last) found.push(one);
    };
    if (end - start < this.#blocks.size) for (let block = start; block <= end; block++) take(this.#blocks.get(block));
    else for (const [block, pages] of this.#blocks) if (block >= start && block <= end) take(pages);
    return found.sort((a, b) => a.page - b.page);
  }

  /** All of them, by ascending number. */
  all(): RefreshedPage[] {
    return this.within(0, Number.MAX_SAFE_INTEGER);
  }

  clear(): void {
    this.#blocks.clear();
    this.#size = 0;
  }

  save(): RefreshedPage[] {
    return this.all();
  }

  restore(state: readonly RefreshedPage[]): void {
    this.clear();
    for (const page of state) this.set(page);
  }
}

function blockOf(page: number): number {
  return Math.floor(page / BLOCK);
}
