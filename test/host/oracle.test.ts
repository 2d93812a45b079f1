import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.ts';
import type { HostFunction } from '../../src/host/function.ts';
import { bdf, Guest } from './guest.ts';
import { naiveFirstStage, type NaivePage } from './naive.ts';

/**
 * Random programs of table writes, flushes and DMA against a second model of the caches, written with plain maps: DMA
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

interface Entry {
  root: bigint;
  domain: number;
  passThrough: boolean;
}
interface Cached extends NaivePage {
  iova: bigint;
  pasid: number;
  domain: number;
}

class Oracle {
  readonly pasids = new Map<number, Entry>();
  cached: Cached[] = [];
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  fetch(pasid: number): Entry | null {
    const directory = this.#guest.peek(DIRECTORY + 8n * BigInt(pasid >> 6));
    if ((directory & 1n) === 0n) return null;
    const at = (directory & ~0xfffn) + 64n * BigInt(pasid & 63);
    const first = this.#guest.peek(at);
    const type = (first >> 6n) & 7n;
    if ((first & 1n) === 0n || (type !== 1n && type !== 4n)) return null;
    const domain = Number(this.#guest.peek(at + 8n) & 0xffffn);
    return { root: this.#guest.peek(at + 16n) & ~0xfffn, domain, passThrough: type === 4n };
  }

  walk(entry: Entry, iova: bigint): NaivePage | null {
    if (entry.passThrough) return { frame: iova >> 12n, write: true, size: 4096n };
    const read = (address: bigint) => (address < this.#guest.ram.size ? this.#guest.peek(address) : null);
    return naiveFirstStage(read, entry.root, 4, iova);
  }

  lookup(entry: Entry, pasid: number, iova: bigint): Cached | undefined {
    const found = this.cached.filter(
      (one) => one.pasid === pasid && one.domain === entry.domain && iova >= one.iova && iova < one.iova + one.size,
    );
    return found.sort((one, other) => Number(one.size - other.size))[0];
  }

  /** What a DMA gets, and which caches it must blame. */
  dma(pasid: number, iova: bigint, write: boolean): { frame: bigint | null; blamed: string[] } {
    const known = this.pasids.get(pasid);
    const entry = known ?? this.fetch(pasid);
    if (entry === null) return { frame: null, blamed: [] };
    this.pasids.set(pasid, entry);
    const end = (page: NaivePage | null): bigint | null =>
      page === null || (write && !page.write) ? null : page.frame;
    const hit = entry.passThrough ? undefined : this.lookup(entry, pasid, iova);
    const middle = end(this.walk(entry, iova));
    let used = middle;
    if (hit !== undefined) {
      used = write && !hit.write ? null : hit.frame + ((iova - hit.iova) >> 12n);
    } else if (!entry.passThrough && used !== null) {
      const page = this.walk(entry, iova)!;
      const start = iova & ~(page.size - 1n);
      this.cached.push({
        ...page,
        iova: start,
        frame: page.frame - ((iova - start) >> 12n),
        pasid,
        domain: entry.domain,
      });
    }
    const now = this.fetch(pasid);
    const current = now === null ? null : end(this.walk(now, iova));
    if (used === current) return { frame: used, blamed: [] };
    // With the new PASID entry, the old translation would still be found.
    const outlives = hit !== undefined && now !== null && !now.passThrough && now.domain === entry.domain;
    const iotlb = outlives || used !== middle;
    return { frame: used, blamed: [...(middle !== current ? ['pasid'] : []), ...(iotlb ? ['iotlb'] : [])] };
  }

  flush(scope: { domain?: number; pasid?: number; first?: bigint; last?: bigint }): number {
    const before = this.cached.length;
    this.cached = this.cached.filter(
      (one) =>
        (scope.domain !== undefined && one.domain !== scope.domain) ||
        (scope.pasid !== undefined && one.pasid !== scope.pasid) ||
        (scope.first !== undefined && one.iova + one.size <= scope.first) ||
        (scope.last !== undefined && one.iova > scope.last),
    );
    return before - this.cached.length;
  }

  flushPasids(condemned: (entry: Entry, pasid: number) => boolean): number {
    const gone = [...this.pasids].filter(([pasid, entry]) => condemned(entry, pasid));
    for (const [pasid] of gone) this.pasids.delete(pasid);
    return gone.length;
  }
}

class Program {
  readonly guest = new Guest({ ram: 8n << 20n });
  readonly #random: SeededRandom;
  readonly #devices: { fn: HostFunction; oracle: Oracle }[];
  events = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const second = this.guest.host.findFunction(bdf('5e:00.0'))!;
    second.claim(() => 'dev1');
    second.attach(this.guest.stage);
    this.#devices = [this.guest.device, second].map((fn) => ({ fn, oracle: new Oracle(this.guest) }));
    this.guest.poke(DIRECTORY, LEAVES[0]! | 1n);
    this.guest.poke(DIRECTORY + 8n, LEAVES[1]! | 1n);
    for (const pasid of PASIDS) this.#writePasid(pasid);
    for (let i = 0; i < 60; i++) this.#writeTable();
    for (const { fn } of this.#devices) this.guest.bind(DIRECTORY, 4096n, 'vtd-scalable', fn);
    for (const [index, page] of PAGES.entries()) this.guest.poke(page, BigInt(index + 1));
  }

  step(): void {
    const choice = this.#random.below(100);
    const device = this.#pick(this.#devices);
    if (choice < 55) this.#dma(device);
    else if (choice < 80) this.#writeTable();
    else if (choice < 86) this.#writePasid(this.#pick(PASIDS));
    else if (choice < 95) this.#flush(device);
    else this.#flushPasid(device);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)]!;
  }

  #writePasid(pasid: number): void {
    const at = LEAVES[pasid >> 6]! + 64n * BigInt(pasid & 63);
    const types = [1n, 1n, 1n, 1n, 4n, 2n];
    this.guest.poke(at, (this.#random.below(8) === 0 ? 0n : 1n) | (this.#pick(types) << 6n));
    this.guest.poke(at + 8n, BigInt(this.#pick(DOMAINS)));
    this.guest.poke(at + 16n, this.#pick(L4));
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
    if (level === 4) this.guest.poke(this.#pick(L4) + index, this.#pick(L3) | flags);
    else if (level === 3) this.guest.poke(this.#pick(L3) + index, this.#pick(L2) | flags);
    else if (level === 1) this.guest.poke(this.#pick(L1) + index, this.#page(iova) | flags);
    else if (this.#random.below(4) === 0)
      this.guest.poke(this.#pick(L2) + index, this.#pick(LARGE_PAGES) | flags | 0x80n);
    else this.guest.poke(this.#pick(L2) + index, this.#pick(L1) | flags);
  }

  #dma({ fn, oracle }: { fn: HostFunction; oracle: Oracle }): void {
    const pasid = this.#pick(PASIDS);
    const iova = this.#pick(IOVAS);
    const write = this.#random.below(3) === 0;
    const expected = oracle.dma(pasid, iova, write);
    const before = this.guest.stale.length;
    const bytes = new Uint8Array(8);
    if (expected.frame !== null && write) bytes.set(this.#wordAt(expected.frame));
    const { kind } = write ? this.guest.write(iova, bytes, pasid, fn) : this.guest.read(iova, 8, pasid, fn).result;
    expect(kind).toBe(expected.frame === null ? 'fault' : 'moved');
    const events = this.guest.stale.slice(before);
    expect(events.map(({ cache }) => cache)).toEqual(expected.blamed);
    const frame = expected.frame;
    for (const event of events) {
      this.events += 1;
      expect(event).toMatchObject({ pasid, address: iova, access: write ? 'write' : 'read' });
      expect(event.since).toBeGreaterThan(0);
      expect(event.since).toBeLessThan(this.guest.operations.last);
      if (frame !== null) expect(event.cached.gpa).toBe((frame << 12n) | (iova & 0xfffn));
    }
    if (events.length > 0 && this.#random.below(2) === 0) this.#repair({ fn, oracle }, pasid, iova, write);
  }

  /**
   * What the events call missing must be enough, and in the order in which they come: at once, unless the DMA itself
   * has just cached a translation from old tables, which the next one then reports.
   */
  #repair({ fn, oracle }: { fn: HostFunction; oracle: Oracle }, pasid: number, iova: bigint, write: boolean): void {
    for (let round = 0; round < 3; round++) {
      const start = this.guest.stale.length;
      const expected = oracle.dma(pasid, iova, write);
      if (write)
        this.guest.write(iova, expected.frame === null ? new Uint8Array(8) : this.#wordAt(expected.frame), pasid, fn);
      else this.guest.read(iova, 8, pasid, fn);
      const found = this.guest.stale.slice(start);
      expect(found.map(({ cache }) => cache)).toEqual(expected.blamed);
      if (found.length === 0) return;
      for (const { cache, missing } of found) {
        const domainId = missing['domain-id'];
        if (cache === 'pasid') {
          fn.flushPasidCache({ granularity: 'pasid', domainId, pasid });
          oracle.flushPasids((entry, key) => entry.domain === domainId && key === pasid);
        } else {
          const { address = 0n, size = 0n } = missing;
          fn.flushIotlb({ granularity: 'page', domainId, pasid, address, size, leafOnly: false });
          oracle.flush({ domain: domainId, pasid, first: address, last: address + size - 1n });
        }
      }
    }
    throw new Error('the missing flushes were not enough');
  }

  #wordAt(frame: bigint): Uint8Array {
    const bytes = new Uint8Array(8);
    this.guest.ram.read(Number(frame << 12n), bytes);
    return bytes;
  }

  #flush({ fn, oracle }: { fn: HostFunction; oracle: Oracle }): void {
    const pasid = this.#pick(PASIDS);
    const domainId = this.#pick(DOMAINS);
    const leafOnly = false;
    switch (this.#random.below(4)) {
      case 0:
        expect(fn.flushIotlb({ granularity: 'global', leafOnly })).toBe(oracle.flush({}));
        break;
      case 1:
        expect(fn.flushIotlb({ granularity: 'domain', domainId, leafOnly })).toBe(oracle.flush({ domain: domainId }));
        break;
      case 2:
        expect(fn.flushIotlb({ granularity: 'pasid', domainId, pasid, leafOnly })).toBe(
          oracle.flush({ domain: domainId, pasid }),
        );
        break;
      default: {
        const size = this.#pick([0x1000n, 0x2000n, 0x20_0000n]);
        const address = this.#pick(IOVAS) & ~(size - 1n);
        const entry = oracle.pasids.get(pasid) ?? oracle.fetch(pasid);
        if (entry === null) break;
        expect(fn.flushIotlb({ granularity: 'page', pasid, address, size, leafOnly })).toBe(
          oracle.flush({ domain: entry.domain, pasid, first: address, last: address + size - 1n }),
        );
      }
    }
  }

  #flushPasid({ fn, oracle }: { fn: HostFunction; oracle: Oracle }): void {
    const pasid = this.#pick(PASIDS);
    const domainId = this.#pick(DOMAINS);
    const choice = this.#random.below(3);
    if (choice === 0) expect(fn.flushPasidCache({ granularity: 'global' })).toBe(oracle.flushPasids(() => true));
    else if (choice === 1) {
      const dropped = fn.flushPasidCache({ granularity: 'domain', domainId });
      expect(dropped).toBe(oracle.flushPasids((entry) => entry.domain === domainId));
    } else {
      const dropped = fn.flushPasidCache({ granularity: 'pasid', domainId, pasid });
      expect(dropped).toBe(oracle.flushPasids((entry, key) => entry.domain === domainId && key === pasid));
    }
  }
}

describe('the stale detector', () => {
  it.each([1, 2, 3, 14])('agrees with an oracle in 5000 random steps (seed %i)', (seed) => {
    const program = new Program(seed);
    for (let step = 0; step < 5000; step++) program.step();
    expect(program.events).toBeGreaterThan(100);
  });
});
