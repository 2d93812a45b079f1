import { type Access, permissionNames, type Permissions, permits } from '../memory/access.ts';
import type { ModelEventData } from '../trace/model-events.ts';
import type { TraceParts } from '../trace/trace.ts';

type StaleEvent = ModelEventData<'HOST_STALE_TRANSLATION'>;

/** What made a cached entry old. */
export interface TableChange {
  /** The operation. */
  readonly since: number;
  /** The word of a guest's table that it wrote; absent where it changed something else. */
  readonly write?: NonNullable<StaleEvent['write']>;
}

/** Where an access ends up: in a page, or nowhere. */
export interface Outcome {
  readonly ok: boolean;
  /** Numbers of 4 KiB pages; meaningless unless `ok`, or when a cached right was missing. */
  readonly frame: number;
  readonly guestPage: number;
  readonly permissions: Permissions;
}

export const NOWHERE: Outcome = { ok: false, frame: 0, guestPage: 0, permissions: 0 };

/** One request of a device, as the device made it. */
export interface DeviceRequest {
  /** The name that events call it. */
  readonly device: string;
  readonly address: bigint;
  /** The 4 KiB page of the address. */
  readonly page: number;
  /** Or NO_PASID. */
  readonly pasid: number;
  readonly access: Access;
}

/** One cache that held something old, and what changed behind its back. */
export interface Finding extends TableChange {
  readonly cache: StaleEvent['cache'];
  /** What was used, and what the tables lead to. */
  readonly used: Outcome;
  readonly current: Outcome;
  /** What a cached entry without a page stands for; absent: what was used. */
  readonly cached?: StaleEvent['cached'];
  readonly missing: StaleEvent['missing'];
}

/** True when both let the access through to the same place, or neither does. */
export function alike(one: Outcome, other: Outcome, access: Access): boolean {
  const allowed = one.ok && permits(one.permissions, access);
  if (allowed !== (other.ok && permits(other.permissions, access))) return false;
  return !allowed || one.frame === other.frame;
}

/** Tells of a request that was served by an old entry, and counts it. */
export function reportStale(
  { events, checks }: TraceParts,
  { device, address, pasid, access }: DeviceRequest,
  { cache, used, current, cached, since, write, missing }: Finding,
): void {
  const offset = Number(address & 0xfffn);
  const withPasid = pasid >= 0;
  events.emit('HOST_STALE_TRANSLATION', {
    device,
    ...(withPasid && { pasid }),
    address,
    access: access === 'none' ? 'read' : access,
    cache,
    cached: cached ?? describe(used, offset),
    ...(current.ok && { current: describe(current, offset) }),
    since,
    ...(write && { write }),
    missing,
  });
  const place = `0x${address.toString(16)}${withPasid ? ` with PASID ${pasid}` : ''}`;
  checks.record('stale-translation', {
    sequence: events.sequence,
    desc: `Device '${device}' used an old entry of the ${cache} cache for its ${access} at ${place}`,
  });
}

function describe({ frame, guestPage, permissions }: Outcome, offset: number): StaleEvent['cached'] {
  return {
    address: (BigInt(frame) << 12n) + BigInt(offset),
    gpa: (BigInt(guestPage) << 12n) + BigInt(offset),
    permissions: permissionNames(permissions),
  };
}
