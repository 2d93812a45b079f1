import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../src/core/address.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { HostFunction } from '../../src/host/function.ts';
import { NotifierIommuObject } from '../../src/iommu/object.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MemoryTopology } from '../../src/memory/topology.ts';
import { IommufdListener } from '../../src/vfio/iommufd-listener.ts';
import { bdf, Guest } from './guest.ts';
import { type Entry, Oracle, type FlushScope } from './oracle.ts';

/**
 * Random programs of table writes, flushes and DMA against a second model of the caches, written with plain lists: DMA
 * must get what that model gets, and an event must come exactly when what was used is not what the tables give.
 */

const DIRECTORY = 0x1000n;
const LEAVES = [0x2000n, 0x3000n];
const L4 = [0x10_000n, 0x11_000n, 0x12_000n];
const L3 = [0x20_000n, 0x21_000n];
const L2 = [0x30_000n, 0x31_000n];
const L1 = [0x40_000n, 0x41_000n, 0x42_000n];
const PAGES = [0x100_000n, 0x101_000n, 0x102_000n, 0x103_000n];
const LARGE_PAGES = [0x200_000n, 0x400_000n];
/** The same pages again in 4 KiB, at the places of IOVAS in them: a large page may be split and still mean the same. */
const PARTS = [0x200_000n, 0x201_000n, 0x203_000n, 0x202_000n];
/** Within two 2 MiB ranges of one 1 GiB. */
const IOVAS = [0n, 0x1000n, 0x3000n, 0x20_0000n, 0x20_2000n];
const PASIDS = [0, 1, 5, 64];
const DOMAINS = [1, 2];

interface Kind {
  readonly contract: 'pasid-table' | 'iommufd';
  /** Caches of a few entries, so that replacement takes its share. */
  readonly tiny: boolean;
}

interface Device {
  readonly fn: HostFunction;
  readonly oracle: Oracle;
  /** With contract iommufd. */
  readonly listener: IommufdListener | null;
}

/** Vitest's own comparison costs more than the step that it checks. */
function agree(what: string, got: unknown, wanted: unknown): void {
  if (got !== wanted) expect(got, what).toBe(wanted);
}

class Program {
  readonly guest: Guest;
  readonly #random: SeededRandom;
  readonly #devices: readonly Device[];
  readonly #isTiny: boolean;
  /** The last operation that wrote a word of the tables, by address. */
  readonly #written = new Map<bigint, number>();
  /** By cache. */
  readonly events: Record<string, number> = { pasid: 0, iotlb: 0, device: 0 };

  constructor(seed: number, { contract, tiny }: Kind) {
    this.#random = new SeededRandom(seed);
    this.#isTiny = tiny;
    const iommu = tiny ? { iotlbSize: 5, pasidCacheSize: 3, atsCacheSize: 3, contextCacheSize: 1, seed } : { seed };
    this.guest = new Guest({ ram: 8n << 20n, options: { iommu } });
    const { guest } = this;
    const second = guest.host.findFunction(bdf('5e:00.0'))!;
    second.claim(() => 'dev1');
    second.attach(guest.stage);
    second.enableAts(true);
    const read = (address: bigint): bigint | null => (address < guest.ram.size ? guest.peek(address) : null);
    const tables = { directory: DIRECTORY, read };
    const iommufd = contract === 'iommufd';
    this.#devices = [guest.device, second].map((fn) => ({
      fn,
      oracle: new Oracle(tables, { iommufd, ats: fn.atsEnabled }),
      listener: iommufd ? this.#listenerOf(fn) : null,
    }));
    this.#poke(DIRECTORY, LEAVES[0]! | 1n);
    this.#poke(DIRECTORY + 8n, LEAVES[1]! | 1n);
    for (const pasid of PASIDS) this.#writePasid(pasid);
    for (let i = 0; i < 60; i++) this.#writeTable();
    const table = { address: DIRECTORY as Gpa, size: 4096n, format: 'vtd-scalable' } as const;
    for (const { fn, oracle, listener } of this.#devices) {
      guest.operations.run(() => (listener === null ? fn.bindPasidTable(table) : listener.bind(table)));
      if (listener !== null) oracle.attach(PASIDS, () => true);
    }
    for (const [index, page] of PAGES.entries()) guest.poke(page, BigInt(index + 1));
  }

  step(): void {
    const choice = this.#random.below(100);
    const device = this.#pick(this.#devices);
    if (choice < 55) this.#dma(device);
    else if (choice < 80) this.#writeTable();
    else if (choice < 86) this.#writePasid(this.#pick(PASIDS));
    else if (choice < 93) this.#flush(device);
    else if (choice < 96) this.#flushDevice(device);
    else this.#flushPasid(device);
  }

  #listenerOf(fn: HostFunction): IommufdListener {
    const { operations, ram, host, trace } = this.guest;
    const topology = new MemoryTopology(operations);
    const device = fn.device!;
    return new IommufdListener({
      device,
      object: new NotifierIommuObject({ unit: 'iommu', device: () => device, ...trace.parts }),
      function: fn,
      iommu: host.iommu,
      memory: topology.createAddressSpace('memory', MemoryRegion.ram(topology, 'ram', ram)),
      events: trace.events,
      faults: trace.faults,
      points: trace.parts.points,
      isShadowed: () => false,
    });
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }

  #poke(address: bigint, value: bigint): void {
    this.#written.set(address, this.guest.poke(address, value));
  }

  #writePasid(pasid: number): void {
    const at = LEAVES[pasid >> 6]! + 64n * BigInt(pasid & 63);
    const types = [1n, 1n, 1n, 1n, 4n, 2n, 0n];
    this.#poke(at, (this.#random.below(8) === 0 ? 0n : 1n) | (this.#pick(types) << 6n));
    this.#poke(at + 8n, BigInt(this.#pick(DOMAINS)));
    this.#poke(at + 16n, this.#pick(L4));
  }

  #page(iova: bigint): bigint {
    if (this.#random.below(2) === 0) return this.#pick(PAGES);
    return this.#random.below(4) === 0 ? this.#pick(PARTS) : LARGE_PAGES[0]! + (iova & 0x1f_ffffn);
  }

  #writeTable(): void {
    const flags = this.#pick([7n, 7n, 7n, 5n, 0n]);
    const level = this.#pick([1, 1, 1, 2, 2, 3, 4]);
    const iova = this.#pick(IOVAS);
    const index = 8n * ((iova >> BigInt(3 + 9 * level)) & 511n);
    if (level === 4) this.#poke(this.#pick(L4) + index, this.#pick(L3) | flags);
    else if (level === 3) this.#poke(this.#pick(L3) + index, this.#pick(L2) | flags);
    else if (level === 1) this.#poke(this.#pick(L1) + index, this.#page(iova) | flags);
    else if (this.#random.below(4) === 0) this.#poke(this.#pick(L2) + index, this.#pick(LARGE_PAGES) | flags | 0x80n);
    else this.#poke(this.#pick(L2) + index, this.#pick(L1) | flags);
  }

  #dma(device: Device): void {
    const pasid = this.#pick(PASIDS);
    const iova = this.#pick(IOVAS);
    const write = this.#random.below(3) === 0;
    const found = this.#transfer(device, pasid, iova, write);
    if (found.length > 0 && this.#random.below(2) === 0) this.#repair(device, pasid, iova, write);
  }

  /** One DMA, compared with what the oracle says; returns its events. */
  #transfer({ fn, oracle }: Device, pasid: number, iova: bigint, write: boolean): Guest['stale'] {
    const { frame, blamed } = oracle.dma(pasid, iova, write);
    const before = this.guest.stale.length;
    // A write puts back what is there, so that it never changes a table or a page.
    const bytes = write && frame !== null ? this.#wordAt(frame) : new Uint8Array(8);
    const { kind } = write ? this.guest.write(iova, bytes, pasid, fn) : this.#read(iova, pasid, fn, frame);
    agree('the end of the DMA', kind, frame === null ? 'fault' : 'moved');
    const events = this.guest.stale.slice(before);
    agree('the caches to blame', events.map(({ cache }) => cache).join(), blamed.join());
    for (const event of events) {
      this.events[event.cache]! += 1;
      agree('pasid', event.pasid, pasid);
      agree('address', event.address, iova);
      agree('access', event.access, write ? 'write' : 'read');
      const { since, write: made } = event;
      expect(since).toBeGreaterThan(0);
      expect(since).toBeLessThan(this.guest.operations.last);
      agree('the word that was written', made?.is, this.guest.peek(made?.address ?? 0n));
      agree('the operation that wrote it', since, this.#written.get(made?.address ?? 0n));
      expect(made?.was).not.toBe(made?.is);
      if (frame !== null && event === events.at(-1)) {
        agree('the cached address', event.cached.gpa, (frame << 12n) | (iova & 0xfffn));
      }
    }
    // By pass-through, a device may write tables too.
    if (write && frame !== null) this.#written.set(frame << 12n, this.guest.operations.last);
    if (this.#isTiny) for (const device of this.#devices) this.#forgetReplaced(device);
    return events;
  }

  #read(iova: bigint, pasid: number, fn: HostFunction, frame: bigint | null): { kind: string } {
    const { result, data } = this.guest.read(iova, 8, pasid, fn);
    if (frame !== null) agree('the data', Buffer.from(data).compare(this.#wordAt(frame)), 0);
    return result;
  }

  /** What the seed has picked to make room, the oracle does not know. */
  #forgetReplaced({ fn, oracle }: Device): void {
    const { caches } = this.guest.host.iommu;
    const tables = new Set([
      fn.nested!.id,
      ...[...(fn.nested!.attached?.values() ?? [])].map((one) => one.nestedTable),
    ]);
    const key = (pasid: number, page: number, shift: number): string => `${pasid} ${page} ${shift}`;
    const keyOf = (one: { pasid: number; iova: bigint; size: bigint }): string =>
      key(one.pasid, Number(one.iova >> 12n), Math.log2(Number(one.size)));
    const inIotlb = new Set(
      caches
        .translations()
        .filter((one) => one.pasid >= 0 && tables.has(one.table))
        .map((one) => `${key(one.pasid, one.page, one.shift)} ${one.domainId}`),
    );
    oracle.cached = oracle.cached.filter((one) => inIotlb.has(`${keyOf(one)} ${one.domain}`));
    agree('entries of the IOTLB', inIotlb.size, oracle.cached.length);
    const entries = fn.deviceCache!.entries().map((one) => key(one.pasid, one.page, one.shift));
    if (oracle.held !== null) oracle.held = oracle.held.filter((one) => entries.includes(keyOf(one)));
    agree('entries of the device', entries.length, oracle.held?.length ?? 0);
    for (const pasid of oracle.pasids.keys()) {
      if (caches.pasid.peek(caches.pasidKey(fn.requester, pasid)) === undefined) oracle.pasids.delete(pasid);
    }
  }

  /**
   * What the events call missing must be enough, and in the order in which they come: at once, unless the DMA itself
   * has just cached a translation from old tables, or a larger page lies behind the one that went; the next one reports
   * those.
   */
  #repair(device: Device, pasid: number, iova: bigint, write: boolean): void {
    for (let round = 0; round < 5; round++) {
      const found = this.#transfer(device, pasid, iova, write);
      if (found.length === 0) return;
      for (const { cache, missing } of found) {
        const { address = 0n, size = 0n, 'domain-id': domain = 0 } = missing;
        if (cache === 'pasid') this.#flushOnePasid(device, domain, pasid);
        else if (cache === 'device' && device.listener === null) {
          device.fn.flushDeviceTlb({ pasid, address, size });
          device.oracle.flushHeld({ pasid, first: address, last: address + size - 1n });
        } else this.#flushIotlb(device, { domain, pasid, first: address, size });
      }
    }
    throw new Error('the missing flushes were not enough');
  }

  #wordAt(frame: bigint): Uint8Array {
    const bytes = new Uint8Array(8);
    this.guest.ram.read(Number(frame << 12n), bytes);
    return bytes;
  }

  #flush(device: Device): void {
    const pasid = this.#pick(PASIDS);
    const domain = this.#pick(DOMAINS);
    switch (this.#random.below(4)) {
      case 0:
        this.#flushIotlb(device, {});
        break;
      case 1:
        this.#flushIotlb(device, { domain });
        break;
      case 2:
        this.#flushIotlb(device, { domain, pasid });
        break;
      default: {
        const size = this.#pick([0x1000n, 0x2000n, 0x20_0000n]);
        this.#flushIotlb(device, { domain, pasid, first: this.#pick(IOVAS) & ~(size - 1n), size });
      }
    }
  }

  #flushIotlb(
    { fn, oracle }: Device,
    { domain, pasid, first, size }: { domain?: number; pasid?: number; first?: bigint; size?: bigint },
  ): void {
    const granularity =
      size !== undefined ? 'page' : pasid !== undefined ? 'pasid' : domain !== undefined ? 'domain' : 'global';
    const scope: FlushScope = {
      ...(domain !== undefined && { domain }),
      ...(pasid !== undefined && { pasid }),
      ...(first !== undefined && size !== undefined && { first, last: first + size - 1n }),
    };
    const dropped = this.guest.operations.run(() =>
      fn.flushIotlb({
        granularity,
        leafOnly: false,
        ...(domain !== undefined && { domainId: domain }),
        ...(pasid !== undefined && { pasid }),
        ...(first !== undefined && size !== undefined && { address: first, size }),
      }),
    );
    agree('dropped', dropped, oracle.attached === null ? oracle.flush(scope) : oracle.flushAttached(scope));
  }

  #flushDevice({ fn, oracle }: Device): void {
    const pasid = this.#pick([...PASIDS, 'all' as const]);
    const size = this.#pick([0x1000n, 0x2000n, 0x20_0000n, 1n << 64n]);
    const address = this.#pick(IOVAS) & ~(size - 1n);
    const dropped = fn.flushDeviceTlb({ pasid, address, size });
    agree('dropped', dropped, oracle.flushHeld({ pasid, first: address, last: address + size - 1n }));
  }

  #flushPasid(device: Device): void {
    const { fn, oracle, listener } = device;
    const domainId = this.#pick(DOMAINS);
    const choice = this.#random.below(3);
    if (choice === 2) {
      this.#flushOnePasid(device, domainId, this.#pick(PASIDS));
      return;
    }
    const inScope = (entry: Entry): boolean => choice === 0 || entry.domain === domainId;
    const flush = choice === 0 ? ({ granularity: 'global' } as const) : ({ granularity: 'domain', domainId } as const);
    if (listener !== null) {
      this.guest.operations.run(() => listener.flushPasidCache(flush));
      oracle.attach(PASIDS, inScope);
    } else agree('dropped', fn.flushPasidCache(flush), oracle.flushPasids(inScope));
  }

  #flushOnePasid({ fn, oracle, listener }: Device, domainId: number, pasid: number): void {
    const flush = { granularity: 'pasid', domainId, pasid } as const;
    const inScope = (entry: Entry): boolean => entry.domain === domainId;
    if (listener !== null) {
      this.guest.operations.run(() => listener.flushPasidCache(flush));
      oracle.attach([pasid], inScope);
    } else {
      const dropped = fn.flushPasidCache(flush);
      agree(
        'dropped',
        dropped,
        oracle.flushPasids((entry, key) => key === pasid && inScope(entry)),
      );
    }
  }
}

const STEPS = 5000;

describe.each<Kind>([
  { contract: 'pasid-table', tiny: false },
  { contract: 'pasid-table', tiny: true },
  { contract: 'iommufd', tiny: false },
  { contract: 'iommufd', tiny: true },
])('the stale detector, contract $contract, caches of a few entries: $tiny', (kind) => {
  it.each([1, 2, 3, 14, 15])(`agrees with an oracle in ${STEPS} random steps (seed %i)`, (seed) => {
    const program = new Program(seed, kind);
    for (let step = 0; step < STEPS; step++) program.step();
    for (const [cache, count] of Object.entries(program.events)) expect(count, cache).toBeGreaterThan(20);
  });
});
