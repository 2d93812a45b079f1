import type { DeviceSpace, IommuUnit } from '../../src/iommu/unit.ts';
import type { PciBus } from '../../src/pci/bus.ts';

/** A function's space behind the unit that serves its bus. */
export function spaceAt(unit: IommuUnit, bus: PciBus, devfn: number): DeviceSpace {
  const space = unit.spaceOf(bus.addressSpaceOf(devfn));
  if (space === null) throw new Error(`${unit.name} does not serve ${bus.busName}`);
  return space;
}
