import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { addDevice } from '../../src/qom/device-add.ts';
import { parseDevfn } from '../../src/qom/kinds.ts';
import type { Property } from '../../src/qom/property.ts';
import { propertyText } from '../../src/qom/value.ts';
import { createWorld, widgetProperties } from './support.ts';

/** A property, a value for it, and what comes of that: what the program then holds, or a sentence. */
type Case = readonly [Property<unknown>, unknown, unknown];

/** The value that an added widget has, or the sentence of the refusal. */
function outcome(property: Property<unknown>, value: unknown, typed = false): unknown {
  const world = createWorld();
  try {
    const widget = addDevice(world, { driver: 'widget', id: 'w', [property.name]: value }, { hotplug: false, typed });
    return widget.value(property);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    expect(world.peripheral.children()).toEqual([]);
    expect(world.slots.devices).toEqual([]);
    return error.message;
  }
}

const { enabled, small, count, signed, bytes, label, mode, speed, host, mask } = widgetProperties;
const integer = (name: string): string => `Parameter '${name}' expects integer`;

/** A number that is no integer, as the wire delivers it. */
class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

describe('texts, as device_add and the command line have them', () => {
  const cases: readonly Case[] = [
    [enabled, 'on', true],
    [enabled, 'yes', true],
    [enabled, 'true', true],
    [enabled, 'y', true],
    [enabled, 'off', false],
    [enabled, 'no', false],
    [enabled, true, true],
    [enabled, false, false],
    [enabled, 'ON', "Parameter 'enabled' expects 'on' or 'off'"],
    [enabled, '1', "Parameter 'enabled' expects 'on' or 'off'"],
    [enabled, 1, "Parameter 'enabled' expects 'on' or 'off'"],
    [enabled, '', "Parameter 'enabled' expects 'on' or 'off'"],
    [small, '255', 255],
    [small, '0x10', 16],
    [small, '010', 8],
    [small, '08', integer('small')],
    [small, '300', "Parameter 'small' expects uint8_t"],
    [small, -1, "Parameter 'small' expects uint8_t"],
    [small, '1M', integer('small')],
    [small, null, 3],
    [small, [1], 3],
    [small, { a: 1 }, 3],
    [count, 4294967296, "Parameter 'count' expects uint32_t"],
    [count, '0x1ffffffff', "Parameter 'count' expects uint32_t"],
    [count, 'x', integer('count')],
    [signed, '-1', -1],
    [signed, '4294967296', "Parameter 'signed' expects int32_t"],
    [signed, '9223372036854775808', integer('signed')],
    [signed, true, integer('signed')],
    [mask, '0xff', 255n],
    [mask, ' 5', 5n],
    [mask, '-1', 0xffff_ffff_ffff_ffffn],
    [mask, -1, 0xffff_ffff_ffff_ffffn],
    [mask, 18446744073709551615n, 0xffff_ffff_ffff_ffffn],
    [mask, new Float(18446744073709551616), integer('mask')],
    [mask, '018446744073709551616', integer('mask')],
    [mask, new Float(1000), 1000n],
    [mask, new Float(1.5), integer('mask')],
    [mask, '5 ', integer('mask')],
    [mask, '0x', integer('mask')],
    [mask, '', integer('mask')],
    [bytes, '3M', 3n << 20n],
    [bytes, ' 1M', 1n << 20n],
    [bytes, '+1K', 1024n],
    [bytes, '0x10', 16n],
    [bytes, '0x1M', 1n << 20n],
    [bytes, '1.5k', 1536n],
    [bytes, '15E', 15n << 60n],
    [bytes, '1.', 1n],
    [bytes, '1.K', 1024n],
    [bytes, '018', 18n],
    [bytes, '1b', 1n],
    [bytes, '1e', 1n << 60n],
    ...[
      'x',
      '-1',
      '1Q',
      '1e2',
      '1k ',
      '16777216T',
      '16E',
      '1.5',
      '1kB',
      '1..5K',
      '.5K',
      '0x10.5',
      '0x1.8k',
      '1e2k',
      '0x',
      '',
    ].map((text) => [bytes, text, "Parameter 'bytes' expects size"] as const),
    [bytes, true, "Parameter 'bytes' expects size"],
    [bytes, new Float(1.5), "Parameter 'bytes' expects size"],
    [label, 5, '5'],
    [label, true, 'on'],
    [label, new Float(0.1), '0.10000000000000001'],
    [mode, 'auto', 'auto'],
    [mode, true, 'on'],
    [mode, 'true', "Parameter 'mode' does not accept value 'true'"],
    [mode, 1, "Parameter 'mode' does not accept value '1'"],
    [speed, 16, '16'],
    [speed, '3', "Parameter 'speed' does not accept value '3'"],
    ...['00:00.0', '0:0.0', '0000:00:00.0', '0:0:0.0', ' 0:0.0'].map(
      (text) => [host, text, { segment: 0, bus: 0, device: 0, function: 0 }] as const,
    ),
    [host, '0x10:1f.7', { segment: 0, bus: 0x10, device: 0x1f, function: 7 }],
    [host, 'abcd:3b:00.1', { segment: 0xabcd, bus: 0x3b, device: 0, function: 1 }],
    ...[
      '00:00',
      '0:0',
      '00:20.0',
      '00:1f.8',
      '00:0.0 ',
      '100:00.0',
      '0000:100:0.0',
      '10000:0:0.0',
      '1:2:3.4.5',
      '-1:0.0',
      'g:0.0',
      '',
      'bogus',
      '0:0:0:0.0',
    ].map((text) => [host, text, `Property 'widget.host' doesn't take value '${text}'`] as const),
    [host, 1, "Property 'widget.host' doesn't take value '1'"],
  ];
  it.each(cases.map(([property, value, expected]) => [property.name, value, expected, property] as const))(
    '%s=%o gives %o',
    (_, value, expected, property) => {
      expect(outcome(property, value)).toEqual(expected);
    },
  );
});

describe('typed values, as qom-set and -device in JSON form have them', () => {
  const cases: readonly Case[] = [
    [enabled, true, true],
    [enabled, 'on', "Invalid parameter type for 'enabled', expected: boolean"],
    [enabled, 1, "Invalid parameter type for 'enabled', expected: boolean"],
    [small, 5, 5],
    [small, 400, "Parameter 'small' expects uint8_t"],
    [small, '5', "Parameter 'small' expects uint64"],
    [count, -1, "Parameter 'count' expects uint32_t"],
    [signed, 'x', "Invalid parameter type for 'signed', expected: integer"],
    [mask, -1, 0xffff_ffff_ffff_ffffn],
    [mask, 18446744073709551615n, 0xffff_ffff_ffff_ffffn],
    [mask, null, "Parameter 'mask' expects uint64"],
    [mask, [], "Parameter 'mask' expects uint64"],
    [mask, new Float(1.5), "Parameter 'mask' expects uint64"],
    [bytes, '1M', "Parameter 'bytes' expects uint64"],
    [bytes, 4096, 4096n],
    [label, 5, "Invalid parameter type for 'label', expected: string"],
    [label, 'x', 'x'],
    [mode, true, "Invalid parameter type for 'mode', expected: string"],
    [mode, 'zz', "Parameter 'mode' does not accept value 'zz'"],
    [host, 5, "Invalid parameter type for 'host', expected: string"],
    [host, 'zz', "Property 'widget.host' doesn't take value 'zz'"],
  ];
  it.each(cases.map(([property, value, expected]) => [property.name, value, expected, property] as const))(
    '%s=%o gives %o',
    (_, value, expected, property) => {
      expect(outcome(property, value, true)).toEqual(expected);
    },
  );
});

describe('links', () => {
  it('lead to an object by id or path, or to none', () => {
    const world = createWorld();
    const thing = world.types.require('thing').create();
    world.objects.addChild('t', thing);
    const widget = addDevice(world, { driver: 'widget', partner: 't' }, { hotplug: false });
    expect(widget.value(widgetProperties.partner)).toBe(thing);
    expect(widget.get('partner')).toBe('/objects/t');
    const other = addDevice(world, { driver: 'widget', partner: '/objects/t' }, { hotplug: false });
    expect(other.value(widgetProperties.partner)).toBe(thing);
    const alone = addDevice(world, { driver: 'widget', partner: '' }, { hotplug: false });
    expect(alone.get('partner')).toBe('');
  });

  it.each([
    ['nope', 'DeviceNotFound', "Device 'nope' not found"],
    ['/machine', 'GenericError', "Invalid parameter type for 'partner', expected: thing"],
    ['host', 'GenericError', "Invalid parameter type for 'partner', expected: thing"],
    ['twin', 'GenericError', "Path 'twin' does not uniquely identify an object"],
  ])('to %s are refused', (path, errorClass, message) => {
    const world = createWorld();
    for (const parent of [world.objects, world.root]) parent.addChild('twin', world.types.require('thing').create());
    expect(() => addDevice(world, { driver: 'widget', partner: path }, { hotplug: false })).toThrow(
      expect.objectContaining({ message, errorClass }),
    );
  });
});

describe('wire values as texts', () => {
  it.each([
    [1.5, '1.5'],
    [new Float(1.5), '1.5'],
    [new Float(1e300), '1.0000000000000001e+300'],
    [new Float(1e-5), '1.0000000000000001e-05'],
    [new Float(1e16), '10000000000000000'],
    [new Float(1e17), '1e+17'],
    [new Float(-0), '-0'],
    [-5, '-5'],
    [null, undefined],
    [{ value: 1 }, undefined],
  ])('%j is %j', (value, text) => {
    expect(propertyText(value)).toBe(text);
  });
});

describe('slot and function', () => {
  const cases: readonly (readonly [string, number | null])[] = [
    ['05.0', 0x28],
    ['5', 0x28],
    ['1f.7', 0xff],
    ['0x3', 0x18],
    ['+4', 0x20],
    [' 6', 0x30],
    ['-0', 0],
    ['1.5', 0x0d],
    ['0x', 0],
    ['0X.1', 1],
    ['1.0x', 8],
    ...['zz', '64', '20.0', '0.8', '-2', '-1', '1.', '6 ', '', '7.0.0', '031', '0xg'].map(
      (text) => [text, null] as const,
    ),
  ];
  it.each(cases)('%j is %j', (text, devfn) => {
    expect(parseDevfn(text)).toBe(devfn);
  });
});
