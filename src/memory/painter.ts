import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import type { MemoryRegion } from './region.ts';

/** A range while it is rendered; `end` is exclusive. */
export interface Piece {
  start: bigint;
  end: bigint;
  readonly region: MemoryRegion;
  /** Where `start` lies inside the region. */
  readonly offset: bigint;
  readonly readonly: boolean;
}

/** Is told of what does not show while a tree is painted. `end` is exclusive. */
export interface PaintObserver {
  /** `region` answers there, but `by` was painted before it. */
  covered(region: MemoryRegion, by: MemoryRegion, start: bigint, end: bigint): void;
  /** `region` would answer there, were `by` (itself, or one that holds it) enabled. */
  disabled(region: MemoryRegion, by: MemoryRegion, start: bigint, end: bigint, offset: bigint): void;
}

/** Where a region is painted: between `start` and `end` (exclusive), its parent beginning at `base`. */
interface Place {
  readonly base: bigint;
  readonly start: bigint;
  readonly end: bigint;
  readonly readonly: boolean;
  /** The outermost disabled region on the way. */
  readonly disabledBy: MemoryRegion | null;
}

/** Paints a tree from the front to the back: what comes later shows only where nothing was painted yet. */
export class Painter {
  /** Sorted, without overlap; neighbours may still belong together. */
  readonly pieces: Piece[] = [];
  readonly #observer: PaintObserver | null;

  constructor(observer: PaintObserver | null = null) {
    this.#observer = observer;
  }

  /** Paints all of `root`; its own address does not count. */
  paintRoot(root: MemoryRegion): void {
    this.#paint(root, { base: -root.address, start: 0n, end: ADDRESS_SPACE_SIZE, readonly: false, disabledBy: null });
  }

  #paint(region: MemoryRegion, place: Place): void {
    const disabledBy = place.disabledBy ?? (region.enabled ? null : region);
    if (disabledBy !== null && this.#observer === null) return;
    const begin = place.base + region.address;
    const start = begin > place.start ? begin : place.start;
    const end = begin + region.size < place.end ? begin + region.size : place.end;
    if (start >= end) return;
    const inside: Place = { base: begin, start, end, readonly: place.readonly || region.readonly, disabledBy };
    const target = region.aliasTarget;
    if (target !== null) {
      this.#paint(target, { ...inside, base: begin - region.aliasOffset - target.address });
      return;
    }
    for (const child of region.subregions) this.#paint(child, inside);
    if (!region.terminates) return;
    if (disabledBy === null) this.#fill(region, inside);
    else this.#observer?.disabled(region, disabledBy, start, end, start - begin);
  }

  #fill(region: MemoryRegion, { base, start, end, readonly }: Place): void {
    let at = start;
    let index = this.#firstEndingAfter(start);
    while (at < end) {
      const next = this.pieces[index];
      const gapEnd = next === undefined || next.start >= end ? end : next.start;
      if (gapEnd > at) {
        this.pieces.splice(index, 0, { start: at, end: gapEnd, region, offset: at - base, readonly });
        at = gapEnd;
      } else if (next !== undefined) {
        const coverEnd = next.end < end ? next.end : end;
        // Another window on the same region hides nothing of it that a reader would miss.
        if (next.region !== region) this.#observer?.covered(region, next.region, at, coverEnd);
        at = coverEnd;
      }
      index += 1;
    }
  }

  #firstEndingAfter(address: bigint): number {
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.pieces[middle]!.end > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
