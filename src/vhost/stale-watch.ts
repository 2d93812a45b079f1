import { hex } from '../core/address.ts';
import { alike, NOWHERE, type Outcome, reportStale } from '../iommu/stale-report.ts';
import { NO_PASID } from '../iommu/iotlb.ts';
import { Permission, permits } from '../memory/access.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { IotlbRange } from './device-iotlb.ts';
import type { TablesAnswer, TablesNow } from './tables-now.ts';
import type { UserMemory } from './user-memory.ts';

export interface StaleWatchParts extends TraceParts {
  /** The device, by id or QOM path. */
  readonly device: () => string;
  readonly tables: TablesNow;
  readonly userMemory: UserMemory;
  /** Host-physical. */
  readonly hostAddressOf: (block: RamBlock, offset: number) => bigint;
}

const PAGE = 0x1000n;
/** How many runs of pages are compared of one range: it is as large as a page was that may have been split since. */
const MOST_RUNS = 4096;

/**
 * Holds what vhost has cached against the tables of the vIOMMU: at each use (check `stale-translation`), and behind each
 * invalidation by the guest (check `mapping-survives-invalidation`).
 */
export class StaleWatch {
  readonly #parts: StaleWatchParts;

  constructor(parts: StaleWatchParts) {
    this.#parts = parts;
  }

  /** What is to be remembered of the tables along with an UPDATE for the page of `address`. */
  originOf(address: bigint): Pick<IotlbRange, 'tableRights' | 'words' | 'operation' | 'told'> {
    const { tables, events } = this.#parts;
    const words = tables.wordsOf(address, 'read');
    tables.watch(words);
    return { tableRights: tables.at(address, 'read').permissions, words, operation: events.operation, told: 0 };
  }

  /** Looks at one use of a cached range; the access goes on as the range says. */
  checkUse(range: IotlbRange, address: bigint, access: 'read' | 'write'): void {
    const { checks, device } = this.#parts;
    if (!checks.isEnabled('stale-translation')) return;
    const current = this.#current(address, access);
    const used = this.#used(range, address);
    if (this.#agrees(range, used, current, access)) return;
    const { tables } = this.#parts;
    const { domainId } = tables;
    const written = tables.lastWrite(range.words);
    reportStale(
      this.#parts,
      { device: device(), address, page: Number(address / PAGE), pasid: NO_PASID, access },
      {
        cache: 'device',
        used,
        current,
        since: written > range.operation ? written : Math.max(range.told, range.operation),
        missing: {
          granularity: 'page',
          ...(domainId !== null && { 'domain-id': domainId }),
          address: range.iova,
          size: range.last - range.iova + 1n,
        },
      },
    );
  }

  /** Whether the tables lead anywhere in a range elsewhere than it does, within `first` to `last` (inclusive). */
  isStale(range: IotlbRange, first = range.iova, last = range.last): boolean {
    const start = range.iova > first ? range.iova : first;
    const end = range.last < last ? range.last : last;
    for (let at = start, runs = 0; at <= end && runs < MOST_RUNS; runs += 1) {
      const found = this.#parts.tables.at(at, 'read');
      if (!this.#agrees(range, this.#used(range, at), this.#outcomeOf(found), 'read')) return true;
      at = found.last + 1n;
    }
    return false;
  }

  /** The guest has completed an invalidation of `first` to `last` (inclusive). */
  checkInvalidation(ranges: readonly IotlbRange[], first: bigint, last: bigint): void {
    const { checks, device } = this.#parts;
    if (!checks.isEnabled('mapping-survives-invalidation')) return;
    const touched = ranges.filter((range) => range.iova <= last && range.last >= first);
    const left = touched.filter((range) => this.isStale(range, first, last));
    const [one] = left;
    if (one === undefined) return;
    const desc =
      `${left.length} of ${ranges.length} ranges stay in the device IOTLB of vhost behind an invalidation of ` +
      `${hex(first)}-${hex(last)}, although the guest's tables lead elsewhere; the first one is ${hex(one.iova)}-${hex(one.last)}`;
    checks.fail('mapping-survives-invalidation', { device: device(), desc });
  }

  /** An UPDATE gives both rights: that a right was missing from the start is no fault of an invalidation. */
  #agrees(range: IotlbRange, used: Outcome, current: Outcome, access: 'read' | 'write'): boolean {
    if (alike(used, current, access)) return true;
    return current.ok && current.frame === used.frame && !permits(range.tableRights, access);
  }

  #used(range: IotlbRange, address: bigint): Outcome {
    const { userMemory } = this.#parts;
    const userAddress = range.userAddress + (address - range.iova);
    const guest = userMemory.toGuest(userAddress);
    return guest === null ? NOWHERE : this.#outcome(guest, Permission.readWrite);
  }

  #current(address: bigint, access: 'read' | 'write'): Outcome {
    return this.#outcomeOf(this.#parts.tables.at(address, access));
  }

  #outcomeOf({ address, permissions }: TablesAnswer): Outcome {
    return address === null ? NOWHERE : this.#outcome(address, permissions);
  }

  /** What the tables lead to need not be RAM: vhost would get no UPDATE for it. */
  #outcome(guest: bigint, permissions: number): Outcome {
    const { userMemory, hostAddressOf } = this.#parts;
    const region = userMemory.fromGuest(guest);
    const bytes = region === null ? null : userMemory.bytesAt(region.userAddress);
    if (bytes === null) return NOWHERE;
    const host = hostAddressOf(bytes.block, bytes.offset);
    return { ok: true, frame: Number(host / PAGE), guestPage: Number(guest / PAGE), permissions };
  }
}
