import { isIdentifier } from '../../core/identifier.ts';
import type { Machine } from '../../machine/machine.ts';
import { flatViewText, memoryTreeText } from '../../memory/tree-text.ts';
import { describePci } from '../../pci/query.ts';
import { pciText } from '../../pci/text.ts';
import type { Device } from '../../qom/device.ts';
import type { Identity } from '../identity.ts';
import { iothreads, memoryBackends } from '../object-listings.ts';
import { absentTopics } from './absent-topics.ts';
import type { HumanCommand, HumanParameter } from './command.ts';
import { deviceTreeText } from './device-tree.ts';
import type { DumpFormats } from './dump-format.ts';
import { iommuTopic } from './iommu.ts';
import { memoryCommands } from './memory-commands.ts';
import { HumanMonitor } from './monitor.ts';
import { readKeyValues } from './key-values.ts';
import { objectCommands } from './object-commands.ts';
import { objectTreeText } from './object-tree.ts';
import { traceCommand, traceTopic } from './traces.ts';

/** What the running command may do once its text has gone out. */
export type AfterReply = (action: () => void) => void;

const noParameters: readonly HumanParameter[] = [];

function simple(names: readonly string[], help: string, run: () => string): HumanCommand {
  return { names, parameters: noParameters, usage: '', help, run };
}

/** Where the registers of a device of the system bus lie. */
function regionLines(machine: Machine, { id, path }: Device): string[] {
  const digits = (value: bigint): string => value.toString(16).padStart(16, '0');
  return machine.memory.root.subregions
    .filter(
      ({ kind, owner }) => kind === 'mmio' && owner !== null && (id === null ? owner.path === path : owner.id === id),
    )
    .map(({ address, size }) => `mmio ${digits(address)}/${digits(size)}`);
}

/** The text of `info memdev`. */
function memoryBackendsText(machine: Machine): string {
  const backends = memoryBackends(machine).map((backend) =>
    [
      `memory backend: ${backend.id}`,
      `  size:  ${backend.size}`,
      ...(['merge', 'dump', 'prealloc', 'share', 'reserve', 'policy'] as const).map(
        (name) => `  ${name}: ${backend[name]}`,
      ),
      `  host nodes: ${backend['host-nodes'].join(',')}`,
    ].map((line) => `${line}\n`),
  );
  return `${backends.flat().join('')}\n`;
}

/** The text of `info iothreads`. */
function iothreadsText(machine: Machine): string {
  return iothreads(machine)
    .map((thread) => {
      const settings = (['poll-max-ns', 'poll-grow', 'poll-shrink', 'aio-max-batch'] as const).map(
        (name) => `  ${name}=${thread[name]}\n`,
      );
      return `${thread.id}:\n  thread_id=${thread['thread-id']}\n${settings.join('')}`;
    })
    .join('');
}

/** What `info` shows. */
function topics(machine: Machine, identity: Identity): HumanCommand[] {
  return [
    {
      names: ['mtree'],
      // There is no dispatch tree: -d changes nothing.
      parameters: ['f', 'd', 'o', 'D'].map((letter) => ({ kind: 'flag', letter })),
      usage: '[-f][-d][-o][-D]',
      help:
        'show memory tree (-f: dump flat view for address spaces;-d: dump dispatch tree, valid with -f only);' +
        '-o: dump region owners/parents;-D: dump disabled regions',
      run: ({ flags }) =>
        flags.has('f')
          ? flatViewText(machine.topology, { owners: flags.has('o') })
          : memoryTreeText(machine.topology, { owners: flags.has('o'), disabled: flags.has('D') }),
    },
    simple(['pci'], 'show PCI info', () => (machine.rootBus === null ? '' : pciText(describePci(machine.rootBus)))),
    iommuTopic(machine),
    traceTopic(machine),
    simple(['qtree'], 'show device tree', () =>
      deviceTreeText(machine.tree.systemBus, (device) => regionLines(machine, device)),
    ),
    {
      names: ['qom-tree'],
      parameters: [{ kind: 'string', name: 'path', optional: true }],
      usage: '[path]',
      help: 'show QOM composition tree',
      run: ({ strings: [path] }) => objectTreeText(machine.qom, path),
    },
    simple(['chardev'], 'show the character devices', () =>
      machine.characterDevices.all.map((device) => `${device.label}: filename=${device.filename()}\n`).join(''),
    ),
    simple(['memdev'], 'show memory backends', () => memoryBackendsText(machine)),
    simple(['iothreads'], 'show iothreads', () => iothreadsText(machine)),
    simple(
      ['memory_size_summary'],
      'show the amount of initially allocated and present hotpluggable (if enabled) memory in bytes.',
      () => {
        const summary = machine.memorySummary();
        return `base memory: ${summary['base-memory']}\nplugged memory: ${summary['plugged-memory']}\n`;
      },
    ),
    ...absentTopics.map(
      ({ name, usage = '', help, text }): HumanCommand => ({
        names: [name],
        parameters: usage === '' ? noParameters : [{ kind: 'string', name: 'argument', optional: true }],
        usage,
        help,
        run: () => text,
      }),
    ),
    simple(['version'], 'show the version of QEMU', () => {
      const { major, minor, micro } = identity.version.qemu;
      return `${major}.${minor}.${micro}${identity.version.package}\n`;
    }),
    simple(['status'], 'show the current VM status (running|paused)', () => {
      const { running, status } = machine.status();
      const detail = running || status === 'paused' ? '' : ` (${status})`;
      return `VM status: ${running ? 'running' : 'paused'}${detail}\n`;
    }),
    simple(['name'], 'show the current VM name', () => (identity.name === undefined ? '' : `${identity.name}\n`)),
    simple(['uuid'], 'show the current VM UUID', () => `${identity.uuid}\n`),
  ];
}

function commands(machine: Machine, afterReply: AfterReply): HumanCommand[] {
  const silent = (action: () => void) => (): string => {
    action();
    return '';
  };
  return [
    simple(
      ['stop', 's'],
      'stop emulation',
      silent(() => machine.stop()),
    ),
    simple(
      ['cont', 'c'],
      'resume emulation',
      silent(() => machine.cont()),
    ),
    simple(
      ['system_reset'],
      'reset the system',
      silent(() => machine.reset(afterReply)),
    ),
    simple(
      ['system_powerdown'],
      'send system power down event',
      silent(() => machine.powerdown()),
    ),
    simple(
      ['quit', 'q'],
      'quit the emulator',
      silent(() => machine.quit(afterReply)),
    ),
    {
      names: ['device_add'],
      parameters: [{ kind: 'string', name: 'device', optional: true }],
      usage: 'driver[,prop=value][,...]',
      help: 'add device, like -device on the command line',
      run: ({ strings }) => {
        const values = readKeyValues(strings[0] ?? '', 'driver');
        // QEMU's reason goes to its standard error; the monitor shows the hint alone.
        if (values['id'] !== undefined && !isIdentifier(values['id']))
          return 'Try "help device_add" for more information\n';
        machine.deviceAdd(values);
        return '';
      },
    },
    {
      names: ['device_del'],
      parameters: [{ kind: 'string', name: 'id' }],
      usage: 'device',
      help: 'remove device',
      run: ({ strings }) => {
        machine.deviceDelete(strings[0]!, afterReply);
        return '';
      },
    },
  ];
}

/**
 * The human monitor of a machine.
 * @param afterReply of the command that runs it
 * @param formats the last format that was given
 */
export function createHumanMonitor(
  machine: Machine,
  identity: Identity,
  afterReply: AfterReply,
  formats: DumpFormats,
): HumanMonitor {
  const all = [
    ...commands(machine, afterReply),
    ...memoryCommands(machine),
    ...objectCommands(machine),
    traceCommand(machine),
  ];
  return new HumanMonitor(all, topics(machine, identity), formats);
}
