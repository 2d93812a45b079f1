import { hex } from '../../core/address.ts';
import { formatShortBdf } from '../../core/bdf.ts';
import { CommandError } from '../../core/errors.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { DeviceTlbFlush, GuestCapabilities, HostIommuDevice } from '../../memory/host-device.ts';
import type { IommuRegionOperations } from '../../memory/iommu-region.ts';
import type { PageRequest, PageRequestOutcome, PageResponder } from '../../memory/page-request.ts';
import { BusError, type MmioOperations } from '../../memory/mmio.ts';
import { MemoryRegion } from '../../memory/region.ts';
import type { AtsEntry, AtsRequest } from '../../pci/ats.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { PciIommuOps } from '../../pci/iommu-ops.ts';
import type { ModelEventData } from '../../trace/model-events.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { TraceParts } from '../../trace/trace.ts';
import { faultReason } from '../faults.ts';
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
import { CachedContext } from './context-cache.ts';
import { INTERRUPT_RANGE_SIZE } from '../interrupt-messages.ts';
import {
  IntelDeviceSpace,
  type IntelDeviceSpaceState,
  type SharedRegions,
  sharedRegions,
} from './device-address-space.ts';
import { HostDevices } from '../host-devices.ts';
import { describeCaches, describeCapabilities, describeDevices } from './describe.ts';
import { INTEL_FEATURES } from './features.ts';
import type { RootTable, TranslationFaultReport } from './invalidation.ts';
import { LookUp } from './look-up.ts';
import { checkNotifiers } from './notifier-checks.ts';
import { PageRequests } from './page-requests.ts';
import type { IntelProperties } from './properties.ts';
import { RegisterLevel, type RegisterLevelState } from './register-level.ts';
import { REGISTERS_BASE, REGISTERS_SIZE } from './registers.ts';
import { Remapping, type TranslatedSpace } from './remapping.ts';
import { RequestTranslator } from './request-translator.ts';
import { ReverseLookUp } from './reverse-look-up.ts';
import { Shadow } from '../shadow.ts';
import { SecondStageDecoder } from './shadow-decoder.ts';
import { IntelShadowPoints } from './shadow-points.ts';
import { shadowedMappings, shadowedTable } from './shadowed-tables.ts';
import { type IntelTableEntry, tableEntries } from './table-listing.ts';
import { Translation, type TranslationState } from './translation.ts';

export type { IntelTableEntry } from './table-listing.ts';

type FaultEvent = ModelEventData<'IOMMU_FAULT'>;

export interface IntelIommuUnitState {
  registers: RegisterLevelState;
  /** By bus number, function and PASID. */
  spaces: { bus: string; devfn: number; pasid: number | null; state: IntelDeviceSpaceState }[];
  translation: TranslationState;
}

/**
 * Intel VT-d's remapping unit: the registers, the address spaces of the devices behind it, their IOMMU objects, and the
 * translation between. A unit that nobody has programmed translates nothing: devices see plain memory, or through the
 * IOMMU region the same addresses.
 */
export class IntelIommuUnit implements IommuUnit, PciIommuOps, Snapshottable<IntelIommuUnitState> {
  readonly kind = 'intel-iommu';
  readonly features = INTEL_FEATURES;
  readonly id: string | null;
  readonly qomPath: string;
  readonly properties: IntelProperties;
  /** What software sees of the unit. */
  readonly registers: RegisterLevel;
  readonly #systemMemory: AddressSpace;
  readonly #trace: TraceParts;
  readonly #shared: SharedRegions;
  readonly #remapping: Remapping;
  readonly #translation: Translation;
  readonly #translator: RequestTranslator;
  readonly #lookUp: LookUp;
  readonly #reverseLookUp: ReverseLookUp;
  readonly #mappingEvents: MappingEvents;
  readonly #pageRequests: PageRequests;
  readonly #hostDevices: HostDevices;

  constructor(
    options: {
      id: string | null;
      qomPath: string;
      properties: IntelProperties;
      systemMemory: AddressSpace;
      /** Called when software has switched translation on or off, and all devices see what they are to see then. */
      onEnabled?: (on: boolean) => void;
    } & TraceParts,
  ) {
    const { id, qomPath, properties, systemMemory, events, checks, faults, points } = options;
    const trace = { events, checks, faults, points };
    this.id = id;
    this.qomPath = qomPath;
    this.properties = properties;
    this.#systemMemory = systemMemory;
    this.#trace = trace;
    this.#mappingEvents = new MappingEvents(() => this.name, trace.events);
    this.#hostDevices = new HostDevices(() => this.name, trace.events);
    const remapping = new Remapping(properties, systemMemory, points);
    this.#remapping = remapping;
    this.#lookUp = new LookUp(remapping);
    this.#reverseLookUp = new ReverseLookUp(remapping);
    this.#translation = new Translation({
      remapping,
      hasHostDevice: (space) => this.#hostDevices.isBehind(space),
      flushHostDevices: (space, flush, origin) => this.#hostDevices.flush(space, flush, origin),
      onSwitched: (space) => this.#tellSwitch(space),
      onEnabled: (on) => options.onEnabled?.(on),
    });
    this.registers = new RegisterLevel({
      properties,
      systemMemory,
      translation: this.#translation,
      onRecorded: (fault) => this.#tellFault(fault),
      onPageResponse: (response) => this.#pageRequests.respond(response),
      onPageRequestRoom: () => this.#pageRequests.retry(),
      points,
    });
    this.#pageRequests = new PageRequests({
      unit: () => this.name,
      registers: this.registers,
      translation: this.#translation,
      events: trace.events,
      offered: properties.svm,
    });
    this.#translator = new RequestTranslator(remapping, this.registers, (target) => this.#translation.evaluate(target));

    const { topology, root } = systemMemory;
    const owner = { kind: 'dev', ...(id === null ? { path: qomPath } : { id }) } as const;
    const interrupts = MemoryRegion.mmio(topology, 'vtd-ir', INTERRUPT_RANGE_SIZE, this.registers.interruptRange);
    this.#shared = sharedRegions(systemMemory, interrupts, owner);
    const registers = MemoryRegion.mmio(topology, 'intel_iommu', BigInt(REGISTERS_SIZE), this.registers.mmio);
    registers.owner = owner;
    topology.transaction(() => root.addSubregion(REGISTERS_BASE, registers));
  }

  get name(): string {
    return this.id ?? this.qomPath;
  }

  get mode(): IommuMode {
    return this.#remapping.enabled ? this.#remapping.root.mode : 'off';
  }

  /** What SRTP latched last. */
  get root(): RootTable {
    return this.#remapping.root;
  }

  /** Where the registers lie in the system memory. */
  get registersBase(): bigint {
    return REGISTERS_BASE;
  }

  /** The present entries behind the root table, as they stand in memory. */
  tables(): Generator<IntelTableEntry> {
    return tableEntries(this.#remapping.look.memory, this.#remapping.root);
  }

  getAddressSpace(bus: PciBus, devfn: number): AddressSpace {
    return this.#spaceOf(bus, devfn, null).space.addressSpace;
  }

  getPasidAddressSpace(bus: PciBus, devfn: number, pasid: number): AddressSpace {
    return this.#spaceOf(bus, devfn, pasid).space.addressSpace;
  }

  /**
   * @throws CommandError when the device cannot be served: its mappings could not be followed without caching mode, or
   *   the host's IOMMU is narrower than this one
   */
  attachHostDevice(bus: PciBus, devfn: number, device: HostIommuDevice): void {
    const { awBits, cachingMode, firstStage } = this.properties;
    if (!cachingMode) {
      throw new CommandError('Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.');
    }
    const { addressBits } = device.capabilities;
    if (!firstStage && awBits > addressBits) {
      const nearest = [48, 39].find((width) => width <= addressBits);
      const cure =
        nearest === undefined
          ? 'start with a host-iommu that has address-bits=39'
          : `give the vIOMMU aw-bits=${nearest}`;
      throw new CommandError(`aw-bits ${awBits} > host aw-bits ${addressBits}: ${cure}`);
    }
    this.#changeHostDevices(bus, devfn, (space) => this.#hostDevices.add(space, device));
  }

  get guestCapabilities(): GuestCapabilities {
    const { deviceIotlb, firstStage, firstStage1G, pasidBits, snoopControl, svm } = this.properties;
    return { pasidBits, firstStage, firstStage1G, pageRequests: svm, deviceIotlb, snoopControl };
  }

  detachHostDevice(bus: PciBus, devfn: number, device: HostIommuDevice): void {
    this.#changeHostDevices(bus, devfn, (space) => this.#hostDevices.remove(space, device));
  }

  flushDeviceIotlb(bus: PciBus, devfn: number, flush: DeviceTlbFlush): number {
    return this.#translation.flushDeviceIotlb(this.#spaceOf(bus, devfn, null).space, flush, 'command');
  }

  setBypass(space: DeviceSpace, mode: BypassMode): void {
    const target = this.#targetOf(space);
    const bypass = mode === 'auto' ? this.#translation.bypasses(target) : mode === 'bypass';
    const switched = target.space.show(bypass);
    target.space.forced = mode !== 'auto';
    if (switched) this.#tellSwitch(target.space);
  }

  deviceSpaces(): readonly IntelDeviceSpace[] {
    return this.#remapping
      .spaces()
      .map(({ space }) => space)
      .filter(({ pasid }) => pasid === null);
  }

  describe(): IommuInfo {
    return {
      id: this.name,
      kind: this.kind,
      'qom-path': this.qomPath,
      mode: this.mode,
      capabilities: {
        ...describeCapabilities(this.properties),
        registers: this.registers
          .registers()
          .filter(({ name }) => name === 'CAP' || name === 'ECAP')
          .map(({ name, value }) => ({ name, value })),
      },
      devices: this.deviceSpaces().flatMap((space) => describeDevices(this.#remapping, space)),
      caches: describeCaches(this.#remapping),
    };
  }

  spaceOf(addressSpace: AddressSpace): IntelDeviceSpace | null {
    return this.#remapping.behind(addressSpace)?.space ?? null;
  }

  translate(space: DeviceSpace, request: TranslationRequest): UnitTranslation {
    return this.#lookUp.translate(this.#targetOf(space), request);
  }

  mappings(space: DeviceSpace, query: MappingQuery): MappingPage {
    return this.#lookUp.mappings(this.#targetOf(space), query);
  }

  reverse(space: DeviceSpace, search: ReverseSearch): Reach[] {
    return this.#reverseLookUp.search(this.#targetOf(space), search);
  }

  iotlbEntries(): UnitIotlbEntry[] {
    return this.#lookUp.iotlbEntries();
  }

  atsTranslate(bus: PciBus, devfn: number, request: AtsRequest): AtsEntry[] {
    return this.#translator.translateForDevice(this.#spaceOf(bus, devfn, request.pasid ?? null), request);
  }

  takesPageRequests(bus: PciBus, devfn: number): boolean {
    return this.#pageRequests.takes(this.#spaceOf(bus, devfn, null).space);
  }

  requestPage(bus: PciBus, devfn: number, request: PageRequest, responder: PageResponder): PageRequestOutcome {
    return this.#pageRequests.request(this.#spaceOf(bus, devfn, null).space, request, responder);
  }

  reset(): void {
    this.#pageRequests.reset();
    this.registers.reset();
  }

  save(): IntelIommuUnitState {
    const spaces = this.#remapping.spaces().map(({ space }) => ({
      bus: space.bus.busName,
      devfn: space.devfn,
      pasid: space.pasid,
      state: space.save(),
    }));
    return { registers: this.registers.save(), spaces, translation: this.#translation.save() };
  }

  /** @throws Error when a saved device space has no counterpart: the devices must be made first */
  restore(state: IntelIommuUnitState): void {
    this.registers.restore(state.registers);
    const buses = new Map(this.deviceSpaces().map(({ bus }) => [bus.busName, bus]));
    const spaces = state.spaces.map(({ bus, devfn, pasid, state: saved }) => {
      const place = buses.get(bus);
      const found =
        place && (pasid === null ? this.#remapping.find(place, devfn, null) : this.#spaceOf(place, devfn, pasid));
      if (found === undefined) throw new Error(`${this.name} has no device space ${bus}/${hex(devfn)}`);
      return { space: found.space, saved };
    });
    // Tables and caches first: a notifier that registers when its region appears is told what is mapped.
    this.#translation.restore(state.translation);
    for (const { space, saved } of spaces) space.restore(saved);
    this.#translation.restore(state.translation);
  }

  #changeHostDevices(bus: PciBus, devfn: number, change: (space: IntelDeviceSpace) => void): void {
    const target = this.#spaceOf(bus, devfn, null);
    change(target.space);
    if (this.properties.firstStage) this.#translation.evaluate(target);
  }

  #targetOf({ addressSpace }: DeviceSpace): TranslatedSpace {
    const target = this.#remapping.behind(addressSpace);
    if (target === undefined) throw new Error(`${addressSpace.name} is no space of ${this.name}`);
    return target;
  }

  /** Functions behind a bridge of conventional PCI share the space of the function that the bridge names for them. */
  #spaceOf(bus: PciBus, devfn: number, pasid: number | null): TranslatedSpace {
    const present = this.#remapping.find(bus, devfn, pasid);
    if (present !== undefined) return present;
    const alias = bus.aliasOf(devfn);
    return this.#remapping.find(alias.bus, alias.devfn, pasid) ?? this.#makeSpace(alias.bus, alias.devfn, pasid);
  }

  #makeSpace(bus: PciBus, devfn: number, pasid: number | null): TranslatedSpace {
    const place = new PciPlace(bus, devfn);
    const space = new IntelDeviceSpace({
      unit: this,
      place,
      pasid,
      systemMemory: this.#systemMemory,
      shared: this.#shared,
      trace: this.#trace,
      operations: this.#regionOperations(place, pasid),
      blockedInterrupts: this.#blockedInterrupts(place, pasid),
    });
    const { look } = this.#remapping;
    const shadow = new Shadow({
      region: space.region,
      target: this.#systemMemory,
      memory: look.memory,
      decoder: new SecondStageDecoder(look.second),
      observe: (event, listeners) => this.#mappingEvents.add(space.deviceName, event, listeners),
      points: new IntelShadowPoints(this.#trace.points, () => look.domainId),
    });
    const made = { space, context: new CachedContext(), shadow };
    this.#remapping.add(made);
    // A device that comes while remapping is on finds what the tables say.
    space.follow(this.#translation.bypasses(made));
    return made;
  }

  #regionOperations({ bus, devfn }: PciPlace, pasid: number | null): IommuRegionOperations {
    const target = (): TranslatedSpace => this.#spaceOf(bus, devfn, pasid);
    return {
      minPageSize: 4096n,
      translate: (address, access, attributes) => this.#translator.translate(target(), address, access, attributes),
      replay: (notifier) => this.#translation.replay(target(), notifier),
      mappings: (first, last) => shadowedMappings(this.#remapping, target().space, first, last),
      tables: () => shadowedTable(this.#remapping, target().space),
      notifyFlagChanged: (old, now) =>
        checkNotifiers(this.#remapping, { space: target().space, old, now }, this.#trace.checks),
    };
  }

  /** Nobody is behind the interrupt range for a request with PASID that passes through (VT-d, section 3.14). */
  #blockedInterrupts(place: PciPlace, pasid: number | null): MmioOperations {
    const block = (offset: number, write: boolean): never => {
      const { sourceId } = place;
      const address = 0xfee0_0000n + BigInt(offset);
      const tag = pasid === null ? {} : { pasid };
      this.registers.record({ sourceId, address, code: 0x87, write, ...tag, faultProcessingDisabled: false });
      throw new BusError('Requests with PASID that pass through are blocked in the interrupt range');
    };
    return { read: (offset) => block(offset, false), write: (offset) => block(offset, true) };
  }

  #tellSwitch(space: IntelDeviceSpace): void {
    // An empty slot is put back for whoever comes next: that is nobody's switch.
    if (space.pasid !== null || space.requesters.length === 0) return;
    const { bypass, deviceName: device } = space;
    this.#trace.events.emit('IOMMU_REGION_SWITCHED', { iommu: this.name, device, bypass });
  }

  #tellFault(fault: TranslationFaultReport): void {
    const { sourceId, address, code, write, pasid } = fault;
    const space = this.deviceSpaces().find((one) => one.sourceId === sourceId);
    const place = { segment: 0, bus: sourceId >>> 8, device: (sourceId >>> 3) & 31, function: sourceId & 7 };
    this.#trace.events.emit('IOMMU_FAULT', {
      iommu: this.name,
      device: space?.deviceName ?? formatShortBdf(place),
      ...(pasid !== undefined && { pasid }),
      address: address & ~0xfffn,
      access: write ? 'write' : 'read',
      code,
      reason: faultReason(code).reason as FaultEvent['reason'],
    });
  }
}
