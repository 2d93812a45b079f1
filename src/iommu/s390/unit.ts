import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { Access } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { HostIommuDevice } from '../../memory/host-device.ts';
import type { RegionOwner } from '../../memory/region.ts';
import { LookOnlyTableMemory } from '../../memory/table-memory.ts';
import { PciBridge } from '../../pci/bridge.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { PciIommuOps } from '../../pci/iommu-ops.ts';
import type { ModelEventData } from '../../trace/model-events.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { TraceParts } from '../../trace/trace.ts';
import type { BypassableSpaceState } from '../bypassable-space.ts';
import { HostDevices } from '../host-devices.ts';
import { MappingEvents } from '../mapping-events.ts';
import { PciPlace } from '../place.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import type {
  BypassMode,
  DeviceSpace,
  IommuInfo,
  IommuMode,
  IommuUnit,
  MappingPage,
  MappingQuery,
  TranslationRequest,
  UnitIotlbEntry,
  UnitTranslation,
} from '../unit.ts';
import { type AdapterInterrupts, messagePage } from './adapter-interrupts.ts';
import { BigEndianTableMemory } from './big-endian-memory.ts';
import { ControlInstructions } from './control-instructions.ts';
import { errorOf } from './errors.ts';
import { ZPCI_FEATURES } from './features.ts';
import { type FunctionState390, ZpciFunction } from './function.ts';
import { FunctionIommu, type FunctionIommuState } from './function-iommu.ts';
import { FunctionSpace } from './function-space.ts';
import { ZpciFunctions } from './functions.ts';
import { LoadStoreInstructions } from './load-store.ts';
import { LogicalProcessor } from './logical-processor.ts';
import { LookUp } from './look-up.ts';
import { type PendingEvent, PendingEvents } from './pending-events.ts';
import { FIRST_DMA_ADDRESS, LAST_DMA_ADDRESS } from './tables.ts';

/** How many pages VFIO maps for a function: the kernel's default. */
const ASSIGNED_PAGES = 0xffff;
/** How many pages an emulated function can have mapped; no guest shall fill the daemon's memory. */
const EMULATED_PAGES = 2 ** 20;
const ADDRESS_WIDTH = 57;

type FaultEvent = ModelEventData<'IOMMU_FAULT'>;

export interface ZpciUnitState {
  functions: FunctionState390[];
  events: PendingEvent[];
  /** In the order in which they were made. */
  spaces: { place: string; iommu: FunctionIommuState; space: BypassableSpaceState }[];
}

/** What a zpci device asks for; null leaves the choice to the unit. */
export interface FunctionWish {
  readonly uid: number | null;
  readonly fid: number | null;
  readonly target: string | null;
  readonly relaxedTranslation: boolean;
}

/**
 * The IOMMUs of a host bridge of s390: one for each function, all alike. What software does to them it does by
 * instructions, which name a function by its handle.
 */
export class ZpciUnit implements IommuUnit, PciIommuOps, Snapshottable<ZpciUnitState> {
  readonly kind = 's390-pci-iommu';
  readonly features = ZPCI_FEATURES;
  readonly id = null;
  readonly qomPath: string;
  readonly functions = new ZpciFunctions();
  readonly events = new PendingEvents();
  readonly control: ControlInstructions;
  readonly loadStore: LoadStoreInstructions;
  readonly logicalProcessor: LogicalProcessor;
  readonly #systemMemory: AddressSpace;
  readonly #memorySize: bigint;
  readonly #trace: TraceParts;
  readonly #memory: BigEndianTableMemory;
  readonly #mappingEvents: MappingEvents;
  readonly #hostDevices: HostDevices;
  readonly #lookUp: LookUp;
  readonly #owner: RegionOwner;
  readonly #iommus: FunctionIommu[] = [];
  readonly #makeFunction: (target: string) => ZpciFunction;
  readonly #dropFunction: (gone: ZpciFunction) => void;

  constructor(
    options: {
      qomPath: string;
      systemMemory: AddressSpace;
      /** RAM in bytes. */
      memorySize: bigint;
      /** Makes a zpci device for a PCI device that comes without one. */
      makeFunction: (target: string) => ZpciFunction;
      /** Takes the zpci device away whose PCI device has gone. */
      dropFunction: (gone: ZpciFunction) => void;
    } & TraceParts,
  ) {
    const { qomPath, systemMemory, memorySize, makeFunction, dropFunction, ...trace } = options;
    this.qomPath = qomPath;
    this.#systemMemory = systemMemory;
    this.#memorySize = memorySize;
    this.#makeFunction = makeFunction;
    this.#dropFunction = dropFunction;
    this.#trace = trace;
    this.#owner = { kind: 'dev', path: qomPath };
    this.#memory = new BigEndianTableMemory(new LookOnlyTableMemory(systemMemory));
    this.#mappingEvents = new MappingEvents(() => this.name, trace.events);
    this.#hostDevices = new HostDevices(() => this.name, trace.events);
    this.#lookUp = new LookUp(this.#memory, memorySize);
    this.control = new ControlInstructions(this.functions, systemMemory);
    this.loadStore = new LoadStoreInstructions(this.functions);
    this.logicalProcessor = new LogicalProcessor(this.functions);
  }

  get name(): string {
    return this.qomPath;
  }

  /** Off: no function has an address space registered. */
  get mode(): IommuMode {
    return this.#iommus.some(({ registration }) => registration !== null) ? 'other' : 'off';
  }

  /** A function without a PCI device. @throws CommandError with QEMU's sentences when its ids are taken */
  addFunction(wish: FunctionWish): ZpciFunction {
    const { functions } = this;
    const index = functions.freeIndex();
    const target = functions.checkTarget(wish.target);
    const uid = functions.chooseUid(wish.uid);
    const fid = functions.chooseFid(wish.fid);
    const { relaxedTranslation } = wish;
    const parts = { index, target, uid, fid, relaxedTranslation };
    const made = new ZpciFunction(parts, this.events, (source, code, address, access) =>
      this.#tellFault(source, code, address, access),
    );
    functions.add(made);
    return made;
  }

  /** The function of a device's space; null where none is plugged. */
  functionOf(space: DeviceSpace): ZpciFunction | null {
    const { owner } = this.#iommuOf(space);
    return this.functions.all().find((one) => one === owner) ?? null;
  }

  getAddressSpace(bus: PciBus, devfn: number): AddressSpace {
    return this.#iommuAt(bus, devfn).space.addressSpace;
  }

  attachHostDevice(bus: PciBus, devfn: number, device: HostIommuDevice): void {
    const iommu = this.#iommuAt(bus, devfn);
    this.#hostDevices.add(iommu.space, device);
    iommu.limit = ASSIGNED_PAGES;
  }

  detachHostDevice(bus: PciBus, devfn: number, device: HostIommuDevice): void {
    const iommu = this.#iommuAt(bus, devfn);
    this.#hostDevices.remove(iommu.space, device);
    iommu.limit = EMULATED_PAGES;
  }

  /** @throws CommandError with QEMU's sentences when the device cannot be one of s390 */
  plugged(device: PciDevice): void {
    if (device.multifunction) throw new CommandError('multifunction not supported in s390');
    if (device instanceof PciBridge) {
      device.secondaryBus.iommuOps = this;
      return;
    }
    const iommu = this.#iommuAt(device.bus, device.devfn);
    const target = device.id ?? `auto_${iommu.space.place.name}`;
    const own = this.functions.byTarget(target) ?? this.#makeFunction(target);
    own.plug(device, iommu, this.#hostDevices.isBehind(iommu.space));
  }

  unplugged(device: PciDevice): void {
    const own = this.functions.all().find((one) => one.device === device);
    if (own === undefined) return;
    own.unplug();
    this.#dropFunction(own);
  }

  deviceSpaces(): readonly FunctionSpace[] {
    return this.#iommus.map(({ space }) => space).sort((a, b) => a.sourceId - b.sourceId);
  }

  spaceOf(addressSpace: AddressSpace): FunctionSpace | null {
    return this.#iommus.find(({ space }) => space.addressSpace === addressSpace)?.space ?? null;
  }

  setBypass(space: DeviceSpace, mode: BypassMode): void {
    const iommu = this.#iommuOf(space);
    const switched = iommu.space.show(mode === 'auto' ? iommu.isDirect : mode === 'bypass');
    iommu.space.forced = mode !== 'auto';
    if (switched) this.#tellSwitch(iommu.space);
  }

  translate(space: DeviceSpace, request: TranslationRequest): UnitTranslation {
    return this.#lookUp.translate(this.#iommuOf(space), request);
  }

  mappings(space: DeviceSpace, query: MappingQuery): MappingPage {
    return this.#lookUp.mappings(this.#iommuOf(space), query);
  }

  reverse(space: DeviceSpace, search: ReverseSearch): Reach[] {
    return this.#lookUp.reverse(this.#iommuOf(space), search);
  }

  /** The domain-id of a function is its UID. */
  iotlbEntries(): UnitIotlbEntry[] {
    return this.deviceSpaces().flatMap((space) => {
      const iommu = this.#iommuOf(space);
      return this.#lookUp.iotlbEntries(iommu, iommu.owner?.uid ?? 0);
    });
  }

  describe(): IommuInfo {
    const iommus = this.deviceSpaces().map((space) => this.#iommuOf(space));
    const registered = iommus.flatMap(({ space, registration }) => {
      if (registration === null) return [];
      const of = (name: string): string => `${name}:${space.deviceName}`;
      const { base, limit, anchor } = registration;
      return [
        { name: of('PBA'), value: base },
        { name: of('PAL'), value: limit },
        { name: of('IOTA'), value: anchor },
      ];
    });
    return {
      id: this.name,
      kind: this.kind,
      'qom-path': this.qomPath,
      mode: this.mode,
      capabilities: {
        'aw-bits': ADDRESS_WIDTH,
        'pasid-bits': 0,
        'first-stage': false,
        'second-stage': true,
        nested: false,
        'caching-mode': true,
        'device-iotlb': false,
        'page-requests': false,
        registers: [
          { name: 'SDMA', value: FIRST_DMA_ADDRESS },
          { name: 'EDMA', value: LAST_DMA_ADDRESS },
          ...registered,
        ],
      },
      devices: iommus.flatMap(({ space, owner }) =>
        space.requesters.map(({ label, location }) => ({
          device: label,
          bdf: location,
          bypass: space.bypass,
          ...(owner !== null && { 'domain-id': owner.uid }),
        })),
      ),
      caches: iommus
        .filter(({ space }) => space.requesters.length > 0)
        .map(({ space, pages, limit, hits, misses }) => ({
          name: `translations:${space.deviceName}`,
          entries: pages.size,
          size: limit,
          hits,
          misses,
        })),
    };
  }

  reset(): void {
    for (const one of this.functions.all()) one.reset();
    this.events.clear();
    for (const iommu of this.#iommus) {
      iommu.followRegistration();
      iommu.space.iommuObject.reset();
    }
  }

  save(): ZpciUnitState {
    return {
      functions: this.functions.all().map((one) => one.save()),
      events: this.events.save(),
      spaces: this.#iommus.map((iommu) => ({
        place: placeOf(iommu),
        iommu: iommu.save(),
        space: iommu.space.save(),
      })),
    };
  }

  /** @throws Error when a saved function or space has no counterpart: the devices must be made first */
  restore(state: ZpciUnitState): void {
    this.events.restore(state.events);
    for (const saved of state.functions) {
      const own = this.functions.all().find(({ uid }) => uid === saved.uid);
      if (own === undefined) throw new Error(`${this.name} has no function with uid ${saved.uid}`);
      own.restore(saved);
    }
    for (const { place, iommu: saved, space } of state.spaces) {
      const iommu = this.#iommus.find((one) => placeOf(one) === place);
      if (iommu === undefined) throw new Error(`${this.name} has no device space ${place}`);
      iommu.restore(saved);
      iommu.space.restore(space);
    }
  }

  #iommuOf({ addressSpace }: DeviceSpace): FunctionIommu {
    const found = this.#iommus.find(({ space }) => space.addressSpace === addressSpace);
    if (found === undefined) throw new Error(`${addressSpace.name} is no space of ${this.name}`);
    return found;
  }

  #iommuAt(bus: PciBus, devfn: number): FunctionIommu {
    const present = this.#iommus.find(({ space: { place } }) => place.bus === bus && place.devfn === devfn);
    if (present !== undefined) return present;
    const interrupts = (): AdapterInterrupts | null => {
      const own = this.functionOf(space);
      return own?.state === 'enabled' ? own.interrupts : null;
    };
    const space: FunctionSpace = new FunctionSpace({
      unit: this,
      place: new PciPlace(bus, devfn),
      systemMemory: this.#systemMemory,
      memorySize: this.#memorySize,
      owner: this.#owner,
      messages: messagePage(this.#systemMemory, interrupts),
      trace: this.#trace,
    });
    const iommu = new FunctionIommu({
      space,
      systemMemory: this.#systemMemory,
      memory: this.#memory,
      mappingEvents: this.#mappingEvents,
      limit: EMULATED_PAGES,
      checks: this.#trace.checks,
      onSwitched: () => this.#tellSwitch(space),
    });
    this.#iommus.push(iommu);
    return iommu;
  }

  #tellSwitch({ bypass, deviceName: device, requesters }: FunctionSpace): void {
    // An empty slot is put back for whoever comes next: that is nobody's switch.
    if (requesters.length > 0) this.#trace.events.emit('IOMMU_REGION_SWITCHED', { iommu: this.name, device, bypass });
  }

  /** What a refresh met is told as a read of its tables. */
  #tellFault(source: ZpciFunction, code: number, address: bigint, access: Access): void {
    this.#trace.events.emit('IOMMU_FAULT', {
      iommu: this.name,
      device: source.iommu.space.deviceName,
      address: address & ~0xfffn,
      access: access === 'none' ? 'read' : access,
      code,
      reason: errorOf(code).reason as FaultEvent['reason'],
    });
  }
}

function placeOf({ space: { place } }: FunctionIommu): string {
  return `${place.bus.busName}/${hex(place.devfn)}`;
}
