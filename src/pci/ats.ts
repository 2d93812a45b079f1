import type { Permissions } from '../memory/access.ts';

/** What a device is told for one page that it wants to cache. */
export interface AtsEntry {
  readonly iova: bigint;
  readonly address: bigint;
  readonly size: bigint;
  /** None: not translated. */
  readonly permissions: Permissions;
}

export interface AtsRequest {
  readonly address: bigint;
  /** In bytes, from the address on. */
  readonly length: bigint;
  /** False: the device does not want to write (NW). */
  readonly write: boolean;
  readonly pasid?: number;
  readonly privileged?: boolean;
}
