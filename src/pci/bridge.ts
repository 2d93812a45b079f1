import type { Snapshottable } from '../trace/snapshot.ts';
import { PciBus } from './bus.ts';
import { PciDevice } from './device.ts';

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
export abstract class PciBridge extends PciDevice implements Snapshottable<BusNumbers> {
  #numbers: BusNumbers = { primary: 0, secondary: 0, subordinate: 0 };
  #secondaryBus: PciBus | null = null;

  /** The bus behind the bridge. Throws Error before the bridge is realized. */
  get secondaryBus(): PciBus {
    if (this.#secondaryBus === null) throw new Error(`${this.label} is not realized`);
    return this.#secondaryBus;
  }

  get primary(): number {
    return this.#numbers.primary;
  }

  get secondary(): number {
    return this.#numbers.secondary;
  }

  get subordinate(): number {
    return this.#numbers.subordinate;
  }

  setBusNumbers(numbers: BusNumbers): void {
    this.#numbers = { ...numbers };
  }

  save(): BusNumbers {
    return this.#numbers;
  }

  restore(state: BusNumbers): void {
    this.setBusNumbers(state);
  }

  protected override onRealize(): void {
    super.onRealize();
    const name = this.id === null || this.id === '' ? this.bus.rootBus().automaticName() : this.id;
    this.#secondaryBus = new PciBus(this.bus.type, name, { port: this });
  }

  protected override onUnrealize(): void {
    this.#secondaryBus = null;
    this.#numbers = { primary: 0, secondary: 0, subordinate: 0 };
    super.onUnrealize();
  }
}
