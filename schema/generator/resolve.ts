import type { CommandShape, EventShape, MemberShape, NamedShape, SchemaShape, TypeShape } from './shape.ts';
import type { Source, SourceCommand, SourceEvent, SourceModule, SourceType } from './source.ts';
import { SchemaError } from './source.ts';

/** A named type with what the emitters of text need: its source has the descriptions, its shape the order. */
export interface ResolvedType {
  readonly name: string;
  readonly module: string;
  readonly source: SourceType;
  readonly shape: NamedShape;
}

/** The schema with every reference resolved. Iteration order is the order of the files. */
export interface Resolved {
  readonly types: ReadonlyMap<string, ResolvedType>;
  readonly schema: SchemaShape;
}

/** `iommu-bind_pasid` becomes `IommuBindPasid`. */
export function pascalCase(name: string): string {
  return name
    .split(/[-_ ]/)
    .filter((word) => word !== '')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** Name of the enum that a union's tag has. */
function tagTypeName(union: string, tag: string): string {
  return union + pascalCase(tag);
}

/** The members that every event of the model carries beside its own. */
const modelEventMembers: Readonly<Record<string, SourceType>> = {
  sequence: { description: 'Number of the event, from 1, gapless over all model events.', type: 'integer', minimum: 1 },
  operation: {
    description: 'Number of the operation that caused it; 0 while the machine is built.',
    type: 'integer',
    minimum: 0,
  },
};

const knownAny = 'Any';
const eventData = (name: string): string => `${pascalCase(name.toLowerCase())}Event`;

export function resolve(source: Source): Resolved {
  return new Resolver(source).resolve();
}

class Resolver {
  readonly #source: Source;
  readonly #types = new Map<string, ResolvedType>();
  readonly #moduleOf = new Map<string, string>();
  readonly #commands: Record<string, CommandShape> = {};
  readonly #events: Record<string, EventShape> = {};

  constructor(source: Source) {
    this.#source = source;
  }

  resolve(): Resolved {
    for (const module of this.#source.modules) {
      for (const name of Object.keys(module.types ?? {})) this.#claim(module, name, `types/${name}`);
    }
    for (const module of this.#source.modules) {
      for (const [name, type] of Object.entries(module.types ?? {})) {
        if (name !== knownAny) this.#define(module, name, type, `types/${name}`);
      }
      for (const [name, command] of Object.entries(module.commands ?? {})) this.#command(module, name, command);
      for (const [name, event] of Object.entries(module.events ?? {})) this.#event(module, name, event);
    }
    const types = Object.fromEntries([...this.#types].map(([name, type]) => [name, type.shape]));
    return { types: this.#types, schema: { types, commands: this.#commands, events: this.#events } };
  }

  #claim(module: SourceModule, name: string, place: string): void {
    const other = this.#moduleOf.get(name);
    if (other !== undefined) throw this.#error(module, place, `the type ${name} is defined in ${other}.json already`);
    this.#moduleOf.set(name, module.module);
  }

  #command(module: SourceModule, name: string, command: SourceCommand): void {
    const place = `commands/${name}`;
    if (name in this.#commands) throw this.#error(module, place, 'another module has this command already');
    const args = command.arguments;
    const returns = command.returns;
    this.#commands[name] = {
      ...(args && { arguments: this.#objectName(module, `${pascalCase(name)}Arguments`, args, `${place}/arguments`) }),
      ...(returns && { returns: this.#typeOrObject(module, `${pascalCase(name)}Return`, returns, `${place}/returns`) }),
      allowOob: command['allow-oob'] ?? false,
      allowPreconfig: command['allow-preconfig'] ?? false,
      features: (command.features ?? []).map((feature) => feature.name),
      unchecked: command['unchecked-arguments'] ?? false,
    };
  }

  #event(module: SourceModule, name: string, event: SourceEvent): void {
    const place = `events/${name}`;
    if (name in this.#events) throw this.#error(module, place, 'another module has this event already');
    const model = event.model ?? false;
    if (model && event.data?.properties === undefined) throw this.#error(module, place, 'a model event needs data');
    const data = model
      ? {
          ...event.data,
          properties: { ...event.data?.properties, ...modelEventMembers },
          required: [...(event.data?.required ?? []), ...Object.keys(modelEventMembers)],
        }
      : event.data;
    this.#events[name] = {
      ...(data && { data: this.#objectName(module, eventData(name), data, `${place}/data`) }),
      model,
    };
  }

  /** The name of an object type that is either referred to or written in place. */
  #objectName(module: SourceModule, name: string, type: SourceType, place: string): string {
    const shape = this.#typeOrObject(module, name, type, place);
    if (shape.kind !== 'named') throw this.#error(module, place, 'must be an object');
    const target = this.#source.modules.map((each) => each.types?.[shape.name]).find((each) => each !== undefined);
    if (target !== undefined && target.type !== 'object') throw this.#error(module, place, 'must be an object');
    return shape.name;
  }

  #typeOrObject(module: SourceModule, name: string, type: SourceType, place: string): TypeShape {
    if (type.type !== 'object') return this.#type(module, type, place);
    this.#claim(module, name, place);
    this.#define(module, name, type, place);
    return { kind: 'named', name };
  }

  #define(module: SourceModule, name: string, source: SourceType, place: string): void {
    const shape = this.#named(module, name, source, place);
    this.#types.set(name, { name, module: module.module, source, shape });
    if (shape.kind !== 'union') return;
    const tag = tagTypeName(name, shape.tag);
    this.#claim(module, tag, place);
    const branches = source.oneOf ?? [];
    const values = Object.fromEntries(
      shape.variants.map((variant, index) => [variant.case, branches[index]?.description ?? '']),
    );
    const cases = shape.variants.map((variant) => variant.case);
    const description = `Which ${name} it is.`;
    this.#types.set(tag, {
      name: tag,
      module: module.module,
      source: { description, type: 'string', enum: cases, values },
      shape: { kind: 'enum', values: cases },
    });
  }

  #named(module: SourceModule, name: string, source: SourceType, place: string): NamedShape {
    if (source.enum !== undefined) {
      for (const value of source.enum) {
        if (source.values?.[value] === undefined) {
          throw this.#error(module, `${place}/values`, `the value '${value}' has no description`);
        }
      }
      for (const value of Object.keys(source.values ?? {})) {
        if (!source.enum.includes(value)) throw this.#error(module, `${place}/values`, `'${value}' is not in enum`);
      }
      return { kind: 'enum', values: source.enum };
    }
    if (source.type === 'object') {
      const members = this.#members(module, source, place);
      if (source.discriminator === undefined) {
        return { kind: 'object', members, open: source.additionalProperties ?? false };
      }
      return this.#union(module, name, source, members, place);
    }
    if (source.oneOf !== undefined) {
      const [integer, text] = source.oneOf;
      if (source.oneOf.length !== 2 || integer?.format === undefined || text?.pattern === undefined) {
        throw this.#error(module, place, 'an alternate is an integer with a format, then a string with a pattern');
      }
      const choices = source.oneOf.map((choice, index) => this.#type(module, choice, `${place}/oneOf/${index}`));
      return { kind: 'alternate', choices };
    }
    throw this.#error(module, place, 'a named type must be an object, an enum, a union or an alternate');
  }

  #union(
    module: SourceModule,
    name: string,
    source: SourceType,
    common: readonly MemberShape[],
    place: string,
  ): NamedShape {
    const tag = source.discriminator?.propertyName ?? '';
    if (!source.required?.includes(tag)) {
      throw this.#error(module, `${place}/required`, `must name the union's tag '${tag}'`);
    }
    if (common.some((member) => member.name === tag)) {
      throw this.#error(module, `${place}/properties`, `'${tag}' is the tag, which the variants' consts define`);
    }
    const tagMember: MemberShape = {
      name: tag,
      type: { kind: 'named', name: tagTypeName(name, tag) },
      optional: false,
    };
    // The tag stands where `required` names it, so that errors and introspection keep the order of the file.
    const order = source.required;
    const members = [...common, tagMember].sort((a, b) => rank(order, a.name) - rank(order, b.name));
    const variants = (source.oneOf ?? []).map((branch, index) => {
      const where = `${place}/oneOf/${index}`;
      const value = branch.properties?.[tag]?.const;
      if (value === undefined) throw this.#error(module, where, `needs a const for the tag '${tag}'`);
      const own = Object.fromEntries(Object.entries(branch.properties ?? {}).filter(([member]) => member !== tag));
      return { case: value, members: this.#members(module, { ...branch, properties: own }, where) };
    });
    return { kind: 'union', tag, members, variants };
  }

  #members(module: SourceModule, source: SourceType, place: string): MemberShape[] {
    const properties = source.properties ?? {};
    const tag = source.discriminator?.propertyName;
    for (const name of source.required ?? []) {
      if (!(name in properties) && name !== tag) {
        throw this.#error(module, `${place}/required`, `'${name}' is not in properties`);
      }
    }
    return Object.entries(properties).map(([name, property]) => {
      const where = `${place}/properties/${name}`;
      if (property.description === undefined) throw this.#error(module, where, 'has no description');
      return {
        name,
        type: this.#type(module, property, where),
        optional: !(source.required ?? []).includes(name),
        ...(property.features && { features: property.features.map((feature) => feature.name) }),
      };
    });
  }

  #type(module: SourceModule, source: SourceType, place: string): TypeShape {
    if (source.$ref !== undefined) return this.#reference(module, source.$ref, place);
    const unnamed = 'an object, enum, union or alternate must be a named type: move it to types';
    if (source.enum !== undefined || source.oneOf !== undefined) throw this.#error(module, place, unnamed);
    const { type } = source;
    switch (type) {
      case 'string':
        return source.pattern === undefined ? { kind: 'string' } : { kind: 'string', pattern: source.pattern };
      case 'boolean':
      case 'number':
        return { kind: type };
      case 'integer':
        if (source.format !== undefined) return { kind: 'integer', format: source.format };
        return {
          kind: 'integer',
          minimum: source.minimum ?? Number.MIN_SAFE_INTEGER,
          maximum: source.maximum ?? Number.MAX_SAFE_INTEGER,
        };
      case 'array':
        if (source.items === undefined) throw this.#error(module, place, 'an array needs items');
        return { kind: 'array', items: this.#type(module, source.items, `${place}/items`) };
      case 'object':
        throw this.#error(module, place, unnamed);
      default:
        throw this.#error(module, place, 'has no type');
    }
  }

  #reference(module: SourceModule, reference: string, place: string): TypeShape {
    const match = /^(?:([a-z]+)\.json)?#\/types\/(\w+)$/.exec(reference);
    const file = match?.[1] ?? module.module;
    const name = match?.[2];
    if (name === undefined || this.#moduleOf.get(name) !== file) {
      throw this.#error(module, place, `$ref '${reference}' leads nowhere`);
    }
    return name === knownAny ? { kind: 'any' } : { kind: 'named', name };
  }

  #error(module: SourceModule, place: string, problem: string): SchemaError {
    return new SchemaError(`${module.module}.json`, place, problem);
  }
}

function rank(order: readonly string[], name: string): number {
  const index = order.indexOf(name);
  return index < 0 ? order.length : index;
}
