import { CommandError } from '../core/errors.ts';
import type { Bus } from './bus.ts';
import { QomObject } from './object.ts';
import type { Property } from './property.ts';

/**
 * A device model: an object that sits on a bus, has child buses perhaps, and becomes part of the machine by being
 * realized. Its properties are fixed from then on.
 */
export class Device extends QomObject {
  #id: string | null = null;
  #hotplugged = false;
  #realized = false;
  #parentBus: Bus | null = null;
  readonly #childBuses: Bus[] = [];

  /** The id that the user gave; null for none. Settable until the device is realized. */
  get id(): string | null {
    return this.#id;
  }

  set id(id: string | null) {
    if (this.#realized) throw new Error(`${this.label} is realized: its id stays`);
    this.#id = id;
  }

  /** What replies, events and sentences call the device: its id, or its path where none was given. */
  get label(): string {
    return this.#id ?? this.path;
  }

  /** True for a device that came while the machine was running. Settable until the device is realized. */
  get hotplugged(): boolean {
    return this.#hotplugged;
  }

  set hotplugged(hotplugged: boolean) {
    if (this.#realized) throw new Error(`${this.label} is realized already`);
    this.#hotplugged = hotplugged;
  }

  /** Whether the device could be taken out of the running machine: its type and its bus allow it. */
  get hotpluggable(): boolean {
    return this.type.hotpluggable && (this.#parentBus === null || this.#parentBus.hotpluggable);
  }

  get realized(): boolean {
    return this.#realized;
  }

  get parentBus(): Bus | null {
    return this.#parentBus;
  }

  /** In the order of their making. */
  get childBuses(): readonly Bus[] {
    return this.#childBuses;
  }

  /** A bus below this device; called by the constructor of the bus. */
  adoptBus(bus: Bus): void {
    this.#childBuses.push(bus);
  }

  /**
   * Makes the device part of the machine, on `bus` (null for a device without one).
   * What a subclass does in `onRealize` may throw; the device is then on no bus and unrealized, as before.
   */
  realize(bus: Bus | null): void {
    if (this.#realized) throw new Error(`${this.label} is realized already`);
    const joined = this.#parentBus !== bus;
    this.#joinBus(bus);
    try {
      this.onRealize();
    } catch (error) {
      this.#dropBuses();
      if (joined) this.#joinBus(null);
      throw error;
    }
    this.#realized = true;
  }

  /**
   * Takes the device out of service; nothing when it is not in. It stays on its bus until it leaves the tree.
   * Throws CommandError while devices sit on a bus below it.
   */
  unrealize(): void {
    if (!this.#realized) return;
    const below = this.#childBuses.flatMap((bus) => bus.devices)[0];
    if (below !== undefined) {
      throw new CommandError(
        `Device '${this.label}' cannot go while '${below.label}' sits on its bus: remove that one first`,
      );
    }
    this.onUnrealize();
    this.#dropBuses();
    this.#realized = false;
  }

  override unparent(): void {
    this.unrealize();
    this.#joinBus(null);
    super.unparent();
  }

  /** What becoming part of the machine means for a type. An override calls `super.onRealize()` first. */
  protected onRealize(): void {}

  /** The reverse of `onRealize`; an override calls `super.onUnrealize()` last. */
  protected onUnrealize(): void {}

  protected override checkPhase(property: Property<unknown>): void {
    if (!this.#realized || property.writable !== 'before-realize') return;
    const name = this.#id === null ? 'anonymous' : `'${this.#id}'`;
    const device = this.#id === null ? 'anonymous device' : `device ${name}`;
    throw new CommandError(
      `Attempt to set property '${property.name}' on ${device} (type '${this.type.name}') after it was realized`,
    );
  }

  #joinBus(bus: Bus | null): void {
    if (this.#parentBus === bus) return;
    this.#parentBus?.removeDevice(this);
    this.#parentBus = bus;
    bus?.addDevice(this);
  }

  #dropBuses(): void {
    for (const bus of this.#childBuses.splice(0)) bus.unparent();
  }
}
