import { hex } from '../../core/address.ts';
import { formatShortBdf } from '../../core/bdf.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { DeviceTlbFlush, GuestCapabilities, HostIommuDevice } from '../../memory/host-device.ts';
import type { IommuRegionOperations } from '../../memory/iommu-region.ts';
import { MemoryRegion } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { PciIommuOps } from '../../pci/iommu-ops.ts';
import type { ModelEventData } from '../../trace/model-events.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { TraceParts } from '../../trace/trace.ts';
import { HostDevices } from '../host-devices.ts';
import { INTERRUPT_RANGE_SIZE } from '../interrupt-messages.ts';
import { MappingEvents } from '../mapping-events.ts';
import { PciPlace } from '../place.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import { Shadow } from '../shadow.ts';
import type { SwitchedSpaceState } from '../switched-space.ts';
import type {
  BypassMode,
  DeviceSpace,
  IommuDeviceInfo,
  IommuInfo,
  IommuMode,
  IommuUnit,
  MappingPage,
  MappingQuery,
  TranslationRequest,
  UnitIotlbEntry,
  UnitTranslation,
} from '../unit.ts';
import { AmdShadowDecoder } from './decoders.ts';
import { AmdDeviceSpace, type SharedRegions, sharedRegions } from './device-address-space.ts';
import { FaultEvents } from './fault-events.ts';
import { AMD_FEATURES } from './features.ts';
import { LookUp } from './look-up.ts';
import { checkNotifiers } from './notifier-checks.ts';
import type { AmdProperties } from './properties.ts';
import { RegisterLevel, type RegisterLevelState } from './register-level.ts';
import { REGISTERS_BASE, REGISTERS_SIZE } from './registers.ts';
import { IOTLB_ENTRIES, Remapping, type TranslatedSpace } from './remapping.ts';
import { RequestTranslator } from './request-translator.ts';
import { Translation, type TranslationState } from './translation.ts';

export interface AmdIommuUnitState {
  registers: RegisterLevelState;
  /** By bus number and function. */
  spaces: { bus: string; devfn: number; state: SwitchedSpaceState }[];
  translation: TranslationState;
}

/** What the unit does with the PCI function that it has. */
export interface UnitFunction {
  /** Sends its message, where software has enabled that. */
  interrupt(): void;
  /** Its status register shows a signalled target abort. */
  signalTargetAbort(): void;
}

/** How much of an address the unit's page tables take. */
const ADDRESS_BITS = 64;

/**
 * AMD's IOMMU: the registers, the address spaces of the devices behind it, their IOMMU objects, and the translation
 * between. Devices see plain memory until the guest has their device table entry invalidated.
 */
export class AmdIommuUnit implements IommuUnit, PciIommuOps, Snapshottable<AmdIommuUnitState> {
  readonly kind = 'amd-iommu';
  readonly features = AMD_FEATURES;
  readonly id: string | null;
  readonly qomPath: string;
  readonly properties: AmdProperties;
  /** What software sees of the unit. */
  readonly registers: RegisterLevel;
  readonly #systemMemory: AddressSpace;
  readonly #trace: TraceParts;
  readonly #shared: SharedRegions;
  readonly #remapping: Remapping;
  readonly #translation: Translation;
  readonly #translator: RequestTranslator;
  readonly #lookUp: LookUp;
  readonly #mappingEvents: MappingEvents;
  readonly #hostDevices: HostDevices;

  constructor(
    options: {
      id: string | null;
      qomPath: string;
      properties: AmdProperties;
      systemMemory: AddressSpace;
      function: UnitFunction;
    } & TraceParts,
  ) {
    const { id, qomPath, properties, systemMemory, function: unitFunction, ...trace } = options;
    this.id = id;
    this.qomPath = qomPath;
    this.properties = properties;
    this.#systemMemory = systemMemory;
    this.#trace = trace;
    this.#mappingEvents = new MappingEvents(() => this.name, trace.events);
    this.#hostDevices = new HostDevices(() => this.name, trace.events);
    this.#remapping = new Remapping(properties, systemMemory, () => this.registers);
    this.#lookUp = new LookUp(this.#remapping);
    this.#translation = new Translation({
      remapping: this.#remapping,
      report: (event) => this.registers.report(event),
      flushHostDevices: (space, flush, origin) => this.#hostDevices.flush(space, flush, origin),
      onSwitched: (space) => this.#tellSwitch(space),
    });
    const faults = new FaultEvents({
      unit: () => this.name,
      device: (requester) => this.#deviceNameOf(requester),
      events: trace.events,
      operation: () => systemMemory.topology.operations.current,
    });
    this.registers = new RegisterLevel({
      properties,
      systemMemory,
      target: this.#translation,
      interrupt: () => unitFunction.interrupt(),
      onAbort: () => unitFunction.signalTargetAbort(),
      onEvent: (event) => faults.tell(event),
    });
    this.#translator = new RequestTranslator(this.#remapping, (event) => this.registers.report(event));

    const { topology, root } = systemMemory;
    const owner = { kind: 'dev', ...(id === null ? { path: qomPath } : { id }) } as const;
    const interrupts = MemoryRegion.mmio(topology, 'amdvi-ir', INTERRUPT_RANGE_SIZE, this.registers.interruptRange);
    this.#shared = sharedRegions(systemMemory, interrupts, owner);
    const registers = MemoryRegion.mmio(topology, 'amdvi-mmio', BigInt(REGISTERS_SIZE), this.registers.mmio);
    registers.owner = owner;
    topology.transaction(() => root.addSubregion(REGISTERS_BASE, registers));
  }

  get name(): string {
    return this.id ?? this.qomPath;
  }

  get mode(): IommuMode {
    return this.registers.enabled ? 'other' : 'off';
  }

  getAddressSpace(bus: PciBus, devfn: number): AddressSpace {
    return this.#spaceOf(bus, devfn).space.addressSpace;
  }

  attachHostDevice(bus: PciBus, devfn: number, device: HostIommuDevice): void {
    this.#hostDevices.add(this.#spaceOf(bus, devfn).space, device);
  }

  detachHostDevice(bus: PciBus, devfn: number, device: HostIommuDevice): void {
    this.#hostDevices.remove(this.#spaceOf(bus, devfn).space, device);
  }

  get guestCapabilities(): GuestCapabilities {
    const { deviceIotlb, pasidBits } = this.properties;
    const firstStage = pasidBits > 0;
    return { pasidBits, firstStage, firstStage1G: firstStage, pageRequests: false, deviceIotlb, snoopControl: false };
  }

  flushDeviceIotlb(bus: PciBus, devfn: number, flush: DeviceTlbFlush): number {
    return this.#translation.flushDeviceIotlb(this.#spaceOf(bus, devfn).space, flush, 'command');
  }

  setBypass(space: DeviceSpace, mode: BypassMode): void {
    const target = this.#targetOf(space);
    const bypass = mode === 'auto' ? this.#translation.bypasses(target) : mode === 'bypass';
    const switched = target.space.show(bypass);
    target.space.forced = mode !== 'auto';
    if (switched) this.#tellSwitch(target.space);
  }

  deviceSpaces(): readonly AmdDeviceSpace[] {
    return this.#remapping.spaces().map(({ space }) => space);
  }

  describe(): IommuInfo {
    const { deviceIotlb, dmaTranslation, pasidBits } = this.properties;
    const { iotlb } = this.#remapping;
    return {
      id: this.name,
      kind: this.kind,
      'qom-path': this.qomPath,
      mode: this.mode,
      capabilities: {
        'aw-bits': ADDRESS_BITS,
        'pasid-bits': pasidBits,
        'first-stage': pasidBits > 0,
        'second-stage': dmaTranslation,
        nested: false,
        // NpCache of the capability header, which is always set: new mappings are invalidated, too.
        'caching-mode': true,
        'device-iotlb': deviceIotlb,
        'page-requests': false,
        registers: this.registers.registers().filter(({ name }) => name === 'EXTFEAT'),
      },
      devices: this.deviceSpaces().flatMap((space) => this.#describeDevices(space)),
      caches: [{ name: 'iotlb', entries: iotlb.size, size: IOTLB_ENTRIES, hits: iotlb.hits, misses: iotlb.misses }],
    };
  }

  spaceOf(addressSpace: AddressSpace): AmdDeviceSpace | null {
    return this.#remapping.behind(addressSpace)?.space ?? null;
  }

  translate(space: DeviceSpace, request: TranslationRequest): UnitTranslation {
    return this.#lookUp.translate(this.#targetOf(space), request);
  }

  mappings(space: DeviceSpace, query: MappingQuery): MappingPage {
    return this.#lookUp.mappings(this.#targetOf(space), query);
  }

  reverse(space: DeviceSpace, search: ReverseSearch): Reach[] {
    return this.#lookUp.reverse(this.#targetOf(space), search);
  }

  iotlbEntries(): UnitIotlbEntry[] {
    return this.#lookUp.iotlbEntries();
  }

  reset(): void {
    this.registers.reset();
    this.#translation.reset();
  }

  save(): AmdIommuUnitState {
    const spaces = this.deviceSpaces().map((space) => ({
      bus: space.place.bus.busName,
      devfn: space.place.devfn,
      state: space.save(),
    }));
    return { registers: this.registers.save(), spaces, translation: this.#translation.save() };
  }

  /** @throws Error when a saved device space has no counterpart: the devices must be made first */
  restore(state: AmdIommuUnitState): void {
    this.registers.restore(state.registers);
    const spaces = state.spaces.map(({ bus, devfn, state: saved }) => {
      const found = this.deviceSpaces().find(({ place }) => place.bus.busName === bus && place.devfn === devfn);
      if (found === undefined) throw new Error(`${this.name} has no device space ${bus}/${hex(devfn)}`);
      return { space: found, saved };
    });
    // Tables and caches first: a notifier that registers when its region appears is told what is mapped.
    this.#translation.restore(state.translation);
    for (const { space, saved } of spaces) space.restore(saved);
    this.#translation.restore(state.translation);
  }

  #describeDevices(space: AmdDeviceSpace): IommuDeviceInfo[] {
    const { iommuObject, bypass, deviceId } = space;
    const { enabled, entry } = this.#remapping;
    const { binding } = iommuObject;
    const domainId = enabled && this.#remapping.read(deviceId) && entry.valid ? entry.domainId : undefined;
    return space.requesters.map(({ label, location }) => ({
      device: label,
      bdf: location,
      bypass,
      ...(domainId !== undefined && { 'domain-id': domainId }),
      ...(binding !== null && {
        binding: { address: binding.address, size: binding.size, format: binding.format, origin: binding.origin },
      }),
    }));
  }

  #targetOf({ addressSpace }: DeviceSpace): TranslatedSpace {
    const target = this.#remapping.behind(addressSpace);
    if (target === undefined) throw new Error(`${addressSpace.name} is no space of ${this.name}`);
    return target;
  }

  /** Functions behind a bridge of conventional PCI share the space of the function that the bridge names for them. */
  #spaceOf(bus: PciBus, devfn: number): TranslatedSpace {
    const present = this.#remapping.find(bus, devfn);
    if (present !== undefined) return present;
    const alias = bus.aliasOf(devfn);
    return this.#remapping.find(alias.bus, alias.devfn) ?? this.#makeSpace(alias.bus, alias.devfn);
  }

  #makeSpace(bus: PciBus, devfn: number): TranslatedSpace {
    const place = new PciPlace(bus, devfn);
    const space = new AmdDeviceSpace({
      unit: this,
      place,
      systemMemory: this.#systemMemory,
      shared: this.#shared,
      trace: this.#trace,
      operations: this.#regionOperations(place),
    });
    const shadow = new Shadow({
      region: space.region,
      target: this.#systemMemory,
      memory: this.#remapping.memory,
      decoder: new AmdShadowDecoder(),
      observe: (event, listeners) => this.#mappingEvents.add(space.deviceName, event, listeners),
    });
    const made = { space, shadow };
    this.#remapping.add(made);
    return made;
  }

  #regionOperations({ bus, devfn }: PciPlace): IommuRegionOperations {
    const target = (): TranslatedSpace => this.#spaceOf(bus, devfn);
    return {
      minPageSize: 4096n,
      retriesRefused: true,
      translate: (address, access) => this.#translator.translate(target(), address, access),
      replay: (notifier) => this.#translation.replay(target(), notifier),
      mappings: (first, last) => this.#translation.mappings(target(), first, last),
      tables: () => this.#translation.tables(target()),
      notifyFlagChanged: (_old, now) => checkNotifiers(this.properties, target().space, now),
    };
  }

  #tellSwitch(space: AmdDeviceSpace): void {
    // An empty slot is put back for whoever comes next: that is nobody's switch.
    if (space.requesters.length === 0) return;
    const { bypass, deviceName: device } = space;
    this.#trace.events.emit('IOMMU_REGION_SWITCHED', { iommu: this.name, device, bypass });
  }

  #deviceNameOf(deviceId: number): ModelEventData<'IOMMU_FAULT'>['device'] {
    const space = this.deviceSpaces().find((one) => one.deviceId === deviceId);
    const place = { segment: 0, bus: deviceId >>> 8, device: (deviceId >>> 3) & 31, function: deviceId & 7 };
    return space?.deviceName ?? formatShortBdf(place);
  }
}
