import { type ConfigSection, readConfig } from './config-file.ts';
import { deviceOptions } from './device-options.ts';
import { OptionError } from './error.ts';
import { foreignOptions } from './foreign-options.ts';
import { machineOptions } from './machine-options.ts';
import { monitorOptions } from './monitor-options.ts';
import { defaultOptions, type Options } from './options.ts';
import { HelpRequest, refuse } from './parameters.ts';
import { processOptions } from './process-options.ts';
import type { OptionEntry, Reading } from './table-entry.ts';

const configFile: OptionEntry = {
  names: ['readconfig'],
  argument: 'FILE',
  help: 'reads options from the sections [OPTION "ID"] of a file',
  apply(reading, path) {
    for (const part of readConfig(path, reading.option)) applySection(reading, part);
  },
};

/** All options in the order of the help text. */
const sections: readonly { readonly title: string; readonly entries: readonly OptionEntry[] }[] = [
  { title: 'Machine', entries: machineOptions },
  { title: 'Devices', entries: deviceOptions },
  { title: 'Monitor', entries: monitorOptions },
  { title: 'Process', entries: [...processOptions, configFile] },
];

const entries: readonly OptionEntry[] = [...sections.flatMap((part) => part.entries), ...foreignOptions];
const byName = new Map(entries.flatMap((entry) => entry.names.map((name) => [name, entry] as const)));
const byGroup = new Map(entries.flatMap((entry) => (entry.group === undefined ? [] : [[entry.group, entry] as const])));

/** A section of a configuration file, as the option of its group with the same values. */
function applySection(reading: Reading, { group, id, values, place }: ConfigSection): void {
  const here: Reading = { ...reading, option: place ?? '' };
  const entry = byGroup.get(group);
  if (entry === undefined) throw refuse(here, `There is no option group '${group}'`);
  const pairs = id === null ? values : [['id', id] as const, ...values];
  for (const [key] of values) {
    if (/[=,]/.test(key)) throw refuse(here, `Invalid parameter '${key}'`);
  }
  try {
    entry.apply(here, pairs.map(([key, value]) => `${key}=${value.replaceAll(',', ',,')}`).join(','));
  } catch (error) {
    // Where a line can be named, QEMU leaves the hint away.
    if (error instanceof OptionError && error.sentence.startsWith(':')) throw new OptionError(error.sentence);
    throw error;
  }
}

/** The option that an element of the command line names, behind one dash or two. */
function entryOf(written: string): OptionEntry {
  const entry = byName.get(written.replace(/^--?/, ''));
  if (!written.startsWith('-')) {
    throw new OptionError(`${written}: the machine takes no disk image; options begin with a dash, see -help`);
  }
  if (entry === undefined) throw new OptionError(`${written}: invalid option`);
  return entry;
}

/**
 * Reads a command line, without the program's name. Whether what it asks for can be had is not looked at here. `-help`,
 * `-version` and a question about an option's parameters end the reading; a question about types waits for the rest.
 * Throws OptionError for an unknown option and for an argument that cannot be taken.
 */
export function parseOptions(argv: readonly string[]): Options {
  const options = defaultOptions();
  try {
    readInto(options, argv);
  } catch (error) {
    if (error instanceof HelpRequest) options.action = { kind: 'print', text: error.text, status: error.status };
    else if (error instanceof OptionError) throw error.after(options.warnings);
    else throw error;
  }
  return options;
}

function readInto(options: Options, argv: readonly string[]): void {
  const later: (() => void)[] = [];
  const shared = { options, ids: new Map<string, Set<string>>(), later, warnings: options.warnings };
  for (let at = 0; at < argv.length; at += 1) {
    const written = argv[at]!;
    const entry = entryOf(written);
    let argument = '';
    if (entry.argument !== null) {
      at += 1;
      if (at === argv.length) throw new OptionError(`${written}: requires an argument`);
      argument = argv[at]!;
    }
    const reading: Reading = { ...shared, option: entry.argument === null ? written : `${written} ${argument}` };
    entry.apply(reading, argument);
    if (options.action.kind === 'help' || options.action.kind === 'version') return;
  }
  for (const check of later) check();
}

function describe(entry: OptionEntry): string[] {
  if (entry.help === null) return [];
  const usage =
    entry.names.map((name) => `-${name}`).join(', ') + (entry.argument === null ? '' : ` ${entry.argument}`);
  return usage.length < 30 ? [`  ${usage.padEnd(30)}${entry.help}`] : [`  ${usage}`, `${' '.repeat(32)}${entry.help}`];
}

/** What `-help` prints. */
export function helpText(program: string): string {
  const body = sections.flatMap(({ title, entries }) => ['', `${title}:`, ...entries.flatMap(describe)]);
  return [
    `usage: ${program} [options]`,
    '',
    'A daemon that models guest memory, IOMMUs and VFIO in software and speaks QMP. Options are written as those of QEMU,',
    'with one dash or two. Without options it serves QMP on a socket in the runtime directory and says where.',
    ...body,
    '',
    'In PROP=VALUE lists a comma inside a value is written twice, and a switch alone means on.',
    '',
  ].join('\n');
}
