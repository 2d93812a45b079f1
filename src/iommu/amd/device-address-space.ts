import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { IommuRegion, type IommuRegionOperations } from '../../memory/iommu-region.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { TraceParts } from '../../trace/trace.ts';
import { INTERRUPT_RANGE_SIZE, INTERRUPT_RANGE_START } from '../interrupt-messages.ts';
import type { PciPlace } from '../place.ts';
import { SwitchedSpace, type SwitchedRegions } from '../switched-space.ts';
import type { IommuUnit } from '../unit.ts';

/** What all device address spaces of one unit have in common. */
export interface SharedRegions {
  /** Plain memory as devices see it: the system's, with the interrupt range in front. */
  readonly withoutRemapping: MemoryRegion;
  /** Takes the devices' interrupt messages. */
  readonly interrupts: MemoryRegion;
  readonly owner: RegionOwner;
}

/** The regions that all devices see while they are not translated; names as in QEMU. */
export function sharedRegions(systemMemory: AddressSpace, interrupts: MemoryRegion, owner: RegionOwner): SharedRegions {
  const { topology, root } = systemMemory;
  const withoutRemapping = MemoryRegion.container(topology, 'amdvi-sys', ADDRESS_SPACE_SIZE);
  const system = MemoryRegion.alias(topology, 'amdvi-nodma', root, 0n, ADDRESS_SPACE_SIZE);
  for (const region of [withoutRemapping, system, interrupts]) region.owner = owner;
  topology.transaction(() => {
    withoutRemapping.addSubregion(0n, system);
    withoutRemapping.addSubregion(INTERRUPT_RANGE_START, interrupts, 1);
  });
  return { withoutRemapping, interrupts, owner };
}

interface AmdDeviceSpaceParts {
  readonly unit: IommuUnit;
  readonly place: PciPlace;
  readonly systemMemory: AddressSpace;
  readonly shared: SharedRegions;
  readonly trace: TraceParts;
  /** What the IOMMU region of this space does. */
  readonly operations: IommuRegionOperations;
}

/** One function's address space behind the unit: plain memory, or the IOMMU region with the interrupt range in it. */
export class AmdDeviceSpace extends SwitchedSpace<PciPlace> {
  constructor(parts: AmdDeviceSpaceParts) {
    const { unit, place, trace } = parts;
    super({ unit, place, regions: regionsOf(parts), hasObject: true, trace });
  }

  /** Of its requests, and the index of its entry in the device table: bus, device and function. */
  get deviceId(): number {
    return this.place.sourceId;
  }
}

function regionsOf({ place, shared, operations, systemMemory }: AmdDeviceSpaceParts): SwitchedRegions {
  const { topology } = systemMemory;
  const root = MemoryRegion.container(topology, 'amdvi_root', ADDRESS_SPACE_SIZE);
  const translated = new IommuRegion(topology, 'amd_iommu', ADDRESS_SPACE_SIZE, operations);
  const hole = MemoryRegion.alias(topology, 'amdvi-ir', shared.interrupts, 0n, INTERRUPT_RANGE_SIZE);
  const plain = MemoryRegion.alias(topology, 'amdvi-sys', shared.withoutRemapping, 0n, ADDRESS_SPACE_SIZE);
  for (const region of [root, translated, hole, plain]) region.owner = shared.owner;
  topology.transaction(() => {
    translated.addSubregion(INTERRUPT_RANGE_START, hole, 1);
    root.addSubregion(0n, translated);
    root.addSubregion(0n, plain);
    translated.setEnabled(false);
  });
  return { root, translated, plain, name: `amd_iommu_devfn_${place.devfn}` };
}
