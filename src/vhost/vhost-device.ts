import type { VirtualClock } from '../core/clock.ts';
import type { DeviceSpace } from '../iommu/unit.ts';
import { permissionNames, type TransactionAttributes } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { DmaPath, DmaRequest, DmaResult } from '../memory/dma.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { VhostBackend, type BackendState } from './backend.ts';
import { VhostFrontend, type FrontendState } from './frontend.ts';
import { MessageEvents } from './message-events.ts';
import { IotlbAccess, type IotlbMessage } from './messages.ts';
import { StaleWatch } from './stale-watch.ts';
import { TablesNow } from './tables-now.ts';
import { UserMemory, type UserMemoryState, type UserRegion } from './user-memory.ts';

export interface VhostParts extends TraceParts {
  readonly clock: VirtualClock;
  /** The system memory. */
  readonly memory: AddressSpace;
  /** What the device's requests see. */
  readonly addressSpace: AddressSpace;
  /** Ranges that the device IOTLB can hold; at least 1. */
  readonly iotlbSize: number;
  /** By id or QOM path. */
  readonly device: () => string;
  /** Of the device's requests. */
  readonly attributes: () => TransactionAttributes;
  /** What a vIOMMU knows of the address space; null where none stands behind it. */
  readonly space: () => DeviceSpace | null;
  /** Host-physical. */
  readonly hostAddressOf: (block: RamBlock, offset: number) => bigint;
}

/** How vhost is started. */
export interface VhostStart {
  /** Addresses are the device's own, behind the IOMMU; otherwise they are guest-physical. */
  readonly iotlb: boolean;
  /** Software has enabled ATS. */
  readonly deviceIotlb: boolean;
  /** Of the used rings, which are asked for at once. */
  readonly usedRings: readonly bigint[];
}

export interface VhostState {
  started: boolean;
  iotlb: boolean;
  deviceIotlb: boolean;
  userMemory: UserMemoryState;
  backend: BackendState;
  frontend: FrontendState;
}

/** A cached range as `query-vhost` lists it. */
export interface VhostRangeInfo {
  readonly iova: bigint;
  readonly last: bigint;
  readonly 'user-address': bigint;
  readonly address?: bigint;
  readonly permissions: ('read' | 'write' | 'execute')[];
  readonly stale: boolean;
}

/** What `query-vhost` tells of one device, but for its queues. */
export interface VhostInfo {
  readonly started: boolean;
  readonly iotlb: boolean;
  readonly ats: boolean;
  readonly failure?: string;
  readonly memory: { address: bigint; size: bigint; 'user-address': bigint }[];
  readonly cache: { entries: number; size: number; hits: number; misses: number; evictions: number };
  readonly messages: { miss: number; unanswered: number; update: number; invalidate: number };
  readonly ranges: VhostRangeInfo[];
}

/**
 * vhost for one device: the backend that moves its data, and the frontend that stands between that and the vIOMMU. It
 * works while a driver does, from {@link start} to {@link stop}.
 */
export class VhostDevice implements Snapshottable<VhostState> {
  readonly backend: VhostBackend;
  readonly frontend: VhostFrontend;
  readonly userMemory: UserMemory;
  readonly #parts: VhostParts;
  readonly #watch: StaleWatch;
  readonly #messages: MessageEvents;
  #started = false;
  #iotlb = false;
  #deviceIotlb = false;

  constructor(parts: VhostParts) {
    const { addressSpace, attributes, checks, clock, device, events, faults, hostAddressOf, memory, points, space } =
      parts;
    this.#parts = parts;
    this.userMemory = new UserMemory(memory);
    this.#messages = new MessageEvents(device, events);
    const tables = new TablesNow({ memory, space });
    const { userMemory } = this;
    const watch = new StaleWatch({ events, checks, faults, points, device, tables, userMemory, hostAddressOf });
    this.#watch = watch;
    this.backend = new VhostBackend({
      userMemory,
      size: parts.iotlbSize,
      usesIotlb: () => this.#iotlb,
      miss: (message) => this.#miss(message),
      originOf: (iova) => watch.originOf(iova),
      used: (range, address, access) => watch.checkUse(range, address, access),
    });
    this.frontend = new VhostFrontend({
      addressSpace,
      userMemory,
      faults,
      clock,
      device,
      attributes,
      send: (message) => this.#send(message),
      told: ({ iova, size }) => this.backend.iotlb.markTold(iova, iova + size - 1n, events.operation),
      invalidated: (first, last) => watch.checkInvalidation(this.backend.iotlb.ranges, first, last),
    });
  }

  get started(): boolean {
    return this.#started;
  }

  /** The way of single transfers: through the device IOTLB, as everything that the device moves. */
  get dmaPath(): DmaPath {
    return { move: (request) => this.#move(request) };
  }

  /**
   * A driver is at work from now on.
   * @throws CommandError when the vIOMMU refuses to tell what goes; nothing is started then
   */
  start({ iotlb, deviceIotlb, usedRings }: VhostStart): void {
    if (this.#started) return;
    this.backend.reset();
    if (iotlb) this.frontend.start(deviceIotlb);
    this.#started = true;
    this.#iotlb = iotlb;
    this.#deviceIotlb = deviceIotlb;
    if (iotlb)
      for (const ring of usedRings) this.frontend.receive({ type: 'miss', iova: ring, access: IotlbAccess.write });
  }

  /** What is cached goes, too. */
  stop(): void {
    if (!this.#started) return;
    if (this.#iotlb) this.frontend.stop();
    this.#started = false;
    this.#iotlb = false;
    this.backend.reset();
  }

  /** Software has enabled ATS of the function, or disabled it. */
  setDeviceIotlb(on: boolean): void {
    this.#deviceIotlb = on;
    if (this.#iotlb) this.frontend.setDeviceIotlb(on);
  }

  describe(): VhostInfo {
    const { iotlb, received, sent } = this.backend;
    const { failure } = this.frontend;
    return {
      started: this.#started,
      iotlb: this.#iotlb,
      ats: this.#deviceIotlb,
      ...(failure !== null && { failure }),
      memory: this.userMemory.regions().map(regionInfo),
      cache: {
        entries: iotlb.ranges.length,
        size: iotlb.size,
        hits: iotlb.hits,
        misses: iotlb.misses,
        evictions: iotlb.evictions,
      },
      messages: {
        miss: sent.miss,
        unanswered: sent.failed,
        update: received.update,
        invalidate: received.invalidate,
      },
      ranges: this.#ranges(),
    };
  }

  save(): VhostState {
    return {
      started: this.#started,
      iotlb: this.#iotlb,
      deviceIotlb: this.#deviceIotlb,
      userMemory: this.userMemory.save(),
      backend: this.backend.save(),
      frontend: this.frontend.save(),
    };
  }

  /** The vIOMMU is restored by then. @throws Error when the address space shows other sections */
  restore(state: VhostState): void {
    this.stop();
    this.userMemory.restore(state.userMemory);
    if (state.started) this.start({ ...state, usedRings: [] });
    this.#deviceIotlb = state.deviceIotlb;
    this.backend.restore(state.backend);
    this.frontend.restore(state.frontend);
  }

  #miss(message: IotlbMessage): ReturnType<VhostFrontend['receive']> {
    this.#messages.add(message);
    return this.frontend.receive(message);
  }

  #send(message: IotlbMessage): void {
    this.#messages.add(message, this.backend.receive(message));
  }

  #move({ address, bytes, pasid, write }: DmaRequest): DmaResult {
    const name = this.#parts.device();
    const fault = (sentence: string): DmaResult => ({ kind: 'fault', sentence });
    if (pasid !== undefined) return fault(`Device '${name}' is served by vhost, which issues no requests with PASID`);
    if (!this.#started) {
      return fault(`No driver is at work with device '${name}', so vhost moves nothing for it; use guest-vhost-start`);
    }
    const failure = this.backend.access(address, bytes, write ? 'write' : 'read');
    return failure === null ? { kind: 'moved' } : { kind: 'fault', ...failure };
  }

  #ranges(): VhostRangeInfo[] {
    const ranges = [...this.backend.iotlb.ranges];
    ranges.sort((one, other) => (one.iova < other.iova ? -1 : Number(one.iova > other.iova)));
    return ranges.map((range) => {
      const address = this.userMemory.toGuest(range.userAddress);
      return {
        iova: range.iova,
        last: range.last,
        'user-address': range.userAddress,
        ...(address !== null && { address }),
        permissions: permissionNames(range.access),
        stale: this.#watch.isStale(range),
      };
    });
  }
}

function regionInfo({ address, size, userAddress }: UserRegion): VhostInfo['memory'][number] {
  return { address, size, 'user-address': userAddress };
}
