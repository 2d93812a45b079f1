import type { ArgumentsOf } from './format.ts';
import { intelPoints } from './intel.ts';
import { iommufdPoints } from './iommufd.ts';
import { memoryPoints } from './memory.ts';
import { vfioPoints } from './vfio.ts';

/**
 * Every trace point, by QEMU's name, with QEMU's format, in the order in which they are listed. A format says what the
 * point is given: names, listings, types and texts all follow from here. A family of its own is one more line.
 */
export const tracePointFormats = { ...memoryPoints, ...intelPoints, ...vfioPoints, ...iommufdPoints } as const;

export type TracePointName = keyof typeof tracePointFormats;

/**
 * All trace points as those see them who reach them: null while nobody listens. So a room writes
 * `points.vtd_dmar_enable?.(on)`, and a point that is off costs the look at one property: its arguments are not even
 * made.
 */
export type TracePoints = {
  readonly [Name in TracePointName]: ((...values: ArgumentsOf<(typeof tracePointFormats)[Name]>) => void) | null;
};

/** The names of all trace points, in the order in which they are listed. */
export const tracePointNames = Object.keys(tracePointFormats) as readonly TracePointName[];

/**
 * All points, off. Copied from the table and then overwritten, so that V8 keeps the properties at fixed places; an
 * object that grows by computed names would become a hash table, and each look at a point a search.
 */
export function pointsOff(): { -readonly [Name in TracePointName]: TracePoints[Name] } {
  const points = { ...tracePointFormats } as unknown as Record<TracePointName, null>;
  for (const name of tracePointNames) points[name] = null;
  return points;
}

/** For rooms that are built without a trace. */
export const noTracePoints: TracePoints = Object.freeze(pointsOff());
