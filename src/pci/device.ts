import type { Bdf } from '../core/bdf.ts';
import type { AccessResult } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { MmioOperations } from '../memory/mmio.ts';
import type { Bus } from '../qom/bus.ts';
import { Device } from '../qom/device.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { functionOf, slotOf } from './address.ts';
import { PciBus } from './bus.ts';
import type { PciCapability } from './capabilities.ts';
import type { ConfigAccess } from './config-space.ts';
import { PciFunction } from './function.ts';
import type { PciFunctionState } from './function.ts';
import type { HeaderType } from './header.ts';
import { pciProperties } from './properties.ts';
import { checkAcpiIndex, checkRomSize, checkUnmodelled } from './refusals.ts';
import { Command } from './registers.ts';

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
  /** Of the memory region behind it; default the driver's with the index. */
  readonly name?: string;
}

/** Who the function says it is in its configuration space. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  /** Base class and subclass, 0x0604 for a PCI bridge. */
  readonly classCode: number;
  readonly programmingInterface?: number;
  readonly revision?: number;
  /** What the status register always tells, beside that there are capabilities; default 0. */
  readonly status?: number;
  /** Default 0x1af4; null for a header that has none, as a bridge's. */
  readonly subsystemVendor?: number | null;
  /** Default 0x1100. */
  readonly subsystem?: number;
  /** INTA# is 1; default 0, no pin. */
  readonly interruptPin?: number;
  readonly bars?: readonly PciBar[];
  /** In the order in which they are linked. */
  readonly capabilities?: readonly PciCapability[];
  readonly registers?: readonly PciRegister[];
  /** Bridges: what the secondary status register always tells; default 0. */
  readonly secondaryStatus?: number;
  /** Bridges: the bits of the bridge control register that can be written. */
  readonly bridgeControl?: number;
}

/** A register beyond the header and the capabilities, with the value that it has from each reset on. */
export interface PciRegister extends ConfigAccess {
  readonly offset: number;
  /** 1, 2 or 4 bytes. */
  readonly size: number;
  readonly value: number;
}

export type PciDeviceState = PciFunctionState;

/** A PCI function. Its slot is settled when it is realized; its registers are there from then on. */
export abstract class PciDevice extends Device implements Snapshottable<PciDeviceState> {
  abstract readonly identity: PciIdentity;
  #bus: PciBus | null = null;
  #function: PciFunction | null = null;

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

  /** Whether the function has the configuration space of PCI Express: its type can be one, and its bus is. */
  get express(): boolean {
    if (!this.isA('pci-express-device')) return false;
    return !this.isA('conventional-pci-device') || this.bus.express;
  }

  /** Type 1 for bridges. */
  get headerType(): HeaderType {
    return 0;
  }

  /** The registers and what they do. @throws Error before the device is realized */
  get registers(): PciFunction {
    if (this.#function === null) throw new Error(`${this.label} is not realized`);
    return this.#function;
  }

  /** The address by which software knows the function now: the bus number is what the bridge was programmed with. */
  bdf(): Bdf {
    return { segment: 0, bus: this.bus.number, device: this.slot, function: this.function };
  }

  /**
   * The 16-bit source-id of the function's transactions: its own address, or what a bridge on the way to the root puts
   * in its place.
   */
  requesterId(): number {
    return this.bus.requesterOf(this.devfn);
  }

  /** What the IOMMU, or the system, gives the function, whether or not it may be a bus master. */
  get addressSpace(): AddressSpace {
    return this.bus.addressSpaceOf(this.devfn);
  }

  /** Makes the space of the function's own requests; from then on it is listed. The IOMMU has to be there by then. */
  connectBusMaster(): void {
    this.registers.connectBusMaster();
  }

  /** What the function's own requests go through: nothing answers there while it may not be a bus master. */
  get busMaster(): AddressSpace {
    return this.registers.busMaster;
  }

  /** Software has made the function a bus master. */
  get busMasterEnabled(): boolean {
    return (this.registers.config.read(4, 2) & Command.master) !== 0;
  }

  /** A configuration read of 1, 2 or 4 bytes. */
  readConfig(offset: number, size: number): number {
    return this.registers.config.read(offset, size);
  }

  /** A configuration write of 1, 2 or 4 bytes, with all that follows from it. */
  writeConfig(offset: number, size: number, value: number): void {
    this.registers.write(offset, size, value);
    this.onConfigWritten(offset, size);
  }

  /** Fills `into` from memory as the function sees it; what cannot be read is zeros. */
  dmaRead(address: bigint, into: Uint8Array): AccessResult {
    return this.busMaster.read(address, into, { requester: this.requesterId() });
  }

  /** Writes to memory as the function sees it; what cannot be written is dropped. */
  dmaWrite(address: bigint, bytes: Uint8Array): AccessResult {
    return this.busMaster.write(address, bytes, { requester: this.requesterId() });
  }

  /** Sends the message of interrupt vector `vector`, counted from 0, by MSI-X or MSI, whichever is on. */
  notifyMsi(vector: number): void {
    this.registers.notify(vector);
  }

  /** Drives the function's interrupt pin. */
  setInterruptLevel(level: boolean): void {
    this.registers.setInterruptLevel(level);
  }

  /** A reset of the machine: the registers as at power-on, then what the type has of its own. */
  reset(): void {
    this.registers.reset();
    this.onReset();
  }

  /**
   * Takes a slot of `bus`, which must be a PCI bus, then does what the type does.
   * Throws CommandError when the slot is not to be had or the type refuses; the slot is free again then.
   */
  override realize(bus: Bus | null): void {
    if (!(bus instanceof PciBus)) throw new Error(`${this.label} needs a PCI bus`);
    checkAcpiIndex(this, bus.rootBus().allFunctions());
    checkRomSize(this);
    const asked = this.value(pciProperties.addr);
    const devfn = bus.chooseDevfn(this, asked);
    bus.attach(this, devfn);
    this.assign(pciProperties.addr, devfn);
    this.#bus = bus;
    try {
      checkUnmodelled(this, devfn);
      super.realize(bus);
      this.#announce(bus);
      this.registers.finish();
    } catch (error) {
      this.#leave();
      this.assign(pciProperties.addr, asked);
      throw error;
    }
  }

  override unrealize(): void {
    if (!this.realized) return;
    this.bus.effectiveIommuOps()?.unplugged?.(this);
    super.unrealize();
    this.#leave();
  }

  save(): PciDeviceState {
    return this.registers.save();
  }

  restore(state: PciDeviceState): void {
    this.registers.restore(state);
  }

  protected override onRealize(): void {
    super.onRealize();
    this.#function = new PciFunction(this, (bar) => this.barOperations(bar));
  }

  /** What answers behind a BAR; null where nothing does. */
  protected barOperations(_bar: PciBar): MmioOperations | null {
    return null;
  }

  /** Software wrote to configuration space, and the registers that all functions have are up to date. */
  protected onConfigWritten(_offset: number, _size: number): void {}

  /** What a reset does beyond the registers that all functions have. */
  protected onReset(): void {}

  /** Whoever stands in front of the bus can refuse the function. */
  #announce(bus: PciBus): void {
    try {
      bus.effectiveIommuOps()?.plugged?.(this);
    } catch (error) {
      super.unrealize();
      throw error;
    }
  }

  #leave(): void {
    this.#function?.remove();
    this.#function = null;
    this.#bus?.detach(this);
    this.#bus = null;
  }
}
