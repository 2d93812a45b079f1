import { hex, PAGE_SHIFT } from '../core/address.ts';
import type { HostMapping } from '../host/page-table.ts';
import type { TraceParts } from '../trace/trace.ts';

/** One container, as those see it who share the guest's RAM with it. */
export interface Tenant {
  /** Names its device, the first of several. */
  device(): string;
  /** All its devices were declared to share memory with others that are, too. */
  isShared(): boolean;
  /** What the guest's tables that its mappings come from are known by; null where that cannot be told. */
  tables(): bigint | null;
}

/** One shadowed mapping; pages are numbers of 4 KiB. */
interface Reach {
  readonly tenant: Tenant;
  readonly iova: bigint;
  /** Host frames: the first, and the first behind. */
  readonly start: number;
  readonly end: number;
}

/** 4 KiB frames in one block of the index: 2 MiB. */
const BLOCK = 0x200;

/**
 * Which host frames the guest's tables give to which container. The guest keeps devices apart by tables of their own:
 * when two of these reach one host page, a device can read and write what was meant for the other (check `isolation`).
 * Told to share are those that go by one and the same table, and devices with `shared=on`.
 *
 * Containers over plain memory are not in it: passing a device through gives it all of the guest's RAM, and says so.
 * What first stages of processes have in common is their kernel's to decide.
 */
export class Isolation {
  readonly #trace: TraceParts;
  readonly #blocks = new Map<number, Set<Reach>>();
  readonly #reaches = new Map<Tenant, Map<bigint, Reach>>();
  /** Pairs that this operation has told of. */
  readonly #told = new Map<Tenant, Set<Tenant>>();
  #toldIn = 0;

  constructor({ events, checks, faults, points }: TraceParts) {
    this.#trace = { events, checks, faults, points };
  }

  /** A shadowed range was mapped. */
  mapped(tenant: Tenant, mapping: HostMapping): void {
    const reach = this.#add(tenant, mapping);
    if (this.#reaches.size < 2) return;
    for (const block of blocksOf(reach)) {
      for (const other of this.#blocks.get(block) ?? []) this.#compare(reach, other);
    }
  }

  /** The range that was mapped at `iova` went; nothing happens for one over plain memory. */
  unmapped(tenant: Tenant, iova: bigint): void {
    const own = this.#reaches.get(tenant);
    const reach = own?.get(iova);
    if (own === undefined || reach === undefined) return;
    own.delete(iova);
    if (own.size === 0) this.#reaches.delete(tenant);
    for (const block of blocksOf(reach)) {
      const there = this.#blocks.get(block);
      there?.delete(reach);
      if (there?.size === 0) this.#blocks.delete(block);
    }
  }

  /** A restored state: these are the shadowed ranges of a container now. What they meet was told before the save. */
  restore(tenant: Tenant, mappings: Iterable<HostMapping>): void {
    this.forget(tenant);
    for (const mapping of mappings) this.#add(tenant, mapping);
  }

  /** The container is gone. */
  forget(tenant: Tenant): void {
    for (const iova of [...(this.#reaches.get(tenant)?.keys() ?? [])]) this.unmapped(tenant, iova);
    this.#told.delete(tenant);
  }

  #add(tenant: Tenant, { iova, size, hpa }: HostMapping): Reach {
    const start = Number(hpa >> BigInt(PAGE_SHIFT));
    const reach = { tenant, iova, start, end: start + Number(size >> BigInt(PAGE_SHIFT)) };
    let own = this.#reaches.get(tenant);
    if (own === undefined) this.#reaches.set(tenant, (own = new Map<bigint, Reach>()));
    own.set(iova, reach);
    for (const block of blocksOf(reach)) {
      const there = this.#blocks.get(block);
      if (there === undefined) this.#blocks.set(block, new Set([reach]));
      else there.add(reach);
    }
    return reach;
  }

  #compare(one: Reach, other: Reach): void {
    if (one.tenant === other.tenant || one.start >= other.end || other.start >= one.end) return;
    if (!this.#trace.checks.isEnabled('isolation') || this.#wasTold(one.tenant, other.tenant)) return;
    if (one.tenant.isShared() && other.tenant.isShared()) return;
    const tables = one.tenant.tables();
    if (tables !== null && tables === other.tenant.tables()) return;
    const [device, second] = [one.tenant.device(), other.tenant.device()];
    const frame = Math.max(one.start, other.start);
    const desc =
      `Host page ${pageAddress(frame)} is reached by '${device}' at ${addressOf(one, frame)} and by '${second}' at ` +
      `${addressOf(other, frame)}, whose tables are not the same; devices that share memory are to have shared=on`;
    this.#trace.checks.fail('isolation', { device, desc });
  }

  /** A pair is told of once in an operation. */
  #wasTold(one: Tenant, other: Tenant): boolean {
    const { operation } = this.#trace.events;
    if (operation !== this.#toldIn) this.#told.clear();
    this.#toldIn = operation;
    if (this.#told.get(one)?.has(other) === true) return true;
    this.#told.set(one, (this.#told.get(one) ?? new Set<Tenant>()).add(other));
    return false;
  }
}

function* blocksOf({ start, end }: Reach): Generator<number> {
  for (let block = Math.floor(start / BLOCK); block * BLOCK < end; block++) yield block;
}

function pageAddress(frame: number): string {
  return hex(BigInt(frame) << BigInt(PAGE_SHIFT));
}

function addressOf({ iova, start }: Reach, frame: number): string {
  return hex(iova + (BigInt(frame - start) << BigInt(PAGE_SHIFT)));
}
