import { bucketOf } from '../core/dictionary-bucket.ts';
import { CommandError, messageOf } from '../core/errors.ts';
import { isIdentifier } from '../core/identifier.ts';
import type { Bus } from './bus.ts';
import { findBus, findBusOfType } from './bus.ts';
import { Device } from './device.ts';
import type { QomObject } from './object.ts';
import { resolvePath } from './tree.ts';
import type { QomType, TypeRegistry } from './type-registry.ts';
import { propertyText } from './value.ts';

/** Where devices come from and go to. */
export interface DeviceAddContext {
  readonly types: TypeRegistry;
  readonly systemBus: Bus;
  /** The parent of devices with an id. */
  readonly peripheral: QomObject;
  /** The parent of devices without. */
  readonly peripheralAnon: QomObject;
  /** Where a device goes whose `bus` is not named; null leaves it to QEMU's search. */
  defaultBus?(type: QomType): Bus | null;
  /** The name below `peripheralAnon` of the next device without id; by default the first `device[N]` that is free. */
  anonymousName?(): string;
}

export interface DeviceAddOptions {
  /** The machine is running: the bus must allow it, and the device learns that it was hotplugged. */
  readonly hotplug: boolean;
  /** The values keep their wire types (`-device` in JSON form) instead of being taken as texts. */
  readonly typed?: boolean;
}

type Values = Readonly<Record<string, unknown>>;

function textMember(values: Values, name: string, typed: boolean): string | undefined {
  const value = values[name];
  return typed && typeof value !== 'string' ? undefined : propertyText(value);
}

function chooseBus(context: DeviceAddContext, type: QomType, driver: string, named: string | undefined): Bus | null {
  const busType = type.busType;
  if (named !== undefined) {
    const bus = findBus(context.systemBus, named);
    if (busType === null || !bus.isA(busType)) {
      throw new CommandError(`Device '${driver}' can't go on ${bus.type.name} bus`);
    }
    return bus;
  }
  if (busType === null) return null;
  const bus = context.defaultBus?.(type) ?? findBusOfType(context.systemBus, busType);
  if (bus === null) throw new CommandError(`No '${busType}' bus found for device '${driver}'`);
  return bus;
}

/** What `-global` says of the device's type. Throws CommandError where the property does not take it. */
function setGlobals(device: Device, types: TypeRegistry): void {
  for (const { driver, property, value } of types.globals) {
    if (!device.type.isA(driver)) continue;
    try {
      device.setText(property, value);
    } catch (error) {
      throw new CommandError(`can't apply global ${driver}.${property}=${value}: ${messageOf(error)}`);
    }
  }
}

function setProperties(device: Device, values: Values, typed: boolean): void {
  // QEMU sets properties in the order of its dictionary: that decides which of several faults is told.
  const members = Object.entries(values).toSorted(([a], [b]) => bucketOf(a) - bucketOf(b));
  for (const [name, value] of members) {
    if (name === 'driver' || name === 'bus' || name === 'id') continue;
    if (typed) {
      device.setJson(name, value);
      continue;
    }
    const text = propertyText(value);
    if (text !== undefined) device.setText(name, text);
  }
}

/**
 * The whole of `device_add` and `-device`: checks in QEMU's order (form of the id, driver, bus, hotplugging, duplicate
 * id, properties, what the device itself refuses), and all or nothing. Throws CommandError.
 */
export function addDevice(context: DeviceAddContext, values: Values, options: DeviceAddOptions): Device {
  const typed = options.typed === true;
  if (!typed && typeof values['id'] === 'string' && !isIdentifier(values['id'])) {
    throw new CommandError("Parameter 'id' expects an identifier");
  }
  const driver = textMember(values, 'driver', typed);
  if (driver === undefined) throw new CommandError("Parameter 'driver' is missing");
  const type = context.types.pluggableDevice(driver, options.hotplug);
  const bus = chooseBus(context, type, driver, textMember(values, 'bus', typed));
  if (options.hotplug && bus !== null && !bus.hotpluggable) {
    throw new CommandError(`Bus '${bus.busName}' does not support hotplugging`);
  }
  const id = textMember(values, 'id', typed) ?? null;
  if (id !== null && context.peripheral.child(id) !== null) throw new CommandError(`Duplicate device ID '${id}'`);

  const device = type.create();
  if (!(device instanceof Device)) throw new Error(`type ${type.name} makes no device`);
  device.id = id;
  device.hotplugged = options.hotplug;
  if (id === null) context.peripheralAnon.addChild(context.anonymousName?.() ?? 'device[*]', device);
  else context.peripheral.addChild(id, device);
  try {
    setGlobals(device, context.types);
    setProperties(device, values, typed);
    device.realize(bus);
  } catch (error) {
    device.unparent();
    throw error;
  }
  return device;
}

/**
 * The device that `device_del` means: an id, or a path. Throws CommandError: DeviceNotFound, or that the object there
 * is no device.
 */
export function findDevice(root: QomObject, peripheral: QomObject, id: string): Device {
  const { object } = resolvePath(root, id.startsWith('/') ? id : `${peripheral.path}/${id}`);
  if (object === null) throw new CommandError(`Device '${id}' not found`, 'DeviceNotFound');
  if (!(object instanceof Device)) throw new CommandError(`${id} is not a hotpluggable device`);
  return object;
}

/** Throws CommandError when the device cannot be unplugged: its bus, or its type, does not allow it. */
export function checkUnplug(device: Device): void {
  const bus = device.parentBus;
  if (bus !== null && !bus.hotpluggable) {
    throw new CommandError(`Bus '${bus.busName}' does not support hotplugging`);
  }
  if (!device.type.hotpluggable) throw new CommandError(`Device '${device.label}' does not support hotplugging`);
}

/** Takes a device out of the machine and out of the tree. */
export function removeDevice(device: Device): void {
  device.unparent();
}
