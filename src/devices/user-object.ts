import { CommandError } from '../core/errors.ts';
import { isIdentifier } from '../core/identifier.ts';
import { QomObject } from '../qom/object.ts';
import type { QomType, TypeRegistry } from '../qom/type-registry.ts';

/** What `object-add` and `-object` create: an object under /objects, complete once its properties are set. */
export abstract class UserObject extends QomObject {
  /** Takes effect. @throws CommandError when the properties do not go together; nothing has changed then */
  abstract complete(): void;

  /** Takes its effect back. @throws CommandError while something uses it; nothing has changed then */
  abstract dispose(): void;

  /** Properties that must be given. */
  abstract readonly required: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;

/**
 * Adds an object, all or nothing. `typed`: the values keep their wire types; otherwise they are texts.
 * @throws CommandError with QEMU's sentences
 */
export function addObject(types: TypeRegistry, objects: QomObject, values: Values, typed: boolean): UserObject {
  const type = userType(types, member(values, 'qom-type'));
  const id = member(values, 'id');
  const object = type.create();
  if (!(object instanceof UserObject)) throw new Error(`type ${type.name} makes no user object`);
  setProperties(object, values, typed);
  if (!isIdentifier(id)) throw new CommandError("Parameter 'id' expects an identifier");
  objects.addChild(id, object);
  try {
    object.complete();
  } catch (error) {
    object.unparent();
    throw error;
  }
  return object;
}

/** Deletes an object by id. @throws CommandError when there is none, or something uses it */
export function deleteObject(objects: QomObject, id: string): void {
  const object = objects.child(id);
  if (!(object instanceof UserObject)) throw new CommandError(`object '${id}' not found`);
  object.dispose();
  object.unparent();
}

/** QEMU's sentence for an object that cannot go. */
export function inUse(object: QomObject): CommandError {
  return new CommandError(`object '${object.name}' is in use, can not be deleted`);
}

function userType(types: TypeRegistry, name: string): QomType {
  const type = types.get(name);
  if (type?.isA('user-creatable') !== true || type.abstract) {
    throw new CommandError(`Parameter 'qom-type' does not accept value '${name}'`);
  }
  return type;
}

function member(values: Values, name: string): string {
  const value = values[name];
  if (value === undefined) throw new CommandError(`Parameter '${name}' is missing`);
  if (typeof value !== 'string') throw new CommandError(`Invalid parameter type for '${name}', expected: string`);
  return value;
}

function setProperties(object: UserObject, values: Values, typed: boolean): void {
  for (const name of object.required) {
    if (values[name] === undefined) throw new CommandError(`Parameter '${name}' is missing`);
  }
  for (const [name, value] of Object.entries(values)) {
    if (name === 'qom-type' || name === 'id') continue;
    const property = object.type.property(name);
    if (property === null || property.writable === 'never') {
      throw new CommandError(`Parameter '${name}' is unexpected`);
    }
    if (typed || typeof value !== 'string') object.setJson(name, value);
    else object.setText(name, value);
  }
}
