import { CommandError } from '../../core/errors.ts';
import type { Machine } from '../../machine/machine.ts';
import { isIdentifier } from '../../core/identifier.ts';
import { qomGet, qomList } from '../../qom/commands.ts';
import { resolvePath } from '../../qom/tree.ts';
import type { QomValue } from '../../qom/value.ts';
import type { HumanCommand } from './command.ts';
import { readKeyValues } from './key-values.ts';

/** QEMU explains to people what an identifier is. @throws CommandError */
function checkIdentifier(id: string | undefined): void {
  if (id === undefined || isIdentifier(id)) return;
  throw new CommandError(
    "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
  );
}

/** A value as JSON over several lines. */
function valueText(value: QomValue): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? Number(item) : item), 4);
}

/** @throws CommandError for text that is no JSON */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(`JSON parse error, invalid keyword '${text}'`);
  }
}

/** Commands about objects and their properties. */
export function objectCommands(machine: Machine): HumanCommand[] {
  return [
    {
      names: ['object_add'],
      parameters: [{ kind: 'string', name: 'object' }],
      usage: '[qom-type=]type,id=str[,prop=value][,...]',
      help: 'create QOM object',
      run: ({ strings }) => {
        const values = readKeyValues(strings[0]!, 'qom-type');
        if (values['host-nodes'] !== undefined) {
          throw new CommandError("Invalid parameter type for 'host-nodes', expected: array");
        }
        checkIdentifier(values['id']);
        machine.objectAdd(values, { typed: false });
        return '';
      },
    },
    {
      names: ['object_del'],
      parameters: [{ kind: 'string', name: 'id' }],
      usage: 'id',
      help: 'destroy QOM object',
      run: ({ strings }) => {
        machine.objectDelete(strings[0]!);
        return '';
      },
    },
    {
      names: ['qom-list'],
      parameters: [{ kind: 'string', name: 'path', optional: true }],
      usage: 'path',
      help: 'list QOM properties',
      run: ({ strings: [path] }) =>
        path === undefined
          ? '/\n'
          : qomList(machine.qom, path)
              .map(({ name, type }) => `${name} (${type})\n`)
              .join(''),
    },
    {
      names: ['qom-get'],
      parameters: [
        { kind: 'string', name: 'path' },
        { kind: 'string', name: 'property' },
      ],
      usage: 'path property',
      help: 'print QOM property',
      run: ({ strings: [path, property] }) => `${valueText(qomGet(machine.qom, path!, property!))}\n`,
    },
    {
      names: ['qom-set'],
      parameters: [
        { kind: 'flag', letter: 'j' },
        { kind: 'string', name: 'path' },
        { kind: 'string', name: 'property' },
        { kind: 'line', name: 'value' },
      ],
      usage: '[-j] path property value',
      help: 'set QOM property.\n\t\t\t-j: the value is specified in json format.',
      run: ({ flags, strings: [path, property, value] }) => {
        const { object } = resolvePath(machine.qom, path!);
        if (object === null) return `Error: Device '${path}' not found\n`;
        if (flags.has('j')) object.setJson(property!, readJson(value!));
        else object.setText(property!, value!);
        return '';
      },
    },
  ];
}
