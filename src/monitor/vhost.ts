import { CommandError } from '../core/errors.ts';
import { VhostAgent } from '../devices/vhost-agent.ts';
import type { GuestBuffer } from '../guest/virtio/queue.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Devices that vhost serves, and the built-in guest's driver of them. */
export function vhostHandlers(
  machine: Machine,
): HandlersOf<'query-vhost' | 'guest-vhost-start' | 'guest-vhost-transfer'> {
  return {
    'query-vhost': () => ({
      devices: agentsOf(machine).map(({ card, label, vhost }) => ({
        device: label,
        ...vhost.describe(),
        ...(card.stalled !== null && { stalled: card.stalled }),
        packets: card.packets,
      })),
    }),
    'guest-vhost-start': ({ device, address, iova = address, ats = false }) => {
      const agent = agentNamed(machine, device);
      machine.guests.cards.driverOf(agent).start({ address, iova, ats });
      const { failure } = agent.card;
      if (failure !== null) throw new CommandError(`vhost cannot start for device '${agent.label}': ${failure}`);
      return {};
    },
    'guest-vhost-transfer': ({ device, out, into }) => {
      const agent = agentNamed(machine, device);
      const { received, transmitted } = machine.guests.cards.driverOf(agent).transfer({
        ...(out !== undefined && { out: buffer(out) }),
        ...(into !== undefined && { into: buffer(into) }),
      });
      const { stalled } = agent.card;
      return {
        transmitted,
        received: received.map(({ address, length }) => ({ iova: address, size: length })),
        ...(stalled !== null && { stalled }),
      };
    },
  };
}

/** Bus by bus. */
function agentsOf(machine: Machine): VhostAgent[] {
  return machine.devices().filter((device): device is VhostAgent => device instanceof VhostAgent);
}

/** @throws CommandError for a device that is something else */
function agentNamed(machine: Machine, name: string): VhostAgent {
  const device = machine.findDevice(name);
  if (device instanceof VhostAgent) return device;
  throw new CommandError(`vhost does not serve device '${device.label}'; add a vhost-agent`);
}

function buffer({ iova, size }: { iova: bigint; size: number }): GuestBuffer {
  return { address: iova, length: size };
}
