import { CommandError } from '../core/errors.ts';
import type { GuestDriver } from '../guest/guest-driver.ts';
import type { IommuUnit } from '../iommu/unit.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

/** The unit that the command names, or the only one. @throws CommandError */
function unitNamed(machine: Machine, name: string | undefined): IommuUnit {
  if (name !== undefined) return machine.findUnit(name);
  const [unit] = machine.units;
  if (unit === undefined) throw new CommandError('The machine has no vIOMMU; start with -device intel-iommu');
  return unit;
}

/** The guest's driver of the unit in front of a device, and how the unit knows the device. @throws CommandError */
function driven(machine: Machine, name: string): { driver: GuestDriver; sourceId: number } {
  const device = machine.findDevice(name);
  const space = machine.spaceOf(device);
  if (space === null)
    throw new CommandError(`Device '${device.label}' is behind no vIOMMU; there is nothing to map it in`);
  return {
    driver: machine.guests.driverOf(space.unit),
    sourceId: space.guestId ?? machine.findPciDevice(name).requesterId(),
  };
}

const withPasid = (pasid: number | undefined): { pasid?: number } => (pasid === undefined ? {} : { pasid });

/** What the built-in guest does on command. */
export function guestHandlers(
  machine: Machine,
): HandlersOf<'guest-iommu-enable' | 'guest-dma-map' | 'guest-dma-unmap' | 'guest-svm-bind' | 'guest-svm-unbind'> {
  return {
    'guest-iommu-enable': ({ iommu, mode, tables }) => ({
      tables: machine.guests.driverOf(unitNamed(machine, iommu)).enable(mode, tables),
    }),
    'guest-dma-map': ({ device, iova, address, size, permissions = ['read', 'write'], pasid }) => {
      const { driver, sourceId } = driven(machine, device);
      driver.map({ sourceId, iova, address, size, permissions, ...withPasid(pasid) });
      return {};
    },
    'guest-dma-unmap': ({ device, iova, size, pasid, flush = true }) => {
      const { driver, sourceId } = driven(machine, device);
      driver.unmap({ sourceId, iova, size, flush, ...withPasid(pasid) });
      return {};
    },
    'guest-svm-bind': ({ device, pasid, 'page-table': pageTable }) => {
      const { driver, sourceId } = driven(machine, device);
      driver.bindPageTable({ sourceId, pasid, pageTable });
      return {};
    },
    'guest-svm-unbind': ({ device, pasid, flush = true }) => {
      const { driver, sourceId } = driven(machine, device);
      driver.unbindPageTable({ sourceId, pasid, flush });
      return {};
    },
  };
}
