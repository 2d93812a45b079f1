import { deviceOptions } from './device-options.ts';
import { OptionError } from './error.ts';
import { machineOptions } from './machine-options.ts';
import { monitorOptions } from './monitor-options.ts';
import { defaultOptions, type Options } from './options.ts';
import { processOptions } from './process-options.ts';
import type { OptionEntry, Reading } from './table-entry.ts';

/** All options in the order of the help text. */
const sections: readonly { readonly title: string; readonly entries: readonly OptionEntry[] }[] = [
  { title: 'Machine', entries: machineOptions },
  { title: 'Devices', entries: deviceOptions },
  { title: 'Monitor', entries: monitorOptions },
  { title: 'Process', entries: processOptions },
];

const byName = new Map(
  sections.flatMap(({ entries }) => entries.flatMap((entry) => entry.names.map((name) => [name, entry] as const))),
);

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
 * Reads a command line, without the program's name. Whether what it asks for can be had is not looked at here; the
 * first action other than running (`-help`) ends the reading.
 * Throws OptionError for an unknown option and for an argument that cannot be taken.
 */
export function parseOptions(argv: readonly string[]): Options {
  const options = defaultOptions();
  try {
    readInto(options, argv);
  } catch (error) {
    if (error instanceof OptionError) throw error.after(options.warnings);
    throw error;
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
    if (options.action !== 'run') return;
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
