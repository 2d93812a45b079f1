import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { DmaDevice } from '../devices/dma-device.ts';
import { VfioPciDevice } from '../devices/vfio-pci.ts';
import type { CommandMap } from '../generated/types.ts';
import { type Reach, ReverseSearch } from '../iommu/reverse-search.ts';
import type { Machine } from '../machine/machine.ts';
import { Permission } from '../memory/access.ts';
import { PciDevice } from '../pci/device.ts';
import type { HandlersOf } from './handlers-of.ts';

type Arguments = CommandMap['iommu-reverse-translate']['arguments'];

const DEFAULT_LIMIT = 1000;
const MOST_USERS = 10_000;
/** Table entries: some hundredths of a second. */
const BUDGET = 1_000_000;
/** A page number must be exact in a walk: physical addresses have 52 bits at most. */
const ADDRESS_BITS = 52n;
const PAGE_SHIFT = 12;

function reachOf(machine: Machine, device: DmaDevice, search: ReverseSearch, space: Arguments['space']): Reach[] {
  if (device instanceof PciDevice && !device.busMasterEnabled) return [];
  if (space === 'host') {
    if (!(device instanceof VfioPciDevice)) return [];
    return machine.host.iommu.reverseLookUp.search(device.vfio.function, search);
  }
  const view = machine.spaceOf(device);
  if (view !== null) return view.unit.reverse(view, search);
  return search.direct(search.page, PAGE_SHIFT, Permission.readWrite, undefined);
}

/** Which devices reach an address. */
export function reverseTranslationHandlers(machine: Machine): HandlersOf<'iommu-reverse-translate'> {
  return {
    'iommu-reverse-translate': ({ address, space, device: name, limit = DEFAULT_LIMIT }) => {
      if (limit < 1 || limit > MOST_USERS) {
        throw new CommandError(`Parameter 'limit' is ${limit}; between 1 and ${MOST_USERS} users can be wanted`);
      }
      if (address >> ADDRESS_BITS !== 0n) {
        throw new CommandError(
          `Address ${hex(address)} is above ${hex((1n << ADDRESS_BITS) - 1n)}, the last of ${ADDRESS_BITS} address ` +
            'bits: no table leads there',
        );
      }
      const named = name === undefined ? null : machine.findDevice(name);
      if (space === 'host' && named !== null && !(named instanceof VfioPciDevice)) {
        throw new CommandError(
          `Device '${named.label}' is emulated: no host IOMMU translates its DMA; use space guest`,
        );
      }
      const search = new ReverseSearch({ address, limit, budget: BUDGET });
      const users = (named === null ? machine.dmaDevices() : [named]).flatMap((device) =>
        reachOf(machine, device, search, space).map((reach) => ({ device: device.label, ...reach })),
      );
      return { users, complete: search.complete };
    },
  };
}
