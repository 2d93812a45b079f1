import { ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { IommuRegion, type IommuRegionOperations } from '../../memory/iommu-region.ts';
import type { MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import type { TraceParts } from '../../trace/trace.ts';
import { INTERRUPT_RANGE_SIZE, INTERRUPT_RANGE_START } from '../interrupt-messages.ts';
import type { PciPlace } from '../place.ts';
import { SwitchedSpace, type SwitchedRegions, type SwitchedSpaceState } from '../switched-space.ts';
import type { IommuUnit } from '../unit.ts';

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

export interface IntelDeviceSpaceState extends SwitchedSpaceState {
  interruptsBlocked: boolean;
}

interface IntelDeviceSpaceParts {
  readonly unit: IommuUnit;
  readonly place: PciPlace;
  /** Null: the space of requests without PASID. */
  readonly pasid: number | null;
  readonly systemMemory: AddressSpace;
  readonly shared: SharedRegions;
  readonly trace: TraceParts;
  /** What the IOMMU region of this space does. */
  readonly operations: IommuRegionOperations;
  /** What answers in the interrupt range to requests with PASID that pass through. */
  readonly blockedInterrupts: MmioOperations;
}

/**
 * One function's address space behind the unit, or that of one PASID of it: a root that shows either the IOMMU region,
 * with the interrupt range as a hole in it, or the memory without remapping. Regions are named by slot and function, as
 * in QEMU, so that functions on different buses share names.
 *
 * Requests with PASID know no interrupts: theirs are translated in that range too, and those that pass through are
 * blocked there (VT-d, section 3.14).
 */
export class IntelDeviceSpace extends SwitchedSpace<PciPlace> {
  /** Null: the space of requests without PASID. */
  readonly pasid: number | null;
  readonly #noInterrupts: MemoryRegion;
  readonly #points: TracePoints;

  constructor(parts: IntelDeviceSpaceParts) {
    const { unit, place, pasid, trace } = parts;
    const { noInterrupts, ...regions } = regionsOf(parts);
    // A table is bound for the device as a whole: consumers find the object behind the space without PASID.
    super({ unit, place, regions, hasObject: pasid === null, trace });
    this.pasid = pasid;
    this.#points = trace.points;
    this.#noInterrupts = noInterrupts;
  }

  get bus(): PciBus {
    return this.place.bus;
  }

  get devfn(): number {
    return this.place.devfn;
  }

  /** Requester ID of the function, with the bus number as software programmed it. */
  get sourceId(): number {
    return this.place.sourceId;
  }

  /** The same as trace points have it: bus, device, function. */
  get location(): [number, number, number] {
    return [this.bus.number, this.devfn >>> 3, this.devfn & 7];
  }

  override follow(bypass: boolean): boolean {
    this.#points.vtd_switch_address_space?.(...this.location, !bypass);
    return super.follow(bypass);
  }

  /** Blocks the interrupt range: for requests with PASID that pass through. */
  blockInterrupts(blocked: boolean): void {
    if (this.#noInterrupts.enabled !== blocked) this.#noInterrupts.setEnabled(blocked);
  }

  override save(): IntelDeviceSpaceState {
    return { ...super.save(), interruptsBlocked: this.#noInterrupts.enabled };
  }

  override restore(state: IntelDeviceSpaceState): void {
    this.blockInterrupts(state.interruptsBlocked);
    super.restore(state);
  }
}

function regionsOf(parts: IntelDeviceSpaceParts): SwitchedRegions & { noInterrupts: MemoryRegion } {
  const { place, pasid, shared, operations, blockedInterrupts } = parts;
  const { topology } = parts.systemMemory;
  const { devfn } = place;
  const name = `vtd-${hexByte(devfn >>> 3)}.${devfn & 7}${pasid === null ? '' : `-pasid-${pasid.toString(16)}`}`;
  const root = MemoryRegion.container(topology, name, ADDRESS_SPACE_SIZE);
  const translated = new IommuRegion(topology, `${name}-dmar`, ADDRESS_SPACE_SIZE, operations);
  const hole = MemoryRegion.alias(topology, 'vtd-ir', shared.interrupts, 0n, INTERRUPT_RANGE_SIZE);
  const plain = MemoryRegion.alias(topology, 'vtd-nodmar', shared.withoutRemapping, 0n, ADDRESS_SPACE_SIZE);
  const noInterrupts = MemoryRegion.mmio(topology, 'vtd-no-ir', INTERRUPT_RANGE_SIZE, blockedInterrupts);
  for (const region of [root, translated, hole, plain, noInterrupts]) region.owner = shared.owner;
  topology.transaction(() => {
    translated.addSubregion(INTERRUPT_RANGE_START, hole, 1);
    root.addSubregion(0n, translated);
    root.addSubregion(0n, plain);
    root.addSubregion(INTERRUPT_RANGE_START, noInterrupts, 2);
    translated.setEnabled(false);
    hole.setEnabled(pasid === null);
    noInterrupts.setEnabled(false);
  });
  return { root, translated, plain, name: 'vtd-root', noInterrupts };
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
