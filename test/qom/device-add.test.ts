import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { findBus, findBusOfType } from '../../src/qom/bus.ts';
import { addDevice, checkUnplug, findDevice, removeDevice } from '../../src/qom/device-add.ts';
import { createWorld, Widget, type World } from './support.ts';

/** A root port that takes devices, with one in it, beside the bus that takes none. */
function portWorld(): World {
  const world = createWorld();
  const port = world.plug('port', world.slots, { bus: 'port' });
  world.plug('inner', port.childBuses[0]!);
  return world;
}

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof CommandError) return `${error.errorClass}: ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('adding a device to a running machine', () => {
  it.each([
    [{}, "GenericError: Parameter 'driver' is missing"],
    [{ driver: null }, "GenericError: Parameter 'driver' is missing"],
    [{ driver: ['widget'] }, "GenericError: Parameter 'driver' is missing"],
    [{ driver: 1 }, "GenericError: '1' is not a valid device model name"],
    [{ driver: '' }, "GenericError: '' is not a valid device model name"],
    [{ driver: 'container' }, "GenericError: 'container' is not a valid device model name"],
    [{ driver: 'device' }, "GenericError: Parameter 'driver' expects a non-abstract device type"],
    [{ driver: 'abstract-widget' }, "GenericError: Parameter 'driver' expects a non-abstract device type"],
    [{ driver: 'fixed-widget' }, "GenericError: Parameter 'driver' expects a pluggable device type"],
    [{ driver: 'host' }, "GenericError: Parameter 'driver' expects a pluggable device type"],
    [{ driver: 'cold-widget' }, "GenericError: Parameter 'driver' expects a pluggable device type"],
    [{ driver: 'nope', id: '9bad' }, "GenericError: Parameter 'id' expects an identifier"],
    [{ driver: 'widget', id: '' }, "GenericError: Parameter 'id' expects an identifier"],
    [{ driver: 'widget', id: 'x/y', bus: 'nope' }, "GenericError: Parameter 'id' expects an identifier"],
    [{ driver: 'orphan' }, "GenericError: No 'usb-bus' bus found for device 'orphan'"],
    [{ driver: 'widget', bus: 'nope', id: 'inner' }, "GenericError: Bus 'nope' not found"],
    [{ driver: 'widget', bus: 1 }, "GenericError: Bus '1' not found"],
    [{ driver: 'widget', bus: '' }, "GenericError: Bus '' not found"],
    [{ driver: 'widget', bus: 'main-system-bus' }, "GenericError: Device 'widget' can't go on System bus"],
    [{ driver: 'widget', bus: '/' }, "GenericError: Device 'widget' can't go on System bus"],
    [{ driver: 'widget', id: 'inner' }, "GenericError: Bus 'slots.0' does not support hotplugging"],
    [{ driver: 'widget', bus: '/machine/nope' }, "DeviceNotFound: Device 'machine' not found"],
    [{ driver: 'widget', bus: 'slots.0/nope' }, "DeviceNotFound: Device 'nope' not found"],
    [{ driver: 'widget', bus: 'port/inner' }, "GenericError: Device 'inner' has no child bus"],
    [{ driver: 'widget', bus: 'slots.0/port/nope' }, "GenericError: Bus 'nope' not found"],
    [{ driver: 'widget', bus: 'port', id: 'inner', nope: 1 }, "GenericError: Duplicate device ID 'inner'"],
    [{ driver: 'widget', bus: 'port', nope: 1 }, "GenericError: Property 'widget.nope' not found"],
    [{ driver: 'widget', bus: 'port', hotplugged: 'on' }, "GenericError: Property 'widget.hotplugged' is not writable"],
    [{ driver: 'widget', bus: 'port', realized: true }, "GenericError: Property 'widget.realized' is not writable"],
    [{ driver: 'widget', bus: 'port', parent_bus: 'x' }, "GenericError: Property 'widget.parent_bus' is not writable"],
  ])('%j: %s', (values, sentence) => {
    const world = portWorld();
    const before = world.peripheral.children();
    expect(refusal(() => addDevice(world, values, { hotplug: true }))).toBe(sentence);
    expect(world.peripheral.children()).toEqual(before);
    expect(world.peripheralAnon.children()).toEqual([]);
  });

  it('puts it under its id, or under a number', () => {
    const world = portWorld();
    const add = (values: object): string =>
      addDevice(world, { driver: 'widget', bus: 'port', ...values }, { hotplug: true }).path;
    expect(add({ id: 'w' })).toBe('/machine/peripheral/w');
    expect(add({ id: 5 })).toBe('/machine/peripheral/5');
    expect(add({})).toBe('/machine/peripheral-anon/device[0]');
    expect(add({ id: null })).toBe('/machine/peripheral-anon/device[1]');
    expect(world.peripheral.child('w')!.get('hotplugged')).toBe(true);
  });

  it('takes paths of buses, aliases of drivers and types in place of ids', () => {
    const world = portWorld();
    for (const bus of ['port', 'port/', 'slots.0/port', '/host/slots.0/port/port', 'slots.0/widget/port']) {
      const device = addDevice(world, { driver: 'gadget', bus }, { hotplug: true });
      expect(device.parentBus?.busName).toBe('port');
    }
  });

  it('asks for the default bus before it searches', () => {
    const world = portWorld();
    const port = findBus(world.systemBus, 'port');
    const context = { ...world, defaultBus: () => port };
    expect(addDevice(context, { driver: 'widget' }, { hotplug: true }).parentBus).toBe(port);
    expect(findBusOfType(world.systemBus, 'slot-bus')).toBe(world.slots);
  });
});

describe('adding a device at the start', () => {
  it('needs no hotplugging, of the bus or of the type', () => {
    const world = portWorld();
    const device = addDevice(world, { driver: 'cold-widget', id: 'c' }, { hotplug: false });
    expect(device.parentBus).toBe(world.slots);
    expect(device.get('hotplugged')).toBe(false);
    expect(addDevice(world, { driver: 'free-widget' }, { hotplug: false }).parentBus).toBeNull();
  });

  it('ignores members of other types in the typed form', () => {
    const world = createWorld();
    expect(refusal(() => addDevice(world, { driver: 5 }, { hotplug: false, typed: true }))).toBe(
      "GenericError: Parameter 'driver' is missing",
    );
    expect(addDevice(world, { driver: 'widget', id: 5 }, { hotplug: false, typed: true }).id).toBeNull();
  });
});

describe('a device that refuses', () => {
  it('leaves nothing behind', () => {
    const world = createWorld();
    world.types.add({
      name: 'stubborn',
      parent: 'widget',
      create: (type) => {
        const widget = new Widget(type, world.types);
        widget.busName = 'below';
        widget.refusal = new CommandError('no');
        return widget;
      },
    });
    expect(refusal(() => addDevice(world, { driver: 'stubborn', id: 's' }, { hotplug: false }))).toBe(
      'GenericError: no',
    );
    expect(world.slots.devices).toEqual([]);
    expect(world.peripheral.children()).toEqual([]);
    expect(refusal(() => findBus(world.systemBus, 'below'))).toBe("GenericError: Bus 'below' not found");
  });
});

describe('taking a device out', () => {
  it.each([
    ['nope', "DeviceNotFound: Device 'nope' not found"],
    ['', 'GenericError:  is not a hotpluggable device'],
    ['/machine', 'GenericError: /machine is not a hotpluggable device'],
    ['port/port', 'GenericError: port/port is not a hotpluggable device'],
    ['peripheral', "DeviceNotFound: Device 'peripheral' not found"],
  ])('finds no device %j', (id, sentence) => {
    const world = portWorld();
    expect(refusal(() => findDevice(world.root, world.peripheral, id))).toBe(sentence);
  });

  it('takes an id or a path', () => {
    const world = portWorld();
    const inner = world.peripheral.child('inner');
    expect(findDevice(world.root, world.peripheral, 'inner')).toBe(inner);
    expect(findDevice(world.root, world.peripheral, '/machine/peripheral/inner')).toBe(inner);
  });

  it('needs a bus and a type that allow it', () => {
    const world = portWorld();
    const check = (id: string): string => refusal(() => checkUnplug(findDevice(world.root, world.peripheral, id)));
    const port = findBus(world.systemBus, 'port');
    world.plug('cold', port, { driver: 'cold-widget' });
    expect(check('inner')).toBe('taken');
    expect(check('port')).toBe("GenericError: Bus 'slots.0' does not support hotplugging");
    expect(check('cold')).toBe("GenericError: Device 'cold' does not support hotplugging");
  });

  it('ends its service and frees its id, its place on the bus and its own bus', () => {
    const world = portWorld();
    const inner = findDevice(world.root, world.peripheral, 'inner');
    const port = findDevice(world.root, world.peripheral, 'port');
    expect(refusal(() => removeDevice(port))).toBe(
      "GenericError: Device 'port' cannot go while 'inner' sits on its bus: remove that one first",
    );
    removeDevice(inner);
    expect(inner instanceof Widget && inner.happened.at(-1)).toBe('unrealize');
    expect(inner.path).toBe('');
    removeDevice(port);
    expect(world.slots.devices).toEqual([]);
    expect(world.slots.list().map(({ name }) => name)).not.toContain('child[0]');
    expect(refusal(() => findBus(world.systemBus, 'port'))).toBe("GenericError: Bus 'port' not found");
    world.plug('port', world.slots);
    expect(world.slots.list().map(({ name }) => name)).toContain('child[1]');
  });
});
