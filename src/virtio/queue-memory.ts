import { NO_ATTRIBUTES, type TransactionAttributes } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';

/** What the addresses of a queue and of its buffers mean. */
export interface QueueMemory {
  /** @returns false when some of it does not answer; what did not is zeros then */
  read(address: bigint, into: Uint8Array): boolean;
  /** @returns false when some of it does not answer */
  write(address: bigint, bytes: Uint8Array): boolean;
}

/** Queues and buffers in an address space: the system memory, or what the device's DMA sees. */
export function queueMemoryOf(
  space: AddressSpace,
  attributes: () => TransactionAttributes = () => NO_ATTRIBUTES,
): QueueMemory {
  return {
    read: (address, into) => space.read(address, into, attributes()).ok,
    write: (address, bytes) => space.write(address, bytes, attributes()).ok,
  };
}
