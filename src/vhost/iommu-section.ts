import type { VirtualClock } from '../core/clock.ts';
import { type IommuRegion, type RegionEvent, RegionNotifier } from '../memory/iommu-region.ts';
import type { MemorySection } from '../memory/listener.ts';
import { FaultPath } from '../trace/fault-path.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { HeldBackState } from '../trace/held-back.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

/** Addresses of the device that the vIOMMU no longer translates as before. */
export interface IotlbNotice {
  readonly iova: bigint;
  /** In bytes, up to 2^64. */
  readonly size: bigint;
}

export interface IommuSectionParts {
  readonly section: MemorySection;
  readonly region: IommuRegion;
  /** By id or QOM path. */
  readonly device: string;
  /** The device has ATS, enabled: it hears of device-IOTLB invalidations in place of unmaps. */
  readonly deviceIotlb: boolean;
  readonly faults: FaultPoints;
  readonly clock: VirtualClock;
  /** The vIOMMU has told; an injected fault may keep it from being followed. */
  told(notice: IotlbNotice): void;
  follow(notice: IotlbNotice): void;
  /** The guest has completed an invalidation of these addresses of the device, both inclusive. */
  invalidated(first: bigint, last: bigint): void;
}

export interface IommuSectionState {
  readonly delivered: number;
  readonly failed: number;
  readonly notices: HeldBackState<IotlbNotice>;
}

/**
 * One section of an IOMMU region in the device's address space, with the notifier that vhost has there: for unmaps, or
 * for device-IOTLB invalidations, never for maps. It is not replayed: what is not cached is asked for.
 */
export class IommuSection implements Snapshottable<IommuSectionState> {
  readonly section: MemorySection;
  readonly notifier: RegionNotifier;
  readonly #region: IommuRegion;
  readonly #notices: FaultPath<IotlbNotice, void>;
  /** What has to be added to an address inside the region to get the device's. */
  readonly #offset: bigint;
  readonly #told: (notice: IotlbNotice) => void;

  constructor(parts: IommuSectionParts) {
    const { section } = parts;
    this.section = section;
    this.#region = parts.region;
    this.#offset = section.start - section.offsetInRegion;
    this.#told = (notice) => parts.told(notice);
    this.#notices = new FaultPath({
      point: 'listener',
      faults: parts.faults,
      clock: parts.clock,
      device: () => parts.device,
      carryOut: (notice) => parts.follow(notice),
    });
    this.notifier = new RegionNotifier({
      name: 'vhost-iotlb',
      device: parts.device,
      kind: 'vhost',
      events: [parts.deviceIotlb ? 'deviotlb-unmap' : 'unmap'],
      start: section.offsetInRegion,
      last: section.offsetInRegion + section.size - 1n,
      notify: (event) => this.#take(event),
      invalidated: (first, last) => parts.invalidated(first + this.#offset, last + this.#offset),
    });
  }

  /** @throws CommandError when the vIOMMU refuses such notifiers */
  register(): void {
    this.#region.registerNotifier(this.notifier);
  }

  unregister(): void {
    this.#notices.drop();
    this.#region.unregisterNotifier(this.notifier);
  }

  /** True for the very same section of the address space. */
  is({ region, start, size, offsetInRegion }: MemorySection): boolean {
    const own = this.section;
    return own.region === region && own.start === start && own.size === size && own.offsetInRegion === offsetInRegion;
  }

  save(): IommuSectionState {
    return { ...this.notifier.save(), notices: this.#notices.save() };
  }

  restore(state: IommuSectionState): void {
    this.notifier.restore(state);
    this.#notices.restore(state.notices);
  }

  #take({ entry }: RegionEvent): void {
    const notice = { iova: entry.iova + this.#offset, size: entry.mask + 1n };
    this.#told(notice);
    this.#notices.take(notice);
  }
}
