import { Bus } from '../../src/qom/bus.ts';
import { Device } from '../../src/qom/device.ts';
import type { DeviceAddContext } from '../../src/qom/device-add.ts';
import {
  bool,
  enumeration,
  hostPciAddress,
  int32,
  link,
  onOffAuto,
  size,
  str,
  uint8,
  uint32,
  uint64,
} from '../../src/qom/kinds.ts';
import { QomObject } from '../../src/qom/object.ts';
import { deviceProperty, objectProperty } from '../../src/qom/property.ts';
import { container, createTree } from '../../src/qom/tree.ts';
import { type QomType, TypeRegistry } from '../../src/qom/type-registry.ts';

export const widgetProperties = {
  enabled: deviceProperty('enabled', bool, false, { description: 'on/off' }),
  small: deviceProperty('small', uint8, 3),
  count: deviceProperty('count', uint32, 1),
  signed: deviceProperty('signed', int32, -1, { showDefault: false }),
  bytes: deviceProperty('bytes', size, 0n),
  label: deviceProperty('label', str, null),
  mode: deviceProperty('mode', onOffAuto, 'auto'),
  speed: deviceProperty('speed', enumeration('Speed', ['2_5', '5', '8', '16']), '16'),
  host: deviceProperty('host', hostPciAddress, null),
  partner: deviceProperty('partner', link('thing'), null),
  mask: objectProperty('mask', uint64, 0xffn),
} as const;

/** A device of the tests: it may own a bus, refuse to be realized, and notes what happens to it. */
export class Widget extends Device {
  readonly happened: string[] = [];
  readonly #types: TypeRegistry;
  busName: string | null = null;
  refusal: Error | null = null;

  constructor(type: QomType, types: TypeRegistry) {
    super(type);
    this.#types = types;
  }

  protected override onRealize(): void {
    super.onRealize();
    if (this.busName !== null) new Bus(this.#types.require('slot-bus'), this.busName, this).hotpluggable = true;
    this.happened.push(`realize ${this.get('enabled') === true ? 'enabled' : 'plain'}`);
    if (this.refusal !== null) throw this.refusal;
  }

  protected override onUnrealize(): void {
    this.happened.push('unrealize');
    super.onUnrealize();
  }
}

/** A tree with a system bus, one slot bus on a host, and some types. */
export interface World extends DeviceAddContext {
  readonly root: QomObject;
  readonly objects: QomObject;
  readonly slots: Bus;
  /** Puts a device there without any check. */
  readonly plug: (id: string, bus: Bus, options?: { bus?: string; driver?: string }) => Widget;
}

export function createWorld(): World {
  const types = new TypeRegistry();
  const slotType = types.add({ name: 'slot-bus', parent: 'bus' });
  types.add({ name: 'thing', parent: 'object', create: (type) => new QomObject(type) });
  types.add({
    name: 'widget',
    parent: 'device',
    busType: 'slot-bus',
    aliases: ['gadget'],
    properties: Object.values(widgetProperties),
    create: (type) => new Widget(type, types),
  });
  types.add({ name: 'abstract-widget', parent: 'widget', abstract: true });
  types.add({ name: 'fixed-widget', parent: 'widget', pluggable: false, create: (type) => new Widget(type, types) });
  types.add({ name: 'cold-widget', parent: 'widget', hotpluggable: false, create: (type) => new Widget(type, types) });
  types.add({ name: 'host', parent: 'sys-bus-device', create: (type) => new Widget(type, types) });
  types.add({ name: 'orphan', parent: 'device', busType: 'usb-bus', create: (type) => new Widget(type, types) });
  types.add({ name: 'free-widget', parent: 'device', create: (type) => new Device(type) });
  const machine = types.require('container').create();
  const root = createTree(types, machine);
  const systemBus = new Bus(types.require('System'), 'main-system-bus', null);
  machine.addChild('sysbus', systemBus);
  const host = new Device(types.require('host'));
  machine.addChild('host', host);
  const slots = new Bus(slotType, 'slots.0', host);
  host.realize(systemBus);
  const peripheral = container(types, machine, 'peripheral');
  const peripheralAnon = container(types, machine, 'peripheral-anon');
  return {
    types,
    root,
    objects: root.child('objects')!,
    systemBus,
    slots,
    peripheral,
    peripheralAnon,
    plug(id, bus, options = {}) {
      const widget = new Widget(types.require(options.driver ?? 'widget'), types);
      widget.id = id;
      widget.busName = options.bus ?? null;
      peripheral.addChild(id, widget);
      widget.realize(bus);
      return widget;
    },
  };
}
