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
      if (args.instances.length > 0) throw new CommandError('Instance not found', 'DeviceNotFound');
      return {};
    },
    // QEMU could cut the sockets of its monitors.
    'query-yank': () =>
      machine.characterDevices.all.flatMap(({ kind, label: id }) =>
        kind === 'socket' ? [{ type: 'chardev', id }] : [],
      ),
  };
}
