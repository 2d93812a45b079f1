import type { MmioOperations } from '../memory/mmio.ts';
import { PciDevice, type PciDeviceState, type PciIdentity } from '../pci/device.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';

/** Registers in BAR 0, 4 bytes each. */
const Offset = {
  trigger: 0x00,
  iovaLow: 0x04,
  iovaHigh: 0x08,
  length: 0x0c,
  result: 0x10,
  doorbell: 0x14,
  attributes: 0x18,
  physicalLow: 0x1c,
  physicalHigh: 0x20,
} as const;

const Result = {
  done: 0,
  idle: 0xffff_ffff,
  armed: 0xffff_fffe,
  badLength: 0xdead_0001,
  writeFailed: 0xdead_0002,
  readFailed: 0xdead_0003,
  mismatch: 0xdead_0004,
  notArmed: 0xdead_0005,
  badAttributes: 0xdead_0006,
} as const;

/** 78 56 34 12, over and over. */
const PATTERN = Uint8Array.of(0x78, 0x56, 0x34, 0x12);
/** Moved at a time; a multiple of the pattern's length. */
const CHUNK = 0x1_0000;
/** Attributes: security state 1, not secure; whether that counts is bit 3. */
const NOT_SECURE = 1 << 1;

export interface IommuTestdevState extends PciDeviceState {
  iova: bigint;
  physical: bigint;
  length: number;
  result: number;
  armed: boolean;
  attributes: number;
}

/**
 * QEMU's test device for IOMMUs: told to, it writes a pattern to an IOVA, and reads it back from the guest-physical
 * address at which it should have arrived. Its writes go through the IOMMU whether or not it is a bus master.
 */
export class IommuTestdev extends PciDevice {
  readonly identity: PciIdentity = {
    vendor: 0x1b36,
    device: 0x0005,
    classCode: 0x00ff,
    bars: [{ index: 0, kind: 'memory', size: 0x1000, name: 'iommu-testdev.bar0' }],
  };
  readonly #context: DeviceContext;
  #iova = 0n;
  #physical = 0n;
  #length = 0;
  #result: number = Result.idle;
  #armed = false;
  #attributes = NOT_SECURE;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  override save(): IommuTestdevState {
    return {
      ...super.save(),
      iova: this.#iova,
      physical: this.#physical,
      length: this.#length,
      result: this.#result,
      armed: this.#armed,
      attributes: this.#attributes,
    };
  }

  override restore(state: IommuTestdevState): void {
    super.restore(state);
    this.#iova = state.iova;
    this.#physical = state.physical;
    this.#length = state.length;
    this.#result = state.result;
    this.#armed = state.armed;
    this.#attributes = state.attributes;
  }

  protected override barOperations(): MmioOperations {
    return {
      valid: { min: 4, max: 4 },
      implementation: { min: 1, max: 4 },
      read: (offset) => BigInt(this.#read(offset)),
      write: (offset, _size, value) => this.#write(offset, Number(value)),
    };
  }

  protected override onReset(): void {
    super.onReset();
    this.#iova = 0n;
    this.#physical = 0n;
    this.#length = 0;
    this.#result = Result.idle;
    this.#armed = false;
    this.#attributes = NOT_SECURE;
  }

  #read(offset: number): number {
    switch (offset) {
      case Offset.trigger:
        this.#trigger();
        return 0;
      case Offset.iovaLow:
        return low(this.#iova);
      case Offset.iovaHigh:
        return high(this.#iova);
      case Offset.physicalLow:
        return low(this.#physical);
      case Offset.physicalHigh:
        return high(this.#physical);
      case Offset.length:
        return this.#length;
      case Offset.result:
        return this.#result;
      case Offset.attributes:
        return this.#attributes;
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    switch (offset) {
      case Offset.iovaLow:
        this.#iova = joined(high(this.#iova), value);
        return;
      case Offset.iovaHigh:
        this.#iova = joined(value, low(this.#iova));
        return;
      case Offset.physicalLow:
        this.#physical = joined(high(this.#physical), value);
        return;
      case Offset.physicalHigh:
        this.#physical = joined(value, low(this.#physical));
        return;
      case Offset.length:
        this.#length = value;
        return;
      case Offset.result:
        this.#result = value;
        return;
      case Offset.doorbell:
        this.#armed = (value & 1) !== 0;
        this.#result = this.#armed ? Result.armed : Result.idle;
        return;
      case Offset.attributes:
        this.#attributes = value;
    }
  }

  #trigger(): void {
    if (!this.#armed) {
      this.#result = Result.notArmed;
      return;
    }
    this.#armed = false;
    if (this.#length === 0) this.#result = Result.badLength;
    else if (contradictory(this.#attributes)) this.#result = Result.badAttributes;
    else if (!this.#writeOut()) this.#result = Result.writeFailed;
    else this.#result = this.#readBack();
  }

  /** @returns whether every byte reached something */
  #writeOut(): boolean {
    let ok = true;
    for (const { at, bytes } of this.#chunks()) {
      ok = this.addressSpace.write(this.#iova + BigInt(at), bytes, { requester: this.requesterId() }).ok && ok;
    }
    return ok;
  }

  #readBack(): number {
    for (const { at, bytes } of this.#chunks()) {
      const there = new Uint8Array(bytes.length);
      if (!this.#context.memory.read(this.#physical + BigInt(at), there).ok) return Result.readFailed;
      if (there.some((byte, index) => byte !== bytes[index])) return Result.mismatch;
    }
    return Result.done;
  }

  *#chunks(): Generator<{ at: number; bytes: Uint8Array }> {
    for (let at = 0; at < this.#length; at += CHUNK) {
      const bytes = new Uint8Array(Math.min(CHUNK, this.#length - at));
      yield { at, bytes: bytes.map((_, index) => PATTERN[index % PATTERN.length]!) };
    }
  }
}

/** A security state that counts, and the secure bit says the opposite. */
function contradictory(attributes: number): boolean {
  const secure = (attributes & 1) !== 0;
  const state = (attributes >>> 1) & 3;
  return (attributes & 8) !== 0 && state <= 1 && secure !== (state === 0);
}

function low(value: bigint): number {
  return Number(value & 0xffff_ffffn);
}

function high(value: bigint): number {
  return Number(value >> 32n);
}

function joined(upper: number, lower: number): bigint {
  return (BigInt(upper) << 32n) | BigInt(lower);
}
