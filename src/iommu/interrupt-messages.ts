import type { TransactionAttributes } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';

/** Where interrupt messages of x86 are written to: 0xfee00000 to 0xfeefffff. */
export const INTERRUPT_RANGE_START = 0xfee0_0000n;
export const INTERRUPT_RANGE_SIZE = 0x10_0000n;

/** What is written there is a message, as long as the request has no PASID. */
export function isInterrupt(address: bigint): boolean {
  return address >= INTERRUPT_RANGE_START && address < INTERRUPT_RANGE_START + INTERRUPT_RANGE_SIZE;
}

/** An interrupt message: a write of 4 bytes. */
export interface InterruptMessage {
  readonly address: bigint;
  /** 32 bits. */
  readonly data: number;
}

/**
 * Hands interrupt messages to whatever takes them in the system's interrupt range.
 *
 * Only the lowest 20 bits of the address are looked at, as by QEMU, which gives messages to the interrupt controller
 * directly: a message can never hit memory, wherever its address registers point. Bits 63:32, the upper part of an
 * extended destination, do not fit the range and are left out.
 */
export class MessageWriter {
  readonly #systemMemory: AddressSpace;

  constructor(systemMemory: AddressSpace) {
    this.#systemMemory = systemMemory;
  }

  send(message: InterruptMessage, attributes: TransactionAttributes = {}): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, message.data, true);
    const offset = message.address & (INTERRUPT_RANGE_SIZE - 1n) & ~3n;
    this.#systemMemory.write(INTERRUPT_RANGE_START + offset, bytes, attributes);
  }
}
