import type { Snapshottable } from '../../trace/snapshot.ts';

/** Log2 of page sizes. */
const SMALL = 12;
const MEDIUM = 21;
const LARGE = 30;
/** 4 KiB pages in each. */
const PAGES_2M = 0x200;
const PAGES_1G = 0x4_0000;

/** One page that was told mapped. Pages and frames are numbers of 4 KiB. */
export interface MappedPage {
  readonly page: number;
  /** Log2 of its size: 12, 21 or 30. */
  readonly shift: number;
  readonly frame: number;
  /** Bit 0 to read, bit 1 to write. */
  readonly rights: number;
}

/** A leaf is frame * 4 + rights in one number, which takes less memory than an object. */
type Node2M = Map<number, number>;
type Node1G = Map<number, number | Node2M>;

/**
 * What the region notifiers of one address space were told is mapped: QEMU's interval tree. Kept as a radix tree of
 * the three page sizes, so that dropping what lies below a large page costs nothing.
 */
export class MappedRanges implements Snapshottable<MappedPage[]> {
  readonly #top = new Map<number, number | Node1G>();
  #size = 0;

  /** How many pages, of whatever size. */
  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#top.clear();
    this.#size = 0;
  }

  /** The page that holds a 4 KiB page; null when that is not mapped. */
  find(page: number): MappedPage | null {
    const one = this.#top.get(Math.floor(page / PAGES_1G));
    if (one === undefined) return null;
    if (typeof one === 'number') return unpack(page - (page % PAGES_1G), LARGE, one);
    const two = one.get(Math.floor((page % PAGES_1G) / PAGES_2M));
    if (two === undefined) return null;
    if (typeof two === 'number') return unpack(page - (page % PAGES_2M), MEDIUM, two);
    const leaf = two.get(page % PAGES_2M);
    return leaf === undefined ? null : unpack(page, SMALL, leaf);
  }

  /** Exactly this page is mapped, to the same frame with the same rights. */
  has(page: number, shift: number, frame: number, rights: number): boolean {
    const leaf = frame * 4 + rights;
    const one = this.#top.get(Math.floor(page / PAGES_1G));
    if (shift === LARGE || one === undefined || typeof one === 'number') return shift === LARGE && one === leaf;
    const two = one.get(Math.floor((page % PAGES_1G) / PAGES_2M));
    if (shift === MEDIUM || two === undefined || typeof two === 'number') return shift === MEDIUM && two === leaf;
    return two.get(page % PAGES_2M) === leaf;
  }

  /** Adds a page; nothing of it may be mapped. */
  add(page: number, shift: number, frame: number, rights: number): void {
    const leaf = frame * 4 + rights;
    const gib = Math.floor(page / PAGES_1G);
    this.#size += 1;
    if (shift === LARGE) {
      this.#top.set(gib, leaf);
      return;
    }
    let one = this.#top.get(gib);
    if (one === undefined || typeof one === 'number') this.#top.set(gib, (one = new Map<number, number | Node2M>()));
    const index = Math.floor((page % PAGES_1G) / PAGES_2M);
    if (shift === MEDIUM) {
      one.set(index, leaf);
      return;
    }
    let two = one.get(index);
    if (two === undefined || typeof two === 'number') one.set(index, (two = new Map<number, number>()));
    two.set(page % PAGES_2M, leaf);
  }

  /**
   * Drops whatever overlaps a naturally aligned block of 2^shift bytes.
   * @returns false when nothing did
   */
  remove(page: number, shift: number): boolean {
    const before = this.#size;
    if (shift >= LARGE) this.#removeLarge(page, 2 ** (shift - LARGE));
    else this.#removeInside(page, shift);
    return this.#size !== before;
  }

  /** What overlaps the pages `first` to `last` (inclusive), by ascending address. */
  *overlapping(first: number, last: number): Generator<MappedPage> {
    for (const gib of sortedKeys(this.#top, Math.floor(first / PAGES_1G), Math.floor(last / PAGES_1G))) {
      const one = this.#top.get(gib)!;
      const base = gib * PAGES_1G;
      if (typeof one === 'number') yield unpack(base, LARGE, one);
      else yield* inNode(one, base, first, last);
    }
  }

  save(): MappedPage[] {
    return [...this.overlapping(0, Number.MAX_SAFE_INTEGER)];
  }

  restore(state: MappedPage[]): void {
    this.clear();
    for (const { page, shift, frame, rights } of state) this.add(page, shift, frame, rights);
  }

  #removeLarge(page: number, count: number): void {
    const from = Math.floor(page / PAGES_1G);
    // Whichever is shorter: the block, or what there is.
    const keys = count > this.#top.size ? [...this.#top.keys()] : Array.from({ length: count }, (_, i) => from + i);
    for (const key of keys) {
      if (key < from || key >= from + count) continue;
      const one = this.#top.get(key);
      if (one === undefined) continue;
      this.#size -= countOf(one);
      this.#top.delete(key);
    }
  }

  #removeInside(page: number, shift: number): void {
    const gib = Math.floor(page / PAGES_1G);
    const one = this.#top.get(gib);
    if (one === undefined) return;
    if (typeof one === 'number') {
      this.#size -= 1;
      this.#top.delete(gib);
      return;
    }
    const index = Math.floor((page % PAGES_1G) / PAGES_2M);
    const two = one.get(index);
    if (two === undefined) return;
    if (typeof two === 'number' || shift === MEDIUM) {
      this.#size -= typeof two === 'number' ? 1 : two.size;
      one.delete(index);
    } else {
      if (two.delete(page % PAGES_2M)) this.#size -= 1;
      if (two.size === 0) one.delete(index);
    }
    if (one.size === 0) this.#top.delete(gib);
  }
}

function unpack(page: number, shift: number, leaf: number): MappedPage {
  return { page, shift, frame: Math.floor(leaf / 4), rights: leaf % 4 };
}

function countOf(node: number | Node1G): number {
  if (typeof node === 'number') return 1;
  let count = 0;
  for (const two of node.values()) count += typeof two === 'number' ? 1 : two.size;
  return count;
}

function* inNode(node: Node1G, base: number, first: number, last: number): Generator<MappedPage> {
  const from = Math.floor((first - base) / PAGES_2M);
  const to = Math.floor((last - base) / PAGES_2M);
  for (const index of sortedKeys(node, from, to)) {
    const two = node.get(index)!;
    const start = base + index * PAGES_2M;
    if (typeof two === 'number') {
      yield unpack(start, MEDIUM, two);
      continue;
    }
    for (const offset of sortedKeys(two, first - start, last - start)) {
      yield unpack(start + offset, SMALL, two.get(offset)!);
    }
  }
}

function sortedKeys(map: ReadonlyMap<number, unknown>, first: number, last: number): number[] {
  return [...map.keys()].filter((key) => key >= first && key <= last).sort((a, b) => a - b);
}
