import { hex } from '../core/address.ts';
import type { Gpa } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { VfioPciDevice } from '../devices/vfio-pci.ts';
import type { CommandMap } from '../generated/types.ts';
import type { Machine } from '../machine/machine.ts';
import type { FlushResult, IommuObject, IotlbFlush, PasidCacheFlush } from '../memory/iommu-object.ts';
import type { PciDevice } from '../pci/device.ts';
import type { HandlersOf } from './handlers-of.ts';

const smallestPage = 4096n;
/** Used as the size of a bind that is going to be refused, because no host stands behind the device to ask. */
const noHostSize = smallestPage;

function objectOf(device: PciDevice): IommuObject {
  const object = device.addressSpace.iommuObject();
  if (object === null) {
    throw new CommandError(
      `Device '${device.label}' has no IOMMU object: no vIOMMU stands behind its address space ` +
        `'${device.addressSpace.name}'; start with -device intel-iommu`,
    );
  }
  return object;
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new CommandError(`Parameter '${name}' is missing`);
  return value;
}

/** The scope of a flush from its arguments, each of which a granularity may demand. */
function iotlbFlush(args: CommandMap['iommu-flush-iotlb']['arguments']): IotlbFlush {
  const { granularity } = args;
  const domainId = granularity === 'domain' ? required(args['domain-id'], 'domain-id') : args['domain-id'];
  const byPasid = granularity === 'pasid' || granularity === 'page';
  const pasid = byPasid ? required(args.pasid, 'pasid') : args.pasid;
  const flush: IotlbFlush = { granularity, leafOnly: args['leaf-only'] ?? false };
  if (domainId !== undefined) flush.domainId = domainId;
  if (pasid !== undefined) flush.pasid = pasid;
  if (granularity === 'page') {
    flush.address = required(args.address, 'address');
    flush.size = required(args.size, 'size');
    checkFlushRange(flush.address, flush.size);
  }
  return flush;
}

function checkFlushRange(address: bigint, size: bigint): void {
  if (size < smallestPage || (size & (size - 1n)) !== 0n) {
    throw new CommandError(`Parameter 'size' is ${size}; a flush covers a power of two of at least 4096 bytes`);
  }
  if ((address & (size - 1n)) !== 0n) {
    throw new CommandError(`Parameter 'address' ${hex(address)} is not a multiple of the size of the flush, ${hex(size)}`);
  }
}

function pasidCacheFlush(args: CommandMap['iommu-flush-pasid-cache']['arguments']): PasidCacheFlush {
  const flush: PasidCacheFlush = { granularity: args.granularity };
  const domainId = args.granularity === 'domain' ? required(args['domain-id'], 'domain-id') : args['domain-id'];
  const pasid = args.granularity === 'pasid' ? required(args.pasid, 'pasid') : args.pasid;
  if (domainId !== undefined) flush.domainId = domainId;
  if (pasid !== undefined) flush.pasid = pasid;
  return flush;
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
        args.size ?? (device instanceof VfioPciDevice ? device.hostFunction.maximumTableSize(format) : noHostSize);
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
    'iommu-set-bypass': (args) => {
      const device = machine.findDevice(args.device);
      const unit = machine.unitOf(device);
      if (unit === null) {
        throw new CommandError(`Device '${device.label}' is behind no vIOMMU, so its address space cannot be switched`);
      }
      unit.setBypass(device.bus, device.devfn, args.mode);
      return {};
    },
    'query-iommu-notifiers': () => ({ notifiers: machine.notifiers() }),
  };
}
