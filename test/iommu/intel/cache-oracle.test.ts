import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QtestDriver } from './qtest-driver.ts';

// Two machines hear of the same changes of the tables. One caches and is told to invalidate what the run says; in the
// other everything is invalidated before each request, so it answers what the tables say. What an invalidation
// covered must be alike afterwards; what none covered may be any of the answers since the last one that did.

const ROOT = 0x10_0000n;
const CONTEXT = 0x10_1000n;
const QUEUE = 0x10_2000n;
const PASID_DIRECTORIES = [0x10_3000n, 0x10_6000n] as const;
/** Of the functions from 16.0 on, in scalable mode. */
const UPPER_CONTEXT = 0x10_7000n;
const PASID_TABLES = [0x10_4000n, 0x10_5000n] as const;
/** Two sets of tables, four levels each, that the devices' entries can name. */
const SETS = [0x11_0000n, 0x12_0000n] as const;
/** A spare last level for the region of the large page. */
const SPARE = 0x5000n;
const TARGETS = 0x40_0000n;
const LARGE_TARGETS = [0x80_0000n, 0xa0_0000n] as const;

const IOVAS = [0x0n, 0x1000n, 0x2000n, 0x7000n, 0x20_0000n, 0x20_1000n, 0x3f_f000n] as const;
const LARGE_REGION = 4;

const DEVFNS = [0x18, 0x90] as const;
const DOMAINS = [1n, 2n] as const;

type Mode = 'legacy' | 'scalable second stage' | 'scalable first stage';

const READ_WRITE = { legacy: 3n, 'scalable second stage': 3n, 'scalable first stage': 0x67n } as const;
const LARGE = 0x80n;

type Step =
  | { readonly kind: 'leaf'; readonly set: number; readonly page: number; readonly target: number | null }
  | { readonly kind: 'large'; readonly set: number; readonly target: number | null }
  | { readonly kind: 'tables'; readonly device: number; readonly set: number }
  | { readonly kind: 'flush-context'; readonly device: number | null }
  | {
      readonly kind: 'flush';
      readonly scope: 'global' | 'domain' | 'page';
      readonly device: number;
      readonly page: number;
      readonly order: number;
    }
  | { readonly kind: 'read'; readonly device: number; readonly page: number };

const device = fc.nat({ max: 1 });
const page = fc.nat({ max: IOVAS.length - 1 });
const target = fc.option(fc.nat({ max: 5 }), { freq: 5 });
const read = fc.record({ kind: fc.constant('read' as const), device, page });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: read },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('leaf' as const), set: device, page: fc.nat({ max: 3 }), target }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('large' as const), set: device, target: fc.option(device, { freq: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tables' as const), device, set: device }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush-context' as const), device: fc.option(device) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('flush' as const),
      scope: fc.constantFrom('global' as const, 'domain' as const, 'page' as const),
      device,
      page,
      order: fc.nat({ max: 4 }),
    }),
  },
);

/** One of the two machines. */
class Side {
  readonly #driver: QtestDriver;
  readonly #mode: Mode;
  readonly #queued: boolean;
  #tail = 0n;

  constructor(mode: Mode, queued: boolean) {
    this.#mode = mode;
    this.#queued = queued;
    const scalable = mode !== 'legacy';
    const unit = {
      driver: 'intel-iommu',
      ...(scalable && { 'scalable-mode': 'on' }),
      ...(mode === 'scalable first stage' && { fsts: 'on' }),
    };
    this.#driver = new QtestDriver({
      memory: 16n << 20n,
      devices: [{ values: unit }, ...['03.0', '12.0'].map((addr) => ({ values: { driver: 'edu', addr } }))],
    });
    DEVFNS.forEach((devfn, index) => this.#driver.enableDevice(devfn, 0xe000_0000 + index * 0x10_0000));
    for (let index = 0n; index < 6n; index += 1n) {
      this.#driver.writeBytes(TARGETS + index * 0x1000n, Buffer.alloc(0x1000, Number(index) + 1));
    }
    LARGE_TARGETS.forEach((at, index) => this.#driver.writeBytes(at, Buffer.alloc(0x20_0000, 0x10 * (index + 1))));
  }

  /** Empty caches, the tables as every run finds them, remapping on. */
  begin(): void {
    const driver = this.#driver;
    driver.reset();
    DEVFNS.forEach((devfn, index) => driver.enableDevice(devfn, 0xe000_0000 + index * 0x10_0000));
    for (const [index, set] of SETS.entries()) {
      for (const offset of [0n, 0x1000n, 0x2000n, 0x3000n, SPARE])
        driver.writeBytes(set + offset, Buffer.alloc(0x1000));
      for (const level of [0n, 1n, 2n]) this.#entry(set + level * 0x1000n, set + (level + 1n) * 0x1000n);
      this.setLeaf(index, 0, 0);
      this.setLarge(index, 0);
      for (const at of [0n, 1n, 0x1ffn]) this.#entry(set + SPARE + at * 8n, TARGETS + ((at + 2n) & 3n) * 0x1000n);
    }
    this.#writeWord(ROOT, CONTEXT | 1n);
    this.#writeWord(ROOT + 8n, this.#mode === 'legacy' ? 0n : UPPER_CONTEXT | 1n);
    this.setTables(0, 0);
    this.setTables(1, 0);
    this.#tail = 0n;
    driver.writeRegister(0x20, 8, ROOT | (this.#mode === 'legacy' ? 0n : 0x400n));
    driver.writeRegister(0x18, 4, 0x4000_0000n);
    if (this.#queued) driver.writeRegister(0x90, 8, QUEUE);
    if (this.#queued) driver.writeRegister(0x18, 4, 0x0400_0000n);
    driver.writeRegister(0x18, 4, this.#queued ? 0x8400_0000n : 0x8000_0000n);
  }

  setLeaf(set: number, index: number, target: number | null): void {
    const at = SETS[set]! + 0x3000n + (IOVAS[index]! >> 12n) * 8n;
    if (target === null) this.#writeWord(at, 0n);
    else this.#entry(at, TARGETS + BigInt(target) * 0x1000n);
  }

  /** The second 2 MiB: a large page, or with null small ones. */
  setLarge(set: number, target: number | null): void {
    const at = SETS[set]! + 0x2000n + 8n;
    if (target === null) this.#entry(at, SETS[set]! + SPARE);
    else this.#entry(at, LARGE_TARGETS[target]! | LARGE);
  }

  setTables(index: number, set: number): void {
    const devfn = BigInt(DEVFNS[index]!);
    const top = SETS[set]!;
    if (this.#mode === 'legacy') {
      this.#writeWord(CONTEXT + devfn * 16n + 8n, (DOMAINS[index]! << 8n) | 2n);
      this.#writeWord(CONTEXT + devfn * 16n, top | 1n);
      return;
    }
    const table = PASID_TABLES[index]!;
    const first = this.#mode === 'scalable first stage';
    this.#writeWord(table + 8n, DOMAINS[index]!);
    this.#writeWord(table + 16n, first ? top : 0n);
    this.#writeWord(table, first ? (1n << 6n) | (2n << 2n) | 1n : top | (2n << 6n) | (2n << 2n) | 1n);
    this.#writeWord(PASID_DIRECTORIES[index]!, table | 1n);
    const half = devfn < 0x80n ? CONTEXT : UPPER_CONTEXT;
    this.#writeWord(half + (devfn & 0x7fn) * 32n, PASID_DIRECTORIES[index]! | 1n);
  }

  /** By the device alone, or with null all. */
  flushContext(index: number | null): void {
    const scope =
      index === null
        ? { granularity: 1n, domain: 0n, source: 0n }
        : { granularity: 3n, domain: DOMAINS[index]!, source: BigInt(DEVFNS[index]!) };
    if (this.#queued) this.#submit(1n | (scope.granularity << 4n) | (scope.domain << 16n) | (scope.source << 32n), 0n);
    else
      this.#driver.writeRegister(
        0x28,
        8,
        (1n << 63n) | (scope.granularity << 61n) | (scope.source << 16n) | scope.domain,
      );
  }

  flush(scope: 'global' | 'domain' | 'page', index: number, address: bigint, order: number): void {
    const granularity = { global: 1n, domain: 2n, page: 3n }[scope];
    const domain = DOMAINS[index]!;
    const where = address | BigInt(order);
    if (this.#queued) {
      this.#submit(2n | (granularity << 4n) | (domain << 16n), scope === 'page' ? where : 0n);
      return;
    }
    this.#driver.writeRegister(0xf0, 8, where);
    this.#driver.writeRegister(0xf8, 8, (1n << 63n) | (granularity << 60n) | (domain << 32n));
  }

  /** What the device reads at that page: the byte with which its target is filled, or null where it cannot. */
  read(index: number, address: bigint): number | null {
    const device = this.#driver.machine.findPciDevice(index === 0 ? '0000:00:03.0' : '0000:00:12.0');
    const byte = new Uint8Array(1);
    const { ok } = this.#driver.machine.operations.run(() => device.dmaRead(address, byte));
    return ok ? byte[0]! : null;
  }

  #submit(low: bigint, high: bigint): void {
    this.#writeWord(QUEUE + this.#tail * 16n, low);
    this.#writeWord(QUEUE + this.#tail * 16n + 8n, high);
    this.#tail = (this.#tail + 1n) % 256n;
    this.#driver.writeRegister(0x88, 8, this.#tail << 4n);
    expect(this.#driver.readRegister(0x80, 8)).toBe(this.#tail << 4n);
  }

  #entry(at: bigint, value: bigint): void {
    this.#writeWord(at, value | READ_WRITE[this.#mode]);
  }

  #writeWord(at: bigint, value: bigint): void {
    this.#driver.write(at, 8, value);
  }
}

/** What the caching side may answer for a page of a device: anything (null), or one of these. */
type Allowed = Set<number | null> | null;

/** Plays a run on both sides and compares. */
class Comparison {
  readonly #cached: Side;
  readonly #plain: Side;
  #allowed: Allowed[][] = [];
  /** The device's tables changed and its context was not invalidated since. */
  #contextStale = [false, false];

  constructor(mode: Mode, queued: boolean) {
    this.#cached = new Side(mode, queued);
    this.#plain = new Side(mode, false);
  }

  run(steps: readonly Step[]): void {
    this.#cached.begin();
    this.#plain.begin();
    this.#contextStale = [false, false];
    this.#allowed = DEVFNS.map((_devfn, index) => IOVAS.map((_iova, place) => new Set([this.#truth(index, place)])));
    for (const each of steps) this.#play(each);
  }

  #truth(index: number, place: number): number | null {
    this.#plain.flushContext(null);
    this.#plain.flush('global', index, 0n, 0);
    return this.#plain.read(index, IOVAS[place]!);
  }

  #play(each: Step): void {
    const both = [this.#cached, this.#plain];
    switch (each.kind) {
      case 'leaf':
        for (const side of both) side.setLeaf(each.set, each.page, each.target);
        this.#changed([each.page]);
        break;
      case 'large':
        for (const side of both) side.setLarge(each.set, each.target);
        this.#changed(IOVAS.map((_iova, place) => place).filter((place) => place >= LARGE_REGION));
        break;
      case 'tables':
        for (const side of both) side.setTables(each.device, each.set);
        this.#contextStale[each.device] = true;
        this.#allowed[each.device] = IOVAS.map(() => null);
        break;
      case 'flush-context':
        this.#cached.flushContext(each.device);
        DEVFNS.forEach((_devfn, index) => {
          if (each.device === null || each.device === index) this.#contextStale[index] = false;
        });
        break;
      case 'flush':
        this.#cached.flush(each.scope, each.device, IOVAS[each.page]!, each.order);
        this.#covered(each);
        break;
      case 'read': {
        const answer = this.#cached.read(each.device, IOVAS[each.page]!);
        const allowed = this.#allowed[each.device]![each.page];
        if (allowed != null) expect([...allowed]).toContain(answer);
      }
    }
  }

  #changed(places: readonly number[]): void {
    this.#allowed.forEach((pages, index) => {
      for (const place of places) pages[place]?.add(this.#truth(index, place));
    });
  }

  #covered(flush: Step & { kind: 'flush' }): void {
    const block = 12n + BigInt(flush.order);
    this.#allowed.forEach((pages, index) => {
      if (this.#contextStale[index] || (flush.scope !== 'global' && index !== flush.device)) return;
      IOVAS.forEach((iova, place) => {
        if (flush.scope === 'page' && iova >> block !== IOVAS[flush.page]! >> block) return;
        pages[place] = new Set([this.#truth(index, place)]);
      });
    });
  }
}

describe('translations that an invalidation covered are those of a unit without caches', () => {
  for (const mode of ['legacy', 'scalable second stage', 'scalable first stage'] as const) {
    for (const queued of [false, true]) {
      it(`${mode}, invalidated by ${queued ? 'descriptors' : 'registers'}`, () => {
        const comparison = new Comparison(mode, queued);
        fc.assert(
          fc.property(fc.array(step, { maxLength: 60 }), (steps) => comparison.run(steps)),
          { numRuns: 60 },
        );
      });
    }
  }
});
