import { CommandError } from '../core/errors.ts';
import type { Device } from './device.ts';
import { QomObject } from './object.ts';
import type { QomType } from './type-registry.ts';

/** A bus: devices sit on it, and a device owns it, of which it is a child under its own name. */
export class Bus extends QomObject {
  readonly busName: string;
  readonly owner: Device | null;
  /** Whether devices may come and go while the machine runs. */
  hotpluggable = false;
  readonly #devices: { readonly index: number; readonly device: Device }[] = [];
  #nextIndex = 0;

  /** `owner` null: the caller puts the bus into the tree. */
  constructor(type: QomType, busName: string, owner: Device | null) {
    super(type);
    this.busName = busName;
    this.owner = owner;
    if (owner !== null) {
      owner.addChild(busName, this);
      owner.adoptBus(this);
    }
  }

  /** In the order of plugging. */
  get devices(): readonly Device[] {
    return this.#devices.map(({ device }) => device);
  }

  /** Called by the device. The bus links to it as `child[N]`, N counting over all that ever came. */
  addDevice(device: Device): void {
    const index = this.#nextIndex;
    this.#nextIndex += 1;
    this.#devices.push({ index, device });
    this.addReading(`child[${index}]`, `link<${device.type.name}>`, () => device.path);
  }

  /** Called by the device. */
  removeDevice(device: Device): void {
    const at = this.#devices.findIndex((entry) => entry.device === device);
    if (at < 0) throw new Error(`${device.label} is not on ${this.busName}`);
    this.removeReading(`child[${this.#devices[at]!.index}]`);
    this.#devices.splice(at, 1);
  }
}

/** Depth first, the newest device of a bus first: the order in which QEMU searches. */
function search(bus: Bus, wanted: (bus: Bus) => boolean): Bus | null {
  if (wanted(bus)) return bus;
  for (const device of bus.devices.toReversed()) {
    for (const below of device.childBuses.toReversed()) {
      const found = search(below, wanted);
      if (found !== null) return found;
    }
  }
  return null;
}

/** The bus that a device lands on when none is named: the first of the type (or of a type derived from it). */
export function findBusOfType(system: Bus, busType: string): Bus | null {
  return search(system, (bus) => bus.isA(busType));
}

function deviceOn(bus: Bus, name: string): Device | null {
  const newestFirst = bus.devices.toReversed();
  return (
    newestFirst.find((device) => device.id === name) ??
    newestFirst.find((device) => device.type.name === name) ??
    newestFirst.find((device) => device.type.definition.aliases?.includes(name) === true) ??
    null
  );
}

function onlyBus(device: Device, name: string): Bus {
  const [first, ...others] = device.childBuses;
  if (first === undefined) throw new CommandError(`Device '${name}' has no child bus`);
  if (others.length > 0) throw new CommandError(`Device '${name}' has multiple child buses`);
  return first;
}

/**
 * The bus that `bus=` of a device names: `rp1` anywhere, or a path of devices and buses, `pcie.0/rp1/rp1`, from a bus
 * of that name or, with a leading `/`, from the system bus. A path that ends at a device means its only bus.
 * Throws CommandError with QEMU's sentences (an unknown device is DeviceNotFound).
 */
export function findBus(system: Bus, path: string): Bus {
  const parts = path.split('/');
  let bus: Bus | null = system;
  if (!path.startsWith('/')) {
    const name = parts.shift()!;
    bus = search(system, (candidate) => candidate.busName === name);
    if (bus === null) throw new CommandError(`Bus '${name}' not found`);
  }
  const names = parts.filter((part) => part !== '');
  for (let at = 0; at < names.length; at += 2) {
    const deviceName = names[at]!;
    const device = deviceOn(bus, deviceName);
    if (device === null) throw new CommandError(`Device '${deviceName}' not found`, 'DeviceNotFound');
    const busName = names[at + 1];
    if (busName === undefined) return onlyBus(device, deviceName);
    const below: Bus | undefined = device.childBuses.find((child) => child.busName === busName);
    if (below === undefined) throw new CommandError(`Bus '${busName}' not found`);
    bus = below;
  }
  return bus;
}
