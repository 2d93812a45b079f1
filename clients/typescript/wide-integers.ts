/**
 * The daemon's types say which integers are of 64 bits; on the wire a small one looks like any other number. Here the
 * replies and events get the bigints that their types promise, by the tables that the schema generates.
 */
import type { CommandName, EventName } from '../../src/generated/types.ts';
import { type MemberShape, schema, type TypeShape } from '../../src/generated/schema.ts';

function widenMembers(members: readonly MemberShape[], object: Record<string, unknown>): void {
  for (const { name, type } of members) {
    if (object[name] !== undefined) object[name] = widen(type, object[name]);
  }
}

function widen(type: TypeShape, value: unknown): unknown {
  switch (type.kind) {
    case 'integer':
      return 'format' in type && typeof value === 'number' ? BigInt(value) : value;
    case 'array':
      return Array.isArray(value) ? value.map((item) => widen(type.items, item)) : value;
    case 'named':
      return widenNamed(type.name, value);
    case 'any':
    case 'boolean':
    case 'number':
    case 'string':
      return value;
  }
}

function widenNamed(name: string, value: unknown): unknown {
  const shape = schema.types[name];
  if (shape === undefined || typeof value !== 'object' || value === null) return value;
  const object = value as Record<string, unknown>;
  if (shape.kind === 'object') widenMembers(shape.members, object);
  // The log's data is of any type; its event's name says which.
  if (name === 'LoggedEvent') widenEvent(object['event'] as EventName, object['data']);
  if (shape.kind === 'union') {
    widenMembers(shape.members, object);
    widenMembers(shape.variants.find((variant) => variant.case === object[shape.tag])?.members ?? [], object);
  }
  return object;
}

/** What a command returned, with bigints where its type has 64-bit integers. */
export function widenReturn(command: CommandName, value: unknown): unknown {
  const shape = schema.commands[command]?.returns;
  return shape === undefined ? value : widen(shape, value);
}

/** An event's data, likewise. */
export function widenEvent(event: EventName, data: unknown): unknown {
  const name = schema.events[event]?.data;
  return name === undefined ? data : widenNamed(name, data);
}
