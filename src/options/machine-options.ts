import { checkTopology, type TopologyLimits } from './processor-topology.ts';
import { parseSize } from '../core/size.ts';
import { OptionError } from './error.ts';
import {
  asksForHelp,
  HelpRequest,
  helpOn,
  type ParameterList,
  parseParameters,
  parseStrictly,
  recordOf,
  refuse,
  splitArgument,
} from './parameters.ts';
import { list, type OptionEntry, type Reading } from './table-entry.ts';

/** Takes a question for help out of an argument's values; true when there was one. */
function takeHelp(values: Record<string, string>): boolean {
  const asked = ['help', '?'].some((word) => values[word] === 'on');
  delete values['help'];
  delete values['?'];
  return asked;
}

function applyMachine(reading: Reading, argument: string): void {
  const { type, ...values } = parseStrictly(reading, argument, 'type');
  const { machine } = reading.options;
  if (type !== undefined && !asksForHelp(type)) machine.type = type;
  if (takeHelp(values) || asksForHelp(type)) {
    reading.later.push(() => list(reading, machine.type === null ? 'machines' : 'machine', machine.type));
  }
  machine.values = { ...machine.values, ...values };
  machine.option = reading.option;
}

/** Accelerators with the properties that QEMU's have; they change nothing here. */
const accelerators: ReadonlyMap<string, readonly string[]> = new Map([
  ['tcg', ['thread', 'tb-size', 'split-wx']],
  ['kvm', ['kernel-irqchip', 'kvm-shadow-mem', 'dirty-ring-size', 'notify-vmexit', 'notify-window']],
  ['qtest', []],
]);

/** `accel=` of the machine: names in the order of preference. Those that nobody knows are skipped with a warning. */
function settleMachineAccelerators(reading: Reading): void {
  const { machine, accelerators: named, warnings } = reading.options;
  const { accel, ...values } = machine.values;
  if (accel === undefined) return;
  if (named.length > 0) throw new OptionError('The -accel and "-machine accel=" options are incompatible');
  machine.values = values;
  const names = accel.split(':');
  const known = names.filter((name) => accelerators.has(name));
  const unknown = names.filter((name) => !accelerators.has(name)).map((name) => `invalid accelerator ${name}`);
  if (known.length === 0) throw new OptionError(unknown[0]!, { more: unknown.slice(1) });
  warnings.push(...unknown);
  named.push(...known.map((name) => ({ name, values: {}, option: machine.option! })));
}

function applyAccelerator(reading: Reading, argument: string): void {
  const { accel, ...values } = recordOf(splitArgument(reading, argument, 'accel'));
  if (accel === undefined || accel === '' || asksForHelp(accel)) {
    throw new HelpRequest(['Accelerators supported in QEMU binary:', ...accelerators.keys(), ''].join('\n'), 0);
  }
  // QEMU's -accel takes one name; harnesses that know only -machine's list write it here too.
  for (const name of accel.split(':')) {
    const properties = accelerators.get(name);
    if (properties === undefined) throw refuse(reading, `invalid accelerator ${accel}`);
    const unknown = Object.keys(values).find((key) => !properties.includes(key));
    if (unknown !== undefined) throw refuse(reading, `Property '${name}-accel.${unknown}' not found`);
    reading.options.accelerators.push({ name, values, option: reading.option });
  }
}

export const memory: ParameterList = {
  name: 'memory',
  implied: 'size',
  parameters: { size: 'size', slots: 'number', maxmem: 'size' },
};

function applyMemory(reading: Reading, argument: string): void {
  const { size, slots, maxmem } = parseParameters(reading, memory, argument);
  const { options } = reading;
  // A size without unit counts mebibytes; a maximum without unit counts bytes.
  if (size !== undefined) options.memory = parseSize(size, 1n << 20n);
  if (options.memory === 0n) options.memory = null;
  if (slots !== undefined) options.memorySlots = Number(slots);
  if (maxmem !== undefined) options.maxMemory = parseSize(maxmem);
}

function checkMemory({ options }: Reading): void {
  if (options.maxMemory === null) {
    if (options.memorySlots !== 0) throw new OptionError('slots specified but no max-size');
    return;
  }
  if (options.memory !== null && options.maxMemory < options.memory) {
    throw new OptionError(
      `invalid value of maxmem: maximum memory size (0x${options.maxMemory.toString(16)}) must be at least ` +
        `the initial memory size (0x${options.memory.toString(16)})`,
    );
  }
}

export const topology: ParameterList = {
  name: 'smp-opts',
  implied: 'cpus',
  parameters: {
    cpus: 'number',
    sockets: 'number',
    dies: 'number',
    clusters: 'number',
    cores: 'number',
    threads: 'number',
    maxcpus: 'number',
  },
};

/** Machine `viommu` is a q35 here: what harnesses pass to one fits the other. */
function topologyLimits(machine: string | null): TopologyLimits {
  return machine === 'none'
    ? { machine, most: 1, dies: false }
    : { machine: machine === null || machine === 'q35' ? 'pc-q35-7.2' : machine, most: 288, dies: true };
}

function applyProcessors(reading: Reading, argument: string): void {
  const values = parseStrictly(reading, argument, asksForHelp(argument) ? null : topology.implied);
  if (takeHelp(values)) throw helpOn(topology, 0);
  for (const [key, value] of Object.entries(values)) {
    if (!Object.hasOwn(topology.parameters!, key)) throw new OptionError(`Parameter 'smp.${key}' is unexpected`);
    if (!/^\s*[+-]?(0x[0-9a-f]+|[0-9]+)$/i.test(value)) throw new OptionError(`Parameter 'smp.${key}' expects integer`);
  }
  if (values['cpus'] !== undefined) reading.options.processors = Number(values['cpus']);
  const request = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Number(value)]));
  reading.later.push(() => checkTopology(request, topologyLimits(reading.options.machine.type)));
}

export const bootOrder: ParameterList = {
  name: 'boot-opts',
  implied: 'order',
  parameters: {
    order: 'string',
    once: 'string',
    menu: 'switch',
    splash: 'string',
    'splash-time': 'number',
    'reboot-timeout': 'number',
    strict: 'switch',
  },
};

function applyBoot(reading: Reading, argument: string): void {
  const values = parseStrictly(reading, argument, asksForHelp(argument) ? null : bootOrder.implied);
  if (takeHelp(values)) throw helpOn(bootOrder, 0);
  for (const [key, value] of Object.entries(values)) {
    if (!Object.hasOwn(bootOrder.parameters!, key)) throw new OptionError(`Parameter 'boot.${key}' is unexpected`);
    if ((key === 'menu' || key === 'strict') && !/^(on|off|yes|no|true|false|y|n)$/.test(value)) {
      throw new OptionError(`Parameter 'boot.${key}' expects 'on' or 'off'`);
    }
    const wrong = key === 'order' || key === 'once' ? /[^a-p]/.exec(value) : null;
    if (wrong !== null) throw new OptionError(`Invalid boot device '${wrong[0]}'`);
  }
  reading.options.accepted.push({ name: 'boot', values, option: reading.option });
}

export const names: ParameterList = {
  name: 'name',
  implied: 'guest',
  parameters: { guest: 'string', process: 'string', 'debug-threads': 'switch' },
  descriptions: {
    guest: 'The name that query-name tells',
    process: 'Sets the name of the process, as shown in top etc',
    'debug-threads': 'Taken; the program has one thread',
  },
};

function applyName(reading: Reading, argument: string): void {
  const values = parseParameters(reading, names, argument);
  const { options } = reading;
  options.name = values['guest'] ?? options.name;
  options.processName = values['process'] ?? options.processName;
  const threads = values['debug-threads'];
  if (threads !== undefined) options.debugThreads = threads === 'on';
}

function applyUuid(reading: Reading, argument: string): void {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(argument)) {
    throw refuse(reading, 'failed to parse UUID string: wrong format');
  }
  reading.options.uuid = argument.toLowerCase();
}

export const clock: ParameterList = {
  name: 'rtc',
  implied: null,
  parameters: { base: 'string', clock: 'string', driftfix: 'string' },
};

const clockWords: Readonly<Record<string, readonly string[]>> = {
  clock: ['host', 'rt', 'vm'],
  driftfix: ['slew', 'none'],
};

function applyClock(reading: Reading, argument: string): void {
  const values = parseParameters(reading, clock, argument);
  const { base } = values;
  if (base !== undefined && base !== 'utc' && base !== 'localtime' && !/^\d{4}-\d\d?-\d\d?(T[\d:]+)?$/.test(base)) {
    throw new OptionError('invalid datetime format', {
      hint: "valid formats: '2006-06-17T16:01:21' or '2006-06-17'",
    });
  }
  for (const [key, words] of Object.entries(clockWords)) {
    const value = values[key];
    if (value !== undefined && !words.includes(value)) throw new OptionError(`invalid option value '${value}'`);
  }
  reading.options.accepted.push({ name: 'rtc', values, option: reading.option });
}

export const instructionCount: ParameterList = {
  name: 'icount',
  implied: 'shift',
  parameters: {
    shift: 'string',
    align: 'switch',
    sleep: 'switch',
    rr: 'string',
    rrfile: 'string',
    rrsnapshot: 'string',
  },
};

function applyInstructionCount(reading: Reading, argument: string): void {
  const values = parseParameters(reading, instructionCount, argument);
  const { shift } = values;
  if (shift !== undefined && shift !== 'auto' && !/^(10|[0-9])$/.test(shift)) {
    throw refuse(reading, 'icount: Invalid shift value');
  }
  if (values['align'] === 'on' && values['sleep'] === 'off') {
    throw refuse(reading, 'align=on and sleep=off are incompatible');
  }
  reading.options.icount = values;
}

export const globals: ParameterList = {
  name: 'global',
  implied: null,
  parameters: { driver: 'string', property: 'string', value: 'string' },
};

function applyGlobal(reading: Reading, argument: string): void {
  const compact = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(argument);
  if (compact !== null) {
    reading.options.globals.push({ driver: compact[1]!, property: compact[2]!, value: compact[3]! });
    return;
  }
  const { driver, property, value } = parseParameters(reading, globals, argument);
  if (driver === undefined || property === undefined || value === undefined) {
    throw refuse(reading, "options 'driver', 'property', and 'value' are required");
  }
  reading.options.globals.push({ driver, property, value });
}

/** Options about the machine itself. */
export const machineOptions: readonly OptionEntry[] = [
  {
    names: ['machine', 'M'],
    group: 'machine',
    argument: '[type=]NAME[,PROP=VALUE…]',
    help: 'the machine: viommu (default), q35 or none',
    apply(reading, argument) {
      applyMachine(reading, argument);
      if (!reading.ids.has('machine')) {
        reading.ids.set('machine', new Set());
        reading.later.push(() => settleMachineAccelerators(reading));
      }
    },
  },
  {
    names: ['accel'],
    group: 'accel',
    argument: '[accel=]NAME[,PROP=VALUE…]',
    help: 'tcg, kvm (both: real time) or qtest (virtual time)',
    apply: applyAccelerator,
  },
  {
    names: ['m'],
    group: 'memory',
    argument: '[size=]MEGS[,slots=N,maxmem=SIZE]',
    help: 'guest memory, 4G for instance; without a unit in MiB',
    apply(reading, argument) {
      applyMemory(reading, argument);
      reading.later.push(() => checkMemory(reading));
    },
  },
  {
    names: ['smp'],
    group: 'smp-opts',
    argument: '[cpus=]N[,…]',
    help: 'taken; the model has no processors',
    apply: applyProcessors,
  },
  {
    names: ['cpu'],
    argument: 'NAME',
    help: 'taken; the model has no processors',
    apply: ({ options }, argument) => {
      if (asksForHelp(argument)) throw new HelpRequest('Available CPUs:\n\nRecognized CPUID flags:\n', 0);
      options.cpu = argument;
    },
  },
  {
    names: ['bios'],
    argument: 'FILE',
    help: 'firmware image',
    apply: ({ options }, file) => void (options.bios = file),
  },
  {
    names: ['boot'],
    group: 'boot-opts',
    argument: '[order=]DRIVES[,…]',
    help: 'taken; nothing boots',
    apply: applyBoot,
  },
  {
    names: ['rtc'],
    group: 'rtc',
    argument: '[base=…][,clock=…]',
    help: 'taken; the model has no clock chip',
    apply: applyClock,
  },
  {
    names: ['icount'],
    group: 'icount',
    argument: '[shift=]N|auto[,…]',
    help: 'virtual instruction counter',
    apply: applyInstructionCount,
  },
  {
    names: ['global'],
    group: 'global',
    argument: 'DRIVER.PROPERTY=VALUE',
    help: 'default of a device property',
    apply: applyGlobal,
  },
  {
    names: ['name'],
    group: 'name',
    argument: 'NAME[,process=NAME][,debug-threads=on|off]',
    help: 'the name that query-name tells',
    apply: applyName,
  },
  { names: ['uuid'], argument: 'UUID', help: 'the identity that query-uuid tells', apply: applyUuid },
];
