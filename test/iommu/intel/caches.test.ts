import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { Guest } from './guest.ts';
import { ALL, withDevice } from './rig.ts';
import { spaceAt } from '../space-at.ts';

const DOMAIN = 7;

type Step =
  | { kind: 'change'; mapped: boolean; large: boolean; page: number; frame: number; rights: bigint }
  | { kind: 'use'; page: number; write: boolean }
  | { kind: 'pages'; page: number; mask: number }
  | { kind: 'flush'; scope: 'global' | 'domain' | 'context' | 'device' };

/** Pages around the end of a large one, which stand for the two of 2 MiB below and above as well. */
const page = fc.integer({ min: 0x1fd, max: 0x202 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('change' as const),
    mapped: fc.constantFrom(true, true, false),
    large: fc.integer({ min: 0, max: 4 }).map((value) => value === 0),
    page,
    frame: fc.integer({ min: 0x400, max: 0x5ff }),
    rights: fc.constantFrom(1n, 2n, 3n, 3n),
  }),
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('use' as const), page, write: fc.boolean() }) },
  fc.record({ kind: fc.constant('pages' as const), page, mask: fc.constantFrom(0, 1, 3, 9, 10) }),
  fc.record({
    kind: fc.constant('flush' as const),
    scope: fc.constantFrom<'global' | 'domain' | 'context' | 'device'>('global', 'domain', 'context', 'device'),
  }),
);

function guest(levels: 3 | 4) {
  const all = withDevice({ 'caching-mode': true });
  const driver = new Guest(all);
  const top = driver.table();
  driver.context(all.device.devfn, BigInt(top) | 1n, BigInt(levels - 2) | (BigInt(DOMAIN) << 8n));
  driver.setRoot('legacy');
  driver.enable();
  const change = ({ mapped, large, page: at, frame, rights }: Extract<Step, { kind: 'change' }>): void => {
    const shift = large ? 21 : 12;
    const iova = large ? BigInt(at >> 9) << 21n : BigInt(at) << 12n;
    const leaf = large ? BigInt(frame >> 9) << 21n : BigInt(frame) << 12n;
    if (mapped) driver.map(top, levels, iova, leaf | rights, shift);
    else driver.clear(top, levels, iova, shift);
  };
  const flush = (one: Extract<Step, { kind: 'pages' | 'flush' }>): void => {
    if (one.kind === 'pages') driver.flushPages(DOMAIN, BigInt(one.page) << 12n, one.mask);
    else if (one.scope === 'global') driver.flushIotlb();
    else if (one.scope === 'domain') driver.flushDomain(DOMAIN);
    else driver.flushContext(one.scope === 'device' ? all.device.devfn : undefined);
  };
  return { ...all, driver, top, change, flush };
}

/** The 4 KiB pages that a step changes, or that a flush covers; null: all. */
function covered(one: Step): { first: number; last: number } | null {
  if (one.kind === 'pages') {
    const size = 2 ** one.mask;
    const first = one.page - (one.page % size);
    return { first, last: first + size - 1 };
  }
  if (one.kind === 'change') {
    // A table that a large page replaces, or that comes back from below one, changes all that lies behind it.
    const first = one.page - (one.page % 0x200);
    return { first, last: first + 0x1ff };
  }
  return null;
}

describe('the IOTLB', () => {
  it('gives what the tables give, but where they changed since a flush that covers it', () => {
    let stale = 0;
    fc.assert(
      fc.property(fc.constantFrom<3 | 4>(3, 4), fc.array(step, { minLength: 5, maxLength: 40 }), (levels, steps) => {
        const { device, unit, bus, change, flush } = guest(levels);
        const changed = new Set<number>();
        const within = (one: Step, tell: (page: number) => void): void => {
          const range = covered(one) ?? { first: 0, last: 0x5ff };
          for (let at = range.first; at <= range.last; at++) tell(at);
        };
        for (const one of steps) {
          if (one.kind === 'change') {
            change(one);
            within(one, (at) => changed.add(at));
          } else if (one.kind !== 'use') {
            flush(one);
            const isIotlb = one.kind === 'pages' || one.scope === 'global' || one.scope === 'domain';
            if (isIotlb) within(one, (at) => changed.delete(at));
          } else {
            const address = BigInt(one.page) << 12n;
            const access = one.write ? 'write' : 'read';
            const used = device.addressSpace.translate(address, access);
            const found = unit.translate(spaceAt(unit, bus, device.devfn), { address, access, explain: true });
            const walked = found.steps!.at(-1)!;
            const leaf = walked.raw[0]!;
            const frame = ((leaf & 0xffff_ffff_f000n) >> 12n) + (walked.level === 2 ? (address >> 12n) & 0x1ffn : 0n);
            const same = used.region === null ? (leaf & (one.write ? 2n : 1n)) === 0n : used.address >> 12n === frame;
            if (!same) stale += 1;
            expect(same || changed.has(one.page)).toBe(true);
          }
        }
        unit.translate(spaceAt(unit, bus, device.devfn), { address: 0n, access: 'read' });
        flush({ kind: 'flush', scope: 'global' });
        expect(unit.iotlbEntries()).toEqual([]);
      }),
      { numRuns: 200, seed: 5 },
    );
    // The cache is one: it does give what is no longer there.
    expect(stale).toBeGreaterThan(0);
  });

  it('is emptied by the entry that is one too many', () => {
    const { device, unit, driver, top } = guest(3);
    for (let at = 0; at <= 1024; at++) driver.map(top, 3, BigInt(at) << 12n, (BigInt(0x400 + (at % 64)) << 12n) | 3n);
    const use = (at: number) => device.addressSpace.read(BigInt(at) << 12n, new Uint8Array(4));
    for (let at = 0; at < 1024; at++) use(at);
    expect(unit.describe().caches).toMatchObject([{}, { name: 'iotlb', entries: 1024, size: 1024, misses: 1024 }]);
    use(3);
    use(1024);
    expect(unit.describe().caches).toMatchObject([{}, { entries: 1, hits: 1, misses: 1025 }]);
    expect(unit.iotlbEntries()).toEqual([
      {
        device: 'dev0',
        'domain-id': DOMAIN,
        iova: 0x40_0000n,
        address: 0x40_0000n,
        size: 4096n,
        permissions: ['read', 'write'],
        stage: 'second',
        level: 1,
        stale: false,
      },
    ]);
  });
});

/** As VFIO keeps its mappings: a map over another one and an unmap that splits one are refused. */
class Consumer {
  readonly pages = new Map<bigint, { size: bigint; address: bigint; permissions: number }>();
  readonly log: string[] = [];
  readonly notifier = new RegionNotifier({
    name: 'shadow',
    device: 'dev0',
    kind: 'vfio',
    events: ['map', 'unmap'],
    start: 0n,
    last: ALL - 1n,
    notify: ({ type, entry: { iova, mask, translated, permissions } }) => {
      this.log.push(`${type} ${iova.toString(16)}+${(mask + 1n).toString(16)}`);
      const touched = [...this.pages].filter(([at, { size }]) => at <= iova + mask && at + size > iova);
      if (type === 'map') {
        if (touched.length > 0) throw new Error(`mapped twice: ${iova.toString(16)}`);
        this.pages.set(iova, { size: mask + 1n, address: translated, permissions });
        return;
      }
      for (const [at, { size }] of touched) {
        if (at < iova || at + size > iova + mask + 1n) throw new Error(`split: ${at.toString(16)}`);
        this.pages.delete(at);
      }
    },
  });
}

describe('the shadow of the tables in caching mode', () => {
  it('is what the tables map, after any flush that covers what changed', () => {
    fc.assert(
      fc.property(fc.constantFrom<3 | 4>(3, 4), fc.array(step, { minLength: 5, maxLength: 40 }), (levels, steps) => {
        const { space, unit, bus, device, change, flush } = guest(levels);
        const consumer = new Consumer();
        space.region.registerNotifier(consumer.notifier);
        space.region.replay(consumer.notifier);
        let pending: { first: number; last: number }[] = [];
        for (const one of steps) {
          if (one.kind === 'use') continue;
          if (one.kind === 'change') {
            change(one);
            pending.push(covered(one)!);
            continue;
          }
          const before = new Map(consumer.pages);
          consumer.log.length = 0;
          flush(one);
          const range = covered(one);
          pending = range === null ? [] : pending.filter(({ first, last }) => first < range.first || last > range.last);
          // What stays mapped was never unmapped in between.
          for (const [iova, was] of before) {
            const now = consumer.pages.get(iova);
            const same = now?.size === was.size && now.address === was.address && now.permissions === was.permissions;
            const told = consumer.log.some((line) => line === `map ${iova.toString(16)}+${was.size.toString(16)}`);
            expect(same && told).toBe(false);
          }
          if (pending.length > 0) continue;
          const listed: [bigint, bigint, bigint, string][] = [];
          for (const run of unit.mappings(spaceAt(unit, bus, device.devfn), { limit: 10_000 }).mappings) {
            for (let offset = 0n; offset < run.size; offset += run['page-size']) {
              listed.push([run.iova + offset, run['page-size'], run.address + offset, run.permissions.join()]);
            }
          }
          const told = [...consumer.pages].map(([iova, { size, address, permissions }]) => {
            const rights = [permissions & 1 ? ['read'] : [], permissions & 2 ? ['write'] : []].flat().join();
            return [iova, size, address, rights] as [bigint, bigint, bigint, string];
          });
          expect(told.sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(listed);
        }
      }),
      { numRuns: 300, seed: 9 },
    );
  });
});
