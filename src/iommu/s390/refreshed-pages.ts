import type { Permissions } from '../../memory/access.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';

/** One page that a refresh found mapped. Pages and frames are numbers of 4 KiB. */
export interface RefreshedPage {
  readonly page: number;
  readonly frame: number;
  readonly permissions: Permissions;
}

/**
 * The translations of one function, in pages of 4 KiB: what RPCIT has read from the tables. DMA is translated by these
 * alone, so a change of the tables counts from the next refresh of its range on.
 */
export class RefreshedPages implements Snapshottable<RefreshedPage[]> {
  readonly #pages = new Map<number, RefreshedPage>();

  get size(): number {
    return this.#pages.size;
  }

  /** Null when the page is not mapped. */
  find(page: number): RefreshedPage | null {
    return this.#pages.get(page) ?? null;
  }

  set({ page, frame, permissions }: RefreshedPage): void {
    this.#pages.set(page, { page, frame, permissions });
  }

  /** @returns false when it was not there */
  delete(page: number): boolean {
    return this.#pages.delete(page);
  }

  /** The pages from `first` to `last` (inclusive) that are mapped, by ascending number. */
  within(first: number, last: number): RefreshedPage[] {
    const found: RefreshedPage[] = [];
    if (last - first < this.#pages.size) {
      for (let page = first; page <= last; page++) {
        const one = this.#pages.get(page);
        if (one !== undefined) found.push(one);
      }
      return found;
    }
    for (const one of this.#pages.values()) if (one.page >= first && one.page <= last) found.push(one);
    return found.sort((a, b) => a.page - b.page);
  }

  /** All of them, by ascending number. */
  all(): RefreshedPage[] {
    return this.within(0, Number.MAX_SAFE_INTEGER);
  }

  clear(): void {
    this.#pages.clear();
  }

  save(): RefreshedPage[] {
    return this.all();
  }

  restore(state: readonly RefreshedPage[]): void {
    this.#pages.clear();
    for (const page of state) this.set(page);
  }
}
