import { hex } from '../core/address.ts';
import type { VirtualClock } from '../core/clock.ts';
import { CommandError } from '../core/errors.ts';
import { Permission, type Permissions } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { type IommuRegion, type RegionEvent, type RegionMapping, RegionNotifier } from '../memory/iommu-region.ts';
import type { MemorySection } from '../memory/listener.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import { FaultPath } from '../trace/fault-path.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { HeldBackState } from '../trace/held-back.ts';
import type { TracePoints } from '../trace/points/table.ts';
import type { Snapshottable } from '../trace/snapshot.ts';

/** A range of guest RAM that a container maps; sizes and offsets in bytes. */
export interface RamRange {
  readonly iova: bigint;
  readonly gpa: bigint;
  readonly size: bigint;
  readonly block: RamBlock;
  /** Of the first byte, in the block. */
  readonly offset: bigint;
  readonly readonly: boolean;
  /** The guest's tables say so; otherwise it is plain memory. */
  readonly translated: boolean;
}

/** A range that is to be unmapped; size in bytes, up to 2^64. */
export interface UnmapRange {
  readonly iova: bigint;
  readonly size: bigint;
  /** It takes whatever is mapped there; otherwise all of it was mapped. */
  readonly sweep: boolean;
}

/** The map of a container, as its sections of an IOMMU region fill it. */
export interface ShadowMap {
  /** @throws CommandError when the host refuses it */
  mapRam(range: RamRange): void;
  /** What was told mapped could not be. */
  refuse(range: { readonly iova: bigint; readonly size: bigint }): void;
  /** @throws CommandError when a mapping would be split */
  unmap(range: UnmapRange): void;
}

export interface GuestIommuMrOptions {
  readonly map: ShadowMap;
  readonly section: MemorySection;
  readonly region: IommuRegion;
  /** Guest RAM: the only place that a translation may lead to. */
  readonly memory: AddressSpace;
  /** The device that the section's address space belongs to, by id or QOM path. */
  readonly device: string;
  readonly faults: FaultPoints;
  readonly clock: VirtualClock;
  readonly points: TracePoints;
  /** The guest has completed an invalidation of these addresses of the device, both inclusive. */
  invalidated(first: bigint, last: bigint): void;
}

/** What the vIOMMU tells of a range, in addresses of the device. */
interface RegionNotice {
  readonly iova: bigint;
  readonly size: bigint;
  readonly gpa: bigint;
  /** None: it is not mapped any more. */
  readonly permissions: Permissions;
  readonly sweep: boolean;
  /** It takes the place of what is mapped there. */
  readonly replaces: boolean;
}

export interface GuestIommuMrState {
  readonly delivered: number;
  readonly failed: number;
  /** What an injected fault holds back. */
  readonly notices: HeldBackState<RegionNotice>;
}

/**
 * One section of an IOMMU region inside a container: what the vIOMMU maps there (IOVA to GPA) is kept mapped on the
 * host (IOVA to HPA). This is the older path, by region notifiers; it exists only while the region shows.
 */
export class GuestIommuMr implements Snapshottable<GuestIommuMrState> {
  readonly section: MemorySection;
  readonly notifier: RegionNotifier;
  readonly #map: ShadowMap;
  readonly #region: IommuRegion;
  readonly #memory: AddressSpace;
  /** What has to be added to an address inside the region to get the device's. */
  readonly #offset: bigint;
  readonly #notices: FaultPath<RegionNotice, void>;
  readonly #points: TracePoints;

  constructor(options: GuestIommuMrOptions) {
    const { section } = options;
    this.section = section;
    this.#map = options.map;
    this.#region = options.region;
    this.#memory = options.memory;
    this.#points = options.points;
    this.#offset = section.start - section.offsetInRegion;
    this.#notices = new FaultPath({
      point: 'listener',
      faults: options.faults,
      clock: options.clock,
      device: () => options.device,
      carryOut: (notice) => this.#follow(notice),
    });
    this.notifier = new RegionNotifier({
      name: 'vfio-guest-iommu-mr',
      device: options.device,
      kind: 'vfio',
      events: ['map', 'unmap'],
      start: section.offsetInRegion,
      last: section.offsetInRegion + section.size - 1n,
      notify: (event) => this.#take(event),
      invalidated: (first, last) => options.invalidated(first + this.#offset, last + this.#offset),
    });
  }

  /** Asks to be told. @throws CommandError when the vIOMMU refuses such notifiers (without caching mode, it must) */
  register(): void {
    this.#region.registerNotifier(this.notifier);
  }

  /** Has everything told that is mapped now. A mapping that fails is counted at the notifier, and does not end it. */
  replay(): void {
    this.#region.replay(this.notifier);
  }

  unregister(): void {
    this.#notices.drop();
    this.#region.unregisterNotifier(this.notifier);
  }

  /**
   * What the tables map from `first` to `last` (inclusive) of the device's addresses; null where that cannot be told.
   */
  mappings(first: bigint, last: bigint): RegionMapping[] | null {
    const { iommu } = this.#region;
    const listed = iommu.mappings?.(first - this.#offset, last - this.#offset) ?? null;
    return listed === null ? null : listed.map((mapping) => ({ ...mapping, iova: mapping.iova + this.#offset }));
  }

  /** What the tables behind the section are known by; null where none are in force. */
  get tables(): bigint | null {
    return this.#region.iommu.tables?.() ?? null;
  }

  save(): GuestIommuMrState {
    return { ...this.notifier.save(), notices: this.#notices.save() };
  }

  restore(state: GuestIommuMrState): void {
    this.notifier.restore(state);
    this.#notices.restore(state.notices);
  }

  #take({ entry, sweep, replaces }: RegionEvent): void {
    const { permissions, target, translated: gpa } = entry;
    const notice = {
      iova: entry.iova + this.#offset,
      size: entry.mask + 1n,
      gpa,
      permissions,
      sweep: sweep === true,
      replaces: replaces === true,
    };
    this.#points.vfio_iommu_map_notify?.(maps(notice) ? 'MAP' : 'UNMAP', notice.iova, notice.iova + entry.mask);
    try {
      if (maps(notice) && target !== this.#memory) {
        throw new CommandError(
          `Wrong target address space "${target.name}" for IOVA ${hex(entry.iova)}: only system memory is allowed`,
        );
      }
      this.#notices.take(notice);
    } catch (error) {
      if (maps(notice)) this.#map.refuse(notice);
      throw error;
    }
  }

  #follow(notice: RegionNotice): void {
    const { iova, size, gpa, sweep, replaces } = notice;
    if (!maps(notice)) {
      this.#map.unmap({ iova, size, sweep });
      return;
    }
    try {
      if (replaces) this.#map.unmap({ iova, size, sweep: false });
      this.#map.mapRam({ iova, gpa, size, translated: true, ...this.#resolve(notice) });
    } catch (error) {
      this.#map.refuse(notice);
      throw error;
    }
  }

  /** The RAM that a range leads to: all of it in one section, or it is refused. */
  #resolve({ gpa, size, permissions }: RegionNotice): { block: RamBlock; offset: bigint; readonly: boolean } {
    const found = this.#memory.translate(gpa, 'none');
    const block = found.region?.block ?? null;
    if (block === null) throw new CommandError(`iommu map to non memory area ${hex(gpa)}`);
    if (found.length < size) {
      throw new CommandError(
        `iommu has granularity incompatible with target AS: ${hex(size)} bytes at ${hex(gpa)}, ` +
          `of which ${hex(found.length)} lie in one section`,
      );
    }
    const readonly = found.readonly || (permissions & Permission.write) === 0;
    return { block, offset: found.offset, readonly };
  }
}

function maps({ permissions }: RegionNotice): boolean {
  return (permissions & Permission.readWrite) !== 0;
}
