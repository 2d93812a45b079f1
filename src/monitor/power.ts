import { CommandError } from '../core/errors.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** The end of a start that waits, what resets and shutdowns do, and what a machine without processors can say about its power and its processors. */
export function powerHandlers(
  machine: Machine,
): HandlersOf<
  | 'x-exit-preconfig'
  | 'set-action'
  | 'system_wakeup'
  | 'inject-nmi'
  | 'query-current-machine'
  | 'query-acpi-ospm-status'
  | 'query-cpus-fast'
  | 'query-hotpluggable-cpus'
> {
  // The power management of the ICH9, which QEMU's other boards do without.
  const hasPowerManagement = machine.type.board === 'q35';
  return {
    'x-exit-preconfig': () => {
      machine.runState.exitPreconfig();
      return {};
    },
    'set-action': ({ reboot, shutdown }) => {
      machine.runState.setActions({
        ...(reboot !== undefined && { noReboot: reboot === 'shutdown' }),
        ...(shutdown !== undefined && { noShutdown: shutdown === 'pause' }),
      });
      return {};
    },
    system_wakeup: () => {
      throw new CommandError(
        hasPowerManagement
          ? 'Unable to wake up: guest is not in suspended state'
          : 'wake-up from suspend is not supported by this guest',
      );
    },
    'inject-nmi': () => {
      if (machine.type.board === 'none') {
        throw new CommandError('this feature or command is not currently supported');
      }
      return {};
    },
    'query-current-machine': () => ({ 'wakeup-suspend-support': hasPowerManagement }),
    'query-acpi-ospm-status': () => {
      if (!hasPowerManagement) throw new CommandError('command is not supported, missing ACPI device');
      return [];
    },
    'query-cpus-fast': () => [],
    'query-hotpluggable-cpus': () => {
      throw new CommandError("The feature 'query-hotpluggable-cpus' is not enabled");
    },
  };
}
