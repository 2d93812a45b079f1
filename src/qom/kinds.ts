import type { Bdf } from '../core/bdf.ts';
import { formatBdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import { parseSize } from '../core/size.ts';
import { integerOf, parseInteger, scanHex } from './integers.ts';
import type { QomObject } from './object.ts';
import { resolvePath } from './tree.ts';
import type { QomValue } from './value.ts';

/** The property that a value is for, as error sentences name it. */
export interface PropertyPlace {
  readonly object: QomObject;
  readonly name: string;
  /** The top of the tree in which links are looked up; by default that of the object. */
  readonly root?: QomObject;
}

/** A kind of values: how texts (command line, device_add) and wire values (qom-set, typed -device) are read. */
export interface PropertyKind<Value> {
  /** As listings name it: `bool`, `uint8`, `size`, `str`, `OnOffAuto`, `link<bus>`. */
  readonly type: string;
  /** The description that listings give when the property has none of its own. */
  readonly description?: string;
  /** False for kinds whose default listings leave out (strings, links). */
  readonly showDefault: boolean;
  parseText(text: string, place: PropertyPlace): Value;
  parseJson(value: unknown, place: PropertyPlace): Value;
  encode(value: Value): QomValue;
}

function wrongType(place: PropertyPlace, expected: string): CommandError {
  return new CommandError(`Invalid parameter type for '${place.name}', expected: ${expected}`);
}

function expects(place: PropertyPlace, what: string): CommandError {
  return new CommandError(`Parameter '${place.name}' expects ${what}`);
}

/** `Property 'edu.addr' doesn't take value 'zz'`. */
function badValue(place: PropertyPlace, text: string): CommandError {
  return new CommandError(`Property '${place.object.type.name}.${place.name}' doesn't take value '${text}'`);
}

const booleanWords = new Map([
  ...['on', 'yes', 'true', 'y'].map((word) => [word, true] as const),
  ...['off', 'no', 'false', 'n'].map((word) => [word, false] as const),
]);

export const bool: PropertyKind<boolean> = {
  type: 'bool',
  showDefault: true,
  parseText(text, place) {
    const value = booleanWords.get(text);
    if (value === undefined) throw expects(place, "'on' or 'off'");
    return value;
  },
  parseJson(value, place) {
    if (typeof value !== 'boolean') throw wrongType(place, 'boolean');
    return value;
  },
  encode: (value) => value,
};

/** As `bool`, for the bits of a flags word: listings describe those. */
export const flag: PropertyKind<boolean> = { ...bool, description: 'on/off' };

interface IntegerShape<Value> {
  readonly type: string;
  readonly least: bigint;
  /** Inclusive. */
  readonly most: bigint;
  /** The C type in the sentence about a value out of range; the 64-bit kinds have none. */
  readonly narrow?: string;
  readonly cast: (value: bigint) => Value;
}

/**
 * Integers. Texts may write an unsigned 64-bit number as a negative one, as C does. From the wire, QEMU names the type
 * that it reads (`uint64` for unsigned kinds), not the type of the property.
 */
function integer<Value extends number | bigint>(shape: IntegerShape<Value>): PropertyKind<Value> {
  const signed = shape.least < 0n;
  const wide = shape.narrow === undefined;
  const inRange = (value: bigint, place: PropertyPlace): Value => {
    if (value < shape.least || value > shape.most) throw expects(place, shape.narrow ?? 'integer');
    return shape.cast(value);
  };
  const unsigned = (value: bigint): bigint =>
    !signed && value < 0n && value >= -(1n << 63n) ? value + (1n << 64n) : value;
  const fits64 = (value: bigint): boolean =>
    signed ? value >= -(1n << 63n) && value < 1n << 63n : value >= 0n && value < 1n << 64n;
  return {
    type: shape.type,
    showDefault: true,
    parseText(text, place) {
      const value = parseInteger(text);
      if (value === null || !fits64(unsigned(value))) throw expects(place, 'integer');
      return inRange(unsigned(value), place);
    },
    parseJson(value, place) {
      const given = integerOf(value);
      if (given === null || !fits64(unsigned(given))) {
        throw signed ? wrongType(place, 'integer') : expects(place, 'uint64');
      }
      return wide ? shape.cast(unsigned(given)) : inRange(unsigned(given), place);
    },
    encode: (value) => value,
  };
}

export const uint8 = integer({ type: 'uint8', least: 0n, most: 0xffn, narrow: 'uint8_t', cast: Number });
export const uint16 = integer({ type: 'uint16', least: 0n, most: 0xffffn, narrow: 'uint16_t', cast: Number });
export const uint32 = integer({ type: 'uint32', least: 0n, most: 0xffff_ffffn, narrow: 'uint32_t', cast: Number });
export const int32 = integer({
  type: 'int32',
  least: -(1n << 31n),
  most: (1n << 31n) - 1n,
  narrow: 'int32_t',
  cast: Number,
});
export const int64 = integer({
  type: 'int64',
  least: -(1n << 63n),
  most: (1n << 63n) - 1n,
  cast: (value) => value,
});
export const uint64 = integer({ type: 'uint64', least: 0n, most: (1n << 64n) - 1n, cast: (value) => value });

/** A number of bytes: with units in texts, a plain integer on the wire. */
export const size: PropertyKind<bigint> = {
  ...uint64,
  type: 'size',
  parseText(text, place) {
    const value = parseSize(text);
    if (value === null) throw expects(place, 'size');
    return value;
  },
};

/** A string; null is one that was never set, which reads as the empty string. */
export const str: PropertyKind<string | null> = {
  type: 'str',
  showDefault: false,
  parseText: (text) => text,
  parseJson(value, place) {
    if (typeof value !== 'string') throw wrongType(place, 'string');
    return value;
  },
  encode: (value) => value ?? '',
};

/** As `str`, under the name that properties outside of devices have. */
export const string: PropertyKind<string | null> = { ...str, type: 'string' };

/** One of some words. */
export function enumeration<Word extends string>(type: string, words: readonly Word[]): PropertyKind<Word> {
  const known = (text: string): text is Word => (words as readonly string[]).includes(text);
  return {
    type,
    description: words.join('/'),
    showDefault: true,
    parseText(text, place) {
      if (!known(text)) throw new CommandError(`Parameter '${place.name}' does not accept value '${text}'`);
      return text;
    },
    parseJson(value, place) {
      if (typeof value !== 'string') throw wrongType(place, 'string');
      return this.parseText(value, place);
    },
    encode: (value) => value,
  };
}

export type OnOffAuto = 'on' | 'off' | 'auto';
export const onOffAuto: PropertyKind<OnOffAuto> = {
  ...enumeration('OnOffAuto', ['auto', 'on', 'off']),
  description: 'on/off/auto',
};

/** Slot and function as texts give them: hexadecimal `05.0`, or `5` for function 0; null for other text. */
export function parseDevfn(text: string): number | null {
  const slot = scanHex(text, 0);
  if (slot === null) return null;
  let fn = 0;
  let end = slot.next;
  if (text[end] === '.') {
    const scanned = scanHex(text, end + 1);
    if (scanned === null) return null;
    fn = scanned.value;
    end = scanned.next;
  }
  return end === text.length && slot.value <= 0x1f && fn <= 7 ? (slot.value << 3) | fn : null;
}

/** The slot and function of a PCI device as one number, `slot * 8 + function`; -1 leaves the choice to the bus. */
export const pciDevfn: PropertyKind<number> = {
  type: 'int32',
  description: 'Slot and optional function number, example: 06.0 or 06',
  showDefault: true,
  parseText(text, place) {
    const devfn = parseDevfn(text);
    if (devfn === null) throw badValue(place, text);
    return devfn;
  },
  parseJson(value, place) {
    if (typeof value === 'string') return this.parseText(value, place);
    const devfn = integerOf(value);
    if (devfn === null) throw new CommandError(`Invalid parameter type for '${place.name}', expected int or str`);
    if (devfn < -1n || devfn > 255n) throw expects(place, 'a value between -1 and 255');
    return Number(devfn);
  },
  encode: (value) => value,
};

function parseHostAddress(text: string): Bdf | null {
  const numbers: number[] = [];
  let rest = text;
  for (;;) {
    const match = /^\s*\+?(?:0x)?([0-9a-f]{1,8})(:|\.|$)/i.exec(rest);
    if (match === null) return null;
    numbers.push(Number.parseInt(match[1]!, 16));
    rest = rest.slice(match[0].length);
    if (match[2] === ':') continue;
    if (match[2] === '') return null;
    break;
  }
  const fn = /^[0-7]$/.exec(rest);
  if (fn === null || numbers.length < 2 || numbers.length > 3) return null;
  const [segment, bus, device] = numbers.length === 3 ? numbers : [0, ...numbers];
  if (segment! > 0xffff || bus! > 0xff || device! > 0x1f) return null;
  return { segment: segment!, bus: bus!, device: device!, function: Number(rest) };
}

/** The address of a host function, `0000:3b:00.0` or `3b:00.0`; null when none was given. */
export const hostPciAddress: PropertyKind<Bdf | null> = {
  type: 'str',
  description: 'Address (bus/device/function) of the host device, example: 04:10.0',
  showDefault: false,
  parseText(text, place) {
    const address = parseHostAddress(text);
    if (address === null) throw badValue(place, text);
    return address;
  },
  parseJson(value, place) {
    if (typeof value !== 'string') throw wrongType(place, 'string');
    return this.parseText(value, place);
  },
  encode: (value) => (value === null ? '' : formatBdf(value)),
};

/** Another object of the given type, by id or path in the same tree; the empty text is no object. */
export function link(targetType: string): PropertyKind<QomObject | null> {
  return {
    type: `link<${targetType}>`,
    showDefault: false,
    parseText(text, place) {
      if (text === '') return null;
      const root = place.root ?? place.object.root();
      const found = resolvePath(root, text, targetType);
      if (found.ambiguous) throw new CommandError(`Path '${text}' does not uniquely identify an object`);
      if (found.object !== null) return found.object;
      const other = resolvePath(root, text);
      if (other.object !== null || other.ambiguous) throw wrongType(place, targetType);
      throw new CommandError(`Device '${text}' not found`, 'DeviceNotFound');
    },
    parseJson(value, place) {
      if (typeof value !== 'string') throw wrongType(place, 'string');
      return this.parseText(value, place);
    },
    encode: (value) => value?.path ?? '',
  };
}
