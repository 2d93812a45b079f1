import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { type Access, Permission } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { HostIommuDevice } from '../../memory/host-device.ts';
import type { IommuEntry, IommuRegionOperations } from '../../memory/iommu-region.ts';
import type { RegionOwner } from '../../memory/region.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { PciIommuOps } from '../../pci/iommu-ops.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { TraceParts } from '../../trace/trace.ts';
import type { OfferedFeatures, VirtioTransport } from '../../virtio/device.ts';
import { MappingEvents } from '../mapping-events.ts';
import { PciPlace } from '../place.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
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
import { Domains, type DomainsState } from './domains.ts';
import { EndpointSpace } from './endpoint-space.ts';
import { IOMMU_FAULTS, iommuFault, type IommuFaultName } from './faults.ts';
import { VIRTIO_FEATURES } from './features.ts';
import { LookUp } from './look-up.ts';
import { MappingNotifications } from './notifications.ts';
import type { VirtioIommuProperties } from './properties.ts';
import type { IommuRequest } from './protocol.ts';
import { Requests, type RequestOutcome } from './requests.ts';
import { hostRegions } from './reserved-regions.ts';
import { SpaceList } from './space-list.ts';
import { Translation } from './translation.ts';
import { type IommuBackend, VirtioIommuDevice } from './virtio-device.ts';

export interface VirtioIommuUnitState {
  bypass: boolean;
  domains: DomainsState;
  /** By bus number and function. */
  spaces: { bus: string; devfn: number; state: SwitchedSpaceState }[];
}

/**
 * The IOMMU of Virtio 1.2, section 5.13: endpoints are attached to domains and addresses mapped by requests, so that
 * there are no tables in guest memory and no caches; a mapping is gone when the request that takes it away is answered.
 */
export class VirtioIommuUnit implements IommuUnit, PciIommuOps, IommuBackend, Snapshottable<VirtioIommuUnitState> {
  readonly kind = 'virtio-iommu-pci';
  readonly features = VIRTIO_FEATURES;
  readonly id: string | null;
  readonly qomPath: string;
  readonly properties: VirtioIommuProperties;
  readonly #systemMemory: AddressSpace;
  readonly #trace: TraceParts;
  readonly #owner: RegionOwner;
  readonly #spaces = new SpaceList();
  readonly #domains = new Domains();
  readonly #translation: Translation;
  readonly #lookUp: LookUp;
  readonly #notifications: MappingNotifications;
  readonly #requests: Requests;
  #device: VirtioIommuDevice | null = null;
  /** Where the guest finds the queues. */
  readonly #place: () => PciPlace;

  constructor(
    options: {
      id: string | null;
      qomPath: string;
      properties: VirtioIommuProperties;
      systemMemory: AddressSpace;
      /** Of the function that is the unit. */
      place: () => PciPlace;
    } & TraceParts,
  ) {
    const { id, qomPath, properties, systemMemory, place, ...trace } = options;
    this.id = id;
    this.qomPath = qomPath;
    this.properties = properties;
    this.#systemMemory = systemMemory;
    this.#place = place;
    this.#trace = trace;
    this.#owner = { kind: 'dev', ...(id === null ? { path: qomPath } : { id }) };
    this.#translation = new Translation(this.#domains, properties);
    this.#lookUp = new LookUp(this.#translation);
    this.#notifications = new MappingNotifications(systemMemory, new MappingEvents(() => this.name, trace.events));
    this.#requests = new Requests({
      translation: this.#translation,
      spaces: this.#spaces,
      notifications: this.#notifications,
      follow: (space) => this.#follow(space),
    });
  }

  get name(): string {
    return this.id ?? this.qomPath;
  }

  /** Off: no driver is at work, and everything passes. */
  get mode(): IommuMode {
    return this.#device?.driverOk === true || !this.bypass ? 'other' : 'off';
  }

  /** The function by which the guest drives the unit. */
  get place(): PciPlace {
    return this.#place();
  }

  /** What is attached to no domain passes: the guest's setting, or boot-bypass. */
  get bypass(): boolean {
    return this.#translation.bypass;
  }

  set bypass(bypass: boolean) {
    this.#translation.bypass = bypass;
    for (const space of this.#spaces.all()) this.#follow(space);
  }

  /** Makes the device with the queues, once. */
  createDevice(transport: VirtioTransport, offered: OfferedFeatures): VirtioIommuDevice {
    this.#device = new VirtioIommuDevice(this, offered, transport);
    return this.#device;
  }

  carryOut(request: IommuRequest): RequestOutcome {
    return this.#requests.carryOut(request);
  }

  /** The driver's attachments and mappings go; the global bypass stays as it set it. */
  deviceReset(): void {
    this.#requests.detachAll();
  }

  getAddressSpace(bus: PciBus, devfn: number): AddressSpace {
    return this.#spaceAt(bus, devfn).addressSpace;
  }

  /** @throws CommandError when the host's pages are larger than those of this unit */
  attachHostDevice(bus: PciBus, devfn: number, { capabilities }: HostIommuDevice): void {
    const { granule, reservedRegions } = this.properties;
    const space = this.#spaceAt(bus, devfn);
    const { addressBits, pageSizes } = capabilities;
    if (!pageSizes.some((size) => size <= granule && granule % size === 0n)) {
      throw new CommandError(
        `virtio-iommu ${space.region.name} does not support frozen granule ${hex(granule)}: ` +
          `the host's smallest page is ${hex(pageSizes[0] ?? 0n)}`,
      );
    }
    space.hostRegions = hostRegions(reservedRegions, addressBits);
  }

  detachHostDevice(bus: PciBus, devfn: number): void {
    this.#spaceAt(bus, devfn).hostRegions = [];
  }

  deviceSpaces(): readonly EndpointSpace[] {
    return this.#spaces.all();
  }

  spaceOf(addressSpace: AddressSpace): EndpointSpace | null {
    return this.#spaces.behind(addressSpace);
  }

  setBypass(space: DeviceSpace, mode: BypassMode): void {
    const target = this.#own(space);
    const bypass = mode === 'auto' ? this.#translation.bypasses(target) : mode === 'bypass';
    const switched = target.show(bypass);
    target.forced = mode !== 'auto';
    if (switched) this.#tellSwitch(target);
  }

  translate(space: DeviceSpace, request: TranslationRequest): UnitTranslation {
    return this.#lookUp.translate(this.#own(space), request);
  }

  mappings(space: DeviceSpace, query: MappingQuery): MappingPage {
    return this.#lookUp.mappings(this.#own(space), query);
  }

  reverse(space: DeviceSpace, search: ReverseSearch): Reach[] {
    return this.#lookUp.reverse(this.#own(space), search);
  }

  /** Nothing is cached. */
  iotlbEntries(): UnitIotlbEntry[] {
    return [];
  }

  describe(): IommuInfo {
    const { awBits, granule } = this.properties;
    const registers = [
      { name: 'FEATURES', value: this.#device?.offered ?? 0n },
      { name: 'DRIVER_FEATURES', value: this.#device?.driverFeatures ?? 0n },
      { name: 'STATUS', value: BigInt(this.#device?.status ?? 0) },
      { name: 'PAGE_SIZE_MASK', value: BigInt.asUintN(64, -granule) },
      { name: 'BYPASS', value: this.bypass ? 1n : 0n },
    ];
    return {
      id: this.name,
      kind: this.kind,
      'qom-path': this.qomPath,
      mode: this.mode,
      capabilities: {
        'aw-bits': awBits,
        'pasid-bits': 0,
        'first-stage': false,
        'second-stage': true,
        nested: false,
        'caching-mode': true,
        'device-iotlb': false,
        'page-requests': false,
        registers,
      },
      devices: this.deviceSpaces().flatMap((space) => this.#describeDevices(space)),
      caches: [],
    };
  }

  reset(): void {
    this.#device?.reset();
    this.deviceReset();
    for (const space of this.#spaces.all()) {
      space.forced = false;
      space.iommuObject.reset();
    }
    this.bypass = this.properties.bootBypass;
  }

  save(): VirtioIommuUnitState {
    return {
      bypass: this.bypass,
      domains: this.#domains.save(),
      spaces: this.deviceSpaces().map((space) => ({
        bus: space.bus.busName,
        devfn: space.devfn,
        state: space.save(),
      })),
    };
  }

  /** The function with the queues is saved by itself. @throws Error when a saved space has no counterpart */
  restore(state: VirtioIommuUnitState): void {
    this.#translation.bypass = state.bypass;
    this.#domains.restore(state.domains);
    for (const { bus, devfn, state: saved } of state.spaces) {
      const space = this.deviceSpaces().find((one) => one.bus.busName === bus && one.devfn === devfn);
      if (space === undefined) throw new Error(`${this.name} has no device space ${bus}/${hex(devfn)}`);
      space.restore(saved);
    }
  }

  #describeDevices(space: EndpointSpace): IommuDeviceInfo[] {
    const domain = this.#translation.domainOf(space);
    return space.requesters.map(({ label, location }) => ({
      device: label,
      bdf: location,
      bypass: space.bypass,
      ...(domain !== null && { 'domain-id': domain.id }),
    }));
  }

  #own({ addressSpace }: DeviceSpace): EndpointSpace {
    const space = this.#spaces.behind(addressSpace);
    if (space === null) throw new Error(`${addressSpace.name} is no space of ${this.name}`);
    return space;
  }

  /** Functions behind a bridge of conventional PCI share the space of the function that the bridge names for them. */
  #spaceAt(bus: PciBus, devfn: number): EndpointSpace {
    const present = this.#spaces.at(bus, devfn);
    if (present !== undefined) return present;
    const alias = bus.aliasOf(devfn);
    return this.#spaces.at(alias.bus, alias.devfn) ?? this.#makeSpace(alias.bus, alias.devfn);
  }

  #makeSpace(bus: PciBus, devfn: number): EndpointSpace {
    const space: EndpointSpace = new EndpointSpace({
      unit: this,
      place: new PciPlace(bus, devfn),
      index: this.#spaces.size,
      systemMemory: this.#systemMemory,
      owner: this.#owner,
      trace: this.#trace,
      operations: this.#regionOperations(() => space),
    });
    this.#spaces.add(space);
    space.follow(this.#translation.bypasses(space));
    return space;
  }

  #regionOperations(space: () => EndpointSpace): IommuRegionOperations {
    return {
      minPageSize: this.properties.granule,
      translate: (address, access) => this.#translate(space(), address, access),
      replay: (notifier) => {
        const domain = this.#translation.domainOf(space());
        for (const mapping of domain?.mappings.entries() ?? []) this.#notifications.mapped(space(), mapping, notifier);
      },
      mappings: (first, last) => this.#lookUp.regionMappings(space(), first, last),
      tables: () => {
        const domain = this.#translation.domainOf(space());
        return domain === null ? null : BigInt(domain.id);
      },
      notifyFlagChanged: (_old, now) => {
        if (now.has('deviotlb-unmap')) throw new CommandError('Virtio-iommu does not support dev-iotlb yet');
      },
    };
  }

  /** As QEMU: the answer holds the right that was asked for, and covers one granule. */
  #translate(space: EndpointSpace, address: bigint, access: Access): IommuEntry {
    const mask = this.properties.granule - 1n;
    const judgement = this.#translation.judge(space, address, access);
    const common = { target: this.#systemMemory, iova: address & ~mask, mask };
    if (judgement.kind === 'fault') {
      if (access !== 'none') this.#tellFault(space, judgement.name, address, access);
      const fault = iommuFault(judgement.name, access, address);
      return { ...common, translated: 0n, permissions: Permission.none, fault };
    }
    const translated = judgement.kind === 'mapped' ? judgement.address : address;
    return { ...common, translated: translated & ~mask, permissions: asked(access) };
  }

  /** @returns whether the IOMMU region came with it, whose notifiers have been told what is mapped */
  #follow(space: EndpointSpace): boolean {
    if (space.forced) return false;
    const switched = space.follow(this.#translation.bypasses(space));
    if (switched) this.#tellSwitch(space);
    return switched && !space.bypass;
  }

  #tellSwitch(space: EndpointSpace): void {
    if (space.requesters.length === 0) return;
    const { bypass, deviceName: device } = space;
    this.#trace.events.emit('IOMMU_REGION_SWITCHED', { iommu: this.name, device, bypass });
  }

  #tellFault(space: EndpointSpace, name: IommuFaultName, address: bigint, access: Access): void {
    const { code, flags } = IOMMU_FAULTS[name];
    this.#device?.report({ code, flags, endpoint: space.endpoint, address });
    this.#trace.events.emit('IOMMU_FAULT', {
      iommu: this.name,
      device: space.deviceName,
      address: address & ~0xfffn,
      access: access === 'write' ? 'write' : 'read',
      code,
      reason: name,
    });
  }
}

function asked(access: Access): number {
  switch (access) {
    case 'none':
      return Permission.none;
    case 'read':
      return Permission.read;
    case 'write':
      return Permission.write;
    case 'execute':
      return Permission.read | Permission.execute;
  }
}
