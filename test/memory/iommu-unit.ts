import { CommandError } from '../../src/core/errors.ts';
import { Permission } from '../../src/memory/access.ts';
import type { Access, Permissions, TransactionAttributes } from '../../src/memory/access.ts';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import { IommuRegion, RegionNotifier } from '../../src/memory/iommu-region.ts';
import type { IommuEntry, IommuRegionOperations, RegionEvent, RegionEventType } from '../../src/memory/iommu-region.ts';
import type { MemoryTopology } from '../../src/memory/topology.ts';
import { PAGE } from './support.ts';

interface Mapping {
  readonly translated: bigint;
  readonly permissions: Permissions;
  readonly size: bigint;
}

/** A unit whose tables are a map: enough to see what a region tells its notifiers and lets through. */
export class MapUnit implements IommuRegionOperations {
  readonly minPageSize = PAGE;
  readonly region: IommuRegion;
  readonly asked: string[] = [];
  readonly flagChanges: string[] = [];
  /** Events that `notifyFlagChanged` refuses. */
  readonly refused = new Set<RegionEventType>();
  readonly #target: AddressSpace;
  readonly #pages = new Map<bigint, Mapping>();

  constructor(topology: MemoryTopology, target: AddressSpace, size = 1n << 64n) {
    this.#target = target;
    this.region = new IommuRegion(topology, 'dmar', size, this);
  }

  translate(address: bigint, access: Access, attributes: TransactionAttributes): IommuEntry {
    this.asked.push(
      `${access} 0x${address.toString(16)}${attributes.pasid === undefined ? '' : ` pasid ${attributes.pasid}`}`,
    );
    for (const [iova, { translated, permissions, size }] of this.#pages) {
      if (address >= iova && address < iova + size) {
        return { target: this.#target, iova, translated, mask: size - 1n, permissions };
      }
    }
    const fault = { sentence: `no mapping at 0x${address.toString(16)}`, code: 5, reason: 'not-present' };
    const iova = address - (address % PAGE);
    return { target: this.#target, iova, translated: 0n, mask: (1n << 64n) - 1n, permissions: Permission.none, fault };
  }

  notifyFlagChanged(old: ReadonlySet<RegionEventType>, now: ReadonlySet<RegionEventType>): void {
    const text = (events: ReadonlySet<RegionEventType>): string => [...events].sort().join('+');
    for (const event of now) if (this.refused.has(event)) throw new CommandError(`no ${event} without caching mode`);
    this.flagChanges.push(`${text(old)} -> ${text(now)}`);
  }

  /** Maps and tells the notifiers. */
  map(iova: bigint, translated: bigint, size = PAGE, permissions: Permissions = Permission.readWrite) {
    this.#pages.set(iova, { translated, permissions, size });
    const entry = { target: this.#target, iova, translated, mask: size - 1n, permissions };
    return this.region.notify({ type: 'map', entry });
  }

  /** Unmaps and tells the notifiers. */
  unmap(iova: bigint, size = PAGE, type: RegionEventType = 'unmap') {
    this.#pages.delete(iova);
    const entry = { target: this.#target, iova, translated: 0n, mask: size - 1n, permissions: Permission.none };
    return this.region.notify({ type, entry });
  }
}

function eventText({ type, entry }: RegionEvent): string {
  const to = type === 'map' ? ` to 0x${entry.translated.toString(16)} perm ${entry.permissions}` : '';
  return `${type} 0x${entry.iova.toString(16)}+0x${(entry.mask + 1n).toString(16)}${to}`;
}

export interface TestNotifier {
  readonly notifier: RegionNotifier;
  readonly log: string[];
}

/** A notifier that writes down what it is told, and fails where `fails` says so. */
export function testNotifier(
  name: string,
  events: RegionEventType[],
  start = 0n,
  last = (1n << 64n) - 1n,
  fails: (event: RegionEvent) => boolean = () => false,
): TestNotifier {
  const log: string[] = [];
  const notifier = new RegionNotifier({
    name,
    device: `device of ${name}`,
    kind: 'vfio',
    events,
    start,
    last,
    notify: (event) => {
      if (fails(event)) throw new CommandError(`${name} is full`);
      log.push(eventText(event));
    },
  });
  return { notifier, log };
}
