import { ADDRESS_LAST, ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { type Access, Permission, permits, type TransactionAttributes } from '../../memory/access.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { ListenerStatus } from '../../memory/iommu-object.ts';
import {
  type IommuEntry,
  IommuRegion,
  type IommuRegionOperations,
  type RegionEvent,
  type RegionEventType,
  type RegionMapping,
  type RegionNotifier,
} from '../../memory/iommu-region.ts';
import { MemoryRegion, type RegionOwner } from '../../memory/region.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { missingRight, type TceFaultName, tceFault } from './faults.ts';
import { type TceGeometry, TceTable, type TceTableState } from './table.ts';
import { pageOf, permissionsOf } from './tce.ts';

/** Beyond so many pages what a window maps is not read at once. */
const MOST_LISTED = 100_000;

/** A request that a TCE refused; the address is the device's. */
export interface RefusedRequest {
  readonly address: bigint;
  readonly access: Access;
  readonly reason: TceFaultName;
  readonly attributes: TransactionAttributes;
}

/** Whom a window tells. Addresses are the device's. */
export interface WindowObserver {
  refused(request: RefusedRequest): void;
  /** Region notifiers were told, and have answered. */
  told(event: RegionEvent, listeners: ListenerStatus[]): void;
}

/**
 * A DMA window: a TCE table, and the IOMMU region that it translates. The region sits in a root of its own, at the
 * window's bus offset, while the window is open, and has its size.
 */
export class DmaWindow implements Snapshottable<TceTableState> {
  readonly table: TceTable;
  /** What the device's address space shows: all addresses, with the window at its place. */
  readonly root: MemoryRegion;
  readonly region: IommuRegion;
  readonly #systemMemory: AddressSpace;
  readonly #observer: WindowObserver;
  #needsVfio = false;

  constructor(options: {
    liobn: number;
    systemMemory: AddressSpace;
    owner: RegionOwner;
    observer: WindowObserver;
  }) {
    const { liobn, systemMemory, owner, observer } = options;
    const { topology } = systemMemory;
    this.table = new TceTable(liobn);
    this.#systemMemory = systemMemory;
    this.#observer = observer;
    this.root = MemoryRegion.container(topology, `tce-root-${liobn.toString(16)}`, ADDRESS_SPACE_SIZE);
    this.region = new IommuRegion(topology, `tce-iommu-${liobn.toString(16)}`, 0n, this.#operations());
    this.root.owner = owner;
    this.region.owner = owner;
  }

  get liobn(): number {
    return this.table.liobn;
  }

  /** Null while it is closed. */
  get geometry(): TceGeometry | null {
    return this.table.geometry;
  }

  /** Someone keeps maps of the window: its table must be where each change of it is seen. */
  get needsVfio(): boolean {
    return this.#needsVfio;
  }

  /** Shows the window, empty. @throws Error (a bug of the caller) when it is open */
  open(geometry: TceGeometry): void {
    if (this.geometry !== null) throw new Error(`window ${this.liobn} is open already`);
    this.table.reshape(geometry);
    this.#show(geometry);
  }

  /** Takes the window away, and what its table held. Who kept maps of it sees the region go. */
  close(): void {
    if (this.geometry === null) return;
    this.root.removeSubregion(this.region);
    this.region.setSize(0n);
    this.table.reshape(null);
  }

  /** Stores a TCE, and tells region notifiers of what it changes. */
  put(index: number, tce: bigint): void {
    const { pageShift } = this.geometry!;
    const before = permissionsOf(this.table.set(index, tce));
    const permissions = permissionsOf(tce);
    if (before === 0 && permissions === 0) return;
    const entry = {
      target: this.#systemMemory,
      iova: BigInt(index) << BigInt(pageShift),
      translated: permissions === 0 ? 0n : pageOf(tce, pageShift),
      mask: (1n << BigInt(pageShift)) - 1n,
      permissions,
    };
    if (permissions === 0) this.#tell({ type: 'unmap', entry });
    else this.#tell({ type: 'map', entry, ...(before !== 0 && { replaces: true }) });
  }

  /** The guest's hypercall that changed these TCEs (inclusive) is done. */
  complete(first: number, last: number): void {
    const shift = BigInt(this.geometry!.pageShift);
    const end = ((BigInt(last) + 1n) << shift) - 1n;
    for (const notifier of this.region.notifiers) notifier.completeInvalidation(BigInt(first) << shift, end);
  }

  /** Takes all TCEs away. */
  clear(): void {
    const gone = [...this.table.mappedIn()];
    for (const { index } of gone) this.put(index, 0n);
    if (this.geometry !== null) this.table.reshape(this.geometry);
    if (gone.length > 0) this.complete(gone[0]!.index, gone.at(-1)!.index);
  }

  save(): TceTableState {
    return this.table.save();
  }

  /** Where the window stays as it is, nobody is told of other TCEs: those who keep maps are restored themselves. */
  restore(state: TceTableState): void {
    const { geometry } = state;
    if (sameGeometry(this.geometry, geometry)) {
      this.table.restore(state);
      return;
    }
    this.close();
    this.table.restore(state);
    if (geometry !== null) this.#show(geometry);
  }

  #show({ busOffset, entries, pageShift }: TceGeometry): void {
    this.root.topology.transaction(() => {
      this.region.setSize(BigInt(entries) << BigInt(pageShift));
      this.root.addSubregion(busOffset, this.region);
    });
  }

  #operations(): IommuRegionOperations {
    const pageSize = (): bigint => 1n << BigInt(this.geometry?.pageShift ?? 12);
    return {
      get minPageSize() {
        return pageSize();
      },
      translate: (address, access, attributes) => this.#translate(address, access, attributes),
      replay: (notifier) => this.#replay(notifier),
      mappings: (first, last) => this.#mappings(first, last),
      tables: () => (this.geometry === null ? null : BigInt(this.liobn)),
      notifyFlagChanged: (_old, now) => this.#followNotifiers(now),
    };
  }

  #translate(address: bigint, access: Access, attributes: TransactionAttributes): IommuEntry {
    const { geometry } = this;
    const target = this.#systemMemory;
    const index = geometry === null ? null : this.table.indexOf(geometry.busOffset + address);
    if (geometry === null || index === null) {
      return { target, iova: 0n, translated: 0n, mask: ADDRESS_LAST, permissions: Permission.none };
    }
    const { busOffset, pageShift } = geometry;
    const tce = this.table.get(index);
    const permissions = permissionsOf(tce);
    const entry = {
      target,
      iova: BigInt(index) << BigInt(pageShift),
      translated: pageOf(tce, pageShift),
      mask: (1n << BigInt(pageShift)) - 1n,
      permissions,
    };
    // A TCE has no right to execute: who fetches reads.
    const asked = access === 'execute' ? 'read' : access;
    if (permits(permissions, asked)) return entry;
    const reason = missingRight(permissions, asked);
    this.#observer.refused({ address: busOffset + address, access: asked, reason, attributes });
    return { ...entry, fault: tceFault(reason, asked, busOffset + address) };
  }

  #replay(notifier: RegionNotifier): void {
    const { geometry } = this;
    if (geometry === null) return;
    const shift = BigInt(geometry.pageShift);
    for (const { index, tce } of this.table.mappedIn(Number(notifier.start >> shift), Number(notifier.last >> shift))) {
      const entry = {
        target: this.#systemMemory,
        iova: BigInt(index) << shift,
        translated: pageOf(tce, geometry.pageShift),
        mask: (1n << shift) - 1n,
        permissions: permissionsOf(tce),
      };
      const status = notifier.deliver({ type: 'map', entry });
      if (status !== null) this.#observer.told(this.#asDevice({ type: 'map', entry }), [status]);
    }
  }

  #mappings(first: bigint, last: bigint): RegionMapping[] | null {
    const { geometry } = this;
    if (geometry === null) return [];
    const pageSize = 1n << BigInt(geometry.pageShift);
    const shift = BigInt(geometry.pageShift);
    const found: RegionMapping[] = [];
    for (const { index, tce } of this.table.mappedIn(Number(first >> shift), Number(last >> shift))) {
      if (found.length === MOST_LISTED) return null;
      found.push({
        iova: BigInt(index) << shift,
        address: pageOf(tce, geometry.pageShift),
        size: pageSize,
        pageSize,
        writable: (permissionsOf(tce) & Permission.write) !== 0,
      });
    }
    return found;
  }

  /** @throws CommandError for who wants device-IOTLB invalidations, with QEMU's sentence as it is spelt there */
  #followNotifiers(now: ReadonlySet<RegionEventType>): void {
    if (now.has('deviotlb-unmap')) throw new CommandError('spart_tce does not support dev-iotlb yet');
    this.#needsVfio = now.size > 0;
  }

  #tell(event: RegionEvent): void {
    const listeners = this.region.notify(event);
    if (listeners.length > 0) this.#observer.told(this.#asDevice(event), listeners);
  }

  /** With the address as the device sees it. */
  #asDevice(event: RegionEvent): RegionEvent {
    return { ...event, entry: { ...event.entry, iova: event.entry.iova + this.geometry!.busOffset } };
  }
}

function sameGeometry(a: TceGeometry | null, b: TceGeometry | null): boolean {
  if (a === null || b === null) return a === b;
  return a.pageShift === b.pageShift && a.busOffset === b.busOffset && a.entries === b.entries;
}
