import { DECODE_ERROR, DEVICE_ERROR } from './access.ts';
import type { AccessError, TransactionAttributes } from './access.ts';
import type { Resolution } from './resolve.ts';
import { BusError, isValidAccess, largestAccess, readMmio, writeMmio } from './mmio.ts';
import type { AccessSize, MmioTarget } from './mmio.ts';

/** What became of the first `length` bytes of a piece. */
export interface PieceOutcome {
  readonly length: number;
  readonly error: AccessError | null;
}

/**
 * Moves one piece of a transfer, all of which `target` resolves alike: RAM in one go, of MMIO the first access. A read
 * that fails leaves zeros.
 */
export function transferPiece(
  target: Resolution,
  bytes: Uint8Array,
  write: boolean,
  attributes: TransactionAttributes,
): PieceOutcome {
  const { region } = target;
  if (region?.operations != null) {
    return transferMmio({ region, operations: region.operations }, Number(target.offset), bytes, write, attributes);
  }
  const block = region?.block ?? null;
  if (block !== null && !(write && target.readonly)) {
    if (write) block.write(Number(target.offset), bytes);
    else block.read(Number(target.offset), bytes);
    return { length: bytes.length, error: null };
  }
  if (!write) bytes.fill(0);
  return { length: bytes.length, error: target.fault === null ? DECODE_ERROR : { kind: 'fault', fault: target.fault } };
}

function transferMmio(
  target: MmioTarget,
  offset: number,
  bytes: Uint8Array,
  write: boolean,
  attributes: TransactionAttributes,
): PieceOutcome {
  const { operations } = target;
  const size = largestAccess(operations, offset, bytes.length);
  if (!isValidAccess(operations, offset, size, write, attributes)) {
    if (!write) bytes.fill(0, 0, size);
    return { length: size, error: DECODE_ERROR };
  }
  try {
    if (write) writeMmio(target, offset, size, fromBytes(bytes, size), attributes);
    else toBytes(readMmio(target, offset, size, attributes), bytes, size);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    if (!write) bytes.fill(0, 0, size);
    return { length: size, error: DEVICE_ERROR };
  }
  return { length: size, error: null };
}

function fromBytes(bytes: Uint8Array, size: AccessSize): bigint {
  let value = 0n;
  for (let index = size - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(bytes[index]!);
  return value;
}

function toBytes(value: bigint, bytes: Uint8Array, size: AccessSize): void {
  for (let index = 0; index < size; index += 1) bytes[index] = Number((value >> BigInt(8 * index)) & 0xffn);
}
