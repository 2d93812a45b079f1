import type { Permissions } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { RefreshedPages } from './refreshed-pages.ts';
import { type TranslationAnchor, ZpciWalker } from './walk.ts';

/** Who is told of what a refresh changes; pages and frames are numbers of 4 KiB. */
export interface RefreshTarget {
  map(page: number, frame: number, permissions: Permissions): void;
  /** `count` pages from `page` on are not mapped any more; `sweep`: some of them may not have been before. */
  unmap(page: number, count: number, sweep: boolean): void;
}

/**
 * How much one refresh does at most, in entries that are read: the tables of 8 GiB in pages of 4 KiB. Tables that lead
 * to the same ones again and again ask for 2^30. Blocks of pages that are looked through count in their turn.
 */
const MOST_STEPS = 2 ** 21;
const BLOCKS_PER_STEP = 64;
const PAGE_SHIFT = 12;

interface RefreshParts {
  readonly memory: TableMemory;
  readonly pages: RefreshedPages;
  readonly target: RefreshTarget;
  /** How many pages can be mapped at once. */
  readonly limit: number;
}

interface RefreshOutcome {
  /** 0, or the code of the error that ended it. */
  readonly code: number;
  /** The page at which it ended with an error. */
  readonly page: number;
  /** Pages can still be mapped. */
  readonly room: boolean;
}

/**
 * What RPCIT does: walks the tables from one end of a range to the other, and brings the translations of the function,
 * and those who keep copies of them, in step. Every page is told by itself; pages in a row that are not mapped are told
 * as one run. Where there is no room for a page the refresh goes on, since pages behind it may be given up, and goes
 * over the range once more if any were.
 */
export class Refresh {
  readonly #parts: RefreshParts;
  readonly #walker = new ZpciWalker();
  #steps = 0;
  /** A run of pages that are not mapped any more. */
  #gone: { page: number; count: number; sweep: boolean } | null = null;

  constructor(parts: RefreshParts) {
    this.#parts = parts;
  }

  /** Pages `first` to `last`, both inclusive. */
  run(anchor: TranslationAnchor, first: number, last: number): RefreshOutcome {
    this.#steps = 0;
    for (;;) {
      const { code, page, again } = this.#pass(anchor, first, last);
      this.#tellGone();
      if (code !== 0 || !again || !this.#hasRoom || this.#steps >= MOST_STEPS) {
        return { code, page, room: this.#hasRoom && !again };
      }
    }
  }

  get #hasRoom(): boolean {
    return this.#parts.pages.size < this.#parts.limit;
  }

  #pass(anchor: TranslationAnchor, first: number, last: number): { code: number; page: number; again: boolean } {
    const { memory } = this.#parts;
    const walker = this.#walker;
    let again = false;
    for (let page = first; page <= last; ) {
      if (this.#steps++ >= MOST_STEPS) return { code: 0, page, again: true };
      if (!walker.walk(memory, anchor, page)) return { code: walker.code, page, again };
      const { permissions, frame, shift } = walker;
      const span = 2 ** (shift - PAGE_SHIFT);
      const end = Math.min(page - (page % span) + span - 1, last);
      if (permissions === 0) this.#drop(page, end, span === 1);
      else {
        this.#steps += end - page;
        for (let at = page; at <= end; at++) {
          if (!this.#map(at, frame + (at - page), permissions)) again = true;
        }
      }
      page = end + 1;
    }
    return { code: 0, page: last, again };
  }

  /** @returns false when there is no room */
  #map(page: number, frame: number, permissions: Permissions): boolean {
    const { pages, target } = this.#parts;
    const before = pages.find(page);
    if (before !== null && before.frame === frame && before.permissions === permissions) return true;
    this.#tellGone();
    if (before === null && !this.#hasRoom) return false;
    if (before !== null) target.unmap(page, 1, false);
    pages.set({ page, frame, permissions });
    target.map(page, frame, permissions);
    return true;
  }

  /** `single`: a page entry is marked invalid; it is told whether it was mapped or not, as in QEMU. */
  #drop(first: number, last: number, single: boolean): void {
    const { pages } = this.#parts;
    if (single) {
      this.#goes(first, !pages.delete(first));
      return;
    }
    this.#steps += pages.blocksWithin(first, last) / BLOCKS_PER_STEP;
    for (const { page } of pages.within(first, last)) {
      pages.delete(page);
      this.#goes(page, false);
    }
  }

  #goes(page: number, sweep: boolean): void {
    const gone = this.#gone;
    if (gone !== null && gone.page + gone.count === page) {
      gone.count += 1;
      gone.sweep ||= sweep;
      return;
    }
    this.#tellGone();
    this.#gone = { page, count: 1, sweep };
  }

  #tellGone(): void {
    const gone = this.#gone;
    this.#gone = null;
    if (gone !== null) this.#parts.target.unmap(gone.page, gone.count, gone.sweep);
  }
}
