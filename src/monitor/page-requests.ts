import { CommandError } from '../core/errors.ts';
import { pageGroupsOf } from '../devices/page-groups.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Software's answer to page requests, from outside the guest. */
export function pageRequestHandlers(machine: Machine): HandlersOf<'page-response'> {
  return {
    'page-response': ({ device, group, pasid, response }) => {
      const groups = pageGroupsOf(machine.findDevice(device));
      if (groups === null) {
        throw new CommandError(
          `Device '${device}' makes no page requests: a dma-agent does with pri=on, a vfio-pci where its host function can`,
        );
      }
      groups.respond({ group, response, ...(pasid !== undefined && { pasid }) });
      return {};
    },
  };
}
