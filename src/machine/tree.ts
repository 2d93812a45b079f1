import { Bus } from '../qom/bus.ts';
import { enumeration } from '../qom/kinds.ts';
import type { QomObject } from '../qom/object.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import { container, createTree } from '../qom/tree.ts';
import type { TypeDefinition, TypeRegistry } from '../qom/type-registry.ts';
import { MachineObject } from './machine-object.ts';
import {
  boardProperties,
  firmwareProperty,
  machineProperties,
  pcProperties,
  x86Properties,
} from './machine-properties.ts';
import type { MachineType, UnplugAcknowledgement } from './types.ts';
import { machineTypes } from './types.ts';

/** The objects that every machine has, by what they are for. */
export interface MachineTree {
  readonly root: QomObject;
  readonly machine: MachineObject;
  /** Parent of the user's devices with an id. */
  readonly peripheral: QomObject;
  /** Parent of the user's devices without one. */
  readonly peripheralAnon: QomObject;
  /** Parent of what the machine brings along. */
  readonly unattached: QomObject;
  /** Parent of the user's objects. */
  readonly objects: QomObject;
  readonly systemBus: Bus;
}

const acknowledgement = enumeration<UnplugAcknowledgement>('UnplugAcknowledgement', ['at-once', 'guest']);

/** The machine property that says who acknowledges an unplug. */
export function unplugAck(type: MachineType): Property<UnplugAcknowledgement> {
  return objectProperty('unplug-ack', acknowledgement, type.unplugAck, {
    description: 'Who acknowledges an unplug: the modelled guest at once, or a guest (without one, a reset ends it)',
  });
}

function definitionOf(type: MachineType): TypeDefinition {
  return {
    name: type.qomType,
    parent: type.board === 'q35' ? 'generic-pc-machine' : 'machine',
    description: type.description,
    properties: type.board !== 'none' ? [unplugAck(type)] : [],
    instanceProperties: type.board === 'q35' ? boardProperties : [],
    create: (qomType) => new MachineObject(qomType),
  };
}

/** Registers the machines as types. */
export function registerMachineTypes(types: TypeRegistry): void {
  types.add({ name: 'machine', parent: 'object', abstract: true, properties: machineProperties });
  types.add({ name: 'x86-machine', parent: 'machine', abstract: true, properties: x86Properties });
  types.add({ name: 'generic-pc-machine', parent: 'x86-machine', abstract: true, properties: pcProperties });
  for (const type of machineTypes()) types.add(definitionOf(type));
}

/** The tree of a machine without devices. */
export function buildTree(types: TypeRegistry, type: MachineType): MachineTree {
  const machine = types.require(type.qomType).create();
  if (!(machine instanceof MachineObject)) throw new Error(`${type.qomType} makes no machine`);
  if (type.board === 'q35') machine.assign(firmwareProperty, 'bios-256k.bin');
  const root = createTree(types, machine);
  const objects = root.child('objects');
  if (objects === null) throw new Error('A new tree has no /objects');
  const { peripheral, peripheralAnon } = machine;
  const unattached = container(types, machine, 'unattached');
  const systemBus = new Bus(types.require('System'), 'main-system-bus', null);
  unattached.addChild('sysbus', systemBus);
  return { root, machine, peripheral, peripheralAnon, unattached, objects, systemBus };
}
