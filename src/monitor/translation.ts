import { CommandError } from '../core/errors.ts';
import { DmaAgent } from '../devices/dma-agent.ts';
import { VfioPciDevice } from '../devices/vfio-pci.ts';
import type { IotlbEntry, QueryIotlbArguments, QueryIotlbReturn, TranslationResult } from '../generated/types.ts';
import type { IommuInfo, IommuUnit } from '../iommu/unit.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

const defaultLimit = 1000;

const order = (a: IotlbEntry, b: IotlbEntry): number => {
  if (a.iova !== b.iova) return a.iova < b.iova ? -1 : 1;
  return a['domain-id'] - b['domain-id'] || (a.pasid ?? -1) - (b.pasid ?? -1);
};

/**
 * One part of a listing: from `start` on, `limit` entries, and then as many more as share the last one's address, so
 * that the address to go on from leaves nothing out.
 */
function page(entries: readonly IotlbEntry[], args: QueryIotlbArguments): QueryIotlbReturn {
  const { start = 0n, limit = defaultLimit } = args;
  if (limit < 1) throw new CommandError(`Parameter 'limit' is ${limit}; at least 1 entry is wanted`);
  const wanted = entries.filter(({ iova }) => iova >= start).toSorted(order);
  let count = Math.min(limit, wanted.length);
  while (count < wanted.length && wanted[count]!.iova === wanted[count - 1]!.iova) count += 1;
  return { entries: wanted.slice(0, count), next: wanted[count]?.iova };
}

/** The rooms below give reasons as words; a test holds every one of them to the enumeration of the schema. */
function typed(outcome: Omit<TranslationResult, 'reason'>): TranslationResult {
  return outcome as TranslationResult;
}

/** A unit with its own caches and, behind those, the caches of the devices that it serves. */
function describe(machine: Machine, unit: IommuUnit): IommuInfo {
  const info = unit.describe();
  const caches = machine.devices().flatMap((device) => {
    if (!(device instanceof DmaAgent && device.caches && machine.spaceOf(device)?.unit === unit)) return [];
    const { entries, size, hits, misses } = device.cache;
    return [{ name: `device:${device.label}`, entries, size, hits, misses }];
  });
  return { ...info, caches: [...info.caches, ...caches] };
}

/** What an address becomes, and what the caches hold. */
export function translationHandlers(machine: Machine): HandlersOf<'iommu-translate' | 'query-iommus' | 'query-iotlb'> {
  return {
    'query-iommus': () => ({ iommus: machine.units.map((unit) => describe(machine, unit)) }),
    'query-iotlb': (args) => {
      const device = args.device === undefined ? undefined : machine.findDevice(args.device);
      if (args.side === 'host') return page(machine.host.iotlbEntries(device?.label), args);
      const space = device && machine.spaceOf(device);
      if (device === undefined)
        return page(
          machine.units.flatMap((one) => one.iotlbEntries()),
          args,
        );
      if (space == null) return page([], args);
      return page(
        space.unit.iotlbEntries().filter((entry) => entry.device === space.deviceName),
        args,
      );
    },
    'iommu-translate': (args) => {
      const device = machine.findDevice(args.device);
      const { address, access = 'read', explain = false, pasid } = args;
      if (args.via === 'host') {
        if (!(device instanceof VfioPciDevice)) {
          throw new CommandError(
            `Device '${device.label}' is emulated: no host IOMMU translates its DMA; use via viommu`,
          );
        }
        const { function: source } = device.vfio;
        const answer = source.translate(address, access, pasid);
        if (!explain) return typed(answer);
        return typed({ ...answer, steps: machine.host.iommu.explanation.steps(source, address, access, pasid) });
      }
      const space = machine.spaceOf(device);
      if (space === null) throw new CommandError(`Device '${device.label}' is behind no vIOMMU; nothing is translated`);
      const request = { address, access, explain, ...(pasid === undefined ? {} : { pasid }) };
      return typed(space.unit.translate(space, request));
    },
  };
}
