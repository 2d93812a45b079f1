import { describe, expect, it } from 'vitest';
import { qomGet, qomList, qomSet } from '../../src/qom/commands.ts';
import { resolvePath } from '../../src/qom/tree.ts';
import { createWorld } from './support.ts';

function refusal(body: () => unknown): { class: string; desc: string } {
  try {
    body();
  } catch (error) {
    return { class: (error as { errorClass: string }).errorClass, desc: (error as Error).message };
  }
  throw new Error('not refused');
}

describe('paths', () => {
  it('are told by the object', () => {
    const { plug, slots, root } = createWorld();
    expect(root.path).toBe('');
    expect(plug('w', slots).path).toBe('/machine/peripheral/w');
  });

  it('lead to objects, with slashes in excess', () => {
    const { root, plug, slots } = createWorld();
    const widget = plug('w', slots);
    for (const path of [
      '/machine/peripheral/w',
      '//machine//peripheral/w/',
      'w',
      'peripheral/w',
      'machine/peripheral/w/',
    ]) {
      expect(resolvePath(root, path)).toEqual({ object: widget, ambiguous: false });
    }
    expect(resolvePath(root, '/')).toEqual({ object: root, ambiguous: false });
    expect(resolvePath(root, '/w')).toEqual({ object: null, ambiguous: false });
  });

  it('go through links', () => {
    const { root, plug, slots } = createWorld();
    plug('w', slots);
    expect(resolvePath(root, '/machine/peripheral/w/parent_bus').object).toBe(slots);
  });

  it('are ambiguous when two objects match, unless a type decides', () => {
    const { root, plug, slots } = createWorld();
    const port = plug('port', slots, { bus: 'port' });
    expect(resolvePath(root, 'port').ambiguous).toBe(true);
    expect(resolvePath(root, 'port', 'device').object).toBe(port);
    expect(resolvePath(root, 'port', 'bus').object).toBe(port.childBuses[0]);
    expect(resolvePath(root, '').ambiguous).toBe(true);
  });
});

describe('qom-list', () => {
  it('starts with the type and tells children and the devices of a bus', () => {
    const { root, plug, slots } = createWorld();
    plug('w', slots);
    expect(qomList(root, '/')).toEqual([
      { name: 'type', type: 'string' },
      { name: 'objects', type: 'child<container>' },
      { name: 'machine', type: 'child<container>' },
      { name: 'chardevs', type: 'child<container>' },
    ]);
    expect(qomList(root, 'slots.0')).toEqual([
      { name: 'type', type: 'string' },
      { name: 'realized', type: 'bool' },
      { name: 'child[0]', type: 'link<widget>' },
      { name: 'hotplug-handler', type: 'link<hotplug-handler>' },
    ]);
    expect(qomList(root, 'w').slice(0, 6)).toEqual([
      { name: 'type', type: 'string' },
      { name: 'parent_bus', type: 'link<bus>' },
      { name: 'realized', type: 'bool' },
      { name: 'hotplugged', type: 'bool' },
      { name: 'hotpluggable', type: 'bool' },
      { name: 'enabled', type: 'bool' },
    ]);
  });

  it.each([
    ['/nope', 'DeviceNotFound', "Device '/nope' not found"],
    ['nope', 'DeviceNotFound', "Device 'nope' not found"],
    ['', 'GenericError', "Path '' is ambiguous"],
    ['port', 'GenericError', "Path 'port' is ambiguous"],
  ])('refuses %j', (path, errorClass, desc) => {
    const { root, plug, slots } = createWorld();
    plug('port', slots, { bus: 'port' });
    expect(refusal(() => qomList(root, path))).toEqual({ class: errorClass, desc });
  });
});

describe('qom-get', () => {
  it('gives values, links and children', () => {
    const { root, plug, slots } = createWorld();
    plug('w', slots);
    expect(qomGet(root, '/machine', 'peripheral')).toBe('/machine/peripheral');
    expect(qomGet(root, 'w', 'type')).toBe('widget');
    expect(qomGet(root, 'w', 'parent_bus')).toBe('/machine/host/slots.0');
    expect(qomGet(root, 'slots.0', 'child[0]')).toBe('/machine/peripheral/w');
    expect(qomGet(root, 'w', 'realized')).toBe(true);
    expect(qomGet(root, 'w', 'hotplugged')).toBe(false);
    expect(qomGet(root, 'w', 'hotpluggable')).toBe(false);
    expect(qomGet(root, 'w', 'label')).toBe('');
    expect(qomGet(root, 'w', 'mask')).toBe(255n);
  });

  it('refuses what is not there, and ambiguous paths as unknown ones', () => {
    const { root, plug, slots } = createWorld();
    plug('port', slots, { bus: 'port' });
    expect(refusal(() => qomGet(root, 'port', 'type'))).toEqual({
      class: 'DeviceNotFound',
      desc: "Device 'port' not found",
    });
    expect(refusal(() => qomGet(root, '/machine', 'nope'))).toEqual({
      class: 'GenericError',
      desc: "Property 'container.nope' not found",
    });
  });
});

describe('qom-set', () => {
  it.each([
    ['w', 'nope', 1, "Property 'widget.nope' not found"],
    ['w', 'type', 'x', "Property 'widget.type' is not writable"],
    ['w', 'hotplugged', true, "Property 'widget.hotplugged' is not writable"],
    ['/machine', 'host', '/x', "Property 'container.host' is not writable"],
    ['slots.0', 'child[0]', '/x', "Property 'slot-bus.child[0]' is not writable"],
    ['w', 'count', 3, "Attempt to set property 'count' on device 'w' (type 'widget') after it was realized"],
    ['w', 'count', 'x', "Attempt to set property 'count' on device 'w' (type 'widget') after it was realized"],
    ['w', 'realized', 1, "Invalid parameter type for 'realized', expected: boolean"],
    ['w', 'mask', 'x', "Parameter 'mask' expects uint64"],
  ])('of %s.%s refuses %j', (path, property, value, desc) => {
    const { root, plug, slots } = createWorld();
    plug('w', slots);
    expect(refusal(() => qomSet(root, path, property, value))).toEqual({ class: 'GenericError', desc });
  });

  it('sets what may change in a realized device', () => {
    const { root, plug, slots } = createWorld();
    plug('w', slots);
    qomSet(root, 'w', 'mask', 1);
    expect(qomGet(root, 'w', 'mask')).toBe(1n);
  });

  it('takes a device out of service and back', () => {
    const { root, plug, slots } = createWorld();
    const widget = plug('w', slots);
    qomSet(root, 'w', 'realized', false);
    expect(widget.realized).toBe(false);
    qomSet(root, 'w', 'enabled', true);
    qomSet(root, 'w', 'realized', true);
    qomSet(root, 'w', 'realized', true);
    expect(widget.happened).toEqual(['realize plain', 'unrealize', 'realize enabled']);
    expect(slots.devices).toEqual([widget]);
  });
});

describe('children', () => {
  it('of numbered names take the first free number', () => {
    const { types, objects } = createWorld();
    const make = (): string => objects.addChild('thing[*]', types.require('thing').create());
    expect([make(), make(), make()]).toEqual(['thing[0]', 'thing[1]', 'thing[2]']);
    objects.child('thing[1]')!.unparent();
    expect(make()).toBe('thing[1]');
  });

  it('have names that nothing else has', () => {
    const { types, objects } = createWorld();
    const add = (name: string) => (): string => objects.addChild(name, types.require('thing').create());
    add('io1')();
    expect(add('io1')).toThrow("attempt to add duplicate property 'io1' to object (type 'container')");
    expect(add('type')).toThrow("attempt to add duplicate property 'type' to object (type 'container')");
  });
});
