import type { Snapshottable } from '../trace/snapshot.ts';

/** One page that was told mapped. Pages and frames are numbers of 4 KiB. */
export interface MappedPage {
  readonly page: number;
  /** Log2 of its size, 12 to 63. */
  readonly shift: number;
  readonly frame: number;
  /** Bit 0 to read, bit 1 to write. */
  readonly rights: number;
}

/**
 * A node maps slot numbers, counted from address 0 in units of its level, to leaves or nodes of the next lower level.
 * A leaf is one number, which takes less memory than an object: (frame * 4 + rights) * 16 + log2 of its slots. A page
 * of several slots stands in each of them.
 */
type Node = Map<number, number | Node>;

/** Of 9 bits each, the lowest with slots of 4 KiB; the top one stands for whatever is left of 64 bits. */
const TOP_LEVEL = 6;
const SLOTS = 512;

/** 4 KiB pages in a slot, by level. */
const PAGES = Float64Array.from({ length: TOP_LEVEL + 1 }, (_, level) => SLOTS ** Math.max(level - 1, 0));

/**
 * What the region notifiers of one address space were told is mapped: QEMU's interval tree. Kept as a radix tree in the
 * steps of page tables, so that dropping what lies below a large page costs nothing.
 */
export class MappedRanges implements Snapshottable<MappedPage[]> {
  readonly #top: Node = new Map<number, number | Node>();
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
    let node = this.#top;
    for (let level = TOP_LEVEL; level > 0; level--) {
      const below = node.get(Math.floor(page / PAGES[level]!));
      if (below === undefined) return null;
      if (typeof below === 'number') return unpack(page, level, below);
      node = below;
    }
    return null;
  }

  /** Exactly this page is mapped, to the same frame with the same rights. */
  has(page: number, shift: number, frame: number, rights: number): boolean {
    const found = this.find(page);
    return found !== null && found.shift === shift && found.frame === frame && found.rights === rights;
  }

  /** Adds a page; nothing of it may be mapped. */
  add(page: number, shift: number, frame: number, rights: number): void {
    const leafLevel = levelOf(shift);
    let node = this.#top;
    for (let level = TOP_LEVEL; level > leafLevel; level--) {
      const slot = Math.floor(page / PAGES[level]!);
      let below = node.get(slot);
      if (below === undefined || typeof below === 'number') node.set(slot, (below = new Map<number, number | Node>()));
      node = below;
    }
    const order = (shift - 12) % 9;
    const first = page / PAGES[leafLevel]!;
    for (let slot = first; slot < first + 2 ** order; slot++) node.set(slot, (frame * 4 + rights) * 16 + order);
    this.#size += 1;
  }

  /**
   * Drops whatever overlaps a naturally aligned block of 2^shift bytes.
   * @returns false when nothing did
   */
  remove(page: number, shift: number): boolean {
    const before = this.#size;
    const path: { node: Node; slot: number }[] = [];
    let node = this.#top;
    for (let level = TOP_LEVEL; level > levelOf(shift); level--) {
      const slot = Math.floor(page / PAGES[level]!);
      const below = node.get(slot);
      if (below === undefined) return false;
      if (typeof below === 'number') {
        this.#removeSlots(node, slot, 1);
        prune(path);
        return true;
      }
      path.push({ node, slot });
      node = below;
    }
    this.#removeSlots(node, Math.floor(page / PAGES[levelOf(shift)]!), 2 ** ((shift - 12) % 9));
    if (node.size === 0) prune(path);
    return this.#size !== before;
  }

  /** What overlaps the pages `first` to `last` (inclusive), by ascending address. */
  *overlapping(first: number, last: number): Generator<MappedPage> {
    yield* inNode(this.#top, TOP_LEVEL, first, last);
  }

  save(): MappedPage[] {
    return [...this.overlapping(0, Number.MAX_SAFE_INTEGER)];
  }

  restore(state: MappedPage[]): void {
    this.clear();
    for (const { page, shift, frame, rights } of state) this.add(page, shift, frame, rights);
  }

  /** Drops what stands in the slots; pages that reach beyond them go whole. */
  #removeSlots(node: Node, from: number, count: number): void {
    // Whichever is shorter: the block, or what there is.
    const keys =
      count > node.size
        ? [...node.keys()].filter((slot) => slot >= from && slot < from + count)
        : Array.from({ length: count }, (_, index) => from + index);
    for (const key of keys) {
      const below = node.get(key);
      if (below === undefined) continue;
      if (typeof below !== 'number') {
        this.#size -= countOf(below);
        node.delete(key);
        continue;
      }
      const slots = 2 ** (below % 16);
      const first = key - (key % slots);
      for (let slot = first; slot < first + slots; slot++) node.delete(slot);
      this.#size -= 1;
    }
  }
}

/** In which level's slots pages of 2^shift bytes are counted. */
function levelOf(shift: number): number {
  return Math.min(TOP_LEVEL, 1 + Math.floor((shift - 12) / 9));
}

function unpack(page: number, level: number, leaf: number): MappedPage {
  const order = leaf % 16;
  const value = (leaf - order) / 16;
  const shift = 3 + 9 * level + order;
  return { page: page - (page % 2 ** (shift - 12)), shift, frame: Math.floor(value / 4), rights: value % 4 };
}

/** Takes away the nodes at the end of a path that hold nothing any more. */
function prune(path: readonly { node: Node; slot: number }[]): void {
  for (let step = path.length - 1; step >= 0; step--) {
    const { node, slot } = path[step]!;
    const below = node.get(slot);
    if (typeof below === 'object' && below.size === 0) node.delete(slot);
    if (node.size > 0) return;
  }
}

function countOf(node: Node): number {
  let count = 0;
  // A page of several slots counts by the first of them.
  for (const [slot, below] of node) {
    if (typeof below !== 'number') count += countOf(below);
    else if (slot % 2 ** (below % 16) === 0) count += 1;
  }
  return count;
}

function* inNode(node: Node, level: number, first: number, last: number): Generator<MappedPage> {
  const pages = PAGES[level]!;
  let end = -1;
  for (const slot of slotsBetween(node, Math.floor(first / pages), Math.floor(last / pages))) {
    if (slot < end) continue;
    const below = node.get(slot)!;
    if (typeof below !== 'number') {
      yield* inNode(below, level - 1, first, last);
      continue;
    }
    const slots = 2 ** (below % 16);
    end = slot - (slot % slots) + slots;
    yield unpack(slot * pages, level, below);
  }
}

function slotsBetween(node: Node, first: number, last: number): number[] {
  return [...node.keys()].filter((slot) => slot >= first && slot <= last).sort((a, b) => a - b);
}
