import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { MmioOperations } from '../memory/mmio.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { PciBars } from './bars.ts';
import { BusMaster } from './bus-master.ts';
import { CapabilityList, type PciCapability } from './capabilities.ts';
import { ConfigSpace, reaches } from './config-space.ts';
import type { PciBar, PciDevice } from './device.ts';
import { barKindBits, barRegister, defineHeader } from './header.ts';
import { Msi } from './msi.ts';
import { Msix, type MsixState } from './msix.ts';
import { type AdoptRegion, OwnedRegions } from './region-object.ts';
import { Command, Register, Status } from './registers.ts';

export interface PciFunctionState {
  config: Uint8Array;
  /** The function drives its interrupt pin. */
  interruptLevel: boolean;
  msix: MsixState | null;
}

/** The registers that all functions have, at work: header, BARs, bus mastering, interrupts. */
export class PciFunction implements Snapshottable<PciFunctionState> {
  readonly config: ConfigSpace;
  readonly bars: PciBars;
  /** Makes a region one of the function's own: a child of the device as long as the function is there. */
  readonly adopt: AdoptRegion;
  readonly #device: PciDevice;
  readonly #capabilities: CapabilityList;
  readonly #regions: OwnedRegions;
  readonly #masterRoot: MemoryRegion;
  #busMaster: BusMaster | null = null;
  #msi: Msi | null = null;
  #msix: Msix | null = null;
  #interruptLevel = false;

  constructor(device: PciDevice, operations: (bar: PciBar) => MmioOperations | null) {
    const { identity, driver, headerType, bus } = device;
    this.#device = device;
    this.#regions = new OwnedRegions(device, 'dev');
    this.adopt = (region) => this.#regions.adopt(region);
    this.#masterRoot = MemoryRegion.container(bus.topology, 'bus master container', ADDRESS_SPACE_SIZE);
    this.adopt(this.#masterRoot);
    this.config = new ConfigSpace(device.express ? 4096 : 256);
    defineHeader(this.config, identity, headerType, device.multifunction);
    this.bars = new PciBars(identity.bars ?? [], {
      topology: bus.topology,
      config: this.config,
      type: headerType,
      decodes: bus.decodes,
      adopt: (region) => this.#regions.adoptLater(region),
      driver,
      operations,
    });
    this.#capabilities = new CapabilityList(this.config);
    for (const capability of identity.capabilities ?? []) this.addCapability(capability);
    for (const register of identity.registers ?? []) {
      this.config.define(register.offset, register.size, register.value, register);
    }
  }

  /** What the function's requests go through; made at the latest when it is first asked for. */
  get busMaster(): AddressSpace {
    return this.connectBusMaster();
  }

  /** Makes the space of the function's requests, over the one that the IOMMU gives it now. */
  connectBusMaster(): AddressSpace {
    const { driver, addressSpace, busMasterEnabled } = this.#device;
    this.#busMaster ??= new BusMaster(this.#masterRoot, driver, addressSpace, this.adopt, busMasterEnabled);
    return this.#busMaster.space;
  }

  /** The function is complete: its BARs are listed behind what a bridge forwards. */
  finish(): void {
    this.#regions.finish();
  }

  /** MSI is on. */
  get msiEnabled(): boolean {
    return this.#msi?.enabled === true;
  }

  /** MSI-X is on. */
  get msixEnabled(): boolean {
    return this.#msix?.enabled === true;
  }

  /** Adds a capability behind the others. @returns where it lies. @throws RangeError when it does not fit */
  addCapability(capability: PciCapability): number {
    const at = this.#capabilities.add(capability);
    if (capability.kind === 'msi') this.#msi = new Msi(this.config, at, capability, this.#send);
    if (capability.kind === 'msix') {
      this.#msix = new Msix(this.config, at, capability, this.#send);
      this.#msix.install(this.bars.region(capability.bar), (region) => this.#regions.adoptLater(region));
    }
    return at;
  }

  /** A configuration write with its effects. */
  write(offset: number, size: number, value: number): void {
    this.config.write(offset, size, value);
    const command = reaches(offset, size, Register.command, 2);
    if (command || reaches(offset, size, Register.bar0, 0x2c)) this.bars.update();
    if (command) this.#applyCommand();
    this.#msi?.written(offset, size);
    this.#msix?.written(offset, size);
  }

  notify(vector: number): void {
    if (this.msixEnabled) this.#msix?.notify(vector);
    else this.#msi?.notify(vector);
  }

  setInterruptLevel(level: boolean): void {
    this.#interruptLevel = level;
    const status = this.config.read(Register.status, 2) & ~Status.interrupt;
    this.config.set(Register.status, 2, level ? status | Status.interrupt : status);
    this.#drivePin();
  }

  /** Everything that software can change in the header goes back, and messages are off. */
  reset(): void {
    const { config } = this;
    this.setInterruptLevel(false);
    config.clearChangeable(Register.command, 4);
    config.clearChangeable(Register.cacheLine, 1);
    config.clearChangeable(Register.interruptLine, 1);
    const { identity, headerType } = this.#device;
    for (const bar of identity.bars ?? []) {
      const at = barRegister(bar.index, headerType);
      config.set(at, 4, barKindBits(bar));
      if (bar.wide === true) config.set(at + 4, 4, 0);
    }
    for (const { offset, size, value } of identity.registers ?? []) config.set(offset, size, value);
    this.#msi?.reset();
    this.#msix?.reset();
    this.bars.update();
    this.#applyCommand();
  }

  /** The function goes. */
  remove(): void {
    this.#interruptLevel = false;
    this.#drivePin();
    this.bars.unmap();
    this.#busMaster?.destroy();
    this.#busMaster = null;
    this.#regions.release();
  }

  save(): PciFunctionState {
    return {
      config: this.config.save(),
      interruptLevel: this.#interruptLevel,
      msix: this.#msix?.save() ?? null,
    };
  }

  restore(state: PciFunctionState): void {
    this.config.restore(state.config);
    if (state.msix !== null) this.#msix?.restore(state.msix);
    this.#interruptLevel = state.interruptLevel;
    this.bars.update();
    this.#applyCommand();
  }

  get #command(): number {
    return this.config.read(Register.command, 2);
  }

  #applyCommand(): void {
    if (this.#busMaster !== null) this.#busMaster.enabled = (this.#command & Command.master) !== 0;
    this.#drivePin();
  }

  #drivePin(): void {
    const pin = this.config.read(Register.interruptPin, 1);
    if (pin === 0) return;
    const level = this.#interruptLevel && (this.#command & Command.interruptDisable) === 0;
    this.#device.bus.drivePin(this.#device, pin - 1, level);
  }

  /** A message is a write like any other: it passes the IOMMU, and does not pass while the function is no bus master. */
  readonly #send = (address: bigint, data: number): void => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, data, true);
    this.#device.busMaster.write(address, bytes, { requester: this.#device.requesterId(), message: true });
  };
}
