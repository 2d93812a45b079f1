import type { PropertyKind } from './kinds.ts';
import type { QomObject } from './object.ts';

/** When a property takes a value from outside. */
export type Writable = 'before-realize' | 'always' | 'never';

/** One property of a type. `Value` is what the program holds; the kind turns texts and wire values into it and back. */
export interface Property<Value> {
  readonly name: string;
  readonly kind: PropertyKind<Value>;
  /** The value of an object on which none was set. */
  readonly default: Value;
  readonly description?: string;
  readonly writable: Writable;
  /** Whether `device-list-properties` names it. */
  readonly listed: boolean;
  /** Whether `device-list-properties` gives its default. */
  readonly showDefault: boolean;
  /** Computes the value instead of the stored one. */
  get?(object: QomObject): Value;
  /** Takes a value from outside in place of storing it; throws CommandError to refuse it. */
  apply?(object: QomObject, value: Value): void;
}

interface DevicePropertyOptions {
  readonly description?: string;
  readonly showDefault?: boolean;
}

/** A property of a device model: listed with its default, and fixed once the device is realized. */
export function deviceProperty<Value>(
  name: string,
  kind: PropertyKind<Value>,
  value: Value,
  options: DevicePropertyOptions = {},
): Property<Value> {
  const description = options.description ?? kind.description;
  return {
    name,
    kind,
    default: value,
    ...(description === undefined ? {} : { description }),
    writable: 'before-realize',
    listed: true,
    showDefault: options.showDefault ?? kind.showDefault,
  };
}

interface ObjectPropertyOptions<Value> {
  readonly description?: string;
  readonly listed?: boolean;
  readonly get?: (object: QomObject) => Value;
  readonly apply?: (object: QomObject, value: Value) => void;
}

/** A property that can be set at any time (`dma_mask` of edu); listings give no default of it. */
export function objectProperty<Value>(
  name: string,
  kind: PropertyKind<Value>,
  value: Value,
  options: ObjectPropertyOptions<Value> = {},
): Property<Value> {
  return {
    name,
    kind,
    default: value,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.get === undefined ? {} : { get: options.get }),
    ...(options.apply === undefined ? {} : { apply: options.apply }),
    writable: 'always',
    listed: options.listed ?? true,
    showDefault: false,
  };
}

/** A property that is computed and takes no value. */
export function readonlyProperty<Value>(
  name: string,
  kind: PropertyKind<Value>,
  get: (object: QomObject) => Value,
  options: { readonly description?: string; readonly listed?: boolean } = {},
): Property<Value | null> {
  return {
    name,
    kind: kind,
    default: null,
    ...(options.description === undefined ? {} : { description: options.description }),
    get,
    writable: 'never',
    listed: options.listed ?? false,
    showDefault: false,
  };
}
