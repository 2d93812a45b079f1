import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import { type Bdf, formatShortBdf } from '../../core/bdf.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { IommuRegion, type IommuRegionOperations } from '../../memory/iommu-region.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { ModelEvents } from '../../trace/model-events.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { NotifierIommuObject, type NotifierIommuObjectState } from '../object.ts';
import type { DeviceSpace } from '../unit.ts';

/** Where interrupt messages are written to: 0xfee00000 to 0xfeefffff. */
export const INTERRUPT_RANGE_START = 0xfee0_0000n;
export const INTERRUPT_RANGE_SIZE = 0x10_0000n;

/** What all device address spaces of one unit have in common. */
export interface SharedRegions {
  /** Plain memory as devices see it: the system's, with the interrupt range in front. */
  readonly withoutRemapping: MemoryRegion;
  /** Takes the devices' interrupt messages. */
  readonly interrupts: MemoryRegion;
  readonly owner: RegionOwner;
}

/** The regions that all devices see while they are not translated. */
export function sharedRegions(systemMemory: AddressSpace, interrupts: MemoryRegion, owner: RegionOwner): SharedRegions {
  const { topology, root } = systemMemory;
  const withoutRemapping = MemoryRegion.container(topology, 'vtd-nodmar', ADDRESS_SPACE_SIZE);
  const system = MemoryRegion.alias(topology, 'vtd-sys-alias', root, 0n, ADDRESS_SPACE_SIZE);
  for (const region of [withoutRemapping, system, interrupts]) region.owner = owner;
  topology.transaction(() => {
    withoutRemapping.addSubregion(0n, system);
    withoutRemapping.addSubregion(INTERRUPT_RANGE_START, interrupts, 1);
  });
  return { withoutRemapping, interrupts, owner };
}

export interface IntelDeviceSpaceState {
  bypass: boolean;
  object: NotifierIommuObjectState;
}

/**
 * One function's address space behind the unit: a root that shows either the IOMMU region, with the interrupt range
 * as a hole in it, or the memory without remapping, and never both. Regions are named by slot and function, as in
 * QEMU, so that functions on different buses share names.
 */
export class IntelDeviceSpace implements DeviceSpace, Snapshottable<IntelDeviceSpaceState> {
  readonly bus: PciBus;
  readonly devfn: number;
  readonly addressSpace: AddressSpace;
  readonly region: IommuRegion;
  readonly iommuObject: NotifierIommuObject;
  readonly #withoutRemapping: MemoryRegion;

  constructor(options: {
    bus: PciBus;
    devfn: number;
    unit: string;
    systemMemory: AddressSpace;
    shared: SharedRegions;
    events: ModelEvents;
    /** What the IOMMU region of this space does. */
    operations: (space: IntelDeviceSpace) => IommuRegionOperations;
  }) {
    const { bus, devfn, unit, shared, events, operations } = options;
    const { topology } = options.systemMemory;
    this.bus = bus;
    this.devfn = devfn;
    this.iommuObject = new NotifierIommuObject({ unit, device: () => this.deviceName, events });

    const name = `vtd-${hexByte(devfn >>> 3)}.${devfn & 7}`;
    const root = MemoryRegion.container(topology, name, ADDRESS_SPACE_SIZE);
    this.region = new IommuRegion(topology, `${name}-dmar`, ADDRESS_SPACE_SIZE, operations(this));
    const hole = MemoryRegion.alias(topology, 'vtd-ir', shared.interrupts, 0n, INTERRUPT_RANGE_SIZE);
    this.#withoutRemapping = MemoryRegion.alias(
      topology,
      'vtd-nodmar',
      shared.withoutRemapping,
      0n,
      ADDRESS_SPACE_SIZE,
    );
    // Stands before the interrupt range of requests with PASID that pass through: they must not reach it.
    const noInterrupts = MemoryRegion.mmio(topology, 'vtd-no-ir', INTERRUPT_RANGE_SIZE, ANSWERS_NOTHING);
    for (const region of [root, this.region, hole, this.#withoutRemapping, noInterrupts]) region.owner = shared.owner;
    topology.transaction(() => {
      this.region.addSubregion(INTERRUPT_RANGE_START, hole, 1);
      root.addSubregion(0n, this.region);
      root.addSubregion(0n, this.#withoutRemapping);
      root.addSubregion(INTERRUPT_RANGE_START, noInterrupts, 2);
      this.region.setEnabled(false);
      noInterrupts.setEnabled(false);
    });
    this.addressSpace = topology.createAddressSpace('vtd-root', root, {
      iommuGet: () => this.iommuObject,
      device: () => this.bus.deviceAt(this.devfn)?.label ?? null,
    });
  }

  get bypass(): boolean {
    return this.#withoutRemapping.enabled;
  }

  /** With the bus number as software programmed it. */
  get bdf(): Bdf {
    return { segment: 0, bus: this.bus.number, device: this.devfn >>> 3, function: this.devfn & 7 };
  }

  /** The device that is plugged in here; where none is, the place. */
  get deviceName(): string {
    return this.bus.deviceAt(this.devfn)?.label ?? formatShortBdf(this.bdf);
  }

  /**
   * Shows plain memory or the IOMMU region. What is shown goes first and the other comes then, in one transaction, so
   * that no listener ever sees both.
   * @returns false when nothing had to change
   * @throws what a listener that cannot follow threw; the space is then as it was
   */
  show(bypass: boolean): boolean {
    if (bypass === this.bypass) return false;
    try {
      this.#switch(bypass);
    } catch (error) {
      this.#switchBack(!bypass);
      throw error;
    }
    return true;
  }

  save(): IntelDeviceSpaceState {
    return { bypass: this.bypass, object: this.iommuObject.save() };
  }

  /** Listeners of the address space are told what it shows now, as after any switch. */
  restore(state: IntelDeviceSpaceState): void {
    this.show(state.bypass);
    this.iommuObject.restore(state.object);
  }

  #switch(bypass: boolean): void {
    const [off, on] = bypass ? [this.region, this.#withoutRemapping] : [this.#withoutRemapping, this.region];
    this.addressSpace.topology.transaction(() => {
      off.setEnabled(false);
      on.setEnabled(true);
    });
  }

  /** The listeners that did follow have to come back. One that fails at that has been heard already. */
  #switchBack(bypass: boolean): void {
    try {
      this.#switch(bypass);
    } catch {
      // The first refusal is what the caller is told.
    }
  }
}

const ANSWERS_NOTHING = {
  read: (): bigint => 0n,
  write: (): void => {},
  accepts: (): boolean => false,
};

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
