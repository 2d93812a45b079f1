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
  readonly required: readonly string[] = [];

  /** What `object-add` takes, in the order in which it is looked at. */
  get members(): readonly string[] {
    return this.type.classNames().filter((name) => name !== 'type');
  }
}

type Values = Readonly<Record<string, unknown>>;

/**
 * Adds an object, all or nothing. `typed`: the values keep their wire types; otherwise they are texts. As in QEMU first
 * the kinds of all values are looked at, then the id, then what each property takes.
 * @throws CommandError with QEMU's sentences
 */
export function addObject(types: TypeRegistry, objects: QomObject, values: Values, typed: boolean): UserObject {
  const type = userType(types, member(values, 'qom-type'));
  const id = member(values, 'id');
  const object = type.create();
  if (!(object instanceof UserObject)) throw new Error(`type ${type.name} makes no user object`);
  const settings = readSettings(object, values, typed, objects.root());
  if (!isIdentifier(id)) throw new CommandError("Parameter 'id' expects an identifier");
  for (const set of settings) set();
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

/** Looks at the kinds of all values; the functions returned set them. */
function readSettings(object: UserObject, values: Values, typed: boolean, root: QomObject): (() => void)[] {
  const settings: (() => void)[] = [];
  for (const name of object.members) {
    const value = values[name];
    if (value === undefined && object.required.includes(name)) throw new CommandError(`Parameter '${name}' is missing`);
    if (value === undefined) continue;
    const property = object.type.property(name);
    if (property === null) throw new Error(`type ${object.type.name} has no ${name}`);
    if (property.kind.type.startsWith('link<')) {
      // A link is a string until it is set.
      settings.push(() => object.accept(property, object.read(property, value, typed, root)));
      continue;
    }
    const read = object.read(property, value, typed, root);
    settings.push(() => object.accept(property, read));
  }
  const known = new Set(['qom-type', 'id', ...object.members]);
  const unexpected = Object.keys(values).find((name) => !known.has(name));
  if (unexpected !== undefined) throw new CommandError(`Parameter '${unexpected}' is unexpected`);
  return settings;
}
