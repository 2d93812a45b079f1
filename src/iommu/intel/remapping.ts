import type { AddressSpace } from '../../memory/address-space.ts';
import { AddressSpaceTableMemory, LookOnlyTableMemory } from '../../memory/table-memory.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import { Iotlb } from '../iotlb.ts';
import { CachedContext, ContextCache } from './context-cache.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import type { RootTable } from './invalidation.ts';
import type { IntelProperties } from './properties.ts';
import { RequestWalk } from './request-walk.ts';
import type { Shadow } from '../shadow.ts';

/** How many translations QEMU's IOTLB holds. */
export const IOTLB_ENTRIES = 1024;

/** One address space behind the unit, with what the unit keeps for it. */
export interface TranslatedSpace {
  readonly space: IntelDeviceSpace;
  readonly context: CachedContext;
  readonly shadow: Shadow;
}

export const NO_ROOT: RootTable = { address: 0, mode: 'legacy' };

/**
 * What the parts of the translation side share: what the registers have set, the caches, the spaces of the devices, and
 * a walk that leaves its marks in the tables next to one that only looks.
 */
export class Remapping {
  enabled = false;
  root: RootTable = NO_ROOT;
  readonly properties: IntelProperties;
  readonly systemMemory: AddressSpace;
  readonly points: TracePoints;
  readonly iotlb = new Iotlb({ capacity: IOTLB_ENTRIES, replacement: 'clear', keyedByDomain: false });
  readonly contexts = new ContextCache(() => this.spaces().map(({ context }) => context));
  readonly walk: RequestWalk;
  readonly look: RequestWalk;
  /** By bus, then by devfn + 256 * (PASID + 1). */
  readonly #spaces = new Map<PciBus, Map<number, TranslatedSpace>>();
  readonly #byAddressSpace = new Map<AddressSpace, TranslatedSpace>();

  constructor(properties: IntelProperties, systemMemory: AddressSpace, points: TracePoints) {
    this.properties = properties;
    this.systemMemory = systemMemory;
    this.points = points;
    this.walk = new RequestWalk(properties, new AddressSpaceTableMemory(systemMemory), points);
    this.look = new RequestWalk(properties, new LookOnlyTableMemory(systemMemory), points);
  }

  /** By bus number, function and PASID (without first). */
  spaces(): TranslatedSpace[] {
    return [...this.#spaces.values()]
      .flatMap((functions) => [...functions.values()])
      .sort(({ space: a }, { space: b }) => a.sourceId - b.sourceId || (a.pasid ?? -1) - (b.pasid ?? -1));
  }

  find(bus: PciBus, devfn: number, pasid: number | null): TranslatedSpace | undefined {
    return this.#spaces.get(bus)?.get(keyOf(devfn, pasid));
  }

  /** The one that shows `addressSpace`; undefined where that is not the unit's. */
  behind(addressSpace: AddressSpace): TranslatedSpace | undefined {
    return this.#byAddressSpace.get(addressSpace);
  }

  add(made: TranslatedSpace): void {
    const { bus, devfn, pasid } = made.space;
    let functions = this.#spaces.get(bus);
    if (functions === undefined) this.#spaces.set(bus, (functions = new Map<number, TranslatedSpace>()));
    functions.set(keyOf(devfn, pasid), made);
    this.#byAddressSpace.set(made.space.addressSpace, made);
  }
}

function keyOf(devfn: number, pasid: number | null): number {
  return devfn + 0x100 * ((pasid ?? -1) + 1);
}
