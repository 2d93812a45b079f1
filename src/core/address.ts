/**
 * Addresses, branded by the space that they belong to, so that a guest-physical one is never taken for a
 * host-physical one. What a device puts on the bus (iova) is a bare bigint: it becomes one of these by translation
 * alone. All are unsigned 64-bit values held as bigint. Inside a table walk, where bigint is too slow, an
 * address is a plain number: table addresses have at most 52 bits, which a double holds exactly.
 */
declare const space: unique symbol;
type Address<Space extends string> = bigint & { readonly [space]: Space };

/** Guest-physical: what the guest's page tables hold. */
export type Gpa = Address<'gpa'>;
/** Host-physical: a frame of the modelled host. Never equal to the guest-physical address that it backs. */
export type Hpa = Address<'hpa'>;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;

/** The largest 64-bit address; as the inclusive last address of a range, the whole space. */
export const ADDRESS_LAST = 0xffff_ffff_ffff_ffffn;
/** The size of the whole 64-bit space, which itself needs a 65th bit. */
export const ADDRESS_SPACE_SIZE = 1n << 64n;

/** An address as error sentences print it: `0x` and lower-case digits without leading zeros. */
export function hex(address: bigint | number): string {
  return `0x${address.toString(16)}`;
}

/** True when `value` is a multiple of `alignment`, a power of two. */
export function isAligned(value: bigint, alignment: bigint): boolean {
  return (value & (alignment - 1n)) === 0n;
}

/** True for 1, 2, 4, 8 … */
export function isPowerOfTwo(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}
