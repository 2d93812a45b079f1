import { parseCharacterDevice, parseCompactDevice } from './character-device.ts';
import { OptionError } from './error.ts';
import type { Endpoint } from './options.ts';
import { claimId, type ParameterList, parseParameters, refuse } from './parameters.ts';
import { idsOf, type OptionEntry, type Reading } from './table-entry.ts';

/** Standard input and output serve one character device only. */
function claimStreams(reading: Reading, endpoint: Endpoint): Endpoint {
  if (endpoint.kind === 'stdio') {
    const taken = idsOf(reading, 'standard streams');
    if (taken.size > 0) throw refuse(reading, 'cannot use stdio by multiple character devices');
    taken.add('stdio');
    reading.later.push(() => {
      if (reading.options.daemonize) throw refuse(reading, 'cannot use stdio with -daemonize');
    });
  }
  return endpoint;
}

function applyCharacterDevice(reading: Reading, argument: string): void {
  const device = parseCharacterDevice(reading, argument);
  claimId(reading, 'chardev', idsOf(reading, 'chardev'), device.id);
  claimStreams(reading, device.endpoint);
  reading.options.characterDevices.push(device);
}

/** Runs `use` with the character device of that id once all options are read; each serves one monitor. */
function withCharacterDevice(reading: Reading, id: string, use: (endpoint: Endpoint) => void): void {
  reading.later.push(() => {
    const device = reading.options.characterDevices.find((candidate) => candidate.id === id);
    if (device === undefined) throw refuse(reading, `chardev "${id}" not found`);
    const used = idsOf(reading, 'used chardev');
    if (used.has(id) && !device.mux) throw refuse(reading, `Device '${id}' is in use`);
    used.add(id);
    use(device.endpoint);
  });
}

function addMonitor(
  reading: Reading,
  endpoint: Endpoint,
  control: boolean,
  pretty: boolean,
  chardev: string | null,
): void {
  const { monitors, readlineMonitors } = reading.options;
  if (control) monitors.push({ endpoint, pretty, chardev, option: reading.option });
  else if (endpoint.kind !== 'null') readlineMonitors.push({ endpoint, option: reading.option });
}

export const monitors: ParameterList = {
  name: 'mon',
  implied: 'chardev',
  parameters: { mode: 'string', chardev: 'string', pretty: 'switch' },
};

function applyMonitor(reading: Reading, argument: string): void {
  const { id, chardev, mode = 'readline', pretty } = parseParameters(reading, monitors, argument);
  if (id !== undefined) claimId(reading, 'mon', idsOf(reading, 'mon'), id);
  if (chardev === undefined) throw refuse(reading, "Parameter 'chardev' is missing");
  if (mode !== 'control' && mode !== 'readline')
    throw refuse(reading, `Parameter 'mode' does not accept value '${mode}'`);
  withCharacterDevice(reading, chardev, (endpoint) => {
    if (mode === 'readline' && pretty === 'on') throw refuse(reading, "'pretty' is not compatible with HMP monitors");
    addMonitor(reading, endpoint, mode === 'control', pretty === 'on', chardev);
  });
}

/** `-qmp`, `-qmp-pretty`, `-monitor`: a character device in compact form, or `chardev:ID`. */
function applyCompactMonitor(reading: Reading, argument: string, control: boolean, pretty: boolean): void {
  if (argument.startsWith('chardev:')) {
    const id = argument.slice('chardev:'.length);
    withCharacterDevice(reading, id, (endpoint) => addMonitor(reading, endpoint, control, pretty, id));
    return;
  }
  const endpoint = parseCompactDevice(reading, argument, `${reading.option}: parse error: ${argument}`);
  addMonitor(reading, claimStreams(reading, endpoint), control, pretty, null);
}

function applyHumanMonitor(reading: Reading, argument: string): void {
  if (argument === 'none' || argument.startsWith('none,')) return;
  applyCompactMonitor(reading, argument, false, false);
}

/** `-serial` and `-parallel`: the machine has no such ports, so only `none` and `null` mean something. */
function applyPort(reading: Reading, argument: string, port: string): void {
  if (argument === 'none' || argument === 'null') return;
  const summary = `${reading.option}: could not connect ${port} device to character backend '${argument}'`;
  if (!argument.startsWith('chardev:')) parseCompactDevice(reading, argument, summary);
  throw refuse(reading, `the machine has no ${port} port; leave the option out, or write none for '${argument}'`);
}

function applyQtest(reading: Reading, argument: string): void {
  if (argument.startsWith('chardev:')) {
    withCharacterDevice(reading, argument.slice('chardev:'.length), (endpoint) => (reading.options.qtest = endpoint));
    return;
  }
  const summary = `Failed to initialize device for qtest: "${argument}"`;
  try {
    reading.options.qtest = claimStreams(reading, parseCompactDevice(reading, argument, summary));
  } catch (error) {
    // QEMU looks at this option after all others and no longer knows how it was written.
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(error.sentence.replace(`${reading.option}: `, ''), { more: error.more });
  }
}

/** Options about sockets and who is served on them. */
export const monitorOptions: readonly OptionEntry[] = [
  {
    names: ['qmp'],
    argument: 'unix:PATH[,server=on][,wait=off] | tcp:HOST:PORT[,…] | stdio',
    help: 'serves QMP there; may be given several times',
    apply: (reading, argument) => applyCompactMonitor(reading, argument, true, false),
  },
  {
    names: ['qmp-pretty'],
    argument: 'DEVICE',
    help: 'as -qmp, with indented output',
    apply: (reading, argument) => applyCompactMonitor(reading, argument, true, true),
  },
  {
    names: ['chardev'],
    group: 'chardev',
    argument: 'socket,id=ID,path=PATH|fd=N|host=HOST,port=PORT[,server=on][,wait=off] | stdio,id=ID | null,id=ID',
    help: 'a character device for -mon',
    apply: applyCharacterDevice,
  },
  {
    names: ['mon'],
    group: 'mon',
    argument: '[chardev=]ID,mode=control[,pretty=on|off]',
    help: 'serves QMP on a character device',
    apply: applyMonitor,
  },
  { names: ['monitor'], argument: 'none', help: 'the monitor for humans', apply: applyHumanMonitor },
  {
    names: ['serial'],
    argument: 'none',
    help: 'taken; the machine has no serial port',
    apply: (reading, argument) => applyPort(reading, argument, 'serial'),
  },
  {
    names: ['parallel'],
    argument: 'none',
    help: 'taken; the machine has no parallel port',
    apply: (reading, argument) => applyPort(reading, argument, 'parallel'),
  },
  { names: ['qtest'], argument: 'DEVICE | chardev:ID', help: 'serves the qtest protocol there', apply: applyQtest },
  {
    names: ['qtest-log'],
    argument: 'FILE',
    help: 'where the qtest conversation is written',
    apply: ({ options }, file) => void (options.qtestLog = file),
  },
];
