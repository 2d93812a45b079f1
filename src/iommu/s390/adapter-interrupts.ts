import type { AddressSpace } from '../../memory/address-space.ts';
import type { MmioOperations } from '../../memory/mmio.ts';

/** Adapter interruption parameters of a function, as MPCIFC registers them. */
export interface AdapterInterrupts {
  /** As in the information block: subclass, number, bit offsets, summary bit. */
  readonly parameters: number;
  readonly bitVector: bigint;
  readonly summary: bigint;
}

const VECTOR = 0x7ff;

/**
 * Where functions write their messages. A message sets its bit of the vector in guest memory, then the summary bit; the
 * channel subsystem interrupts when that was not set. `registered` is null for a function that takes no messages now.
 */
export function messagePage(memory: AddressSpace, registered: () => AdapterInterrupts | null): MmioOperations {
  return {
    read: () => 0xffff_ffffn,
    write: (_offset, _size, value) => {
      const interrupts = registered();
      if (interrupts === null) return;
      const { parameters, bitVector, summary } = interrupts;
      setBit(memory, bitVector, ((parameters >>> 8) & 0x3f) + (Number(value & 0xffff_ffffn) & VECTOR));
      setBit(memory, summary, parameters & 0x3f);
    },
  };
}

/** Bits count from the most significant one of the first byte. */
function setBit(memory: AddressSpace, base: bigint, bit: number): void {
  const address = base + BigInt(bit >>> 3);
  const byte = new Uint8Array(1);
  if (memory.read(address, byte).error !== null) return;
  byte[0]! |= 0x80 >>> (bit & 7);
  memory.write(address, byte);
}
