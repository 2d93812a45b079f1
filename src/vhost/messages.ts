/**
 * The rights that a message asks for or gives, numbered as on the wire between vhost and its user: the bits of
 * `Permission`.
 */
export const IotlbAccess = { read: 1, write: 2, readWrite: 3 } as const;
export type IotlbAccess = (typeof IotlbAccess)[keyof typeof IotlbAccess];

/**
 * What vhost and the process that it serves tell each other about the device IOTLB. `miss` and `access-fail` come from
 * vhost, `update` and `invalidate` go to it; sizes in bytes.
 */
export type IotlbMessage =
  | { readonly type: 'miss'; readonly iova: bigint; readonly access: IotlbAccess }
  | {
      readonly type: 'update';
      readonly iova: bigint;
      readonly size: bigint;
      /** In the process's memory. */
      readonly userAddress: bigint;
      readonly access: IotlbAccess;
    }
  | { readonly type: 'invalidate'; readonly iova: bigint; readonly size: bigint }
  | { readonly type: 'access-fail'; readonly iova: bigint; readonly access: IotlbAccess };

/** What asked for a translation that there is none of. */
export interface MissFailure {
  /** A full sentence. */
  readonly sentence: string;
  /** The fault reason of the vIOMMU, where that refused. */
  readonly code?: number;
  readonly reason?: string;
}
