import type { DataValidateFunction, DataValidationCxt } from 'ajv/dist/types/index.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { IntegerShape, MemberShape, NamedShape, TypeShape } from '../generated/schema.ts';
import { schema } from '../generated/schema.ts';
import type { WireValue } from '../wire/values.ts';
import { isWireObject, WireFloat } from '../wire/values.ts';

/**
 * The keywords of our own, for what ajv's cannot say: its integers are doubles, its objects include WireFloat, and its
 * `items` collects the errors of every element in a time that grows with the square of their number.
 */
export const keyword = {
  integer: 'wireInteger',
  number: 'wireNumber',
  object: 'wireObject',
  alternate: 'alternate',
  items: 'firstBadItem',
} as const;

const limits = {
  int64: [-(1n << 63n), (1n << 63n) - 1n],
  uint64: [0n, (1n << 64n) - 1n],
  size: [0n, (1n << 64n) - 1n],
} as const;

/** True for an integer on the wire, of any size. */
export function isWireInteger(value: WireValue | undefined): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** True when an integer lies within the limits of its type. */
function inRange(shape: IntegerShape, value: number | bigint): boolean {
  const [minimum, maximum] = 'format' in shape ? limits[shape.format] : [shape.minimum, shape.maximum];
  return value >= minimum && value <= maximum;
}

/** A test for an alternate: one of its choices, an integer or a string of a pattern, takes the value. */
function alternateTest(name: string): (value: WireValue) => boolean {
  const shape = schema.types[name];
  const choices = shape?.kind === 'alternate' ? shape.choices : [];
  const tests = choices.map((choice) => {
    if (choice.kind === 'integer') return (value: WireValue) => isWireInteger(value) && inRange(choice, value);
    const pattern = new RegExp(choice.kind === 'string' ? (choice.pattern ?? '') : '');
    return (value: WireValue) => typeof value === 'string' && pattern.test(value);
  });
  return (value) => tests.some((test) => test(value));
}

/** A test for the elements of an array, which ends at the first bad one, as QEMU does. */
function itemsTest(items: TypeShape): DataValidateFunction {
  let validateItem: ValidateFunction | undefined;
  const test: DataValidateFunction = (value: readonly WireValue[], context?: DataValidationCxt): boolean => {
    validateItem ??= compileShape(items);
    for (const [index, item] of value.entries()) {
      if (validateItem(item)) continue;
      const instancePath = `${context?.instancePath ?? ''}/${index}`;
      // Inside params, for ajv overwrites the data and the schema of the errors that it is given.
      test.errors = [{ keyword: keyword.items, instancePath, params: { errors: validateItem.errors ?? [] } }];
      return false;
    }
    return true;
  };
  return test;
}

const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, discriminator: true, addUsedSchema: false });
ajv.addKeyword({
  keyword: keyword.integer,
  errors: false,
  validate: (shape: IntegerShape, value: WireValue) => isWireInteger(value) && inRange(shape, value),
});
ajv.addKeyword({
  keyword: keyword.number,
  errors: false,
  validate: (_: unknown, value: WireValue) => isWireInteger(value) || value instanceof WireFloat,
});
ajv.addKeyword({
  keyword: keyword.object,
  errors: false,
  validate: (_: unknown, value: WireValue) => isWireObject(value),
});
ajv.addKeyword({ keyword: keyword.alternate, errors: false, compile: alternateTest });
ajv.addKeyword({ keyword: keyword.items, type: 'array', errors: 'full', compile: itemsTest });

export type ArgumentErrors = readonly ErrorObject<string, Record<string, unknown>>[];

/** The errors with those of an array's bad element in place of the one that holds them. */
export function unfold(errors: ArgumentErrors, place = ''): ArgumentErrors {
  return errors.flatMap((error) => {
    const instancePath = place + error.instancePath;
    if (error.keyword !== keyword.items) return [{ ...error, instancePath }];
    return unfold(error.params['errors'] as ArgumentErrors, instancePath);
  });
}

/** Compiles the validator of a named object type. It collects every error; a valid value costs no more for it. */
export function compile(name: string): ValidateFunction {
  return compileShape({ kind: 'named', name });
}

function compileShape(type: TypeShape): ValidateFunction {
  const definitions: Record<string, object> = {};
  const root = new SchemaBuilder(definitions).type(type);
  return ajv.compile({ ...root, $defs: definitions });
}

/** Writes shapes as JSON Schema for ajv. */
class SchemaBuilder {
  readonly #definitions: Record<string, object>;

  constructor(definitions: Record<string, object>) {
    this.#definitions = definitions;
  }

  #reference(name: string): object {
    if (!(name in this.#definitions)) {
      const shape = schema.types[name];
      if (shape === undefined) throw new Error(`the schema has no type ${name}`);
      // Claimed before it is built, since a type may contain itself.
      this.#definitions[name] = {};
      this.#definitions[name] = this.#named(name, shape);
    }
    return { $ref: `#/$defs/${name}` };
  }

  #named(name: string, shape: NamedShape): object {
    switch (shape.kind) {
      case 'enum':
        return { type: 'string', enum: shape.values };
      case 'alternate':
        return { [keyword.alternate]: name };
      case 'object':
        return this.#object(shape.members, shape.open);
      case 'union':
        return {
          ...this.#object(shape.members, true),
          type: 'object',
          discriminator: { propertyName: shape.tag },
          oneOf: shape.variants.map((variant) => ({
            properties: {
              ...this.#properties(variant.members),
              // Known, and validated in the common part already.
              ...Object.fromEntries(shape.members.map((member) => [member.name, {}])),
              [shape.tag]: { const: variant.case },
            },
            required: required(variant.members),
            additionalProperties: false,
          })),
        };
    }
  }

  #object(members: readonly MemberShape[], open: boolean): object {
    return {
      [keyword.object]: true,
      properties: this.#properties(members),
      required: required(members),
      ...(open ? {} : { additionalProperties: false }),
    };
  }

  #properties(members: readonly MemberShape[]): Record<string, object> {
    return Object.fromEntries(members.map((member) => [member.name, this.type(member.type)]));
  }

  type(type: TypeShape): object {
    switch (type.kind) {
      case 'any':
        return {};
      case 'boolean':
        return { type: 'boolean' };
      case 'string':
        return { type: 'string' };
      case 'number':
        return { [keyword.number]: true };
      case 'integer':
        return { [keyword.integer]: type };
      case 'array':
        return { type: 'array', [keyword.items]: type.items };
      case 'named':
        return this.#reference(type.name);
    }
  }
}

const required = (members: readonly MemberShape[]): string[] =>
  members.filter((member) => !member.optional).map((member) => member.name);
