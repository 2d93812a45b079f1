import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { IommuRegion, type IommuRegionOperations } from '../../memory/iommu-region.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { TraceParts } from '../../trace/trace.ts';
import type { PciPlace } from '../place.ts';
import { SwitchedSpace } from '../switched-space.ts';
import type { IommuUnit } from '../unit.ts';
import type { ReservedRegion } from './reserved-regions.ts';

interface EndpointSpaceParts {
  readonly unit: IommuUnit;
  readonly place: PciPlace;
  /** Counts the spaces of the unit: QEMU's names hold it. */
  readonly index: number;
  readonly systemMemory: AddressSpace;
  readonly owner: RegionOwner;
  readonly operations: IommuRegionOperations;
  readonly trace: TraceParts;
}

/** One endpoint's address space: a root that shows either the IOMMU region or the system memory. */
export class EndpointSpace extends SwitchedSpace<PciPlace> {
  /** Beside those of the unit: what the host behind the endpoint cannot map. */
  hostRegions: readonly ReservedRegion[] = [];

  constructor(parts: EndpointSpaceParts) {
    const { unit, place, trace } = parts;
    super({
      unit,
      place,
      regions: regionsOf(parts),
      hasObject: true,
      bindRefusal: `vIOMMU '${unit.name}' has no PASIDs: virtio-iommu takes mappings by request, and no PASID table`,
      trace,
    });
  }

  get bus(): PciBus {
    return this.place.bus;
  }

  get devfn(): number {
    return this.place.devfn;
  }

  /** The number by which requests name it: the requester ID, with the bus number as software programmed it. */
  get endpoint(): number {
    return this.place.sourceId;
  }
}

function regionsOf({ place, index, systemMemory, owner, operations }: EndpointSpaceParts): {
  root: MemoryRegion;
  translated: IommuRegion;
  plain: MemoryRegion;
  name: string;
} {
  const { topology } = systemMemory;
  const name = `virtio-iommu-memory-region-${index}-${place.devfn}`;
  const root = MemoryRegion.container(topology, name, ADDRESS_SPACE_SIZE);
  const translated = new IommuRegion(topology, name, ADDRESS_SPACE_SIZE, operations);
  const plain = MemoryRegion.alias(topology, 'system', systemMemory.root, 0n, ADDRESS_SPACE_SIZE);
  for (const region of [root, translated, plain]) region.owner = owner;
  topology.transaction(() => {
    root.addSubregion(0n, plain);
    root.addSubregion(0n, translated);
    translated.setEnabled(false);
  });
  return { root, translated, plain, name: 'virtio-iommu-device' };
}
