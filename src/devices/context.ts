import type { VirtualClock } from '../core/clock.ts';
import type { OperationCounter } from '../core/operation.ts';
import type { Host } from '../host/host.ts';
import type { DeviceSpace, IommuUnit } from '../iommu/unit.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { MemoryTopology } from '../memory/topology.ts';
import type { PciBus } from '../pci/bus.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { Vfio } from '../vfio/vfio.ts';

/** What the machine offers to the devices that it is built from. */
export interface DeviceContext extends TraceParts {
  readonly operations: OperationCounter;
  /** Guest time. */
  readonly clock: VirtualClock;
  readonly topology: MemoryTopology;
  /** The system memory's address space. */
  readonly memory: AddressSpace;
  readonly host: Host;
  readonly vfio: Vfio;
  /** Null where the machine has no PCI. */
  rootBus(): PciBus | null;
  /** The vIOMMUs that are realized, in that order. */
  readonly units: UnitList;
}

/** The machine's vIOMMUs. */
export class UnitList {
  #units: readonly IommuUnit[] = [];
  #builtIn: IommuUnit | null = null;

  /** The one that is part of the board, whatever devices are asked for; null: the board has none. */
  get builtIn(): IommuUnit | null {
    return this.#builtIn;
  }

  get all(): readonly IommuUnit[] {
    return this.#units;
  }

  /** Of the address space that a vIOMMU gave to a device; null for every other one. */
  spaceOf(addressSpace: AddressSpace): DeviceSpace | null {
    for (const unit of this.#units) {
      const space = unit.spaceOf(addressSpace);
      if (space !== null) return space;
    }
    return null;
  }

  add(unit: IommuUnit): void {
    this.#units = [...this.#units, unit];
  }

  /** For boards: the unit cannot be chosen, and no other one beside it. */
  addBuiltIn(unit: IommuUnit): void {
    this.add(unit);
    this.#builtIn = unit;
  }
}
