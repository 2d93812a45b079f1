import { PAGE_SHIFT } from '../../core/address.ts';
import { type Access, Permission } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { IommuEntry, IommuRegionOperations, RegionEvent, RegionNotifier } from '../../memory/iommu-region.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { Checks } from '../../trace/checks.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { alignedPieces } from '../aligned-pieces.ts';
import { listMappings } from '../list-mappings.ts';
import type { ListedTables } from '../listed-tables.ts';
import type { MappingEvents } from '../mapping-events.ts';
import { ErrorCode, errorFault, rightFor } from './errors.ts';
import type { FunctionSpace } from './function-space.ts';
import { Refresh } from './refresh.ts';
import { RefreshedPages, type RefreshedPage } from './refreshed-pages.ts';
import { Anchor, SHAPE, TABLE_BITS } from './tables.ts';
import { listedEntry, parseAnchor, type TranslationAnchor } from './walk.ts';

const PAGE_MASK = 0xfffn;
/** Beyond so many entries tables are not read at once. */
const LISTING_BUDGET = 2 ** 20;

/** An address space as MPCIFC registers it. */
export interface Registration {
  /** First address (PBA), a multiple of 4 KiB. */
  readonly base: bigint;
  /** Last address (PAL), inclusive. */
  readonly limit: bigint;
  /** I/O translation anchor (IOTA). */
  readonly anchor: bigint;
}

/** The function whose IOMMU it is. */
export interface TranslatingFunction {
  /** 1 to 0xffff. */
  readonly uid: number;
  /** Its state lets requests in. */
  readonly takesRequests: boolean;
  /** A request, or a refresh, met an error. */
  fail(code: number, address: bigint, access: Access): void;
}

export interface FunctionIommuState {
  readonly registration: Registration | null;
  readonly pages: RefreshedPage[];
  readonly hits: number;
  readonly misses: number;
}

/**
 * The IOMMU of one function: every function has its own. Nothing is translated until an address space is registered;
 * after that by the pages that refreshes have read, never by the tables themselves.
 */
export class FunctionIommu implements Snapshottable<FunctionIommuState> {
  readonly space: FunctionSpace;
  /** How many pages can be mapped at once. */
  limit: number;
  /** Requests that a refreshed page served, and those that none did. */
  hits = 0;
  misses = 0;
  readonly pages = new RefreshedPages();
  readonly #systemMemory: AddressSpace;
  readonly #memory: TableMemory;
  readonly #mappingEvents: MappingEvents;
  readonly #checks: Checks;
  readonly #onSwitched: () => void;
  #owner: TranslatingFunction | null = null;
  #registration: Registration | null = null;

  /** `onSwitched` is told when the address space shows something else. */
  constructor(parts: {
    space: FunctionSpace;
    systemMemory: AddressSpace;
    memory: TableMemory;
    mappingEvents: MappingEvents;
    limit: number;
    checks: Checks;
    onSwitched: () => void;
  }) {
    this.space = parts.space;
    this.limit = parts.limit;
    this.#systemMemory = parts.systemMemory;
    this.#memory = parts.memory;
    this.#mappingEvents = parts.mappingEvents;
    this.#checks = parts.checks;
    this.#onSwitched = parts.onSwitched;
  }

  /** The function that sits here now. */
  get owner(): TranslatingFunction | null {
    return this.#owner;
  }

  /** A function comes, or goes (null). Nothing is registered then. */
  set owner(owner: TranslatingFunction | null) {
    this.#owner = owner;
    if (owner === null) this.space.detach();
    else this.space.attach(`iommu-s390-${owner.uid.toString(16).padStart(4, '0')}`, this.#operations);
  }

  get registration(): Registration | null {
    return this.#registration;
  }

  /** Guest memory is shown as it is: the registration names no tables. */
  get isDirect(): boolean {
    return this.#registration !== null && (this.#registration.anchor & Anchor.translates) === 0n;
  }

  /** The tables that are registered; null without any. */
  get tables(): TranslationAnchor | null {
    const { isDirect } = this;
    return this.#registration === null || isDirect ? null : parseAnchor(this.#registration.anchor);
  }

  register(registration: Registration): void {
    this.#registration = registration;
    this.#show();
    this.#onSwitched();
  }

  /** All translations go. */
  deregister(): void {
    this.#registration = null;
    this.pages.clear();
    this.#show();
    this.#onSwitched();
  }

  /** By what is registered, whatever a command had chosen. */
  followRegistration(): void {
    this.space.forced = false;
    this.space.follow(this.isDirect);
  }

  /**
   * Brings the pages of a range in step with the tables. `end` is exclusive.
   * @returns whether there is room for further pages; else the code of the error and the address that met it
   */
  refresh(
    start: bigint,
    end: bigint,
  ): { readonly room: boolean } | { readonly code: number; readonly address: bigint } {
    const registration = this.#registration;
    if (registration === null || registration.anchor === 0n) {
      return { code: ErrorCode.invalidAddressSpace, address: start };
    }
    const { base, limit } = registration;
    if (end < base || start > limit) return { code: ErrorCode.outOfRange, address: start };
    const tables = parseAnchor(registration.anchor);
    const stop = end > limit ? limit + 1n : end;
    if (start >= stop) return { room: this.pages.size < this.limit };
    const first = pageOf(start);
    const last = pageOf(stop - 1n);
    const refresh = new Refresh({ memory: this.#memory, pages: this.pages, target: this.#target, limit: this.limit });
    const { code, page, room } = refresh.run(tables, first, last);
    if (code !== 0) return { code, address: page === first ? start : addressOf(page) };
    for (const notifier of this.space.region?.notifiers ?? []) {
      notifier.completeInvalidation(addressOf(first), addressOf(last) | PAGE_MASK);
    }
    return { room };
  }

  /** The tables for those who list them; null without any. */
  listed(): ListedTables | null {
    const { tables } = this;
    if (tables === null) return null;
    return {
      memory: this.#memory,
      reading: 'zpci',
      address: tables.origin,
      levels: 3,
      bits: TABLE_BITS,
      canonical: false,
      rights: tables.rights,
      shape: SHAPE,
      decode: listedEntry,
    };
  }

  save(): FunctionIommuState {
    const { hits, misses } = this;
    return { registration: this.#registration && { ...this.#registration }, pages: this.pages.save(), hits, misses };
  }

  restore({ registration, pages, hits, misses }: FunctionIommuState): void {
    this.hits = hits;
    this.misses = misses;
    this.#registration = registration && { ...registration };
    this.pages.restore(pages);
    this.#show();
  }

  /** Opens and closes the IOMMU region, and shows the direct mapping or not. */
  #show(): void {
    const registration = this.#registration;
    if (registration === null || this.isDirect) this.space.close();
    else this.space.open(registration.limit);
    this.followRegistration();
  }

  readonly #operations: IommuRegionOperations = {
    minPageSize: 0x1000n,
    translate: (address, access) => this.#translate(address, access),
    replay: (notifier) => this.#replay(notifier),
    mappings: (first, last) => this.#mappings(first, last),
    tables: () => {
      const { tables } = this;
      return tables === null ? null : BigInt(tables.origin);
    },
    notifyFlagChanged: (old, now) => {
      if (!now.has('deviotlb-unmap') || old.has('deviotlb-unmap')) return;
      const desc = 'A notifier of device-IOTLB invalidations can never be told of any: zPCI has none';
      this.#checks.fail('dead-notifier', { device: this.space.deviceName, desc });
    },
  };

  readonly #target = {
    map: (page: number, frame: number, permissions: number): void =>
      this.#tell(this.#mapEvent({ page, frame, permissions })),
    unmap: (page: number, count: number, sweep: boolean): void => {
      const start = addressOf(page);
      for (const piece of alignedPieces(start, start + (BigInt(count) << BigInt(PAGE_SHIFT)) - 1n)) {
        this.#tell(this.#unmapEvent(piece.start, piece.size, sweep));
      }
    },
  };

  #translate(address: bigint, access: Access): IommuEntry {
    const { owner } = this;
    const registration = this.#registration;
    const refused = {
      target: this.#systemMemory,
      iova: address & ~PAGE_MASK,
      translated: 0n,
      mask: PAGE_MASK,
      permissions: Permission.none,
    };
    if (owner === null || registration === null || !owner.takesRequests) {
      return { ...refused, fault: errorFault(ErrorCode.none, access, address) };
    }
    const inside = address >= registration.base && address <= registration.limit;
    const found = inside ? this.pages.find(pageOf(address)) : null;
    const allowed = found?.permissions ?? Permission.none;
    if (access !== 'none') this[found === null ? 'misses' : 'hits'] += 1;
    if (access !== 'none' && (allowed & rightFor(access)) === 0) {
      const code = inside ? ErrorCode.protection : ErrorCode.outOfRange;
      owner.fail(code, address, access);
      return { ...refused, permissions: allowed, fault: errorFault(code, access, address) };
    }
    if (found === null) return refused;
    return { ...refused, translated: addressOf(found.frame), permissions: found.permissions };
  }

  /** A function that is plugged has no pages yet, so only one that comes back behind a direct mapping hears of any. */
  #replay(notifier: RegionNotifier): void {
    for (const page of this.pages.all()) {
      const event = this.#mapEvent(page);
      const status = notifier.deliver(event);
      if (status !== null) this.#mappingEvents.add(this.space.deviceName, event, [status]);
    }
  }

  #mappings(first: bigint, last: bigint): ReturnType<NonNullable<IommuRegionOperations['mappings']>> {
    const tables = this.listed();
    const registration = this.#registration;
    if (tables === null || registration === null) return [];
    const start = first > registration.base ? first : registration.base;
    const end = last < registration.limit ? last : registration.limit;
    if (start > end) return [];
    const page = listMappings(tables, start, Number.MAX_SAFE_INTEGER, LISTING_BUDGET, end);
    if (page.next !== undefined) return null;
    return page.mappings.map(({ iova, address, size, permissions, 'page-size': pageSize }) => ({
      iova,
      address,
      size,
      pageSize,
      writable: permissions.includes('write'),
    }));
  }

  #mapEvent({ page, frame, permissions }: RefreshedPage): RegionEvent {
    const entry = {
      target: this.#systemMemory,
      iova: addressOf(page),
      translated: addressOf(frame),
      mask: PAGE_MASK,
      permissions,
    };
    return { type: 'map', entry };
  }

  #unmapEvent(iova: bigint, size: bigint, sweep: boolean): RegionEvent {
    const { none: permissions } = Permission;
    const entry = { target: this.#systemMemory, iova, translated: 0n, mask: size - 1n, permissions };
    return { type: 'unmap', entry, ...(sweep && { sweep }) };
  }

  #tell(event: RegionEvent): void {
    const listeners = this.space.region?.notify(event) ?? [];
    if (listeners.length > 0) this.#mappingEvents.add(this.space.deviceName, event, listeners);
  }
}

function pageOf(address: bigint): number {
  return Number(address >> BigInt(PAGE_SHIFT));
}

function addressOf(page: number): bigint {
  return BigInt(page) << BigInt(PAGE_SHIFT);
}
