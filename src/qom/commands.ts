import { CommandError } from '../core/errors.ts';
import { type ListedProperty, type ObjectPropertyInfo, QomObject } from './object.ts';
import { resolvePath } from './tree.ts';
import type { QomType, TypeRegistry } from './type-registry.ts';
import type { QomValue } from './value.ts';

/** One line of `qom-list-types`. */
export interface ObjectTypeInfo {
  name: string;
  abstract?: true;
  parent?: string;
}

function notFound(path: string): CommandError {
  return new CommandError(`Device '${path}' not found`, 'DeviceNotFound');
}

/** The object of `qom-get` and `qom-set`, for which an ambiguous path is one that leads nowhere. */
function objectAt(root: QomObject, path: string): QomObject {
  const { object } = resolvePath(root, path);
  if (object === null) throw notFound(path);
  return object;
}

/** `qom-list`: the properties of the object at `path`. Throws CommandError for an unknown or ambiguous path. */
export function qomList(root: QomObject, path: string): ObjectPropertyInfo[] {
  const { object, ambiguous } = resolvePath(root, path);
  if (ambiguous) throw new CommandError(`Path '${path}' is ambiguous`);
  if (object === null) throw notFound(path);
  return object.list().map(({ name, type }) => ({ name, type }));
}

/** `qom-get`. */
export function qomGet(root: QomObject, path: string, property: string): QomValue {
  return objectAt(root, path).get(property);
}

/** `qom-set` with a value of the wire. */
export function qomSet(root: QomObject, path: string, property: string, value: unknown): void {
  objectAt(root, path).setJson(property, value);
}

/**
 * `qom-list-types`: the types that implement `implements` (all by default), abstract ones only when asked for.
 * An unknown name has none. Interfaces are named only when asked for by name, as QEMU does for its default, `object`.
 */
export function qomListTypes(
  types: TypeRegistry,
  filter: { readonly implements?: string | undefined; readonly abstract?: boolean | undefined },
): ObjectTypeInfo[] {
  return types
    .all()
    .filter((type) => filter.abstract === true || !type.abstract)
    .filter((type) => filter.implements === undefined || type.isA(filter.implements))
    .map((type) => ({
      name: type.name,
      ...(type.abstract ? { abstract: true as const } : {}),
      ...(type.parent === null ? {} : { parent: type.parent.name }),
    }));
}

/** What an object of the type has; of an abstract type, what its class has. */
function propertiesOf(type: QomType): readonly ListedProperty[] {
  if (!type.abstract) return (type.definition.create === undefined ? new QomObject(type) : type.create()).list();
  return type.classNames().map((name) => {
    const property = type.property(name)!;
    return { name, type: property.kind.type, property };
  });
}

function info({ name, type, property }: ListedProperty): ObjectPropertyInfo {
  const description = property?.description;
  return { name, ...(description === undefined ? {} : { description }), type };
}

/** `qom-list-properties`: the properties of a type, without defaults. Throws CommandError for an unknown type. */
export function qomListProperties(types: TypeRegistry, typename: string): ObjectPropertyInfo[] {
  const type = types.get(typename);
  if (type === null) throw new CommandError(`Class '${typename}' not found`, 'DeviceNotFound');
  if (type.isInterface) throw new CommandError("Parameter 'typename' expects a QOM type");
  return propertiesOf(type).map(info);
}

function deviceType(types: TypeRegistry, typename: string): QomType {
  const type = types.get(typename);
  if (type === null) throw notFound(typename);
  if (!type.isA('device') || type.abstract) {
    throw new CommandError("Parameter 'typename' expects a non-abstract device type");
  }
  return type;
}

/** `device-list-properties`: what `device_add` of the type takes, with defaults. Throws CommandError for other types. */
export function deviceListProperties(types: TypeRegistry, typename: string): ObjectPropertyInfo[] {
  return propertiesOf(deviceType(types, typename))
    .filter(({ property }) => property?.listed !== false)
    .map((listed) => {
      const { property } = listed;
      const shown = property?.showDefault === true;
      return { ...(shown ? { 'default-value': property.kind.encode(property.default) } : {}), ...info(listed) };
    });
}
