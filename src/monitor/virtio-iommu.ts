import { CommandError } from '../core/errors.ts';
import type { CommandMap } from '../generated/types.ts';
import { REQUEST_STATUS_NAMES, VirtioIommuDriver } from '../guest/virtio/iommu-driver.ts';
import type { IommuRequest } from '../iommu/virtio/protocol.ts';
import { MapFlag } from '../iommu/virtio/protocol.ts';
import { probedRegions } from '../iommu/virtio/reserved-regions.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

type Arguments = CommandMap['guest-virtio-iommu']['arguments'];

/** Requests of the built-in guest to a virtio-iommu. */
export function virtioIommuHandlers(machine: Machine): HandlersOf<'guest-virtio-iommu'> {
  return {
    'guest-virtio-iommu': (args) => {
      const driver = driverOf(machine, args.iommu);
      const answer = driver.request(requestOf(machine, args), args.flush ?? true);
      const faults = driver.takeFaults();
      if (answer === null) return { faults };
      const { status: code, properties } = answer;
      const status = REQUEST_STATUS_NAMES[code];
      if (status === undefined) throw new CommandError(`The device answered with status ${code}, which does not exist`);
      return {
        status,
        code,
        ...(properties !== undefined && { 'reserved-regions': probedRegions(properties) }),
        faults,
      };
    },
  };
}

function driverOf(machine: Machine, name: string | undefined): VirtioIommuDriver {
  const unit = name === undefined ? machine.units[0] : machine.findUnit(name);
  const driver = unit === undefined ? null : machine.guests.driverOf(unit);
  if (driver instanceof VirtioIommuDriver) return driver;
  throw new CommandError(
    unit === undefined
      ? 'The machine has no vIOMMU; start with -device virtio-iommu-pci'
      : `vIOMMU '${unit.name}' is of type ${unit.kind}; start with -device virtio-iommu-pci`,
  );
}

/** @throws CommandError when a member is missing that the request needs */
function requestOf(machine: Machine, args: Arguments): IommuRequest {
  const need = <Name extends keyof Arguments>(name: Name): NonNullable<Arguments[Name]> => {
    const value = args[name];
    if (value === undefined) throw new CommandError(`Parameter '${name}' is missing`);
    return value;
  };
  const endpoint = (): number => args.endpoint ?? machine.findPciDevice(need('device')).requesterId();
  const type = args.request;
  switch (type) {
    case 'attach':
      return { type, domain: need('domain'), endpoint: endpoint(), flags: args.flags ?? 0 };
    case 'detach':
      return { type, domain: need('domain'), endpoint: endpoint() };
    case 'map':
      return {
        type,
        domain: need('domain'),
        start: need('start'),
        last: need('last'),
        physical: need('address'),
        flags: args.flags ?? MapFlag.read | MapFlag.write,
      };
    case 'unmap':
      return { type, domain: need('domain'), start: need('start'), last: need('last') };
    case 'probe':
      return { type, endpoint: endpoint() };
  }
}
