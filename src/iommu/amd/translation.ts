import { ADDRESS_LAST } from '../../core/address.ts';
import type { DeviceTlbFlush } from '../../memory/host-device.ts';
import type { Origin } from '../../memory/iommu-object.ts';
import type { RegionMapping, RegionNotifier } from '../../memory/iommu-region.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { IotlbState } from '../iotlb.ts';
import { listMappings } from '../list-mappings.ts';
import type { MappedPage } from '../mapped-ranges.ts';
import type { CommandTarget, IotlbPageScope, PageScope } from './commands.ts';
import { listedTables } from './decoders.ts';
import type { AmdDeviceSpace } from './device-address-space.ts';
import { GuestBindings, type GuestBindingsState } from './guest-binding.ts';
import type { AmdEvent } from './register-level.ts';
import type { Remapping, TranslatedSpace } from './remapping.ts';
import { MODE_NONE } from './tables.ts';
import type { PageTables } from './walk.ts';

const PAGE_SHIFT = 12n;
const ADDRESS_BITS = 64;
/** How many entries a listing for notifiers reads at once. */
const LISTING_BUDGET = 200_000;
const EVERYTHING = 1n << 64n;

export interface TranslationState {
  iotlb: IotlbState;
  bindings: GuestBindingsState;
  /** By device id. */
  spaces: MappedPage[][];
}

interface TranslationParts {
  readonly remapping: Remapping;
  readonly report: (event: AmdEvent) => void;
  readonly flushHostDevices: (space: AmdDeviceSpace, flush: DeviceTlbFlush, origin: Origin) => number;
  /** A device's space shows something else than before. */
  readonly onSwitched: (space: AmdDeviceSpace) => void;
}

/** What a device's table entry makes of its requests. */
type Judgement =
  /** They go around the unit. */
  | 'bypass'
  | 'translate'
  /** They are kept from memory: the entry is no use. */
  | 'block';

/**
 * What the commands do: they drop translations, switch the devices' address spaces, and keep region notifiers and bound
 * tables in step with memory, all as in QEMU 11.1.3. A device table entry takes effect for requests that miss the IOTLB
 * at once, for the rest by INVALIDATE_DEVTAB_ENTRY.
 */
export class Translation implements CommandTarget, Snapshottable<TranslationState> {
  readonly #remapping: Remapping;
  readonly #parts: TranslationParts;
  readonly #bindings: GuestBindings;

  constructor(parts: TranslationParts) {
    this.#parts = parts;
    this.#remapping = parts.remapping;
    this.#bindings = new GuestBindings(parts.remapping);
  }

  invalidateDeviceTableEntry(deviceId: number): void {
    for (const target of this.#remapping.spaces()) {
      if (target.space.deviceId !== deviceId) continue;
      if (this.#remapping.properties.dmaRemap) this.#evaluate(target);
      this.#bindings.update(target.space);
    }
  }

  invalidatePages(scope: PageScope): void {
    const { domainId, first, last } = scope;
    this.#remapping.iotlb.flush({ domainId });
    for (const target of this.#notified()) {
      if (!this.#readFor(target) || this.#remapping.entry.domainId !== domainId) continue;
      this.#sync(target, first, last);
      complete(target, first, last);
    }
    this.#bindings.flushDomain(this.#spaces(), scope);
  }

  invalidateIotlb({ deviceId, page, first, pages }: IotlbPageScope): void {
    const { iotlb } = this.#remapping;
    iotlb.flush(page === undefined ? { table: deviceId } : { table: deviceId, first: page, last: page });
    const flush = { address: BigInt(first) << PAGE_SHIFT, size: BigInt(pages) << PAGE_SHIFT };
    for (const { space } of this.#remapping.spaces()) {
      if (space.deviceId === deviceId) this.flushDeviceIotlb(space, flush, 'guest');
    }
  }

  invalidateAll(): void {
    this.#remapping.iotlb.flush({});
    for (const target of this.#notified()) {
      if (!target.space.region.events().has('map')) target.shadow.unmapRanges();
      else if (this.#readFor(target)) this.#sync(target, 0, Number.MAX_SAFE_INTEGER);
      complete(target, 0, Number.MAX_SAFE_INTEGER);
    }
    for (const space of this.#spaces()) this.#bindings.update(space);
    this.#bindings.flushAll(this.#spaces());
  }

  /**
   * Whoever listens for what a device caches itself is told, and host functions behind it drop theirs.
   * @returns how many entries host functions dropped
   */
  flushDeviceIotlb(space: AmdDeviceSpace, flush: DeviceTlbFlush, origin: Origin): number {
    const target = this.#remapping.behind(space.addressSpace);
    if (flush.pasid === undefined && flush.size < EVERYTHING) {
      target?.shadow.unmapBlock(flush.address, flush.size, 'deviotlb-unmap');
    }
    return this.#parts.flushHostDevices(space, flush, origin);
  }

  reset(): void {
    this.#remapping.iotlb.reset();
    this.#bindings.reset();
    for (const target of this.#remapping.spaces()) {
      target.space.iommuObject.reset();
      this.#unmapAll(target);
      this.#show(target, true);
    }
  }

  /** What INVALIDATE_DEVTAB_ENTRY would show now. */
  bypasses({ space }: TranslatedSpace): boolean {
    const { enabled, properties } = this.#remapping;
    if (!properties.dmaRemap || !enabled) return true;
    return this.#judge(this.#remapping.read(space.deviceId)) === 'bypass';
  }

  /** Tells a notifier that was just registered what is mapped. */
  replay(target: TranslatedSpace, notifier: RegionNotifier): void {
    if (!notifier.events.has('map')) return;
    const tables = this.#tablesOf(target);
    target.shadow.replay(notifier, tables, tables === null ? 0 : limitOf(tables));
  }

  /** What the tables map from `first` to `last` (inclusive). Null for tables that are too large to be read at once. */
  mappings(target: TranslatedSpace, first: bigint, last: bigint): RegionMapping[] | null {
    const tables = this.#tablesOf(target);
    if (tables === null) return [];
    const { memory } = this.#remapping;
    const listed = listMappings(listedTables(memory, tables), first, Number.MAX_SAFE_INTEGER, LISTING_BUDGET, last);
    if (listed.next !== undefined) return null;
    return listed.mappings.map(({ iova, address, size, permissions, 'page-size': pageSize }) => ({
      iova,
      address,
      size,
      pageSize,
      writable: permissions.includes('write'),
    }));
  }

  /** The address of the top table that notifiers of maps are told of; null where there is none. */
  tables(target: TranslatedSpace): bigint | null {
    const tables = this.#tablesOf(target);
    return tables === null ? null : BigInt(tables.address);
  }

  save(): TranslationState {
    return {
      iotlb: this.#remapping.iotlb.save(),
      bindings: this.#bindings.save(),
      spaces: this.#remapping.spaces().map(({ shadow }) => shadow.save()),
    };
  }

  /** The same spaces must exist. Notifiers that were registered since the save are not told anything. */
  restore(state: TranslationState): void {
    this.#remapping.iotlb.restore(state.iotlb);
    this.#bindings.restore(state.bindings);
    this.#remapping.spaces().forEach(({ shadow }, index) => shadow.restore(state.spaces[index] ?? []));
  }

  /** Judges a device anew by its entry. */
  #evaluate(target: TranslatedSpace): void {
    const { space } = target;
    const wasBypassed = space.bypass;
    const judgement = this.#judge(this.#readFor(target, false));
    if (judgement !== 'translate' && !wasBypassed) this.#unmapAll(target);
    this.#show(target, judgement === 'bypass');
    if (judgement === 'bypass' || !wasBypassed) return;
    if (judgement === 'translate') {
      this.#readFor(target);
      this.#sync(target, 0, Number.MAX_SAFE_INTEGER);
    }
    complete(target, 0, Number.MAX_SAFE_INTEGER);
  }

  /** By the entry that was read last; `legal`: that it could be. */
  #judge(legal: boolean): Judgement {
    const { entry } = this.#remapping;
    if (!legal) return 'block';
    if (!entry.valid) return 'bypass';
    if (!entry.translationValid) return 'block';
    return entry.mode === MODE_NONE ? 'bypass' : 'translate';
  }

  #show(target: TranslatedSpace, bypass: boolean): void {
    const { space } = target;
    const switched = space.follow(bypass);
    space.forced = false;
    if (switched) this.#parts.onSwitched(space);
  }

  /**
   * Reads a device's entry, and tells by an event when that fails.
   * @param translating false: an entry that translates nothing will do
   */
  #readFor({ space }: TranslatedSpace, translating = true): boolean {
    const { entry } = this.#remapping;
    const { deviceId } = space;
    if (!this.#remapping.read(deviceId)) {
      this.#parts.report({ code: entry.code, deviceId, requester: deviceId });
      return false;
    }
    return !translating || (entry.valid && entry.translationValid);
  }

  /** Brings the notifiers of a space in step with the tables of the entry that was read last. */
  #sync({ shadow, space }: TranslatedSpace, first: number, last: number): void {
    const { region } = space;
    if (region.notifiers.length === 0) return;
    if (!region.events().has('map')) {
      if (last === Number.MAX_SAFE_INTEGER) shadow.unmapRanges();
      else shadow.unmapBlock(BigInt(first) << PAGE_SHIFT, BigInt(last - first + 1) << PAGE_SHIFT);
      return;
    }
    const { tables } = this.#remapping;
    if (tables !== null && tables.rights !== 0) shadow.sync(tables, limitOf(tables), first, last);
  }

  #unmapAll({ space, shadow }: TranslatedSpace): void {
    if (space.region.notifiers.length > 0) shadow.unmapAll(ADDRESS_BITS);
  }

  #tablesOf({ space }: TranslatedSpace): PageTables | null {
    const tables = this.#remapping.tablesOf(space.deviceId);
    return tables === null || tables.rights === 0 ? null : tables;
  }

  #notified(): TranslatedSpace[] {
    return this.#remapping.spaces().filter(({ space }) => space.region.notifiers.length > 0);
  }

  #spaces(): AmdDeviceSpace[] {
    return this.#remapping.spaces().map(({ space }) => space);
  }
}

/** The first page beyond what tables of so many levels can translate. */
function limitOf({ levels }: PageTables): number {
  return 2 ** Math.min(52, 9 * levels);
}

/** Tells the notifiers of a space that all of an invalidation has been told. Pages are both inclusive. */
function complete({ space }: TranslatedSpace, first: number, last: number): void {
  const end = last >= 2 ** 52 - 1 ? ADDRESS_LAST : ((BigInt(last) + 1n) << PAGE_SHIFT) - 1n;
  for (const notifier of space.region.notifiers) notifier.completeInvalidation(BigInt(first) << PAGE_SHIFT, end);
}
