import type { MemberShape, NamedShape, TypeShape } from '../generated/schema.ts';
import { schema } from '../generated/schema.ts';
import { membersInWireOrder } from '../wire/member-order.ts';
import type { WireObject, WireValue } from '../wire/values.ts';
import { isWireObject } from '../wire/values.ts';
import type { ArgumentErrors } from './argument-schema.ts';
import { isWireInteger, keyword, unfold } from './argument-schema.ts';
import { firstLeftover } from './hash-table-order.ts';

/** One complaint, with what decides whether QEMU would have come to it first. */
interface Complaint {
  /** For each step of the path, the position of the member or element; leftovers come last. */
  readonly order: readonly number[];
  /** Among complaints about one place the lowest counts: that a member is missing or of a wrong type says all. */
  readonly weight: number;
  readonly sentence: string;
}

const LEFTOVER = Number.MAX_SAFE_INTEGER;

/**
 * QEMU's sentence for arguments that ajv refused. QEMU visits members in the order of the schema, goes into each
 * before the next, looks for leftovers at the end of each object, and stops at the first offence.
 */
export function sentenceFor(errors: ArgumentErrors, typeName: string, args: WireObject): string {
  const complaints = withoutRepetition(unfold(errors))
    .map((error) => complaint(error, typeName, args))
    .filter((each) => each !== null);
  complaints.sort(compare);
  const first = complaints[0];
  if (first === undefined) throw new Error(`arguments of ${typeName} were refused for no reason known here`);
  return first.sentence;
}

/** Leaves out all but the first leftover of each object: the complaint about it looks at all of them. */
function withoutRepetition(errors: ArgumentErrors): ArgumentErrors {
  const objects = new Set<string>();
  return errors.filter((error) => {
    if (error.keyword !== 'additionalProperties') return true;
    if (objects.has(error.instancePath)) return false;
    objects.add(error.instancePath);
    return true;
  });
}

function compare(a: Complaint, b: Complaint): number {
  for (let index = 0; index < Math.min(a.order.length, b.order.length); index++) {
    const difference = (a.order[index] ?? 0) - (b.order[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.order.length - b.order.length || a.weight - b.weight;
}

function complaint(error: ArgumentErrors[number], typeName: string, args: WireObject): Complaint | null {
  const place = locate(typeName, args, error.instancePath);
  const value = error.data as WireValue;
  const at = (weight: number, sentence: string): Complaint => ({ order: place.order, weight, sentence });
  const wrongType = (expected: string): Complaint =>
    at(0, `Invalid parameter type for '${place.path}', expected: ${expected}`);
  switch (error.keyword) {
    case 'required': {
      const name = String(error.params['missingProperty']);
      const order = [...place.order, place.memberOrder(name)];
      return { order, weight: 0, sentence: `Parameter '${place.member(name)}' is missing` };
    }
    case 'additionalProperties': {
      const names = isWireObject(value) ? membersInWireOrder(value) : [];
      const name = firstLeftover(names, place.memberNames) ?? String(error.params['additionalProperty']);
      const sentence = `Parameter '${place.member(name)}' is unexpected`;
      return { order: [...place.order, LEFTOVER], weight: 0, sentence };
    }
    case 'type':
      return wrongType(String(error.schema));
    case keyword.object:
      return wrongType('object');
    case keyword.number:
      return wrongType('number');
    case keyword.integer:
      return at(0, integerSentence(error.schema as TypeShape, value, place));
    case keyword.alternate:
      return isWireInteger(value) || typeof value === 'string'
        ? at(1, notAccepted(place, value))
        : wrongType(String(error.schema));
    case 'enum':
      return typeof value === 'string' ? at(1, notAccepted(place, value)) : null;
    default:
      // What a union says about its tag and its variants repeats an error of the tag's or the variant's own.
      return null;
  }
}

const notAccepted = (place: Place, value: string | number | bigint): string =>
  `Parameter '${place.last}' does not accept value '${value}'`;

function integerSentence(shape: TypeShape, value: WireValue, place: Place): string {
  if (shape.kind === 'integer' && 'format' in shape && shape.format !== 'int64') {
    return `Parameter '${place.path}' expects uint64`;
  }
  if (shape.kind === 'integer' && !('format' in shape) && isWireInteger(value)) {
    return `Parameter '${place.last}' expects an integer from ${shape.minimum} to ${shape.maximum}`;
  }
  return `Invalid parameter type for '${place.path}', expected: integer`;
}

/** Where in the arguments something is. */
interface Place {
  /** As QEMU writes it in full: `keys[0].type`. */
  readonly path: string;
  /** The last member's name; `null` for an element of an array. */
  readonly last: string;
  readonly order: readonly number[];
  /** The members of the object here, in the order in which QEMU visits them. */
  readonly memberNames: readonly string[];
  memberOrder(name: string): number;
  member(name: string): string;
}

/** Follows a JSON pointer of ajv through the arguments and their type. */
function locate(typeName: string, args: WireObject, pointer: string): Place {
  let type: TypeShape = { kind: 'named', name: typeName };
  let value: WireValue | undefined = args;
  let path = '';
  let last = 'null';
  const order: number[] = [];
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) {
      path += `[${name}]`;
      last = 'null';
      order.push(Number(name));
      type = type.kind === 'array' ? type.items : { kind: 'any' };
      value = value[Number(name)];
    } else {
      const members = membersOf(type, value);
      const index = members.findIndex((member) => member.name === name);
      path += path === '' ? name : `.${name}`;
      last = name;
      order.push(index);
      type = members[index]?.type ?? { kind: 'any' };
      value = isWireObject(value) ? value[name] : undefined;
    }
  }
  const memberNames = membersOf(type, value).map((member) => member.name);
  return {
    path,
    last,
    order,
    memberNames,
    memberOrder: (name) => memberNames.indexOf(name),
    member: (name) => (path === '' ? name : `${path}.${name}`),
  };
}

/** The members of an object, those of its variant included. */
function membersOf(type: TypeShape, value: WireValue | undefined): readonly MemberShape[] {
  const shape: NamedShape | undefined = type.kind === 'named' ? schema.types[type.name] : undefined;
  if (shape?.kind === 'object') return shape.members;
  if (shape?.kind !== 'union') return [];
  const tag = isWireObject(value) ? value[shape.tag] : undefined;
  const variant = shape.variants.find((each) => each.case === tag);
  return [...shape.members, ...(variant?.members ?? [])];
}
