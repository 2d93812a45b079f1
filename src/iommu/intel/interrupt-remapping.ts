import type { TransactionAttributes } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { FaultSink } from './invalidation.ts';
import type { InterruptMessage } from '../interrupt-messages.ts';
import type { IntelProperties } from './properties.ts';

/** Fault reasons (VT-d, section 7.1.3). */
const Reason = {
  requestReserved: 0x20,
  indexOutOfRange: 0x21,
  entryNotPresent: 0x22,
  tableUnreachable: 0x23,
  entryReserved: 0x24,
  compatibilityBlocked: 0x25,
  sourceNotPermitted: 0x26,
} as const;

/** Nobody knows who sent the message. */
const UNKNOWN_SOURCE = 0xffff;

const ENTRY_BYTES = 16;
const ENTRY_RESERVED_LOW = 0xff00_7000n;
const ENTRY_RESERVED_HIGH = 0xffff_ffff_fff0_0000n;
/** IM: a posted interrupt, which the unit does not offer. */
const ENTRY_POSTED = 0x8000n;
/** Bits of the source id that are compared, by SQ. */
const SOURCE_MASKS = [0xffff, 0xfffb, 0xfff9, 0xfff8] as const;

export interface InterruptRemappingState {
  readonly table: bigint;
  readonly entries: number;
  readonly extended: boolean;
}

/**
 * Interrupt remapping (VT-d, section 5.1): turns a message in remappable format into the interrupt that the entry at
 * its index describes. There is no interrupt entry cache; entries are read for each message.
 *
 * `strict-spec` has the specification's reading of these places: compatibility format is blocked (0x25) in extended
 * interrupt mode, and without CFIS (QEMU lets it pass always); reserved bits of the data fault before the entry is
 * fetched (QEMU: after it was accepted); an entry for posted interrupts has a reserved bit set (QEMU ignores it); a
 * message that a device writes by its DMA comes from that device (QEMU: from 0xffff, which no entry validates).
 */
export class InterruptRemapping implements Snapshottable<InterruptRemappingState> {
  readonly #memory: AddressSpace;
  readonly #faults: FaultSink;
  readonly #properties: IntelProperties;
  readonly #points: TracePoints;
  #table = 0n;
  #entries = 0;
  #extended = false;

  constructor(options: {
    memory: AddressSpace;
    faults: FaultSink;
    properties: IntelProperties;
    points: TracePoints;
  }) {
    this.#memory = options.memory;
    this.#faults = options.faults;
    this.#properties = options.properties;
    this.#points = options.points;
  }

  /** SIRTP: takes over the table that IRTA names. */
  latch(register: bigint): void {
    const { awBits, extendedInterruptMode, strictSpec } = this.#properties;
    this.#table = BigInt.asUintN(awBits, register) & ~0xfffn;
    this.#entries = 2 << Number(register & 0xfn);
    this.#extended = (register & 0x800n) !== 0n && (extendedInterruptMode || !strictSpec);
    this.#points.x86_iommu_iec_notify?.(true, 0, 0);
    this.#points.vtd_reg_ir_root?.(this.#table, this.#entries);
  }

  /**
   * Remaps a message that a device wrote, while remapping is enabled.
   * @param attributes - of the write, with its requester
   * @param compatibility - GSTS.CFIS: messages in compatibility format may pass
   * @returns null when the message is blocked; the fault has been reported by then
   */
  remap(message: InterruptMessage, attributes: TransactionAttributes, compatibility: boolean): InterruptMessage | null {
    const { address, data } = message;
    const sourceId = this.#sourceOf(attributes);
    if (address >> 20n !== 0xfeen) return this.#block(Reason.requestReserved, sourceId, 0);
    if ((address & 0x10n) === 0n) {
      if (!this.#properties.strictSpec || (compatibility && !this.#extended)) return message;
      return this.#block(Reason.compatibilityBlocked, sourceId, 0);
    }
    const withSubhandle = (address & 0x8n) !== 0n;
    const reservedData = withSubhandle && data >>> 16 !== 0;
    if (reservedData && this.#properties.strictSpec) return this.#block(Reason.requestReserved, sourceId, 0);
    const handle = Number((address >> 5n) & 0x7fffn) | (Number((address >> 2n) & 1n) << 15);
    const index = handle + (withSubhandle ? data & 0xffff : 0);
    const entry = this.#fetch(index, sourceId);
    if (entry === null) return null;
    if (reservedData) return this.#block(Reason.requestReserved, sourceId, 0);
    this.#traceEntry(index, entry, withSubhandle ? null : data, sourceId);
    return this.#compose(entry);
  }

  reset(): void {
    this.restore({ table: 0n, entries: 0, extended: false });
  }

  save(): InterruptRemappingState {
    return { table: this.#table, entries: this.#entries, extended: this.#extended };
  }

  restore(state: InterruptRemappingState): void {
    this.#table = state.table;
    this.#entries = state.entries;
    this.#extended = state.extended;
  }

  #sourceOf({ message, requester }: TransactionAttributes): number {
    const known = message === true || this.#properties.strictSpec;
    return known ? (requester ?? UNKNOWN_SOURCE) : UNKNOWN_SOURCE;
  }

  /** The lower word of the entry at an index (VT-d, section 9.10), when the entry accepts the source. */
  #fetch(index: number, sourceId: number): bigint | null {
    if (index >= this.#entries) return this.#block(Reason.indexOutOfRange, sourceId, index);
    const bytes = new Uint8Array(ENTRY_BYTES);
    if (!this.#memory.read(this.#table + BigInt(ENTRY_BYTES * index), bytes).ok) {
      return this.#block(Reason.tableUnreachable, sourceId, index);
    }
    const view = new DataView(bytes.buffer);
    const low = view.getBigUint64(0, true);
    const high = view.getBigUint64(8, true);
    this.#points.vtd_ir_irte_get?.(index, low, high);
    const faultsDisabled = (low & 2n) !== 0n;
    const reservedLow = ENTRY_RESERVED_LOW | (this.#properties.strictSpec ? ENTRY_POSTED : 0n);
    if ((low & 1n) === 0n) return this.#block(Reason.entryNotPresent, sourceId, index, faultsDisabled);
    if ((low & reservedLow) !== 0n || (high & ENTRY_RESERVED_HIGH) !== 0n) {
      return this.#block(Reason.entryReserved, sourceId, index, faultsDisabled);
    }
    if (sourceId !== UNKNOWN_SOURCE && !permitsSource(high, sourceId)) {
      return this.#block(Reason.sourceNotPermitted, sourceId, index, faultsDisabled);
    }
    return low;
  }

  /**
   * @param data - of a message without subhandle, which says vector and trigger mode itself, as I/O APICs do; null with
   *   one: then the index of the entry
   */
  #traceEntry(index: number, low: bigint, data: number | null, sourceId: number): void {
    const points = this.#points;
    const vector = field(low, 16, 8);
    const trigger = field(low, 4, 1);
    const destination = this.#extended ? field(low, 32, 32) : field(low, 40, 8);
    points.vtd_ir_remap?.(index, trigger, vector, field(low, 5, 3), destination, field(low, 2, 1));
    points.vtd_ir_remap_type?.(data === null ? 'MSI' : 'IOAPIC');
    if (data === null) return;
    const given = { vector: data & 0xff, trigger: (data >>> 15) & 1 };
    if (given.vector !== vector) points.vtd_warn_ir_vector?.(sourceId, index, given.vector, vector);
    if (given.trigger !== trigger) points.vtd_warn_ir_trigger?.(sourceId, index, given.trigger, trigger);
  }

  /** The message in compatibility format that an interrupt controller understands. */
  #compose(low: bigint): InterruptMessage {
    const vector = field(low, 16, 8);
    const deliveryMode = field(low, 5, 3);
    const trigger = field(low, 4, 1);
    const destination = this.#extended ? field(low, 32, 32) : field(low, 40, 8);
    const hints = (field(low, 3, 1) << 3) | (field(low, 2, 1) << 2);
    const lower = 0xfee0_0000n | (BigInt(destination & 0xff) << 12n) | BigInt(hints);
    return {
      address: (BigInt(destination >>> 8) << 40n) | lower,
      // Level is always asserted.
      data: (vector | (deliveryMode << 8) | (1 << 14) | (trigger << 15)) >>> 0,
    };
  }

  #block(code: number, sourceId: number, index: number, faultProcessingDisabled = false): null {
    this.#faults.record({ sourceId, address: BigInt(index) << 48n, code, write: true, faultProcessingDisabled });
    return null;
  }
}

/** Source validation, by SVT, SQ and SID of the entry's upper word. */
function permitsSource(high: bigint, sourceId: number): boolean {
  const permitted = field(high, 0, 16);
  switch (field(high, 18, 2)) {
    case 0:
      return true;
    case 1: {
      const mask = SOURCE_MASKS[field(high, 16, 2)] ?? 0xffff;
      return (sourceId & mask) === (permitted & mask);
    }
    case 2: {
      const bus = sourceId >>> 8;
      return bus >= (permitted & 0xff) && bus <= permitted >>> 8;
    }
    default:
      return false;
  }
}

function field(word: bigint, low: number, bits: number): number {
  return Number(BigInt.asUintN(bits, word >> BigInt(low)));
}
