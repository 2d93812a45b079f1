import { ADDRESS_LAST } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { NO_ATTRIBUTES, Permission } from './access.ts';
import type { Access, Permissions, TransactionAttributes, TranslationFault } from './access.ts';
import type { AddressSpace } from './address-space.ts';
import type { ListenerStatus } from './iommu-object.ts';
import { MemoryRegion } from './region.ts';
import type { MemoryTopology } from './topology.ts';

/** What a region notifier can be told; `deviotlb-unmap` is for those that keep a device IOTLB (vhost). */
export type RegionEventType = 'map' | 'unmap' | 'deviotlb-unmap';

/** Where the addresses `iova` to `iova + mask` lead. */
export interface IommuEntry {
  readonly target: AddressSpace;
  readonly iova: bigint;
  readonly translated: bigint;
  /** Size - 1. A power of two less one, except where an entry was cropped to a notifier's range. */
  readonly mask: bigint;
  readonly permissions: Permissions;
  /** Why rights are missing. */
  readonly fault?: TranslationFault;
}

export interface RegionEvent {
  readonly type: RegionEventType;
  readonly entry: IommuEntry;
  /** Of an unmap: it takes away whatever is mapped in the range; that all of it was told mapped is not said. */
  readonly sweep?: true;
  /** Of a map: it takes the place of the page that was told mapped at the same addresses before. */
  readonly replaces?: true;
}

/** Addresses that a unit's tables map in a row; sizes in bytes. */
export interface RegionMapping {
  /** Relative to the region. */
  readonly iova: bigint;
  /** Where it leads, guest-physical. */
  readonly address: bigint;
  readonly size: bigint;
  /** Of the pages that map it. */
  readonly pageSize: bigint;
  readonly writable: boolean;
}

/** What a unit implements behind its IOMMU region. Addresses are relative to the region. */
export interface IommuRegionOperations {
  /** In bytes; the step of the default replay. */
  readonly minPageSize: bigint;
  /** What is refused is tried again as a bus does: in aligned pieces of at most 4 bytes, instead of whole pages. */
  readonly retriesRefused?: boolean;
  /** Looks `address` up. Missing rights are not thrown but told by the entry. Access `none` asks without using. */
  translate(address: bigint, access: Access, attributes: TransactionAttributes): IommuEntry;
  /** Tells `notifier` everything that is mapped in its range; without it the region asks page by page. */
  replay?(notifier: RegionNotifier): void;
  /**
   * What the tables map now from `first` to `last` (inclusive) for those who keep maps, by ascending address, whatever
   * is cached or was told. Null where nothing is told of maps, or where the tables are too large to be read at once.
   */
  mappings?(first: bigint, last: bigint): RegionMapping[] | null;
  /** A number that regions with the same tables have in common; null while no tables are in force. */
  tables?(): bigint | null;
  /**
   * The union of all notifiers' events is about to change.
   * @throws CommandError to refuse; the registration is then undone
   */
  notifyFlagChanged?(old: ReadonlySet<RegionEventType>, now: ReadonlySet<RegionEventType>): void;
}

export interface RegionNotifierOptions {
  readonly name: string;
  /** The device that it serves, by id or QOM path. */
  readonly device: string;
  readonly kind: 'vfio' | 'vhost' | 'device';
  readonly events: Iterable<RegionEventType>;
  /** First and inclusive last address inside the region. */
  readonly start: bigint;
  readonly last: bigint;
  /** A throw of CommandError counts as a failed delivery. */
  notify(event: RegionEvent): void;
  /**
   * An invalidation by the guest of the addresses `first` to `last` (inclusive) is complete: for the guest nothing of
   * what its tables do not map there is reachable any more.
   */
  invalidated?(first: bigint, last: bigint): void;
}

/** A consumer of a region's mappings: told of what changes inside its range, of the types that it asks for. */
export class RegionNotifier implements Snapshottable<{ delivered: number; failed: number }> {
  readonly name: string;
  readonly device: string;
  readonly kind: 'vfio' | 'vhost' | 'device';
  readonly events: ReadonlySet<RegionEventType>;
  readonly start: bigint;
  readonly last: bigint;
  readonly #notify: (event: RegionEvent) => void;
  readonly #invalidated: (first: bigint, last: bigint) => void;
  #delivered = 0;
  #failed = 0;

  /** @throws RangeError when `start` is behind `last` or no event is asked for */
  constructor(options: RegionNotifierOptions) {
    this.name = options.name;
    this.device = options.device;
    this.kind = options.kind;
    this.events = new Set(options.events);
    this.start = options.start;
    this.last = options.last;
    this.#notify = (event) => options.notify(event);
    this.#invalidated = (first, last) => options.invalidated?.(first, last);
    if (this.start > this.last) throw new RangeError(`Region notifier ${this.name} has an empty range`);
    if (this.events.size === 0) throw new RangeError(`Region notifier ${this.name} asks for no event`);
  }

  /** How many events reached it, the failed ones included. */
  get delivered(): number {
    return this.#delivered;
  }

  get failed(): number {
    return this.#failed;
  }

  /**
   * Gives it the part of `event` that lies in its range.
   * @returns null when nothing does, or when it does not ask for this type
   */
  deliver(event: RegionEvent): ListenerStatus | null {
    if (!this.events.has(event.type)) return null;
    const { entry } = event;
    const entryLast = entry.iova + entry.mask;
    if (this.start > entryLast || this.last < entry.iova) return null;
    const start = entry.iova > this.start ? entry.iova : this.start;
    const last = entryLast < this.last ? entryLast : this.last;
    const whole = start === entry.iova && last === entryLast;
    this.#delivered += 1;
    const status: ListenerStatus = { listener: this.name, device: this.device, kind: this.kind, status: 'ok' };
    try {
      this.#notify(whole ? event : { ...event, entry: cropped(entry, start, last) });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#failed += 1;
      status.status = 'error';
      status.desc = error.message;
    }
    return status;
  }

  /** An invalidation of these addresses (inclusive) is complete; the notifier hears of those in its range. */
  completeInvalidation(first: bigint, last: bigint): void {
    const start = first > this.start ? first : this.start;
    const end = last < this.last ? last : this.last;
    if (start <= end) this.#invalidated(start, end);
  }

  save(): { delivered: number; failed: number } {
    return { delivered: this.#delivered, failed: this.#failed };
  }

  restore(state: { delivered: number; failed: number }): void {
    this.#delivered = state.delivered;
    this.#failed = state.failed;
  }
}

/** The part of an entry from `start` to `last`; what it leads to moves along. */
function cropped(entry: IommuEntry, start: bigint, last: bigint): IommuEntry {
  const moved = entry.permissions === Permission.none ? 0n : start - entry.iova;
  return { ...entry, iova: start, translated: entry.translated + moved, mask: last - start };
}

/** A region whose addresses a unit translates into those of other address spaces. */
export class IommuRegion extends MemoryRegion {
  readonly iommu: IommuRegionOperations;
  #notifiers: readonly RegionNotifier[] = [];

  constructor(topology: MemoryTopology, name: string, size: bigint, operations: IommuRegionOperations) {
    super(topology, name, 'iommu', size);
    this.iommu = operations;
  }

  /** In the order of registration, which is the order in which they are told. */
  get notifiers(): readonly RegionNotifier[] {
    return this.#notifiers;
  }

  /** The union of what the notifiers ask for. */
  events(): ReadonlySet<RegionEventType> {
    const events = new Set<RegionEventType>();
    for (const notifier of this.#notifiers) for (const event of notifier.events) events.add(event);
    return events;
  }

  /** Where `address`, relative to the region, leads. */
  translate(address: bigint, access: Access, attributes: TransactionAttributes = NO_ATTRIBUTES): IommuEntry {
    return this.iommu.translate(address, access, attributes);
  }

  /**
   * @throws CommandError when the unit refuses these events; nothing is registered then
   * @throws Error when it is registered already
   */
  registerNotifier(notifier: RegionNotifier): void {
    if (this.#notifiers.includes(notifier)) throw new Error(`Region notifier ${notifier.name} is registered already`);
    const before = this.#notifiers;
    this.#setNotifiers([...before, notifier]);
  }

  /** A notifier that is not registered is left alone. */
  unregisterNotifier(notifier: RegionNotifier): void {
    if (!this.#notifiers.includes(notifier)) return;
    this.#setNotifiers(this.#notifiers.filter((other) => other !== notifier));
  }

  /**
   * Tells every notifier whose range and events `event` touches.
   * @returns what each of them answered
   * @throws Error when an unmap carries rights
   */
  notify(event: RegionEvent): ListenerStatus[] {
    if (event.type !== 'map' && event.entry.permissions !== Permission.none) {
      throw new Error(`An ${event.type} event of ${this.name} cannot carry permissions`);
    }
    const statuses: ListenerStatus[] = [];
    for (const notifier of this.#notifiers) {
      const status = notifier.deliver(event);
      if (status !== null) statuses.push(status);
    }
    return statuses;
  }

  /** Tells `notifier` what is mapped in its range now. */
  replay(notifier: RegionNotifier): void {
    if (this.iommu.replay !== undefined) {
      this.iommu.replay(notifier);
      return;
    }
    const step = this.iommu.minPageSize;
    const end = this.size - 1n < notifier.last ? this.size - 1n : notifier.last;
    let address = notifier.start - (notifier.start % step);
    // A region of 2^64 bytes ends where 64 bits do: addresses do not wrap around, since bigint does not.
    while (address <= end && address <= ADDRESS_LAST) {
      const entry = this.translate(address, 'none');
      const rights = entry.permissions & Permission.readWrite;
      if (rights !== 0) notifier.deliver({ type: 'map', entry });
      // A large page is told once, not once for each small one inside it.
      const next = rights === 0 ? address + step : entry.iova + entry.mask + 1n;
      address = next > address ? next : address + step;
    }
  }

  /** Tells `notifier` by one event that nothing in its range is mapped any more. */
  unmapRange(notifier: RegionNotifier, target: AddressSpace): ListenerStatus | null {
    const { start, last } = notifier;
    const entry = { target, iova: start, translated: 0n, mask: last - start, permissions: Permission.none };
    return notifier.deliver({ type: notifier.events.has('unmap') ? 'unmap' : 'deviotlb-unmap', entry, sweep: true });
  }

  #setNotifiers(notifiers: readonly RegionNotifier[]): void {
    const before = this.#notifiers;
    const old = this.events();
    this.#notifiers = notifiers;
    const now = this.events();
    if (old.size === now.size && [...old].every((event) => now.has(event))) return;
    try {
      this.iommu.notifyFlagChanged?.(old, now);
    } catch (error) {
      this.#notifiers = before;
      throw error;
    }
  }
}

/** True for a region that translates. */
export function isIommuRegion(region: MemoryRegion): region is IommuRegion {
  return region instanceof IommuRegion;
}
