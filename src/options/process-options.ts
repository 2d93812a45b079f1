import { OptionError } from './error.ts';
import type { Options } from './options.ts';
import { jsonValues, type ParameterList, parseParameters, parseStrictly, refuse } from './parameters.ts';
import type { OptionEntry, Reading } from './table-entry.ts';

const traces: ParameterList = {
  name: 'trace',
  implied: 'enable',
  parameters: { enable: 'string', events: 'string', file: 'string' },
};

function applyTrace(reading: Reading, argument: string): void {
  const { enable, events, file } = parseParameters(reading, traces, argument);
  if (enable === 'help' || enable === '?') reading.options.action = 'trace-help';
  reading.options.traces.push({ pattern: enable ?? null, events: events ?? null, file: file ?? null });
}

function applyLogItems({ options }: Reading, items: string): void {
  if (items === 'help' || items === '?') options.action = 'log-help';
  options.logItems = items;
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

const actionParameters: ParameterList = {
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

const displays = new Set(['none', 'gtk', 'sdl', 'egl-headless', 'curses', 'cocoa', 'spice-app', 'dbus', 'default']);

function applyDisplay(reading: Reading, argument: string): void {
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
  if (adapters.has(argument)) throw refuse(reading, `viommud has no display; write none for '${argument}'`);
  throw new OptionError(`unknown vga type: ${argument}`);
}

const message: ParameterList = {
  name: 'msg',
  implied: null,
  parameters: { timestamp: 'switch', 'guest-name': 'switch' },
};

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
  flag('preconfig', 'waits for x-exit-preconfig before the machine is made', (options) => (options.preconfig = true)),
  flag('daemonize', 'goes to the background once the sockets listen', (options) => (options.daemonize = true)),
  {
    names: ['pidfile'],
    argument: 'FILE',
    help: 'writes the number of the process there',
    apply: ({ options }, file) => void (options.pidFile = file),
  },
  {
    names: ['trace'],
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
  { names: ['d'], argument: 'ITEM[,…]', help: 'log items; -d help lists them', apply: applyLogItems },
  {
    names: ['compat'],
    argument: 'POLICY=VALUE[,…]',
    help: 'what happens to deprecated and unstable commands',
    apply: applyCompatibility,
  },
  {
    names: ['action'],
    argument: 'reboot=reset|shutdown[,shutdown=poweroff|pause]',
    help: 'what reset and shutdown do',
    apply: applyAction,
  },
  { names: ['display'], argument: 'none', help: 'taken; there is no display', apply: applyDisplay },
  { names: ['vga'], argument: 'none', help: 'taken; there is no display', apply: applyAdapter },
  { names: ['msg'], argument: 'timestamp=on|off', help: null, apply: applyMessage },
  {
    ...accepted(['enable-kvm'], null, null),
    apply: ({ options, option }) => void options.accelerators.push({ name: 'kvm', values: {}, option }),
  },
  accepted(['nographic'], null, 'taken; there is no display'),
  accepted(['audio', 'audiodev'], 'none', 'taken; there is no sound'),
  accepted(['k'], 'LANGUAGE', 'taken; there is no keyboard'),
  accepted(['sandbox', 'overcommit'], 'VALUE', null),
  accepted(['no-acpi'], null, null),
  accepted(['no-hpet'], null, null),
  accepted(['no-fd-bootchk'], null, null),
  {
    names: ['version'],
    argument: null,
    help: 'shows the version',
    apply: ({ options }) => void (options.action = 'version'),
  },
  {
    names: ['help', 'h'],
    argument: null,
    help: 'shows this text',
    apply: ({ options }) => void (options.action = 'help'),
  },
];
