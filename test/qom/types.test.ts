import { describe, expect, it } from 'vitest';
import { deviceListProperties, qomListProperties, qomListTypes } from '../../src/qom/commands.ts';
import { createWorld } from './support.ts';

const { types } = createWorld();

describe('qom-list-types', () => {
  it('names concrete types with their parents', () => {
    expect(qomListTypes(types, { implements: 'widget' })).toEqual([
      { name: 'widget', parent: 'device' },
      { name: 'fixed-widget', parent: 'widget' },
      { name: 'cold-widget', parent: 'widget' },
    ]);
    expect(qomListTypes(types, { implements: 'nope' })).toEqual([]);
    expect(qomListTypes(types, {}).map(({ name }) => name)).not.toContain('device');
  });

  it('names abstract ones and interfaces when asked', () => {
    const all = qomListTypes(types, { abstract: true });
    expect(all).toContainEqual({ name: 'abstract-widget', abstract: true, parent: 'widget' });
    expect(all).toContainEqual({ name: 'hotplug-handler', abstract: true, parent: 'interface' });
    expect(all).toContainEqual({ name: 'object', abstract: true });
    expect(qomListTypes(types, { implements: 'object', abstract: true }).map(({ name }) => name)).not.toContain(
      'interface',
    );
  });

  it('keeps what a client relies on: every heir has the type among its parents', () => {
    const parents = new Map(qomListTypes(types, { abstract: true }).map(({ name, parent }) => [name, parent]));
    for (const base of ['object', 'device', 'sys-bus-device', 'bus']) {
      for (const { name } of qomListTypes(types, { implements: base, abstract: true })) {
        let at: string | undefined = name;
        while (at !== undefined && at !== base) at = parents.get(at);
        expect(at).toBe(base);
      }
    }
  });
});

describe('qom-list-properties', () => {
  it('tells names, types and descriptions', () => {
    expect(qomListProperties(types, 'container')).toEqual([{ name: 'type', type: 'string' }]);
    const listed = qomListProperties(types, 'widget');
    expect(listed.map(({ name }) => name).slice(0, 5)).toEqual([
      'type',
      'parent_bus',
      'realized',
      'hotplugged',
      'hotpluggable',
    ]);
    expect(listed).toContainEqual({ name: 'enabled', description: 'on/off', type: 'bool' });
    expect(listed).toContainEqual({ name: 'partner', type: 'link<thing>' });
  });

  it('refuses unknown types and interfaces', () => {
    expect(() => qomListProperties(types, 'nope')).toThrow(
      expect.objectContaining({ message: "Class 'nope' not found", errorClass: 'DeviceNotFound' }),
    );
    expect(() => qomListProperties(types, 'hotplug-handler')).toThrow("Parameter 'typename' expects a QOM type");
  });
});

describe('device-list-properties', () => {
  it('tells what device_add takes, with defaults where there are any', () => {
    expect(deviceListProperties(types, 'widget')).toEqual([
      { 'default-value': false, name: 'enabled', description: 'on/off', type: 'bool' },
      { 'default-value': 3, name: 'small', type: 'uint8' },
      { 'default-value': 1, name: 'count', type: 'uint32' },
      { name: 'signed', type: 'int32' },
      { 'default-value': 0n, name: 'bytes', type: 'size' },
      { name: 'label', type: 'str' },
      { 'default-value': 'auto', name: 'mode', description: 'on/off/auto', type: 'OnOffAuto' },
      { 'default-value': '16', name: 'speed', description: '2_5/5/8/16', type: 'Speed' },
      {
        name: 'host',
        description: 'Address (bus/device/function) of the host device, example: 04:10.0',
        type: 'str',
      },
      { name: 'partner', type: 'link<thing>' },
      { name: 'mask', type: 'uint64' },
    ]);
  });

  it('refuses what is no concrete device', () => {
    const refusal = "Parameter 'typename' expects a non-abstract device type";
    for (const name of ['device', 'container', 'abstract-widget']) {
      expect(() => deviceListProperties(types, name)).toThrow(refusal);
    }
    expect(() => deviceListProperties(types, 'nope')).toThrow(
      expect.objectContaining({ message: "Device 'nope' not found", errorClass: 'DeviceNotFound' }),
    );
  });
});

describe('the registry', () => {
  it('refuses a second type of a name and a parent that is not there', () => {
    expect(() => types.add({ name: 'widget', parent: 'device' })).toThrow('type widget is registered already');
    expect(() => types.add({ name: 'new', parent: 'nope' })).toThrow('type nope is not registered');
  });
});
