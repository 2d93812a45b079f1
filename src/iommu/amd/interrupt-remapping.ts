import type { AddressSpace } from '../../memory/address-space.ts';
import { fieldOf } from '../entry-layout.ts';
import type { InterruptMessage } from '../interrupt-messages.ts';
import type { DeviceTableReader } from './device-table.ts';
import type { AmdProperties } from './properties.ts';
import { DEVICE_TABLE_ENTRY } from './tables.ts';

/** The interrupt controller of the chipset, which sends messages of nobody else. */
const CHIPSET_DEVICE_ID = 0xa0;

const IntCtl = { abort: 0, pass: 1, remap: 2 } as const;

/** Delivery modes of a message, bits 10:8 of its data. */
const Delivery = { fixed: 0, arbitrated: 1, nmi: 4, init: 5, external: 7 } as const;
const DESTINATION_MODE = 1n << 2n;
/** Bits of the data that are the index of an entry. */
const INDEX = 0x7ff;
const VALID = 1n;
const GUEST_MODE = 1n << 7n;

/** What an entry says, in either of its formats. */
interface RemappedInterrupt {
  readonly delivery: number;
  readonly vector: number;
  readonly logical: boolean;
  readonly hint: boolean;
  readonly destination: number;
}

/**
 * Interrupt remapping (AMD-Vi, section 2.2.5): a device's table entry says whether its messages pass, are blocked, or
 * lead to an entry by their data. There is no cache; entries of 4 bytes, or with the guest virtual APIC of 16, are read
 * for each message.
 */
export class InterruptRemapping {
  /** GAEN of the control register. */
  wideEntries = false;
  readonly #memory: AddressSpace;
  readonly #properties: AmdProperties;

  constructor(memory: AddressSpace, properties: AmdProperties) {
    this.#memory = memory;
    this.#properties = properties;
  }

  /**
   * Remaps a message in the interrupt range. `entry` has been read for its sender.
   * @returns null when it is blocked, which no event tells
   */
  remap(message: InterruptMessage, entry: DeviceTableReader): InterruptMessage | null {
    const field = (name: 'IV' | 'INTCTL' | 'NMIPASS' | 'INITPASS' | 'EINTPASS'): number =>
      fieldOf(DEVICE_TABLE_ENTRY, entry.words, name);
    if (field('IV') === 0) return message;
    if (!this.#properties.interruptRemapping) return null;
    switch ((message.data >>> 8) & 7) {
      case Delivery.fixed:
      case Delivery.arbitrated:
        if (field('INTCTL') === IntCtl.pass) return message;
        return field('INTCTL') === IntCtl.remap ? this.#byTable(message, entry) : null;
      case Delivery.nmi:
        return passes(message, field('NMIPASS'));
      case Delivery.init:
        return passes(message, field('INITPASS'));
      case Delivery.external:
        return passes(message, field('EINTPASS'));
      default:
        return null;
    }
  }

  #byTable({ data }: InterruptMessage, { words }: DeviceTableReader): InterruptMessage | null {
    // Bits 51:6 of the third word.
    const table = (BigInt(words[5]! & 0xf_ffff) << 32n) | BigInt((words[4]! & ~0x3f) >>> 0);
    const found = this.#read(table, data & INDEX);
    return found === null ? null : compose(found);
  }

  #read(table: bigint, index: number): RemappedInterrupt | null {
    const bytes = new Uint8Array(this.wideEntries ? 16 : 4);
    if (!this.#memory.read(table + BigInt(bytes.length * index), bytes).ok) return null;
    const view = new DataView(bytes.buffer);
    const low = this.wideEntries ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
    const high = this.wideEntries ? view.getBigUint64(8, true) : low >> 16n;
    const delivery = Number((low >> 2n) & 7n);
    if ((low & VALID) === 0n || (low & GUEST_MODE) !== 0n || delivery > Delivery.arbitrated) return null;
    return {
      delivery,
      vector: Number(high & 0xffn),
      logical: (low & (1n << 6n)) !== 0n,
      hint: (low & (1n << 5n)) !== 0n,
      destination: this.#destination(low, high),
    };
  }

  #destination(low: bigint, high: bigint): number {
    const lower = Number((low >> 8n) & 0xffn);
    if (!this.wideEntries || !this.#properties.extendedInterrupts) return lower;
    return Number((low >> 8n) & 0xff_ffffn) + Number(high >> 56n) * 0x100_0000;
  }
}

/** Who sent a message. */
export function senderOf(requester: number | undefined): number {
  return requester ?? CHIPSET_DEVICE_ID;
}

/** What is no ordinary interrupt passes by the device's own bit, and never with a logical destination. */
function passes(message: InterruptMessage, bit: number): InterruptMessage | null {
  return bit !== 0 && (message.address & DESTINATION_MODE) === 0n ? message : null;
}

/** The message that an interrupt controller understands. */
function compose({ delivery, vector, logical, hint, destination }: RemappedInterrupt): InterruptMessage {
  const hints = (hint ? 8 : 0) | (logical ? 4 : 0);
  const lower = 0xfee0_0000n | (BigInt(destination & 0xff) << 12n) | BigInt(hints);
  return { address: (BigInt(destination >>> 8) << 40n) | lower, data: (vector | (delivery << 8) | (1 << 14)) >>> 0 };
}
