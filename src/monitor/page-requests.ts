import { CommandError } from '../core/errors.ts';
import { pageGroupsOf } from '../devices/page-groups.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Page requests that wait for software, and its answer, from outside the guest. */
export function pageRequestHandlers(machine: Machine): HandlersOf<'page-response' | 'query-page-requests'> {
  return {
    'page-response': ({ device, group, pasid, response }) => {
      const groups = pageGroupsOf(machine.findPciDevice(device));
      if (groups === null) {
        throw new CommandError(
          `Device '${device}' makes no page requests: a dma-agent does with pri=on, a vfio-pci where its host function can`,
        );
      }
      groups.respond({ group, response, ...(pasid !== undefined && { pasid }) });
      return {};
    },
    'query-page-requests': () => ({
      groups: machine.devices().flatMap((device) =>
        (pageGroupsOf(device)?.describe() ?? []).map(({ group, pasid, write, pages, transfers }) => ({
          device: device.label,
          ...(pasid !== null && { pasid }),
          group,
          access: write ? ('write' as const) : ('read' as const),
          addresses: [...pages],
          transfers,
        })),
      ),
    }),
  };
}
