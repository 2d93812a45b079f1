import type { Resolved, ResolvedType } from './resolve.ts';
import { pascalCase } from './resolve.ts';
import type { MemberShape, TypeShape } from './shape.ts';
import type { Source, SourceType } from './source.ts';

const header = `// Generated from schema/ by npm run generate. Do not edit.

/** Any JSON value. A number that is no 64-bit integer is an object with its value. */
export type AnyValue = null | boolean | string | number | bigint | FloatValue | AnyValue[] | AnyObject;

/** A number on the wire that is no 64-bit integer. */
export interface FloatValue {
  readonly value: number;
}

/** Any JSON object. */
export interface AnyObject {
  [member: string]: AnyValue;
}

/** The arguments of a command that has none, the return of one that returns nothing, the data of an event without. */
export type Empty = Record<string, never>;
`;

/** The text of src/generated/types.ts. */
export function emitTypes(source: Source, resolved: Resolved): string {
  const { commands, events } = resolved.schema;
  const summaries = new Map(
    source.modules.flatMap((module) => [
      ...Object.entries(module.commands ?? {}).map(([name, { summary }]) => [name, summary] as const),
      ...Object.entries(module.events ?? {}).map(([name, { summary }]) => [name, summary] as const),
    ]),
  );
  const commandEntries = Object.entries(commands).map(([name, command]) => {
    const args = command.unchecked ? 'AnyObject' : (command.arguments ?? 'Empty');
    const returns = command.returns === undefined ? 'Empty' : typeText(command.returns);
    return `${comment(summaries.get(name), '  ')}  ${property(name)}: { arguments: ${args}; returns: ${returns} };\n`;
  });
  const eventEntries = Object.entries(events).map(
    ([name, event]) => `${comment(summaries.get(name), '  ')}  ${name}: ${event.data ?? 'Empty'};\n`,
  );
  const model = Object.entries(events).filter(([, event]) => event.model);
  return [
    header,
    ...[...resolved.types.values()].map((type) => declaration(type, summaries)),
    `/** What each command takes, after validation, and returns. */\nexport interface CommandMap {\n${commandEntries.join('')}}\n`,
    'export type CommandName = keyof CommandMap;\n',
    `/** The data of each event. */\nexport interface EventMap {\n${eventEntries.join('')}}\n`,
    'export type EventName = keyof EventMap;\n',
    `/** The events of the model: those with \`sequence\` and \`operation\`. */\nexport type ModelEventName =\n${model.map(([name]) => `  | '${name}'`).join('\n')};\n`,
  ].join('\n');
}

function declaration(type: ResolvedType, summaries: ReadonlyMap<string, string>): string {
  const { name, shape, source } = type;
  const described = comment(source.description ?? ownerComment(name, summaries), '');
  switch (shape.kind) {
    case 'enum': {
      const values = shape.values.map((value) => `  | '${value}'`);
      return `${described}export type ${name} =\n${values.join('\n')};\n`;
    }
    case 'alternate':
      // Validation turns the spelling in text into the integer.
      return `${described}export type ${name} = bigint;\n`;
    case 'object': {
      const open = shape.open ? ' & AnyObject' : '';
      const members = interfaceBody(shape.members, source.properties ?? {});
      return open === ''
        ? `${described}export interface ${name} {\n${members}}\n`
        : `${described}export type ${name} = {\n${members}}${open};\n`;
    }
    case 'union': {
      const variants = shape.variants.map((variant, index) => {
        const branch = source.oneOf?.[index] ?? {};
        const tag = `${comment('Selects this variant.', '  ')}  ${property(shape.tag)}: '${variant.case}';\n`;
        const common = shape.members.filter((member) => member.name !== shape.tag);
        const body = interfaceBody([...common, ...variant.members], { ...source.properties, ...branch.properties });
        return `${comment(branch.description, '')}export interface ${name}${pascalCase(variant.case)} {\n${tag}${body}}\n`;
      });
      const names = shape.variants.map((variant) => `  | ${name}${pascalCase(variant.case)}`);
      return `${variants.join('\n')}\n${described}export type ${name} =\n${names.join('\n')};\n`;
    }
  }
}

function ownerComment(name: string, summaries: ReadonlyMap<string, string>): string | undefined {
  for (const owner of summaries.keys()) {
    if (`${pascalCase(owner)}Arguments` === name) return `Arguments of ${owner}.`;
    if (`${pascalCase(owner)}Return` === name) return `What ${owner} returns.`;
    if (`${pascalCase(owner.toLowerCase())}Event` === name) return `Data of ${owner}.`;
  }
  return undefined;
}

function interfaceBody(members: readonly MemberShape[], properties: Readonly<Record<string, SourceType>>): string {
  return members
    .map((member) => {
      const text = typeText(member.type);
      const value = member.optional ? `?: ${text} | undefined` : `: ${text}`;
      return `${comment(properties[member.name]?.description, '  ')}  ${property(member.name)}${value};\n`;
    })
    .join('');
}

/** The TypeScript type of a value after validation. */
function typeText(type: TypeShape): string {
  switch (type.kind) {
    case 'any':
      return 'AnyValue';
    case 'boolean':
    case 'number':
    case 'string':
      return type.kind;
    case 'integer':
      return 'format' in type ? 'bigint' : 'number';
    case 'array': {
      const items = typeText(type.items);
      return type.items.kind === 'array' ? `readonly (${items})[]` : `readonly ${items}[]`;
    }
    case 'named':
      return type.name;
  }
}

function property(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`;
}

function comment(text: string | undefined, indent: string): string {
  return text === undefined || text === '' ? '' : `${indent}/** ${text} */\n`;
}
