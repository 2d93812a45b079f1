import { Bus } from '../qom/bus.ts';
import { enumeration, bool, onOffAuto, str } from '../qom/kinds.ts';
import { QomObject } from '../qom/object.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import { container, createTree } from '../qom/tree.ts';
import type { TypeDefinition, TypeRegistry } from '../qom/type-registry.ts';
import type { MachineType, UnplugAcknowledgement } from './types.ts';
import { machineTypes } from './types.ts';

/** The objects that every machine has, by what they are for. */
export interface MachineTree {
  readonly root: QomObject;
  readonly machine: QomObject;
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

/** Properties that steer what the model does not have; taken because harnesses always pass them. */
const neutral: readonly Property<unknown>[] = [
  ...['usb', 'graphics', 'dump-guest-core', 'mem-merge', 'suppress-vmdesc'].map((name) =>
    objectProperty(name, bool, false),
  ),
  ...['kernel', 'initrd', 'append', 'firmware', 'kernel-irqchip'].map((name) => objectProperty(name, str, null)),
];

const neutralPc: readonly Property<unknown>[] = [
  ...['smm', 'acpi', 'pit', 'pic', 'vmport'].map((name) => objectProperty(name, onOffAuto, 'auto')),
  ...['hpet', 'i8042', 'sata', 'smbus', 'nvdimm', 'hmat'].map((name) => objectProperty(name, bool, true)),
];

function definitionOf(type: MachineType): TypeDefinition {
  return {
    name: type.qomType,
    parent: type.pci ? 'generic-pc-machine' : 'machine',
    description: type.description,
    properties: type.pci ? [unplugAck(type), ...neutral, ...neutralPc] : neutral,
    create: (qomType) => new QomObject(qomType),
  };
}

/** Registers the machines as types. */
export function registerMachineTypes(types: TypeRegistry): void {
  types.add({ name: 'x86-machine', parent: 'machine', abstract: true });
  types.add({ name: 'generic-pc-machine', parent: 'x86-machine', abstract: true });
  for (const type of machineTypes()) types.add(definitionOf(type));
}

/** The tree of a machine without devices. */
export function buildTree(types: TypeRegistry, type: MachineType): MachineTree {
  const root = createTree(types);
  const objects = root.child('objects');
  if (objects === null) throw new Error('A new tree has no /objects');
  const machine = types.require(type.qomType).create();
  root.addChild('machine', machine);
  const peripheral = container(types, machine, 'peripheral');
  const peripheralAnon = container(types, machine, 'peripheral-anon');
  const unattached = container(types, machine, 'unattached');
  const systemBus = new Bus(types.require('System'), 'main-system-bus', null);
  unattached.addChild('sysbus', systemBus);
  return { root, machine, peripheral, peripheralAnon, unattached, objects, systemBus };
}
