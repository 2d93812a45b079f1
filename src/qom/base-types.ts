import { CommandError } from '../core/errors.ts';
import { Device } from './device.ts';
import { bool, link, string } from './kinds.ts';
import { QomObject } from './object.ts';
import { objectProperty, readonlyProperty } from './property.ts';
import type { TypeDefinition } from './type-registry.ts';

const typeName = readonlyProperty('type', string, (object) => object.type.name);

/** The device that a property of type `device` belongs to. */
function deviceOf(object: QomObject): Device {
  if (!(object instanceof Device)) throw new Error(`${object.path} is no device`);
  return object;
}

const deviceProperties = [
  readonlyProperty('parent_bus', link('bus'), (object) => deviceOf(object).parentBus),
  objectProperty('realized', bool, false, {
    listed: false,
    get: (object) => deviceOf(object).realized,
    apply: (object, wanted) => {
      const device = deviceOf(object);
      if (wanted === device.realized) return;
      if (!wanted) device.unrealize();
      else if (device.parentBus !== null) device.realize(device.parentBus);
      else throw new CommandError(`Property '${object.type.name}.realized' is not writable`);
    },
  }),
  readonlyProperty('hotplugged', bool, (object) => deviceOf(object).hotplugged),
  readonlyProperty('hotpluggable', bool, (object) => deviceOf(object).hotpluggable),
];

/** The system bus is part of every machine from its start and never realized. */
const busProperties = [
  readonlyProperty('hotplug-handler', link('hotplug-handler'), () => null),
  readonlyProperty('realized', bool, (object) => object.type.name !== 'System'),
];

/** The types that every tree has, parents first. */
export const baseTypes: readonly TypeDefinition[] = [
  { name: 'object', abstract: true, properties: [typeName] },
  { name: 'interface', abstract: true },
  ...['hotplug-handler', 'user-creatable', 'resettable', 'vmstate-if', 'memory-device'].map((name) => ({
    name,
    parent: 'interface',
    abstract: true,
  })),
  { name: 'container', parent: 'object', create: (type) => new QomObject(type) },
  {
    name: 'device',
    parent: 'object',
    abstract: true,
    interfaces: ['vmstate-if', 'resettable'],
    properties: deviceProperties,
  },
  { name: 'sys-bus-device', parent: 'device', abstract: true, busType: 'System', pluggable: false },
  { name: 'bus', parent: 'object', abstract: true, interfaces: ['resettable'], instanceProperties: busProperties },
  { name: 'System', parent: 'bus' },
];
