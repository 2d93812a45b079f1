import { hex } from '../../core/address.ts';
import { formatBdf, formatShortBdf } from '../../core/bdf.ts';
import { CommandError } from '../../core/errors.ts';
import { type Access, Permission, permissionNames, type TransactionAttributes } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { HostIommuDevice } from '../../memory/host-device.ts';
import type { IommuEntry, IommuRegionOperations, RegionEventType } from '../../memory/iommu-region.ts';
import type { PasidTable } from '../../memory/iommu-object.ts';
import type { AccessSize, MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion } from '../../memory/region.ts';
import { LookOnlyTableMemory } from '../../memory/table-memory.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { ModelEvents } from '../../trace/model-events.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { translationFault } from '../faults.ts';
import type { BypassMode, IommuInfo, IommuMode, IommuUnit, TranslationRequest, UnitTranslation } from '../unit.ts';
import { FirstStageWalker } from '../walk/first-stage.ts';
import { capabilityRegister, extendedCapabilityRegister } from './capabilities.ts';
import {
  INTERRUPT_RANGE_SIZE,
  INTERRUPT_RANGE_START,
  IntelDeviceSpace,
  type IntelDeviceSpaceState,
  type SharedRegions,
  sharedRegions,
} from './device-address-space.ts';
import type { IntelProperties } from './properties.ts';
import { TranslationType } from './tables.ts';
import { PasidEntryReader } from './walk.ts';

const PAGE_MASK = 0xfffn;

export interface IntelIommuUnitState {
  /** By bus number and function. */
  spaces: { bus: string; devfn: number; state: IntelDeviceSpaceState }[];
}

/**
 * Intel VT-d's remapping unit: the address spaces of the devices behind it, their IOMMU objects, and what it offers.
 * A unit that nobody has programmed translates nothing: devices see plain memory, or through the IOMMU region the
 * same addresses.
 */
export class IntelIommuUnit implements IommuUnit, Snapshottable<IntelIommuUnitState> {
  readonly kind = 'intel-iommu';
  readonly id: string | null;
  readonly qomPath: string;
  readonly properties: IntelProperties;
  readonly #systemMemory: AddressSpace;
  readonly #events: ModelEvents;
  readonly #shared: SharedRegions;
  readonly #spaces = new Map<PciBus, Map<number, IntelDeviceSpace>>();
  readonly #tableMemory: LookOnlyTableMemory;
  readonly #pasids = new PasidEntryReader({
    types: [TranslationType.firstStage, TranslationType.passThrough],
    fiveLevels: true,
  });
  /** Guest-physical addresses have at most 52 bits; which lead anywhere is for memory to say. */
  readonly #walker = new FirstStageWalker({ addressWidth: 52 });

  constructor(options: {
    id: string | null;
    qomPath: string;
    properties: IntelProperties;
    systemMemory: AddressSpace;
    events: ModelEvents;
  }) {
    const { id, qomPath, properties, systemMemory, events } = options;
    this.id = id;
    this.qomPath = qomPath;
    this.properties = properties;
    this.#systemMemory = systemMemory;
    this.#events = events;
    this.#tableMemory = new LookOnlyTableMemory(systemMemory);
    const messages = new InterruptMessages(systemMemory);
    const interrupts = MemoryRegion.mmio(systemMemory.topology, 'vtd-ir', INTERRUPT_RANGE_SIZE, messages);
    const owner = { kind: 'dev', ...(id === null ? { path: qomPath } : { id }) } as const;
    this.#shared = sharedRegions(systemMemory, interrupts, owner);
  }

  get name(): string {
    return this.id ?? this.qomPath;
  }

  get mode(): IommuMode {
    return 'off';
  }

  getAddressSpace(bus: PciBus, devfn: number): AddressSpace {
    return this.#spaceOf(bus, devfn).addressSpace;
  }

  /**
   * @throws CommandError when the device cannot be served: its mappings could not be followed without caching mode, or
   *   the host's IOMMU is narrower than this one
   */
  attachHostDevice(_bus: PciBus, _devfn: number, device: HostIommuDevice): void {
    const { awBits, cachingMode, firstStage } = this.properties;
    if (!cachingMode) {
      throw new CommandError('Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.');
    }
    const { addressBits } = device.capabilities;
    if (!firstStage && awBits > addressBits) {
      throw new CommandError(`aw-bits ${awBits} > host aw-bits ${addressBits}`);
    }
  }

  setBypass(bus: PciBus, devfn: number, mode: BypassMode): void {
    this.#show(this.#spaceOf(bus, devfn), mode !== 'translate');
  }

  deviceSpaces(): readonly IntelDeviceSpace[] {
    return [...this.#spaces.values()]
      .flatMap((functions) => [...functions.values()])
      .sort((a, b) => a.bus.number - b.bus.number || a.devfn - b.devfn);
  }

  describe(): IommuInfo {
    const { awBits, cachingMode, deviceIotlb, dmaTranslation, firstStage, pasidBits, svm } = this.properties;
    return {
      id: this.name,
      kind: this.kind,
      'qom-path': this.qomPath,
      mode: this.mode,
      capabilities: {
        'aw-bits': awBits,
        'pasid-bits': pasidBits,
        'first-stage': firstStage,
        'second-stage': !firstStage && dmaTranslation,
        nested: false,
        'caching-mode': cachingMode,
        'device-iotlb': deviceIotlb,
        'page-requests': svm,
        registers: [
          { name: 'CAP', value: capabilityRegister(this.properties) },
          { name: 'ECAP', value: extendedCapabilityRegister(this.properties) },
        ],
      },
      devices: this.deviceSpaces()
        .filter((space) => space.bus.deviceAt(space.devfn) !== null)
        .map((space) => ({
          device: space.deviceName,
          bdf: formatBdf(space.bdf),
          bypass: space.bypass,
          ...(space.iommuObject.binding !== null && { binding: space.iommuObject.binding }),
        })),
      caches: [],
    };
  }

  /**
   * A request without PASID is not translated as long as remapping is off. One with PASID has no such way: hardware
   * with remapping off takes no request with PASID, and a process address must never pass as a physical one. With a
   * PASID table bound to the device it goes through the first stage there; without, it is refused.
   */
  translate(bus: PciBus, devfn: number, request: TranslationRequest): UnitTranslation {
    const { address, access, pasid } = request;
    if (pasid === undefined) return identity(address, access);
    const table = this.#spaceOf(bus, devfn).iommuObject.binding;
    return table === null ? fault(0, request) : this.#translateBound(table, request, pasid);
  }

  reset(): void {
    for (const space of this.deviceSpaces()) {
      space.iommuObject.reset();
      this.#show(space, true);
    }
  }

  save(): IntelIommuUnitState {
    const spaces = this.deviceSpaces().map((space) => ({
      bus: space.bus.busName,
      devfn: space.devfn,
      state: space.save(),
    }));
    return { spaces };
  }

  /** @throws Error when a saved device space has no counterpart: the devices must be made first */
  restore(state: IntelIommuUnitState): void {
    const present = this.deviceSpaces();
    for (const { bus, devfn, state: saved } of state.spaces) {
      const space = present.find((candidate) => candidate.bus.busName === bus && candidate.devfn === devfn);
      if (space === undefined) throw new Error(`${this.name} has no device space ${bus}/${hex(devfn)}`);
      space.restore(saved);
    }
  }

  #spaceOf(bus: PciBus, devfn: number): IntelDeviceSpace {
    let functions = this.#spaces.get(bus);
    if (functions === undefined) this.#spaces.set(bus, (functions = new Map<number, IntelDeviceSpace>()));
    let space = functions.get(devfn);
    if (space === undefined) {
      space = new IntelDeviceSpace({
        bus,
        devfn,
        unit: this.name,
        systemMemory: this.#systemMemory,
        shared: this.#shared,
        events: this.#events,
        operations: (made) => this.#regionOperations(made),
      });
      functions.set(devfn, space);
    }
    return space;
  }

  #show(space: IntelDeviceSpace, bypass: boolean): void {
    if (!space.show(bypass)) return;
    // An empty slot is put back for whoever comes next: that is nobody's switch.
    if (space.bus.deviceAt(space.devfn) === null) return;
    this.#events.emit('IOMMU_REGION_SWITCHED', { iommu: this.name, device: space.deviceName, bypass });
  }

  #regionOperations(space: IntelDeviceSpace): IommuRegionOperations {
    return {
      minPageSize: PAGE_MASK + 1n,
      translate: (address) => this.#untranslated(address),
      // Remapping is off: nothing is mapped that a shadow could hold.
      replay: () => {},
      notifyFlagChanged: (_old, now) => this.#checkNotifiers(space, now),
    };
  }

  #untranslated(address: bigint): IommuEntry {
    const iova = address & ~PAGE_MASK;
    return {
      target: this.#systemMemory,
      iova,
      translated: iova,
      mask: PAGE_MASK,
      permissions: Permission.readWrite,
    };
  }

  /** @throws CommandError for events that the unit, as it is configured, could never send */
  #checkNotifiers(space: IntelDeviceSpace, events: ReadonlySet<RegionEventType>): void {
    const { cachingMode, deviceIotlb, snoopControl } = this.properties;
    if (events.size === 0) return;
    if (snoopControl) {
      throw new CommandError('Snoop Control with vhost or VFIO is not supported: Operation not supported');
    }
    if (events.has('map') && !cachingMode) {
      throw new CommandError(
        'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
      );
    }
    if (events.has('deviotlb-unmap') && !deviceIotlb) {
      const place = formatShortBdf(space.bdf).replace(':', '.');
      throw new CommandError(`device ${place} requires device IOTLB mode: Operation not supported`);
    }
  }

  #translateBound(table: PasidTable, request: TranslationRequest, pasid: number): UnitTranslation {
    const { address, access } = request;
    const pasids = this.#pasids;
    const walker = this.#walker;
    if (!pasids.read(this.#tableMemory, table, pasid)) return fault(pasids.code, request, pasids.entry);
    if (pasids.type === TranslationType.passThrough) return identity(address, access);
    const page = Number(address >> 12n);
    if (!walker.walk(this.#tableMemory, pasids.firstStage, page, access)) {
      return fault(walker.code, request, walker.steps === 0 ? undefined : walker.entry);
    }
    return {
      result: 'translated',
      address: (BigInt(walker.frame) << 12n) | (address & PAGE_MASK),
      size: 1n << BigInt(walker.shift),
      permissions: permissionNames(walker.permissions),
      source: 'walk',
    };
  }
}

/** Nothing is translated. The right to execute is granted only to who asks for it, as ATS has it. */
function identity(address: bigint, access: Access): UnitTranslation {
  const execute = access === 'execute' ? Permission.execute : Permission.none;
  return {
    result: 'translated',
    address,
    size: PAGE_MASK + 1n,
    permissions: permissionNames(Permission.readWrite | execute),
    source: 'bypass',
  };
}

function fault(number: number, request: TranslationRequest, entry?: number): UnitTranslation {
  const { code = 0, reason = '', sentence } = translationFault(number, request.access, request.address, request.pasid);
  const where = entry === undefined ? '' : `; the entry is at ${hex(entry)}`;
  return { result: 'fault', code, reason, desc: `${sentence}${where}` };
}

/**
 * The interrupt range as devices see it. A message is a write of 4 bytes, and goes on to the system's own interrupt
 * range; what is read there is zeros.
 */
class InterruptMessages implements MmioOperations {
  readonly valid = { min: 4, max: 4 } as const;
  readonly implementation = { min: 4, max: 4 } as const;
  readonly #systemMemory: AddressSpace;

  constructor(systemMemory: AddressSpace) {
    this.#systemMemory = systemMemory;
  }

  read(): bigint {
    return 0n;
  }

  write(offset: number, _size: AccessSize, value: bigint, attributes: TransactionAttributes): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, Number(value), true);
    this.#systemMemory.write(INTERRUPT_RANGE_START + BigInt(offset), bytes, attributes);
  }
}
