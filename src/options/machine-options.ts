import { parseSize } from '../core/size.ts';
import { OptionError } from './error.ts';
import { type ParameterList, parseParameters, parseStrictly, recordOf, refuse, splitArgument } from './parameters.ts';
import type { OptionEntry, Reading } from './table-entry.ts';

function applyMachine(reading: Reading, argument: string): void {
  const { type, help, ...values } = parseStrictly(reading, argument, 'type');
  const { machine } = reading.options;
  if (type === 'help' || type === '?' || help !== undefined) reading.options.action = 'machine-help';
  if (type !== undefined) machine.type = type;
  machine.values = { ...machine.values, ...values };
  machine.option = reading.option;
}

const accelerators = new Set(['tcg', 'qtest', 'kvm']);

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
  if (accel === undefined || accel === '' || accel === 'help' || accel === '?') {
    reading.options.action = 'accel-help';
    return;
  }
  // QEMU's -accel takes one name; harnesses that know only -machine's list write it here too.
  for (const name of accel.split(':')) {
    if (!accelerators.has(name)) throw refuse(reading, `invalid accelerator ${accel}`);
    reading.options.accelerators.push({ name, values, option: reading.option });
  }
}

const memory: ParameterList = {
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

const topology = ['cpus', 'sockets', 'dies', 'clusters', 'cores', 'threads', 'maxcpus'];

function applyProcessors(reading: Reading, argument: string): void {
  const values = parseStrictly(reading, argument, 'cpus');
  for (const [key, value] of Object.entries(values)) {
    if (!topology.includes(key)) throw new OptionError(`Parameter 'smp.${key}' is unexpected`);
    if (!/^\s*[+-]?(0x[0-9a-f]+|[0-9]+)$/i.test(value)) throw new OptionError(`Parameter 'smp.${key}' expects integer`);
  }
  if (values['cpus'] !== undefined) reading.options.processors = Number(values['cpus']);
}

const bootParameters = ['order', 'once', 'menu', 'splash', 'splash-time', 'reboot-timeout', 'strict'];

function applyBoot(reading: Reading, argument: string): void {
  const values = parseStrictly(reading, argument, 'order');
  for (const [key, value] of Object.entries(values)) {
    if (!bootParameters.includes(key)) throw new OptionError(`Parameter 'boot.${key}' is unexpected`);
    if ((key === 'menu' || key === 'strict') && !/^(on|off|yes|no|true|false|y|n)$/.test(value)) {
      throw new OptionError(`Parameter 'boot.${key}' expects 'on' or 'off'`);
    }
    const wrong = key === 'order' || key === 'once' ? /[^a-p]/.exec(value) : null;
    if (wrong !== null) throw new OptionError(`Invalid boot device '${wrong[0]}'`);
  }
  reading.options.accepted.push({ name: 'boot', values, option: reading.option });
}

const names: ParameterList = {
  name: 'name',
  implied: 'guest',
  parameters: { guest: 'string', process: 'string', 'debug-threads': 'switch' },
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

const clock: ParameterList = {
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

const instructionCount: ParameterList = {
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

const globals: ParameterList = {
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
    argument: '[accel=]NAME[,PROP=VALUE…]',
    help: 'tcg, kvm (both: real time) or qtest (virtual time)',
    apply: applyAccelerator,
  },
  {
    names: ['m'],
    argument: '[size=]MEGS[,slots=N,maxmem=SIZE]',
    help: 'guest memory, 4G for instance; without a unit in MiB',
    apply(reading, argument) {
      applyMemory(reading, argument);
      reading.later.push(() => checkMemory(reading));
    },
  },
  { names: ['smp'], argument: '[cpus=]N[,…]', help: 'taken; the model has no processors', apply: applyProcessors },
  {
    names: ['cpu'],
    argument: 'NAME',
    help: 'taken; the model has no processors',
    apply: ({ options }, argument) => {
      options.cpu = argument;
      if (argument === 'help' || argument === '?') options.action = 'cpu-help';
    },
  },
  {
    names: ['bios'],
    argument: 'FILE',
    help: 'firmware image',
    apply: ({ options }, file) => void (options.bios = file),
  },
  { names: ['boot'], argument: '[order=]DRIVES[,…]', help: 'taken; nothing boots', apply: applyBoot },
  { names: ['rtc'], argument: '[base=…][,clock=…]', help: 'taken; the model has no clock chip', apply: applyClock },
  {
    names: ['icount'],
    argument: '[shift=]N|auto[,…]',
    help: 'virtual instruction counter',
    apply: applyInstructionCount,
  },
  { names: ['global'], argument: 'DRIVER.PROPERTY=VALUE', help: 'default of a device property', apply: applyGlobal },
  {
    names: ['name'],
    argument: 'NAME[,process=NAME][,debug-threads=on|off]',
    help: 'the name that query-name tells',
    apply: applyName,
  },
  { names: ['uuid'], argument: 'UUID', help: 'the identity that query-uuid tells', apply: applyUuid },
];
