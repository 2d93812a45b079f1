import type { Gpa } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { DmaDevice } from '../devices/dma-device.ts';
import { VfioPciDevice } from '../devices/vfio-pci.ts';
import type { CommandMap } from '../generated/types.ts';
import type { Machine } from '../machine/machine.ts';
import type { FlushResult, IommuObject } from '../memory/iommu-object.ts';
import { deviceTlbFlush, iotlbFlush, pasidCacheFlush } from './flush-arguments.ts';
import type { HandlersOf } from './handlers-of.ts';

/** Used as the size of a bind that is going to be refused, because no host stands behind the device to ask. */
const noHostSize = 4096n;

function objectOf(device: DmaDevice): IommuObject {
  const object = device.addressSpace.iommuObject();
  if (object === null) {
    throw new CommandError(
      `Device '${device.label}' has no IOMMU object: no vIOMMU stands behind its address space ` +
        `'${device.addressSpace.name}'; start with -device intel-iommu`,
    );
  }
  return object;
}

/** The framework's commands: object notifications, bypass, and what is registered where. */
export function iommuHandlers(
  machine: Machine,
): HandlersOf<
  | 'iommu-bind-pasid-table'
  | 'iommu-unbind-pasid-table'
  | 'iommu-flush-iotlb'
  | 'flush-iotlb'
  | 'iommu-flush-pasid-cache'
  | 'iommu-flush-device-iotlb'
  | 'iommu-set-bypass'
  | 'query-iommu-notifiers'
> {
  const flushIotlb = (args: CommandMap['iommu-flush-iotlb']['arguments']): FlushResult => {
    const object = objectOf(machine.findDevice(args.device));
    return object.flushIotlb(iotlbFlush(args), 'command');
  };
  return {
    'iommu-bind-pasid-table': (args) => {
      const device = machine.findDevice(args.device);
      const object = objectOf(device);
      const format = args.format ?? 'vtd-scalable';
      const size =
        args.size ?? (device instanceof VfioPciDevice ? device.vfio.function.maximumTableSize(format) : noHostSize);
      return object.bind({ address: args.address as Gpa, size, format }, 'command');
    },
    'iommu-unbind-pasid-table': (args) => ({
      listeners: objectOf(machine.findDevice(args.device)).unbind('command'),
    }),
    'iommu-flush-iotlb': flushIotlb,
    'flush-iotlb': flushIotlb,
    'iommu-flush-pasid-cache': (args) => {
      const object = objectOf(machine.findDevice(args.device));
      return object.flushPasidCache(pasidCacheFlush(args), 'command');
    },
    'iommu-flush-device-iotlb': (args) => {
      const device = machine.findPciDevice(args.device);
      const flush = deviceTlbFlush(args);
      const viommu = device.bus.effectiveIommuOps();
      if (viommu?.flushDeviceIotlb === undefined) {
        throw new CommandError(
          `Device '${device.label}' is behind no vIOMMU with ATS, so nobody invalidates what it keeps; start with -device intel-iommu`,
        );
      }
      return { dropped: viommu.flushDeviceIotlb(device.bus, device.devfn, flush) };
    },
    'iommu-set-bypass': (args) => {
      const device = machine.findDevice(args.device);
      const space = machine.spaceOf(device);
      if (space === null) {
        throw new CommandError(`Device '${device.label}' is behind no vIOMMU, so its address space cannot be switched`);
      }
      space.unit.setBypass(space, args.mode);
      return {};
    },
    'query-iommu-notifiers': () => ({ notifiers: machine.notifiers() }),
  };
}
