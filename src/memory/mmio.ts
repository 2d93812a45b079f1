import type { TransactionAttributes } from './access.ts';
import type { MemoryRegion } from './region.ts';

export type AccessSize = 1 | 2 | 4 | 8;

/** A range of access sizes in bytes, both inclusive; 1 to 4 where nothing is said. */
export interface AccessSizes {
  readonly min?: AccessSize;
  readonly max?: AccessSize;
}

/** The device's answer is an error (a master abort, a blocked interrupt request), not a value. */
export class BusError extends Error {
  constructor(message = 'The device answered with an error') {
    super(message);
    this.name = 'BusError';
  }
}

/**
 * What stands behind an MMIO region. Little-endian: byte n of an access lies in bits 8n+7:8n of the value.
 * Offsets are relative to the region.
 */
export interface MmioOperations {
  /** @throws BusError when the device answers with an error */
  read(offset: number, size: AccessSize, attributes: TransactionAttributes): bigint;
  /** @throws BusError when the device answers with an error */
  write(offset: number, size: AccessSize, value: bigint, attributes: TransactionAttributes): void;
  /** What the bus may ask for; an access outside is a decode error. */
  readonly valid?: AccessSizes & { readonly unaligned?: boolean };
  /** What `read` and `write` are called with: wider accesses are split, narrower ones widened. */
  readonly implementation?: AccessSizes;
  /** A last say over an access of a valid size. */
  accepts?(offset: number, size: AccessSize, write: boolean, attributes: TransactionAttributes): boolean;
}

/**
 * The largest access that a transfer of `length` bytes at `offset` may begin with: a power of two, within the
 * region's valid sizes, aligned unless the region takes unaligned ones.
 */
export function largestAccess(operations: MmioOperations, offset: number, length: number): AccessSize {
  let size: AccessSize = operations.valid?.max ?? 4;
  while (size > 1 && (size > length || (operations.valid?.unaligned !== true && offset % size !== 0))) {
    size = (size / 2) as AccessSize;
  }
  return size;
}

/** True when the region answers to an access of this size at this place. */
export function isValidAccess(
  operations: MmioOperations,
  offset: number,
  size: AccessSize,
  write: boolean,
  attributes: TransactionAttributes,
): boolean {
  const { valid } = operations;
  if (size < (valid?.min ?? 1) || size > (valid?.max ?? 4)) return false;
  if (valid?.unaligned !== true && offset % size !== 0) return false;
  return operations.accepts?.(offset, size, write, attributes) ?? true;
}

function implementedSize(operations: MmioOperations, size: AccessSize): AccessSize {
  const smallest = operations.implementation?.min ?? 1;
  const largest = operations.implementation?.max ?? 4;
  return Math.max(Math.min(size, largest), smallest) as AccessSize;
}

/** What answers, and the region in front of it, where there is one that trace points can name. */
export interface MmioTarget {
  readonly region?: MemoryRegion;
  readonly operations: MmioOperations;
}

/** Reads `size` bytes through accesses of the sizes that the device implements. The access must be valid. */
export function readMmio(
  { operations, region }: MmioTarget,
  offset: number,
  size: AccessSize,
  attributes: TransactionAttributes,
): bigint {
  const point = region?.topology.points.memory_region_ops_read;
  const step = implementedSize(operations, size);
  let value = 0n;
  for (let done = 0; done < size; done += step) {
    const part = BigInt.asUintN(step * 8, operations.read(offset + done, step, attributes));
    if (point) point(-1, region, region.absoluteAddress() + BigInt(offset + done), part, step, region.name);
    value |= part << BigInt(done * 8);
  }
  return BigInt.asUintN(size * 8, value);
}

/** Writes `size` bytes likewise. A widened write carries zeros in the bytes that were not asked for. */
export function writeMmio(
  { operations, region }: MmioTarget,
  offset: number,
  size: AccessSize,
  value: bigint,
  attributes: TransactionAttributes,
): void {
  const point = region?.topology.points.memory_region_ops_write;
  const step = implementedSize(operations, size);
  for (let done = 0; done < size; done += step) {
    const part = BigInt.asUintN(step * 8, value >> BigInt(done * 8));
    if (point) point(-1, region, region.absoluteAddress() + BigInt(offset + done), part, step, region.name);
    operations.write(offset + done, step, part, attributes);
  }
}
