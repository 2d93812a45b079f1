import type { Machine } from '../machine/machine.ts';
import { createHumanMonitor } from './human/commands.ts';
import { DumpFormats } from './human/dump-format.ts';
import type { Identity } from './identity.ts';
import type { HandlersOf } from './handlers-of.ts';

/** The daemon's identity, and the way to the human monitor. */
export function protocolHandlers(
  machine: Machine,
  identity: Identity,
): HandlersOf<'query-version' | 'query-name' | 'query-uuid' | 'query-target' | 'query-kvm' | 'human-monitor-command'> {
  const formats = new DumpFormats();
  return {
    'query-version': () => identity.version,
    'query-name': () => ({ name: identity.name }),
    'query-uuid': () => ({ UUID: identity.uuid }),
    'query-target': () => ({ arch: 'x86_64' }),
    // As QEMU's build tells it, which takes -accel kvm as we do; whether it is used is what clients go by.
    'query-kvm': () => ({ enabled: false, present: true }),
    'human-monitor-command': (args, context) =>
      createHumanMonitor(machine, identity, (action) => context.afterReply(action), formats).execute(
        args['command-line'],
      ),
  };
}
