import type { QomType } from '../qom/type-registry.ts';
import { PciBus } from './bus.ts';
import { reaches } from './config-space.ts';
import { PciDevice, type PciDeviceState } from './device.ts';
import type { HeaderType } from './header.ts';
import { BRIDGE_BUS_RESET, Register } from './registers.ts';
import { BridgeWindows } from './windows.ts';

/** The bus number registers of a bridge, each 0 to 255 and 0 until software writes them. */
export interface BusNumbers {
  /** The bus that the bridge is on. */
  readonly primary: number;
  /** The bus behind it. */
  readonly secondary: number;
  /** The highest bus behind it, inclusive. */
  readonly subordinate: number;
}

/** A function with one bus behind it, which has the bridge's id as its name. */
export abstract class PciBridge extends PciDevice {
  #secondaryBus: PciBus | null = null;
  #windows: BridgeWindows | null = null;

  /** The bus behind the bridge. Throws Error before the bridge is realized. */
  get secondaryBus(): PciBus {
    if (this.#secondaryBus === null) throw new Error(`${this.label} is not realized`);
    return this.#secondaryBus;
  }

  /** What the bridge forwards. Throws Error before the bridge is realized. */
  get windows(): BridgeWindows {
    if (this.#windows === null) throw new Error(`${this.label} is not realized`);
    return this.#windows;
  }

  override get headerType(): HeaderType {
    return 1;
  }

  get primary(): number {
    return this.readConfig(Register.primaryBus, 1);
  }

  get secondary(): number {
    return this.readConfig(Register.secondaryBus, 1);
  }

  get subordinate(): number {
    return this.readConfig(Register.subordinateBus, 1);
  }

  setBusNumbers({ primary, secondary, subordinate }: BusNumbers): void {
    const { config } = this.registers;
    config.set(Register.primaryBus, 1, primary);
    config.set(Register.secondaryBus, 1, secondary);
    config.set(Register.subordinateBus, 1, subordinate);
  }

  /** Whether configuration accesses to bus `number` are for what is behind the bridge. */
  leadsTo(number: number): boolean {
    const held = (this.readConfig(Register.bridgeControl, 2) & BRIDGE_BUS_RESET) !== 0;
    return !held && this.secondary <= number && number <= this.subordinate;
  }

  /** A function has come to the bus behind the bridge. */
  deviceAttached(_device: PciDevice): void {}

  override restore(state: PciDeviceState): void {
    super.restore(state);
    this.windows.update();
  }

  /** What kind of bus is behind the bridge. */
  protected abstract readonly secondaryType: 'PCI' | 'PCIE';

  protected override onRealize(): void {
    super.onRealize();
    const { bus, registers } = this;
    const name = this.id === null || this.id === '' ? bus.rootBus().automaticName(this.secondaryType) : this.id;
    this.#secondaryBus = new PciBus(this.#typeOfBus(), name, { port: this });
    this.#windows = new BridgeWindows(bus.topology, registers.config, bus.decodes, registers.adopt);
    this.closeWindows();
  }

  protected override onUnrealize(): void {
    this.#secondaryBus = null;
    this.#windows?.remove();
    this.#windows = null;
    super.onUnrealize();
  }

  protected override onConfigWritten(offset: number, size: number): void {
    super.onConfigWritten(offset, size);
    if (BridgeWindows.concerns(offset, size)) this.windows.update();
    if (!reaches(offset, size, Register.bridgeControl, 2)) return;
    if ((this.readConfig(Register.bridgeControl, 2) & BRIDGE_BUS_RESET) !== 0) this.#resetBehind();
  }

  /** No bus numbers, and no window forwards anything. */
  protected override onReset(): void {
    super.onReset();
    const { config } = this.registers;
    config.clearChangeable(Register.primaryBus, 4);
    config.clearChangeable(Register.secondaryStatus, 2);
    config.clearChangeable(Register.bridgeControl, 2);
    for (const register of [Register.ioBase, Register.memoryBase, Register.prefetchableBase]) {
      config.clearChangeable(register, 4);
    }
    config.clearChangeable(Register.prefetchableBaseHigh, 8);
    this.closeWindows();
  }

  /** Puts the limits below the bases where a bridge starts that way. */
  protected closeWindows(): void {
    this.windows.update();
  }

  #typeOfBus(): QomType {
    const { type } = this.bus;
    if (type.name === this.secondaryType) return type;
    const other = type.parent;
    if (other?.name !== this.secondaryType)
      throw new Error(`A bridge on ${type.name} cannot lead to ${this.secondaryType}`);
    return other;
  }

  #resetBehind(): void {
    for (const device of this.secondaryBus.functions()) device.reset();
  }
}
