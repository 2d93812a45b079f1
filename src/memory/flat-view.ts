import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import { Painter } from './painter.ts';
import type { Piece } from './painter.ts';
import type { MemoryRegion, RegionKind } from './region.ts';

/** A piece of an address space in which one region answers. */
export interface FlatRange {
  readonly start: bigint;
  /** Inclusive. */
  readonly last: bigint;
  readonly region: MemoryRegion;
  /** Where `start` lies inside the region. */
  readonly offsetInRegion: bigint;
  readonly readonly: boolean;
  readonly kind: RegionKind;
  /** The same as plain numbers, exact where they are below 2^53. */
  readonly startNumber: number;
  readonly lastNumber: number;
  readonly offsetNumber: number;
}

/**
 * The region whose rendering a root amounts to, so that spaces which show the same share one view: goes through an
 * alias of a whole region and through a container whose only enabled child is included whole. Null: nothing shows.
 */
export function effectiveRoot(root: MemoryRegion): MemoryRegion | null {
  let region = root;
  while (region.enabled) {
    const inner = onlyContents(region);
    if (inner === null) return null;
    if (inner === region) return region;
    region = inner;
  }
  return null;
}

function onlyContents(region: MemoryRegion): MemoryRegion | null {
  // The write protection of a wrapper would be lost with it.
  if (region.readonly) return region;
  const target = region.aliasTarget;
  if (target !== null) return region.aliasOffset === 0n && region.size >= target.size ? target : region;
  if (region.terminates) return region;
  const children = region.subregions.filter((child) => child.enabled);
  const only = children[0];
  if (only === undefined) return null;
  return children.length === 1 && only.address === 0n && region.size >= only.size ? only : region;
}

function merged(pieces: readonly Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const piece of pieces) {
    const previous = result.at(-1);
    if (
      previous?.end === piece.start &&
      previous.region === piece.region &&
      previous.readonly === piece.readonly &&
      previous.offset + (previous.end - previous.start) === piece.offset
    ) {
      previous.end = piece.end;
    } else {
      result.push({ ...piece });
    }
  }
  return result;
}

function toRange(piece: Piece): FlatRange {
  const last = piece.end - 1n;
  return {
    start: piece.start,
    last,
    region: piece.region,
    offsetInRegion: piece.offset,
    readonly: piece.readonly,
    kind: piece.region.kind,
    startNumber: Number(piece.start),
    lastNumber: Number(last),
    offsetNumber: Number(piece.offset),
  };
}

/** A topology as one address space sees it: sorted ranges that do not overlap. */
export class FlatView {
  /** The effective root; null when nothing shows. */
  readonly root: MemoryRegion | null;
  readonly ranges: readonly FlatRange[];

  /** Renders `root` as it is now; its own address does not count. */
  constructor(root: MemoryRegion | null) {
    this.root = root;
    const painter = new Painter();
    if (root !== null) painter.paintRoot(root);
    this.ranges = merged(painter.pieces).map(toRange);
  }

  /** The range that `address` lies in; null when nothing answers there. */
  find(address: bigint): FlatRange | null {
    let low = 0;
    let high = this.ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const range = this.ranges[middle]!;
      if (address < range.start) high = middle - 1;
      else if (address > range.last) low = middle + 1;
      else return range;
    }
    return null;
  }

  /** The same for an address below 2^53. */
  findNumber(address: number): FlatRange | null {
    let low = 0;
    let high = this.ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const range = this.ranges[middle]!;
      if (address < range.startNumber) high = middle - 1;
      else if (address > range.lastNumber) low = middle + 1;
      else return range;
    }
    return null;
  }

  /** The last address of the gap that `address` lies in. */
  gapEnd(address: bigint): bigint {
    const next = this.ranges.find((range) => range.start > address);
    const last = next === undefined ? ADDRESS_SPACE_SIZE - 1n : next.start - 1n;
    // Nothing answers above 64 bits, however long the transfer.
    return last < address ? address + ADDRESS_SPACE_SIZE : last;
  }
}
