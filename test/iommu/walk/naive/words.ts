/** Reads a 64-bit word of tables as their platform stores it; null where nothing answers. */
export type Words = (address: bigint) => bigint | null;

/** Where an address leads by tables, and with which rights of the page. */
export interface Way {
  readonly address: bigint;
  /** Of the page that it lies in, in bytes. */
  readonly size: bigint;
  readonly read: boolean;
  readonly write: boolean;
}

export const ALL_ONES = (1n << 64n) - 1n;
