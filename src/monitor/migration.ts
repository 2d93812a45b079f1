import { CommandError } from '../core/errors.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/**
 * QEMU's out-of-band commands, with its answers where there is no migration and nothing that yank could cut. Clients
 * probe for out-of-band with them.
 */
export function migrationHandlers(
  machine: Machine,
): HandlersOf<'migrate-pause' | 'migrate-recover' | 'yank' | 'query-yank'> {
  return {
    'migrate-pause': () => {
      throw new CommandError('migrate-pause is currently only supported during postcopy-active state');
    },
    'migrate-recover': () => {
      throw new CommandError('Migrate recover can only be run when postcopy is paused.');
    },
    yank: (args) => {
      const labels = machine.characterDevices.all.flatMap(({ kind, label }) => (kind === 'socket' ? [label] : []));
      const known = args.instances.every((instance) => instance.type === 'chardev' && labels.includes(instance.id));
      if (!known) throw new CommandError('Instance not found', 'DeviceNotFound');
      if (args.instances.length > 0) {
        throw new CommandError('The sockets are those of monitors, which nothing here can block: they are not cut');
      }
      return {};
    },
    // QEMU could cut the sockets of its monitors.
    'query-yank': () =>
      machine.characterDevices.all.flatMap(({ kind, label: id }) =>
        kind === 'socket' ? [{ type: 'chardev', id }] : [],
      ),
  };
}
