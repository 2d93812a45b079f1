import { ADDRESS_LAST, hex } from '../core/address.ts';
import type { VirtualClock } from '../core/clock.ts';
import { CommandError, messageOf } from '../core/errors.ts';
import { allOrNothing } from '../core/undo.ts';
import type { HostMemory } from '../host/memory.ts';
import type { HostPageTable } from '../host/page-table.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { isIommuRegion } from '../memory/iommu-region.ts';
import type { MemoryListener, MemorySection } from '../memory/listener.ts';
import type { Checks } from '../trace/checks.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { TracePoints } from '../trace/points/table.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { TraceParts } from '../trace/trace.ts';
import { DmaMap } from './dma-map.ts';
import { GuestIommuMr, type GuestIommuMrState } from './guest-iommu-mr.ts';
import type { Isolation } from './isolation.ts';
import { actualOf, type Difference, differences, expectedOf, type Layout } from './layout.ts';
import type { RefusalsState } from './refusals.ts';

/**
 * How guest tables reach the host: `pasid-table` is the one of 2017, the whole table bound once; `iommufd` is
 * today's, one nested page table per PASID.
 */
export type VfioContract = 'pasid-table' | 'iommufd';

export interface ContainerParts extends TraceParts {
  readonly id: number;
  /** The iommufd object that it belongs to; null: contract pasid-table. */
  readonly iommufd: string | null;
  /** The devices' address space, whose RAM (or whose translations) the container maps. */
  readonly addressSpace: AddressSpace;
  readonly table: HostPageTable;
  /** The host's smallest page, in bytes: only whole ones are mapped. */
  readonly pageSize: bigint;
  /** Read-only memory is left out: the host could not keep devices from writing it. */
  readonly skipsReadonly: boolean;
  /** Guest RAM. */
  readonly memory: AddressSpace;
  readonly hostMemory: HostMemory;
  readonly clock: VirtualClock;
  readonly isolation: Isolation;
  /** All its devices are declared to share memory. */
  readonly isShared: () => boolean;
}

export interface ContainerState {
  readonly id: number;
  /** Of the region notifiers, in the order of their sections. */
  readonly guestRegions: GuestIommuMrState[];
  readonly map: RefusalsState;
}

const TOP_BIT = 1n << 63n;

/**
 * A host page table that follows one address space of the guest. RAM sections are mapped as they are (GPA to HPA);
 * sections of an IOMMU region are shadowed (IOVA to HPA) as long as they show.
 */
export class VfioContainer implements MemoryListener, Snapshottable<ContainerState> {
  readonly priority = 0;
  readonly id: number;
  readonly iommufd: string | null;
  readonly addressSpace: AddressSpace;
  readonly table: HostPageTable;
  readonly #pageSize: bigint;
  readonly #skipsReadonly: boolean;
  readonly #memory: AddressSpace;
  readonly #hostMemory: HostMemory;
  readonly #checks: Checks;
  readonly #faults: FaultPoints;
  readonly #clock: VirtualClock;
  readonly #points: TracePoints;
  readonly #map: DmaMap;
  #guestRegions: readonly GuestIommuMr[] = [];

  constructor(parts: ContainerParts) {
    this.id = parts.id;
    this.iommufd = parts.iommufd;
    this.addressSpace = parts.addressSpace;
    this.table = parts.table;
    this.#pageSize = parts.pageSize;
    this.#skipsReadonly = parts.skipsReadonly;
    this.#memory = parts.memory;
    this.#hostMemory = parts.hostMemory;
    this.#checks = parts.checks;
    this.#faults = parts.faults;
    this.#clock = parts.clock;
    this.#points = parts.points;
    this.#map = new DmaMap({
      container: parts.id,
      isolation: parts.isolation,
      tenant: {
        device: () => this.#device,
        isShared: parts.isShared,
        tables: () => this.#guestRegions[0]?.tables ?? null,
      },
      table: parts.table,
      memory: parts.hostMemory,
      events: parts.events,
      checks: parts.checks,
      faults: parts.faults,
      points: parts.points,
      iommufd: parts.iommufd !== null,
    });
  }

  get contract(): VfioContract {
    return this.iommufd === null ? 'pasid-table' : 'iommufd';
  }

  /** The sections of IOMMU regions that are shadowed now; none in bypass. */
  get guestRegions(): readonly GuestIommuMr[] {
    return this.#guestRegions;
  }

  /** Follows the address space from now on. @throws CommandError when something in it cannot be mapped; all is undone */
  connect(): void {
    this.addressSpace.addListener(this);
  }

  /**
   * The last device leaves: nothing stays mapped and no notifier registered. What should still be mapped then goes with
   * the table, but whoever was to unmap it has forgotten it (check `mapping-survives-invalidation`).
   */
  disconnect(): void {
    this.addressSpace.removeListener(this);
    this.#checkLeft();
    this.#map.dispose();
  }

  /** @throws CommandError when the host refuses the map, or the vIOMMU the region notifier; nothing is left then */
  regionAdd(section: MemorySection): void {
    const points = this.#points;
    if (this.#isSkipped(section)) {
      points.vfio_listener_region_add_skip?.(section.start, lastOf(section));
      return;
    }
    if (isIommuRegion(section.region)) {
      points.vfio_listener_region_add_iommu?.(section.start, lastOf(section));
      this.#shadow(section);
      return;
    }
    const inner = innerPages(section, this.#pageSize);
    const { block } = section.region;
    if (inner === null || block === null) return;
    const offset = section.offsetInRegion + (inner.iova - section.start);
    points.vfio_listener_region_add_ram?.(
      inner.iova,
      inner.iova + inner.size - 1n,
      this.#hostMemory.hpaOf(block, offset),
    );
    // Sections of RAM show where plain memory does: there an address of the space is guest-physical.
    this.#map.mapRam({
      ...inner,
      gpa: inner.iova,
      block,
      offset,
      readonly: section.readonly,
      translated: false,
    });
  }

  /** Skips exactly the sections that {@link regionAdd} skipped: an unmap of what was never mapped is a bug. */
  regionDelete(section: MemorySection): void {
    if (this.#isSkipped(section)) {
      this.#points.vfio_listener_region_del_skip?.(section.start, lastOf(section));
      return;
    }
    const sweep = isIommuRegion(section.region);
    if (sweep) {
      const gone = this.#guestRegions.find((guest) => sameSection(guest.section, section));
      this.#guestRegions = this.#guestRegions.filter((guest) => guest !== gone);
      gone?.unregister();
    }
    const inner = innerPages(section, this.#pageSize);
    if (inner === null) return;
    this.#points.vfio_listener_region_del?.(inner.iova, inner.iova + inner.size - 1n);
    this.#unmap(inner, sweep);
  }

  /**
   * Where the host's map is not what it should be: the guest's RAM as it lies while the address space shows plain
   * memory, and what the vIOMMU's tables map where it shows an IOMMU region. What the vIOMMU was told that
   * the host refused is not missing; RAM that could not be mapped is, since nobody was told.
   */
  layoutFault(): Difference | null {
    const expected = this.#expected();
    if (expected === null) return null;
    const actual = actualOf(this.table.rangesIn(0n, ADDRESS_LAST), this.#hostMemory);
    for (const difference of differences(actual, expected, 0n, ADDRESS_LAST)) {
      const told = this.#guestRegions.length > 0 && this.#map.isRefused(difference.iova, difference.size);
      if (difference.kind === 'surplus' || !told) return difference;
    }
    return null;
  }

  save(): ContainerState {
    return { id: this.id, guestRegions: this.#guestRegions.map((guest) => guest.save()), map: this.#map.save() };
  }

  /** @throws Error when other sections are shadowed than when the state was saved */
  restore(state: ContainerState): void {
    if (state.id !== this.id || state.guestRegions.length !== this.#guestRegions.length) {
      throw new Error(`Container ${this.id} differs from the saved container ${state.id}`);
    }
    state.guestRegions.forEach((counters, index) => this.#guestRegions[index]!.restore(counters));
    this.#map.restore(state.map);
    this.#map.restoreTranslated(this.#guestRegions.length > 0);
  }

  /** Nobody could do anything about an unmap that the host refuses: the section has gone, and the others must go on. */
  #unmap(range: { readonly iova: bigint; readonly size: bigint }, sweep: boolean): void {
    try {
      this.#map.unmap({ ...range, sweep });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const desc =
        `${hex(range.size)} bytes from ${hex(range.iova)} on could not be unmapped in container ${this.id}, although ` +
        `the address space does not show them any more: ${messageOf(error)}`;
      this.#checks.fail('mapping-survives-invalidation', { device: this.#device, desc });
    }
  }

  #isSkipped(section: MemorySection): boolean {
    return isSkipped(section) || (this.#skipsReadonly && section.readonly && !isIommuRegion(section.region));
  }

  #checkLeft(): void {
    const left = [...this.table.rangesIn(0n, ADDRESS_LAST)];
    const [first] = left;
    if (first === undefined) return;
    const bytes = left.reduce((sum, { size }) => sum + size, 0n);
    const desc =
      `${hex(bytes)} bytes from ${hex(first.iova)} on are still mapped in container ${this.id}, although its last device ` +
      'has left';
    this.#checks.fail('mapping-survives-invalidation', { device: this.#device, desc });
  }

  /** The device whose address space it is, or the first of several. */
  get #device(): string {
    return this.addressSpace.device ?? this.addressSpace.name;
  }

  /** Null where the tables cannot be read at once. */
  #expected(): Layout[] | null {
    const { addressSpace } = this;
    const expected: Layout[] = [];
    for (const { region, start, last, offsetInRegion, readonly } of addressSpace.flatView.ranges) {
      const section = { addressSpace, region, start, size: last - start + 1n, offsetInRegion, readonly };
      const inner = this.#isSkipped(section) ? null : innerPages(section, this.#pageSize);
      if (inner === null) continue;
      if (region.block !== null) {
        expected.push({ ...inner, block: region.block, offset: offsetInRegion + (inner.iova - start), readonly });
        continue;
      }
      const guest = this.#guestRegions.find((one) => sameSection(one.section, section));
      const end = inner.iova + inner.size - 1n;
      const shadowed = guest === undefined ? [] : this.#shadowed(guest, inner.iova, end);
      if (shadowed === null) return null;
      expected.push(...clipped(shadowed, inner.iova, end));
    }
    return expected;
  }

  /** Null where the tables cannot be read at once. */
  #shadowed(guest: GuestIommuMr, first: bigint, last: bigint): Iterable<Layout> | null {
    const mappings = guest.mappings(first, last);
    return mappings === null ? null : expectedOf(mappings, this.#memory);
  }

  /** For the guest, what its tables do not map any more cannot be reached behind an invalidation. */
  #checkInvalidation(guest: GuestIommuMr, first: bigint, last: bigint): void {
    if (this.table.rangeCount === 0 || !this.#checks.isEnabled('mapping-survives-invalidation')) return;
    const expected = this.#shadowed(guest, first, last);
    if (expected === null) return;
    const actual = actualOf(this.table.rangesIn(first, last), this.#hostMemory);
    let bytes = 0n;
    let start: bigint | null = null;
    for (const { kind, iova, size } of differences(actual, expected, first, last)) {
      if (kind !== 'surplus') continue;
      start ??= iova;
      bytes += size;
    }
    if (start === null) return;
    const desc =
      `${hex(bytes)} bytes from ${hex(start)} on stay mapped in container ${this.id} behind an invalidation of ` +
      `${hex(first)}-${hex(last)}, although the guest's tables do not map them so`;
    this.#checks.fail('mapping-survives-invalidation', { device: guest.notifier.device, desc });
  }

  #shadow(section: MemorySection): void {
    if (!isIommuRegion(section.region)) return;
    const guest: GuestIommuMr = new GuestIommuMr({
      map: this.#map,
      section,
      region: section.region,
      memory: this.#memory,
      device: this.#device,
      faults: this.#faults,
      clock: this.#clock,
      points: this.#points,
      invalidated: (first, last) => this.#checkInvalidation(guest, first, last),
    });
    allOrNothing((undo) => {
      guest.register();
      undo(() => guest.unregister());
      const before = this.#guestRegions;
      this.#guestRegions = [...before, guest];
      undo(() => (this.#guestRegions = before));
      const inner = innerPages(section, this.#pageSize);
      if (inner !== null) undo(() => this.#map.unmap({ ...inner, sweep: true }));
      guest.replay();
    });
  }
}

/**
 * What is neither RAM nor translated cannot be mapped: MMIO, holes. Addresses with bit 63 set are what buses use for
 * other purposes.
 */
function isSkipped(section: MemorySection): boolean {
  const { kind } = section.region;
  return (kind !== 'ram' && kind !== 'rom' && kind !== 'iommu') || (section.start & TOP_BIT) !== 0n;
}

function lastOf({ start, size }: MemorySection): bigint {
  return start + size - 1n;
}

/** The whole pages inside a section; null without any, or where the region's pages lie across those of the space. */
function innerPages(section: MemorySection, page: bigint): { iova: bigint; size: bigint } | null {
  if ((section.start - section.offsetInRegion) % page !== 0n) return null;
  const start = (section.start + page - 1n) & ~(page - 1n);
  const end = (section.start + section.size) & ~(page - 1n);
  return start < end && start <= ADDRESS_LAST ? { iova: start, size: end - start } : null;
}

function sameSection(a: MemorySection, b: MemorySection): boolean {
  return a.region === b.region && a.start === b.start && a.size === b.size && a.offsetInRegion === b.offsetInRegion;
}

/** What of a list lies from `first` to `last` (inclusive). */
function* clipped(list: Iterable<Layout>, first: bigint, last: bigint): Generator<Layout> {
  for (const one of list) {
    const start = one.iova > first ? one.iova : first;
    const end = one.iova + one.size < last + 1n ? one.iova + one.size : last + 1n;
    if (start < end) yield { ...one, iova: start, size: end - start, offset: one.offset + (start - one.iova) };
  }
}
