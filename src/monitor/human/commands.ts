import type { Machine } from '../../machine/machine.ts';
import { flatViewText, memoryTreeText } from '../../memory/tree-text.ts';
import { describePci } from '../../pci/query.ts';
import { pciText } from '../../pci/text.ts';
import type { Identity } from '../identity.ts';
import type { HumanCommand, HumanParameter } from './command.ts';
import { iommuTopic } from './iommu.ts';
import { HumanMonitor } from './monitor.ts';
import { readKeyValues } from './key-values.ts';

/** What the running command may do once its text has gone out. */
export type AfterReply = (action: () => void) => void;

const noParameters: readonly HumanParameter[] = [];

function simple(names: readonly string[], help: string, run: () => string): HumanCommand {
  return { names, parameters: noParameters, usage: '', help, run };
}

/** What `info` shows. */
function topics(machine: Machine, identity: Identity): HumanCommand[] {
  return [
    {
      names: ['mtree'],
      parameters: ['f', 'o', 'D'].map((letter) => ({ kind: 'flag', letter })),
      usage: '[-f][-o][-D]',
      help: 'show memory tree (-f: dump flat view for address spaces;-o: dump region owners/parents;-D: dump disabled regions)',
      run: ({ flags }) =>
        flags.has('f')
          ? flatViewText(machine.topology, { owners: flags.has('o') })
          : memoryTreeText(machine.topology, { owners: flags.has('o'), disabled: flags.has('D') }),
    },
    simple(['pci'], 'show PCI info', () => (machine.rootBus === null ? '' : pciText(describePci(machine.rootBus)))),
    iommuTopic(machine),
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
        machine.deviceAdd(readKeyValues(strings[0] ?? '', 'driver'));
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

/** The human monitor of a machine. @param afterReply of the command that runs it */
export function createHumanMonitor(machine: Machine, identity: Identity, afterReply: AfterReply): HumanMonitor {
  return new HumanMonitor(commands(machine, afterReply), topics(machine, identity));
}
