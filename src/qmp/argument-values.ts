import type { MemberShape, NamedShape, TypeShape } from '../generated/schema.ts';
import { schema } from '../generated/schema.ts';
import type { WireObject, WireValue } from '../wire/values.ts';

/** Turns a valid value of the wire into what a handler gets; null where that is the same. */
export type Conversion = ((value: WireValue) => unknown) | null;

const toBigInt = (value: WireValue): unknown => BigInt(value as number | bigint | string);

/** The conversion of a valid value of this type. 64-bit integers and their spellings in text become bigint. */
export function conversionOf(type: TypeShape): Conversion {
  switch (type.kind) {
    case 'integer':
      return 'format' in type ? toBigInt : null;
    case 'array':
      return arrayConversion(conversionOf(type.items));
    case 'named':
      return namedConversion(type.name);
    case 'any':
    case 'boolean':
    case 'number':
    case 'string':
      return null;
  }
}

function arrayConversion(element: Conversion): Conversion {
  return element === null ? null : (value) => (value as WireValue[]).map(element);
}

/** Conversions of named types, made once; while one is being made it is null, as no argument type contains itself. */
const named = new Map<string, Conversion>();

function namedConversion(name: string): Conversion {
  const known = named.get(name);
  if (known !== undefined) return known;
  named.set(name, null);
  const shape = schema.types[name];
  const conversion = shape === undefined ? null : shapeConversion(shape);
  named.set(name, conversion);
  return conversion;
}

function shapeConversion(shape: NamedShape): Conversion {
  switch (shape.kind) {
    case 'enum':
      return null;
    case 'alternate':
      return toBigInt;
    case 'object':
      return membersConversion(shape.members);
    case 'union': {
      const variants = new Map(
        shape.variants.map((variant) => [variant.case, membersConversion([...shape.members, ...variant.members])]),
      );
      if ([...variants.values()].every((variant) => variant === null)) return null;
      return (value) => {
        const variant = variants.get((value as WireObject)[shape.tag] as string) ?? null;
        return variant === null ? value : variant(value);
      };
    }
  }
}

function membersConversion(members: readonly MemberShape[]): Conversion {
  const converted = members
    .map((member) => ({ name: member.name, conversion: conversionOf(member.type) }))
    .filter((each): each is { name: string; conversion: (value: WireValue) => unknown } => each.conversion !== null);
  if (converted.length === 0) return null;
  return (value) => {
    const object: Record<string, unknown> = { ...(value as WireObject) };
    for (const { name, conversion } of converted) {
      if (object[name] !== undefined) object[name] = conversion(object[name] as WireValue);
    }
    return object;
  };
}
