import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import { type Bdf, formatShortBdf } from '../../core/bdf.ts';
import { CommandError } from '../../core/errors.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { IommuRegion, type IommuRegionOperations } from '../../memory/iommu-region.ts';
import type { MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import type { TraceParts } from '../../trace/trace.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { NotifierIommuObject, type NotifierIommuObjectState } from '../object.ts';
import type { DeviceSpace } from '../unit.ts';

/** Where interrupt messages are written to: 0xfee00000 to 0xfeefffff. */
export const INTERRUPT_RANGE_START = 0xfee0_0000n;
export const INTERRUPT_RANGE_SIZE = 0x10_0000n;

/** What is written there is a message, as long as the request has no PASID. */
export function isInterrupt(address: bigint): boolean {
  return address >= INTERRUPT_RANGE_START && address < INTERRUPT_RANGE_START + INTERRUPT_RANGE_SIZE;
}

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
  forced: boolean;
  interruptsBlocked: boolean;
  object: NotifierIommuObjectState;
}

/**
 * One function's address space behind the unit, or that of one PASID of it: a root that shows either the IOMMU region,
 * with the interrupt range as a hole in it, or the memory without remapping, and never both. Regions are named by slot
 * and function, as in QEMU, so that functions on different buses share names.
 *
 * Requests with PASID know no interrupts: theirs are translated in that range too, and those that pass through are
 * blocked there (VT-d, section 3.14).
 */
export class IntelDeviceSpace implements DeviceSpace, Snapshottable<IntelDeviceSpaceState> {
  readonly bus: PciBus;
  readonly devfn: number;
  /** Null: the space of requests without PASID. */
  readonly pasid: number | null;
  readonly addressSpace: AddressSpace;
  readonly region: IommuRegion;
  readonly iommuObject: NotifierIommuObject;
  /** A management command chose what is shown; it holds until the registers decide anew. */
  forced = false;
  readonly #withoutRemapping: MemoryRegion;
  readonly #noInterrupts: MemoryRegion;
  readonly #points: TracePoints;

  constructor(options: {
    bus: PciBus;
    devfn: number;
    pasid: number | null;
    unit: string;
    systemMemory: AddressSpace;
    shared: SharedRegions;
    trace: TraceParts;
    /** What the IOMMU region of this space does. */
    operations: (space: IntelDeviceSpace) => IommuRegionOperations;
    /** What answers in the interrupt range to requests with PASID that pass through. */
    blockedInterrupts: (space: IntelDeviceSpace) => MmioOperations;
  }) {
    const { bus, devfn, pasid, unit, shared, trace, operations, blockedInterrupts } = options;
    const { topology } = options.systemMemory;
    this.bus = bus;
    this.devfn = devfn;
    this.pasid = pasid;
    this.#points = trace.points;
    this.iommuObject = new NotifierIommuObject({ unit, device: () => this.deviceName, ...trace });

    const name = `vtd-${hexByte(devfn >>> 3)}.${devfn & 7}${pasid === null ? '' : `-pasid-${pasid.toString(16)}`}`;
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
    this.#noInterrupts = MemoryRegion.mmio(topology, 'vtd-no-ir', INTERRUPT_RANGE_SIZE, blockedInterrupts(this));
    const regions = [root, this.region, hole, this.#withoutRemapping, this.#noInterrupts];
    for (const region of regions) region.owner = shared.owner;
    topology.transaction(() => {
      this.region.addSubregion(INTERRUPT_RANGE_START, hole, 1);
      root.addSubregion(0n, this.region);
      root.addSubregion(0n, this.#withoutRemapping);
      root.addSubregion(INTERRUPT_RANGE_START, this.#noInterrupts, 2);
      this.region.setEnabled(false);
      hole.setEnabled(pasid === null);
      this.#noInterrupts.setEnabled(false);
    });
    // A table is bound for the device as a whole: consumers find the object behind the space without PASID.
    this.addressSpace = topology.createAddressSpace('vtd-root', root, {
      iommuGet: () => (pasid === null ? this.iommuObject : null),
      device: () => this.functions[0]?.label ?? null,
    });
  }

  get bypass(): boolean {
    return this.#withoutRemapping.enabled;
  }

  /** Requester ID of the function, with the bus number as software programmed it. */
  get sourceId(): number {
    return (this.bus.number << 8) | this.devfn;
  }

  /** With the bus number as software programmed it. */
  get bdf(): Bdf {
    return { segment: 0, bus: this.bus.number, device: this.devfn >>> 3, function: this.devfn & 7 };
  }

  /** The same as trace points have it: bus, device, function. */
  get place(): [number, number, number] {
    return [this.bus.number, this.devfn >>> 3, this.devfn & 7];
  }

  /** Those whose requests come here: the one in the place, or all that a bridge of conventional PCI speaks for. */
  get functions(): readonly PciDevice[] {
    const { bus, devfn } = this;
    return bus.functions().filter((device) => {
      const alias = bus.aliasOf(device.devfn);
      return alias.bus === bus && alias.devfn === devfn;
    });
  }

  /** The (first) device that is plugged in here; where none is, the place. */
  get deviceName(): string {
    return this.functions[0]?.label ?? formatShortBdf(this.bdf);
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
      this.#tryToSwitch(!bypass);
      throw error;
    }
    return true;
  }

  /**
   * The same because the guest's tables say so: there is nobody to be told of a listener that cannot follow. That one
   * is left without what it refused.
   * @returns false when nothing had to change
   */
  follow(bypass: boolean): boolean {
    this.#points.vtd_switch_address_space?.(...this.place, !bypass);
    if (bypass === this.bypass) return false;
    this.#tryToSwitch(bypass);
    return true;
  }

  /** Blocks the interrupt range: for requests with PASID that pass through. */
  blockInterrupts(blocked: boolean): void {
    if (this.#noInterrupts.enabled !== blocked) this.#noInterrupts.setEnabled(blocked);
  }

  save(): IntelDeviceSpaceState {
    const { bypass, forced, iommuObject } = this;
    return { bypass, forced, interruptsBlocked: this.#noInterrupts.enabled, object: iommuObject.save() };
  }

  /** Listeners of the address space are told what it shows now, as after any switch. */
  restore(state: IntelDeviceSpaceState): void {
    this.show(state.bypass);
    this.forced = state.forced;
    this.blockInterrupts(state.interruptsBlocked);
    this.iommuObject.restore(state.object);
  }

  #switch(bypass: boolean): void {
    const [off, on] = bypass ? [this.region, this.#withoutRemapping] : [this.#withoutRemapping, this.region];
    this.addressSpace.topology.transaction(() => {
      off.setEnabled(false);
      on.setEnabled(true);
    });
  }

  #tryToSwitch(bypass: boolean): void {
    try {
      this.#switch(bypass);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
