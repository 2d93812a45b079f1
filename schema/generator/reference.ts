import type { Resolved, ResolvedType } from './resolve.ts';
import { pascalCase } from './resolve.ts';
import type { MemberShape, TypeShape } from './shape.ts';
import type { Example, Source, SourceCommand, SourceEvent, SourceModule, SourceType } from './source.ts';

const introduction = `<!-- Generated from schema/ by npm run generate. Do not edit. -->

# QMP reference

Every command and event of viommud, from the schema that the daemon itself validates with. Commands that QEMU has too
(\`query-status\`, \`device_add\` …) behave as QEMU 7.2's. In the tables \`?\` marks a member that may be left out; a type
is a JSON type, any of them (any), or one that has a section of its own. In examples \`->\` is sent, \`<-\` is received,
and the string \`"*"\` stands for a value that differs from run to run.
`;

/** The text of docs/qmp-reference.md. */
export function emitReference(source: Source, resolved: Resolved): string {
  return [introduction, contents(source), ...source.modules.map((module) => moduleText(module, source, resolved))].join(
    '\n',
  );
}

function contents(source: Source): string {
  const line = (module: SourceModule): string => {
    const names = [...Object.keys(module.commands ?? {}), ...Object.keys(module.events ?? {})];
    return `- [${module.title}](#${anchor(module.title)})${names.length === 0 ? '' : ': '}${names.map((name) => `[${name}](#${anchor(name)})`).join(', ')}\n`;
  };
  return source.modules.map(line).join('');
}

const anchor = (title: string): string => title.toLowerCase().replaceAll(' ', '-');

function moduleText(module: SourceModule, source: Source, resolved: Resolved): string {
  const ownTypes = [...resolved.types.values()].filter(
    (type) => type.module === module.module && type.name in (module.types ?? {}),
  );
  return [
    `## ${module.title}\n\n${module.description}\n`,
    ...Object.entries(module.commands ?? {}).map(([name, command]) => commandText(name, command, source, resolved)),
    ...Object.entries(module.events ?? {}).map(([name, event]) => eventText(name, event, source, resolved)),
    ...ownTypes.map((type) => typeSection(type)),
  ].join('\n');
}

function commandText(name: string, command: SourceCommand, source: Source, resolved: Resolved): string {
  const shape = resolved.schema.commands[name];
  const parts = [`### ${name}\n\n${paragraphs(command)}`];
  if (shape?.allowOob === true) parts.push('May run out-of-band.\n');
  if (shape?.allowPreconfig === true) parts.push('May run before `x-exit-preconfig`, too (option --preconfig).\n');
  for (const feature of command.features ?? []) parts.push(`Feature \`${feature.name}\`: ${feature.description}\n`);
  parts.push(
    shape?.arguments === undefined ? 'No arguments.\n' : `Arguments:\n\n${objectTable(shape.arguments, resolved)}`,
  );
  parts.push(returnsText(name, shape?.returns, command.returns, resolved));
  if (command.errors.length > 0) {
    const rows = command.errors.map((error) => `| ${error.class} | ${error.when} | ${code(error.desc)} |\n`);
    parts.push(`Errors:\n\n| class | when | sentence |\n|---|---|---|\n${rows.join('')}`);
  }
  parts.push(...command.examples.map((example) => exampleText(example, source)));
  parts.push(`Since ${command.since}.\n`);
  return parts.join('\n');
}

function eventText(name: string, event: SourceEvent, source: Source, resolved: Resolved): string {
  const data = resolved.schema.events[name]?.data;
  return [
    `### ${name}\n\nEvent. ${paragraphs(event)}`,
    data === undefined ? 'No data.\n' : `Data:\n\n${objectTable(data, resolved)}`,
    ...event.examples.map((example) => exampleText(example, source)),
    `Since ${event.since}.\n`,
  ].join('\n');
}

const paragraphs = (entity: { summary: string; description?: string }): string =>
  [entity.summary, ...(entity.description === undefined ? [] : [entity.description])].join('\n\n') + '\n';

function returnsText(
  command: string,
  type: TypeShape | undefined,
  source: SourceType | undefined,
  resolved: Resolved,
): string {
  if (type === undefined) return 'Returns an empty object.\n';
  if (type.kind === 'named' && type.name === `${pascalCase(command)}Return`) {
    return `Returns:\n\n${objectTable(type.name, resolved)}`;
  }
  const description = source?.description === undefined ? '' : `: ${source.description}`;
  return `Returns ${typeLink(type)}${description}${description.endsWith('.') ? '' : '.'}\n`;
}

/** Members of an object type as a table; one that has a section of its own is linked. */
function objectTable(name: string, resolved: Resolved): string {
  const type = resolved.types.get(name);
  if (type === undefined || (type.shape.kind !== 'object' && type.shape.kind !== 'union')) return '';
  return memberTable(type.shape.members, type.source.properties ?? {}, type.shape);
}

function memberTable(
  members: readonly MemberShape[],
  properties: Readonly<Record<string, SourceType>>,
  shape?: ResolvedType['shape'],
): string {
  const rows = members.map((member) => {
    const described = properties[member.name]?.description ?? 'Selects the variant.';
    return `| \`${member.name}\`${member.optional ? '?' : ''} | ${typeLink(member.type)} | ${described} |\n`;
  });
  const open = shape?.kind === 'object' && shape.open ? '\nFurther members are allowed.\n' : '';
  return `| member | type | meaning |\n|---|---|---|\n${rows.join('')}${open}`;
}

function typeSection(type: ResolvedType): string {
  const { name, shape, source } = type;
  const head = `### ${name}\n\n${source.description ?? ''}\n`;
  switch (shape.kind) {
    case 'enum': {
      const rows = shape.values.map((value) => `| \`${value}\` | ${source.values?.[value] ?? ''} |\n`);
      return `${head}\n| value | meaning |\n|---|---|\n${rows.join('')}`;
    }
    case 'alternate':
      return head;
    case 'object':
      return `${head}\n${memberTable(shape.members, source.properties ?? {}, shape)}`;
    case 'union': {
      const common = shape.members.filter((member) => member.name !== shape.tag);
      const variants = shape.variants.map((variant, index) => {
        const branch = source.oneOf?.[index];
        const intro = `\nWith \`${shape.tag}\` \`${variant.case}\`: ${branch?.description ?? ''}\n`;
        return variant.members.length === 0
          ? intro
          : `${intro}\n${memberTable(variant.members, branch?.properties ?? {})}`;
      });
      const shared = common.length === 0 ? '' : `\n${memberTable(common, source.properties ?? {})}`;
      return head + shared + variants.join('');
    }
  }
}

function typeLink(type: TypeShape): string {
  switch (type.kind) {
    case 'array':
      return `array of ${typeLink(type.items)}`;
    case 'named':
      return `[${type.name}](#${anchor(type.name)})`;
    case 'integer':
      return 'format' in type ? type.format : `integer${limits(type.minimum, type.maximum)}`;
    default:
      return type.kind;
  }
}

/** Limits that somebody chose, rather than those of the number format. */
function limits(minimum: number, maximum: number): string {
  const top = maximum === Number.MAX_SAFE_INTEGER ? null : maximum;
  if (minimum === Number.MIN_SAFE_INTEGER) return top === null ? '' : `, ${top} at most`;
  if (top === null) return minimum === 0 ? '' : `, ${minimum} at least`;
  return `, ${minimum} to ${top}`;
}

const code = (text: string | undefined): string => (text === undefined ? '' : `\`${text}\``);

function exampleText(example: Example, source: Source): string {
  const title = example.title === undefined ? 'Example' : `Example: ${example.title}`;
  const started = example.options === undefined ? [] : [`started with \`${example.options.join(' ')}\``];
  const setups = (example.setup ?? []).map((name) => source.setups[name]?.description ?? name);
  const given = [...started, ...setups];
  const condition = given.length === 0 ? '' : ` (given: ${given.join('; ')})`;
  const message = example.message === undefined ? [] : [`<- ${JSON.stringify(example.message)}`];
  const steps = (example.steps ?? []).map((step) => {
    if (step['->'] !== undefined) return `-> ${JSON.stringify(step['->'])}`;
    if (step['<-'] !== undefined) return `<- ${JSON.stringify(step['<-'])}`;
    return `<- ${JSON.stringify({ event: step.event, ...(step.data === undefined ? {} : { data: step.data }) })}`;
  });
  return `${title}${condition}:\n\n\`\`\`\n${[...message, ...steps].join('\n')}\n\`\`\`\n`;
}
