import { OptionError } from './error.ts';
import type { Options } from './options.ts';
import {
  asksForHelp,
  HelpRequest,
  jsonValues,
  type ParameterList,
  parseParameters,
  parseStrictly,
  refuse,
} from './parameters.ts';
import { list, type OptionEntry, type Reading } from './table-entry.ts';

export const traces: ParameterList = {
  name: 'trace',
  implied: 'enable',
  parameters: { enable: 'string', events: 'string', file: 'string' },
};

function applyTrace(reading: Reading, argument: string): void {
  const { enable, events, file } = parseParameters(reading, traces, argument);
  if (asksForHelp(enable)) list(reading, 'traces', null);
  const { option } = reading;
  reading.options.traces.push({ pattern: enable ?? null, events: events ?? null, file: file ?? null, option });
}

/** What QEMU's `-d` knows; the model has none of it but the trace points. */
const logItems = [
  ...['out_asm', 'in_asm', 'op', 'op_opt', 'op_ind', 'int', 'exec', 'cpu', 'fpu', 'mmu', 'pcall', 'cpu_reset'],
  ...['unimp', 'guest_errors', 'page', 'nochain', 'plugin', 'strace', 'tid', 'all', 'none'],
];

const logHelp = [
  'Log items (comma separated):',
  'trace:PATTERN   enable trace events',
  '',
  'Use "-d trace:help" to get a list of trace events.',
  '',
].join('\n');

/** `-d`: trace points; QEMU's other items are taken, since there is nothing that they could tell. */
function applyLogItems(reading: Reading, items: string): void {
  for (const item of items.split(',')) {
    if (item === 'trace:help') {
      list(reading, 'traces', null);
      return;
    }
    const isTrace = item.startsWith('trace:');
    if (!isTrace && !logItems.includes(item)) throw new HelpRequest(logHelp, 1);
    if (!isTrace) continue;
    const pattern = item.slice('trace:'.length);
    reading.options.traces.push({ pattern, events: null, file: null, option: null });
  }
}

const policies: Readonly<Record<string, readonly string[]>> = {
  'deprecated-input': ['accept', 'reject', 'crash'],
  'deprecated-output': ['accept', 'hide'],
  'unstable-input': ['accept', 'reject', 'crash'],
  'unstable-output': ['accept', 'hide'],
};

function applyCompatibility(reading: Reading, argument: string): void {
  const values = argument.startsWith('{') ? jsonValues(reading, argument) : parseStrictly(reading, argument, null);
  for (const [name, value] of Object.entries(values)) {
    const words = Object.hasOwn(policies, name) ? policies[name] : undefined;
    if (words === undefined) throw refuse(reading, `Parameter '${name}' is unexpected`);
    if (typeof value !== 'string') throw refuse(reading, `Invalid parameter type for '${name}', expected: string`);
    if (!words.includes(value)) throw refuse(reading, `Parameter '${name}' does not accept value '${value}'`);
    reading.options.compatibility[name] = value;
  }
}

const actions: Readonly<Record<string, readonly string[]>> = {
  reboot: ['reset', 'shutdown'],
  shutdown: ['poweroff', 'pause'],
  panic: ['none', 'pause', 'shutdown', 'exit-failure'],
  watchdog: ['reset', 'shutdown', 'poweroff', 'pause', 'debug', 'none', 'inject-nmi'],
};

export const actionParameters: ParameterList = {
  name: 'action',
  implied: null,
  parameters: { reboot: 'string', shutdown: 'string', panic: 'string', watchdog: 'string' },
};

function applyAction(reading: Reading, argument: string): void {
  const values = parseParameters(reading, actionParameters, argument);
  for (const [name, value] of Object.entries(values)) {
    if (actions[name]?.includes(value) !== true) {
      throw refuse(reading, `Parameter '${name}' does not accept value '${value}'`);
    }
  }
  const { options } = reading;
  if (values['reboot'] !== undefined) options.noReboot = values['reboot'] === 'shutdown';
  if (values['shutdown'] !== undefined) options.noShutdown = values['shutdown'] === 'pause';
}

/** The answer to `-display help` and its like, of which there is but `none`. */
function availableBackends(kind: string, closing: readonly string[] = []): HelpRequest {
  return new HelpRequest([`Available ${kind}:`, 'none', ...closing, ''].join('\n'), 0);
}

const displays = new Set(['none', 'gtk', 'sdl', 'egl-headless', 'curses', 'cocoa', 'spice-app', 'dbus', 'default']);

function applyDisplay(reading: Reading, argument: string): void {
  if (asksForHelp(argument)) throw availableBackends('display backend types');
  const { type, ...values } = parseParameters(
    reading,
    { name: 'display', implied: 'type', parameters: null },
    argument,
  );
  if (type === undefined) throw refuse(reading, "Parameter 'type' is missing");
  if (argument.startsWith('vnc=')) throw refuse(reading, 'viommud has no display; write -display none');
  if (!displays.has(type)) throw refuse(reading, `Parameter 'type' does not accept value '${type}'`);
  if (type !== 'none') throw refuse(reading, `viommud has no display; write none for '${type}'`);
  const [unexpected] = Object.keys(values);
  if (unexpected !== undefined) throw refuse(reading, `Parameter '${unexpected}' is unexpected`);
}

const adapters = new Set(['none', 'std', 'cirrus', 'vmware', 'xenfb', 'qxl', 'tcx', 'cg3', 'virtio']);

function applyAdapter(reading: Reading, argument: string): void {
  if (argument === 'none') return;
  if (asksForHelp(argument)) throw new HelpRequest('none                 no graphic card\n', 0);
  if (adapters.has(argument)) throw refuse(reading, `viommud has no display; write none for '${argument}'`);
  throw new OptionError(`unknown vga type: ${argument}`);
}

export const message: ParameterList = {
  name: 'msg',
  implied: null,
  parameters: { timestamp: 'switch', 'guest-name': 'switch' },
};

function applyAudio(reading: Reading, argument: string): void {
  if (asksForHelp(argument)) throw availableBackends('audio drivers');
  const { driver } = parseParameters(reading, { name: 'audiodev', implied: 'driver', parameters: null }, argument);
  if (driver !== 'none') throw refuse(reading, `viommud has no sound; write none for '${driver ?? ''}'`);
}

/** An option that is on when given. */
function flag(name: string, help: string | null, set: (options: Options) => void): OptionEntry {
  return { names: [name], argument: null, help, apply: ({ options }) => set(options) };
}

/** An option that is taken for the sake of those who always pass it. */
function accepted(names: readonly string[], argument: string | null, help: string | null): OptionEntry {
  return {
    names,
    argument,
    help,
    apply: ({ options, option }) => void options.accepted.push({ name: names[0]!, values: {}, option }),
  };
}

function applyMessage(reading: Reading, argument: string): void {
  const values = parseParameters(reading, message, argument);
  reading.options.accepted.push({ name: 'msg', values, option: reading.option });
}

/** Options about the program and what it tells, and those that mean nothing to it. */
export const processOptions: readonly OptionEntry[] = [
  flag('S', 'leaves the machine stopped until cont', (options) => (options.startPaused = true)),
  flag('nodefaults', 'a machine without the default memory size and vIOMMU', (options) => (options.noDefaults = true)),
  flag('no-user-config', 'taken; there are no configuration files', (options) => (options.noUserConfig = true)),
  flag(
    'no-shutdown',
    'stops instead of ending when the machine is shut down',
    (options) => (options.noShutdown = true),
  ),
  flag('no-reboot', 'ends instead of resetting', (options) => (options.noReboot = true)),
  flag('preconfig', 'waits for x-exit-preconfig before the machine starts', (options) => (options.preconfig = true)),
  flag('daemonize', 'goes to the background once the sockets listen', (options) => (options.daemonize = true)),
  {
    names: ['pidfile'],
    argument: 'FILE',
    help: 'writes the number of the process there',
    apply: ({ options }, file) => void (options.pidFile = file),
  },
  {
    names: ['exec'],
    argument: 'FILE',
    help: 'plays a file of commands (- for stdin) and ends: status 0, or 1 at an error',
    apply: ({ options }, file) => void (options.commandFile = file),
  },
  {
    names: ['trace'],
    group: 'trace',
    argument: '[enable=]PATTERN[,events=FILE][,file=FILE]',
    help: 'switches trace points on; -trace help lists them',
    apply: applyTrace,
  },
  {
    names: ['D'],
    argument: 'FILE',
    help: 'where traces and log lines go; default stderr',
    apply: ({ options }, file) => void (options.logFile = file),
  },
  { names: ['d'], argument: 'ITEM[,…]', help: 'trace:PATTERN as -trace; other items are taken', apply: applyLogItems },
  {
    names: ['compat'],
    argument: 'POLICY=VALUE[,…]',
    help: 'what happens to deprecated and unstable commands',
    apply: applyCompatibility,
  },
  {
    names: ['action'],
    group: 'action',
    argument: 'reboot=reset|shutdown[,shutdown=poweroff|pause]',
    help: 'what reset and shutdown do',
    apply: applyAction,
  },
  { names: ['display'], argument: 'none', help: 'taken; there is no display', apply: applyDisplay },
  { names: ['vga'], argument: 'none', help: 'taken; there is no display', apply: applyAdapter },
  { names: ['msg'], group: 'msg', argument: 'timestamp=on|off', help: null, apply: applyMessage },
  {
    ...accepted(['enable-kvm'], null, null),
    apply: ({ options, option }) => void options.accelerators.push({ name: 'kvm', values: {}, option }),
  },
  accepted(['nographic'], null, 'taken; there is no display'),
  {
    names: ['audio', 'audiodev'],
    group: 'audiodev',
    argument: 'none',
    help: 'taken; there is no sound',
    apply: applyAudio,
  },
  accepted(['k'], 'LANGUAGE', 'taken; there is no keyboard'),
  accepted(['L'], 'PATH', 'taken; there is no firmware to be searched for'),
  ...['sandbox', 'overcommit', 'seed', 'echr', 'watchdog-action'].map((name) => accepted([name], 'VALUE', null)),
  ...['no-acpi', 'no-hpet', 'no-fd-bootchk', 'only-migratable', 'mem-prealloc', 'async-teardown', 'snapshot'].map(
    (name) => accepted([name], null, null),
  ),
  {
    names: ['version'],
    argument: null,
    help: 'shows the version',
    apply: ({ options }) => void (options.action = { kind: 'version' }),
  },
  {
    names: ['help', 'h'],
    argument: null,
    help: 'shows this text',
    apply: ({ options }) => void (options.action = { kind: 'help' }),
  },
];
