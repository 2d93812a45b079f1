import { hex } from '../../core/address.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { MmioOperations } from '../../memory/mmio.ts';
import type { RegionOwner } from '../../memory/region.ts';
import type { PciIommuOps } from '../../pci/iommu-ops.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { TraceParts } from '../../trace/trace.ts';
import type { BypassableSpaceState } from '../bypassable-space.ts';
import { MappingEvents } from '../mapping-events.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import type {
  BypassMode,
  DeviceSpace,
  IommuInfo,
  IommuUnit,
  MappingPage,
  MappingQuery,
  TranslationRequest,
  UnitIotlbEntry,
  UnitTranslation,
} from '../unit.ts';
import { TCE_FAULTS } from './faults.ts';
import { SPAPR_FEATURES } from './features.ts';
import { DmaHostBridge, type HostBridgeWindows, MOST_WINDOWS, pciLiobn } from './host-bridge.ts';
import { Hypercalls } from './hypercalls.ts';
import { LookUp } from './look-up.ts';
import { RtasCalls } from './rtas.ts';
import { type TcePlace, TceSpace } from './space.ts';
import type { TceTableState } from './table.ts';
import { DmaWindow, type RefusedRequest, type WindowObserver } from './window.ts';

/** A VIO device: its space, and what the guest has said about passing by. */
interface VioEntry {
  readonly reg: number;
  readonly space: TceSpace;
  bypass: boolean;
}

export interface SpaprTceUnitState {
  spaces: { windows: TceTableState[]; space: BypassableSpaceState }[];
  vioBypass: { reg: number; bypass: boolean }[];
}

/** A DMA window, as `query-tce-windows` lists it. */
export interface TceWindowInfo {
  readonly liobn: number;
  /** Those who share it. */
  readonly devices: string[];
  readonly address: bigint;
  readonly size: bigint;
  readonly 'page-size': bigint;
  readonly tces: number;
  readonly mapped: number;
  readonly 'need-vfio': boolean;
}

const VIO_PAGE_SHIFT = 12;

/**
 * The TCE tables of a pSeries machine: what its hypervisor has in front of the DMA of its PCI host bridges and of its
 * VIO devices. There is no register: guests change tables by hypercall, and each change is in force at once. Bypass is
 * for VIO devices alone (RTAS call ibm,set-tce-bypass), unless a command asks for it.
 */
export class SpaprTceUnit implements IommuUnit, Snapshottable<SpaprTceUnitState> {
  readonly kind = 'spapr-tce';
  readonly features = SPAPR_FEATURES;
  readonly id = null;
  readonly mode = 'other';
  readonly qomPath: string;
  readonly hypercalls: Hypercalls;
  readonly #systemMemory: AddressSpace;
  readonly #trace: TraceParts;
  readonly #owner: RegionOwner;
  readonly #mappingEvents: MappingEvents;
  readonly #lookUp = new LookUp();
  readonly #bridges: DmaHostBridge[] = [];
  readonly #vio: VioEntry[] = [];
  readonly #windows = new Map<number, DmaWindow>();

  constructor(options: { qomPath: string; systemMemory: AddressSpace } & TraceParts) {
    const { qomPath, systemMemory, ...trace } = options;
    this.qomPath = qomPath;
    this.#systemMemory = systemMemory;
    this.#trace = trace;
    this.#owner = { kind: 'dev', path: qomPath };
    this.#mappingEvents = new MappingEvents(() => this.name, trace.events);
    const rtas = new RtasCalls(systemMemory, {
      bridges: () => this.#bridges,
      setTceBypass: (reg, bypass) => this.#setTceBypass(reg, bypass),
    });
    const windowOf = (liobn: number): DmaWindow | null => this.#windows.get(liobn) ?? null;
    this.hypercalls = new Hypercalls({ memory: systemMemory, windowOf, rtas });
  }

  get name(): string {
    return this.qomPath;
  }

  get bridges(): readonly DmaHostBridge[] {
    return this.#bridges;
  }

  /**
   * A PCI host bridge: all functions behind it share one address space. Its bus asks what is returned.
   * @param options.messages takes the interrupt messages of the functions
   */
  addHostBridge(options: {
    index: number;
    place: TcePlace;
    windows: HostBridgeWindows;
    messages?: MmioOperations;
  }): PciIommuOps {
    const { index, place, windows: offered, messages } = options;
    const name = place.name;
    const liobns = Array.from({ length: MOST_WINDOWS }, (_, window) => pciLiobn(index, window));
    const names = { root: `${name}.iommu-root`, bypass: `${name}.bypass`, space: name };
    const bridge = new DmaHostBridge(index, this.#makeSpace(place, liobns, names, messages), offered);
    this.#bridges.push(bridge);
    const { addressSpace } = bridge.space;
    return { getAddressSpace: (_bus: PciBus, _devfn: number) => addressSpace };
  }

  /**
   * A VIO device with a window of its own: `size` bytes from address 0 on, in pages of 4 KiB. Its LIOBN is its unit
   * address, 32 bits, which nobody else has.
   */
  addVio(options: { reg: number; place: TcePlace; size: bigint }): TceSpace {
    const { reg, place, size } = options;
    const names = { root: 'iommu-spapr-root', bypass: 'iommu-spapr-bypass', space: place.name };
    const space = this.#makeSpace(place, [reg], names);
    const entries = Number(size >> BigInt(VIO_PAGE_SHIFT));
    space.windows[0]!.open({ pageShift: VIO_PAGE_SHIFT, busOffset: 0n, entries });
    this.#vio.push({ reg, space, bypass: false });
    return space;
  }

  deviceSpaces(): readonly TceSpace[] {
    return [...this.#bridges.map(({ space }) => space), ...this.#vio.map(({ space }) => space)];
  }

  spaceOf(addressSpace: AddressSpace): TceSpace | null {
    return this.deviceSpaces().find((space) => space.addressSpace === addressSpace) ?? null;
  }

  setBypass(space: DeviceSpace, mode: BypassMode): void {
    const own = this.#own(space);
    const guest = this.#vio.find((entry) => entry.space === own)?.bypass ?? false;
    const switched = own.show(mode === 'auto' ? guest : mode === 'bypass');
    own.forced = mode !== 'auto';
    if (switched) this.#tellSwitch(own);
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

  /** Every request reads its TCE: nothing is cached. */
  iotlbEntries(): UnitIotlbEntry[] {
    return [];
  }

  /** The default window with that LIOBN, as the device tree describes it; null without one. In bytes. */
  firmwareWindow(liobn: number): { address: bigint; size: bigint; dynamicBuid: bigint | null } | null {
    const bridge = this.#bridges.find(({ space }) => space.guestId === liobn);
    if (bridge !== undefined) {
      const { address, dynamic, size } = bridge.offered;
      return { address, size, dynamicBuid: dynamic ? bridge.buid : null };
    }
    const geometry = this.#vio.find(({ reg }) => reg === liobn)?.space.windows[0]?.geometry ?? null;
    if (geometry === null) return null;
    const { busOffset, entries, pageShift } = geometry;
    return { address: busOffset, size: BigInt(entries) << BigInt(pageShift), dynamicBuid: null };
  }

  /** The open windows, by device space and address. */
  windows(): TceWindowInfo[] {
    return this.deviceSpaces().flatMap((space) =>
      space.openWindows().map(({ window, geometry: { busOffset, entries, pageShift } }) => ({
        liobn: window.liobn,
        devices: space.requesters.map(({ label }) => label),
        address: busOffset,
        size: BigInt(entries) << BigInt(pageShift),
        'page-size': 1n << BigInt(pageShift),
        tces: entries,
        mapped: window.table.mapped,
        'need-vfio': window.needsVfio,
      })),
    );
  }

  describe(): IommuInfo {
    return {
      id: this.name,
      kind: this.kind,
      'qom-path': this.qomPath,
      mode: this.mode,
      capabilities: {
        'aw-bits': 64,
        'pasid-bits': 0,
        'first-stage': false,
        'second-stage': true,
        nested: false,
        // Guests change tables by hypercalls alone, so that each new entry is seen.
        'caching-mode': true,
        'device-iotlb': false,
        'page-requests': false,
        registers: [],
      },
      devices: this.deviceSpaces().flatMap(({ bypass, requesters }) =>
        requesters.map(({ label, location }) => ({ device: label, bdf: location, bypass })),
      ),
      caches: [],
    };
  }

  reset(): void {
    for (const space of this.deviceSpaces()) {
      space.iommuObject.reset();
      space.forced = false;
    }
    for (const bridge of this.#bridges) {
      this.#follow(bridge.space, false);
      bridge.reset();
    }
    for (const entry of this.#vio) {
      entry.bypass = false;
      for (const window of entry.space.windows) window.clear();
      this.#follow(entry.space, false);
    }
  }

  save(): SpaprTceUnitState {
    return {
      spaces: this.deviceSpaces().map((space) => ({
        windows: space.windows.map((window) => window.save()),
        space: space.save(),
      })),
      vioBypass: this.#vio.map(({ reg, bypass }) => ({ reg, bypass })),
    };
  }

  /** @throws Error when there are other devices than when the state was saved */
  restore(state: SpaprTceUnitState): void {
    const spaces = this.deviceSpaces();
    if (spaces.length !== state.spaces.length) throw new Error(`${this.name} has other devices than were saved`);
    for (const [index, saved] of state.spaces.entries()) {
      const space = spaces[index]!;
      for (const [number, window] of space.windows.entries()) window.restore(saved.windows[number]!);
      space.restore(saved.space);
    }
    for (const { reg, bypass } of state.vioBypass) {
      const entry = this.#vio.find((one) => one.reg === reg);
      if (entry === undefined) throw new Error(`${this.name} has no VIO device ${hex(reg)}`);
      entry.bypass = bypass;
    }
  }

  #makeSpace(
    place: TcePlace,
    liobns: readonly number[],
    names: { root: string; bypass: string; space: string },
    messages?: MmioOperations,
  ): TceSpace {
    const observer: WindowObserver = {
      refused: (request) => this.#tellFault(space, request),
      told: (event, listeners) => this.#mappingEvents.add(space.deviceName, event, listeners),
    };
    const windows = liobns.map((liobn) => {
      if (this.#windows.has(liobn)) throw new Error(`LIOBN ${hex(liobn)} is taken`);
      const window = new DmaWindow({ liobn, systemMemory: this.#systemMemory, owner: this.#owner, observer });
      this.#windows.set(liobn, window);
      return window;
    });
    const space: TceSpace = new TceSpace({
      unit: this,
      place,
      windows,
      names,
      systemMemory: this.#systemMemory,
      ...(messages !== undefined && { messages }),
      owner: this.#owner,
      trace: this.#trace,
    });
    return space;
  }

  #setTceBypass(reg: number, bypass: boolean): boolean {
    const entry = this.#vio.find((one) => one.reg === reg);
    if (entry === undefined) return false;
    entry.bypass = bypass;
    entry.space.forced = false;
    this.#follow(entry.space, bypass);
    return true;
  }

  #follow(space: TceSpace, bypass: boolean): void {
    if (space.follow(bypass)) this.#tellSwitch(space);
  }

  #own({ addressSpace }: DeviceSpace): TceSpace {
    const space = this.spaceOf(addressSpace);
    if (space === null) throw new Error(`${addressSpace.name} is no space of ${this.name}`);
    return space;
  }

  #tellSwitch(space: TceSpace): void {
    if (space.requesters.length === 0) return;
    const { bypass, deviceName: device } = space;
    this.#trace.events.emit('IOMMU_REGION_SWITCHED', { iommu: this.name, device, bypass });
  }

  #tellFault(space: TceSpace, { address, access, reason, attributes }: RefusedRequest): void {
    const { code } = TCE_FAULTS[reason];
    this.#trace.events.emit('IOMMU_FAULT', {
      iommu: this.name,
      device: space.nameOf(attributes.requester),
      address: address & ~0xfffn,
      access: access === 'write' ? 'write' : 'read',
      code,
      reason,
    });
  }
}
