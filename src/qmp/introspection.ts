import type { MemberShape, NamedShape, TypeShape } from '../generated/schema.ts';
import { schema } from '../generated/schema.ts';
import type { CommandInfo, SchemaInfo, SchemaInfoObjectMember } from '../generated/types.ts';

/** What query-commands returns: every command, in QEMU's order, which is the reverse of the schema's. */
export function queryCommands(): readonly CommandInfo[] {
  commands ??= Object.keys(schema.commands)
    .reverse()
    .map((name) => ({ name }));
  return commands;
}

/**
 * What query-qmp-schema returns: commands and events in the order of the schema, then the types on first use. The
 * same array each time; not to be changed.
 */
export function queryQmpSchema(): readonly SchemaInfo[] {
  entries ??= new Introspection().entries();
  return entries;
}

/** True when a command may run out-of-band; false for unknown ones too. */
export function isOutOfBand(command: string): boolean {
  return Object.hasOwn(schema.commands, command) && schema.commands[command]?.allowOob === true;
}

/** True when a command may run before the machine has been initialized; false for unknown ones too. */
export function isAllowedInPreconfig(command: string): boolean {
  return Object.hasOwn(schema.commands, command) && schema.commands[command]?.allowPreconfig === true;
}

let commands: readonly CommandInfo[] | undefined;
let entries: readonly SchemaInfo[] | undefined;

/** The predefined types by the JSON type that introspection gives them. All integers are one `int`. */
const builtins = { str: 'string', any: 'value', bool: 'boolean', int: 'int', number: 'number' } as const;
type Builtin = keyof typeof builtins;

const builtinOf: Readonly<Record<Exclude<TypeShape['kind'], 'array' | 'named'>, Builtin>> = {
  any: 'any',
  boolean: 'bool',
  integer: 'int',
  number: 'number',
  string: 'str',
};

/** A type that an entry has referred to, under the name that stands for it. */
interface UsedType {
  readonly name: string;
  describe(): SchemaInfo;
}

/** The members of no object type of the schema: those of the empty object, and of the variants of unions. */
interface AnonymousObject {
  readonly key: string;
  readonly members: readonly MemberShape[];
}

const emptyObject: AnonymousObject = { key: '', members: [] };

/**
 * Writes the schema as QEMU's introspection does. Names of types are replaced by decimal numbers in the order of first
 * use, so that clients do not come to rely on them; arrays are called by their element in brackets.
 */
class Introspection {
  readonly #names = new Map<string, string>();
  readonly #used = new Map<string, UsedType>();

  entries(): SchemaInfo[] {
    const result: SchemaInfo[] = [];
    // "0", as in QEMU, whose first command has no arguments.
    this.#object(emptyObject);
    for (const [name, command] of Object.entries(schema.commands)) {
      // Numbers are given in this order: arguments before the return.
      const argType = command.arguments === undefined ? this.#object(emptyObject) : this.#named(command.arguments);
      const retType = command.returns === undefined ? this.#object(emptyObject) : this.#type(command.returns);
      result.push({
        name,
        'ret-type': retType,
        ...(command.allowOob && { 'allow-oob': true }),
        'meta-type': 'command',
        'arg-type': argType,
        ...(command.features.length > 0 && { features: command.features }),
      });
    }
    for (const [name, event] of Object.entries(schema.events)) {
      const argType = event.data === undefined ? this.#object(emptyObject) : this.#named(event.data);
      result.push({ name, 'meta-type': 'event', 'arg-type': argType });
    }
    // Describing a type may use further ones, which a Map visits in the same pass.
    for (const type of this.#used.values()) result.push(type.describe());
    return result;
  }

  #type(type: TypeShape): string {
    switch (type.kind) {
      case 'array': {
        // The array comes before its element, whose number is not yet known then.
        const key = `[${keyOf(type.items)}]`;
        const known = this.#used.get(key);
        if (known !== undefined) return known.name;
        const array = { name: '', describe: (): SchemaInfo => this.#array(array.name, type.items) };
        this.#used.set(key, array);
        array.name = `[${this.#type(type.items)}]`;
        return array.name;
      }
      case 'named':
        return this.#named(type.name);
      default: {
        const name = builtinOf[type.kind];
        return this.#use(name, name, () => ({ name, 'json-type': builtins[name], 'meta-type': 'builtin' }));
      }
    }
  }

  #array(name: string, items: TypeShape): SchemaInfo {
    return { name, 'element-type': this.#type(items), 'meta-type': 'array' };
  }

  #named(typeName: string): string {
    const shape = schema.types[typeName];
    if (shape === undefined) throw new Error(`the schema has no type ${typeName}`);
    const name = this.#number(typeName);
    return this.#use(typeName, name, () => this.#describe(typeName, name, shape));
  }

  #object(object: AnonymousObject): string {
    const name = this.#number(object.key);
    return this.#use(object.key, name, () => ({ name, members: this.#members(object.members), 'meta-type': 'object' }));
  }

  #describe(typeName: string, name: string, shape: NamedShape): SchemaInfo {
    switch (shape.kind) {
      case 'enum':
        return {
          name,
          members: shape.values.map((value) => ({ name: value })),
          'meta-type': 'enum',
          values: shape.values,
        };
      case 'alternate':
        return {
          name,
          members: shape.choices.map((choice) => ({ type: this.#type(choice) })),
          'meta-type': 'alternate',
        };
      case 'object':
        return { name, members: this.#members(shape.members), 'meta-type': 'object' };
      case 'union': {
        const members = this.#members(shape.members);
        const variants = shape.variants.map((variant) => ({
          case: variant.case,
          type: this.#object(
            variant.members.length === 0
              ? emptyObject
              : { key: `${typeName}:${variant.case}`, members: variant.members },
          ),
        }));
        return { name, tag: shape.tag, variants, members, 'meta-type': 'object' };
      }
    }
  }

  #members(members: readonly MemberShape[]): SchemaInfoObjectMember[] {
    return members.map((member) => ({
      name: member.name,
      ...(member.optional && { default: null }),
      type: this.#type(member.type),
      ...(member.features && { features: member.features }),
    }));
  }

  #number(key: string): string {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = String(this.#names.size);
    this.#names.set(key, name);
    return name;
  }

  #use(key: string, name: string, describe: () => SchemaInfo): string {
    if (!this.#used.has(key)) this.#used.set(key, { name, describe });
    return name;
  }
}

/** What tells a type from every other one. */
function keyOf(type: TypeShape): string {
  if (type.kind === 'array') return `[${keyOf(type.items)}]`;
  return type.kind === 'named' ? type.name : builtinOf[type.kind];
}
