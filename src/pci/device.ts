import type { Bdf } from '../core/bdf.ts';
import { sourceId } from '../core/bdf.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { Bus } from '../qom/bus.ts';
import { Device } from '../qom/device.ts';
import { functionOf, slotOf } from './address.ts';
import { PciBus } from './bus.ts';
import { pciProperties } from './properties.ts';
import { checkRomSize, checkUnmodelled } from './refusals.ts';

/** A base address register as configuration space tells it. */
export interface PciBar {
  /** 0 to 5; 6 is the expansion ROM. */
  readonly index: number;
  readonly kind: 'memory' | 'io';
  /** In bytes, a power of two. */
  readonly size: number;
  readonly prefetch?: boolean;
  /** A memory BAR of 64 bits, which takes the next index too. */
  readonly wide?: boolean;
}

/** Who the function says it is in its configuration space. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  /** Base class and subclass, 0x0604 for a PCI bridge. */
  readonly classCode: number;
  /** Default 0x1af4; null for a header that has none, as a bridge's. */
  readonly subsystemVendor?: number | null;
  /** Default 0x1100. */
  readonly subsystem?: number;
  /** INTA# is 1; default 0, no pin. */
  readonly interruptPin?: number;
  readonly bars?: readonly PciBar[];
}

/** A PCI function. Its slot is settled when it is realized. */
export abstract class PciDevice extends Device {
  abstract readonly identity: PciIdentity;
  #bus: PciBus | null = null;

  /** The name of the type, as sentences give it. */
  get driver(): string {
    return this.type.name;
  }

  /** The bus that the function sits on. Throws Error for one that is on none. */
  get bus(): PciBus {
    if (this.#bus === null) throw new Error(`${this.label} is on no bus`);
    return this.#bus;
  }

  /** Slot and function as one number, `slot * 8 + function`; before the device is realized what was asked for, or -1. */
  get devfn(): number {
    return this.value(pciProperties.addr);
  }

  /** 0 to 31. */
  get slot(): number {
    return slotOf(this.devfn);
  }

  /** 0 to 7. */
  get function(): number {
    return functionOf(this.devfn);
  }

  /** Whether the function says that its slot has others. */
  get multifunction(): boolean {
    return this.value(pciProperties.multifunction);
  }

  /** The address by which software knows the function now: the bus number is what the bridge was programmed with. */
  bdf(): Bdf {
    return { segment: 0, bus: this.bus.number, device: this.slot, function: this.function };
  }

  /** The 16-bit source-id of the function's transactions. */
  requesterId(): number {
    return sourceId(this.bdf());
  }

  /** Where the function's DMA goes. */
  get addressSpace(): AddressSpace {
    return this.bus.addressSpaceOf(this.devfn);
  }

  /**
   * Takes a slot of `bus`, which must be a PCI bus, then does what the type does.
   * Throws CommandError when the slot is not to be had or the type refuses; the slot is free again then.
   */
  override realize(bus: Bus | null): void {
    if (!(bus instanceof PciBus)) throw new Error(`${this.label} needs a PCI bus`);
    checkRomSize(this);
    const asked = this.value(pciProperties.addr);
    const devfn = bus.chooseDevfn(this, asked);
    bus.attach(this, devfn);
    this.assign(pciProperties.addr, devfn);
    this.#bus = bus;
    try {
      checkUnmodelled(this, devfn);
      super.realize(bus);
    } catch (error) {
      this.#leave();
      this.assign(pciProperties.addr, asked);
      throw error;
    }
  }

  override unrealize(): void {
    if (!this.realized) return;
    super.unrealize();
    this.#leave();
  }

  #leave(): void {
    this.#bus?.detach(this);
    this.#bus = null;
  }
}
