import { Painter } from './painter.ts';
import type { Piece } from './painter.ts';
import type { MemoryRegion } from './region.ts';

/** A piece of a region that does not show. `last` is inclusive. */
export interface HiddenPart {
  readonly region: MemoryRegion;
  readonly start: bigint;
  readonly last: bigint;
  /** What lies over it; or, where something is disabled, the region itself or the outermost disabled one that holds it. */
  readonly by: MemoryRegion;
}

interface DisabledPart extends HiddenPart {
  readonly offset: bigint;
}

/** What would answer somewhere below `root` and does not, and why; by address, then in the order of painting. */
export function hiddenParts(root: MemoryRegion): HiddenPart[] {
  const covered: HiddenPart[] = [];
  const disabled: DisabledPart[] = [];
  const painter = new Painter({
    covered: (region, by, start, end) => covered.push({ region, by, start, last: end - 1n }),
    disabled: (region, by, start, end, offset) => disabled.push({ region, by, start, last: end - 1n, offset }),
  });
  painter.paintRoot(root);
  const missing = disabled.flatMap((part) => notShown(part, painter.pieces));
  return joined([...covered, ...missing]).sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

/** The part less what another, enabled window shows of the same bytes at the same place. */
function notShown(part: DisabledPart, pieces: readonly Piece[]): HiddenPart[] {
  const { region, by, last } = part;
  const parts: HiddenPart[] = [];
  let at = part.start;
  for (const piece of pieces) {
    if (piece.end <= at || piece.start > last || piece.region !== region) continue;
    if (piece.offset - piece.start !== part.offset - part.start) continue;
    if (piece.start > at) parts.push({ region, by, start: at, last: piece.start - 1n });
    at = piece.end;
  }
  if (at <= last) parts.push({ region, by, start: at, last });
  return parts;
}

/** Joins neighbours that are hidden by the same region. */
function joined(parts: readonly HiddenPart[]): HiddenPart[] {
  const result: HiddenPart[] = [];
  const latest = new Map<MemoryRegion, number>();
  for (const part of parts) {
    const index = latest.get(part.region);
    const previous = index === undefined ? undefined : result[index];
    if (index !== undefined && previous?.by === part.by && previous.last + 1n === part.start) {
      result[index] = { ...previous, last: part.last };
    } else {
      latest.set(part.region, result.length);
      result.push(part);
    }
  }
  return result;
}
