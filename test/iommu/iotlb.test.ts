import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Iotlb, type IotlbEntry, type IotlbScope, NO_PASID } from '../../src/iommu/iotlb.ts';
import { Permission } from '../../src/memory/access.ts';

function entry(given: Partial<IotlbEntry> = {}): IotlbEntry {
  return {
    table: 0,
    domainId: 1,
    pasid: NO_PASID,
    page: 0,
    frame: 0x1000,
    shift: 12,
    permissions: Permission.readWrite,
    stage: 'second',
    level: 1,
    dirty: false,
    derivedFrom: [{ address: 0x5000, low: 3, high: 0 }],
    operation: 1,
    ...given,
  };
}

describe('Iotlb', () => {
  it('finds every page that an entry covers, and aligns what a walk reports', () => {
    const iotlb = new Iotlb({ capacity: 8 });
    const made = iotlb.insert(entry({ page: 0x3ff, frame: 0x8_01ff, shift: 21 }));
    expect([made.page, made.frame]).toEqual([0x200, 0x8_0000]);
    expect(iotlb.lookup(0, 1, NO_PASID, 0x200)).toBe(made);
    expect(iotlb.lookup(0, 1, NO_PASID, 0x3ff)).toBe(made);
    expect(iotlb.lookup(0, 1, NO_PASID, 0x400)).toBeNull();
    expect(iotlb.lookup(0, 1, NO_PASID, 0x1ff)).toBeNull();
    expect([iotlb.hits, iotlb.misses]).toEqual([2, 2]);
    iotlb.peek(0, 1, NO_PASID, 0x200);
    expect([iotlb.hits, iotlb.misses]).toEqual([2, 2]);
  });

  it('keeps tags apart: table, domain id, PASID, and no PASID from PASID 0', () => {
    const iotlb = new Iotlb({ capacity: 8 });
    const made = iotlb.insert(entry({ table: 2, domainId: 5, pasid: 0 }));
    expect(iotlb.lookup(2, 5, 0, 0)).toBe(made);
    for (const [table, domainId, pasid] of [
      [1, 5, 0],
      [2, 4, 0],
      [2, 5, 1],
      [2, 5, NO_PASID],
    ] as const) {
      expect(iotlb.lookup(table, domainId, pasid, 0)).toBeNull();
    }
  });

  it('ignores the domain id of a lookup where it is not part of the key', () => {
    const iotlb = new Iotlb({ capacity: 8, keyedByDomain: false });
    iotlb.insert(entry({ domainId: 5 }));
    const later = iotlb.insert(entry({ domainId: 6, frame: 7 }));
    expect(iotlb.size).toBe(1);
    expect(iotlb.lookup(0, 0, NO_PASID, 0)).toBe(later);
    expect(iotlb.flush({ domainId: 5 })).toBe(0);
    expect(iotlb.flush({ domainId: 6 })).toBe(1);
  });

  it('prefers the smallest page', () => {
    const iotlb = new Iotlb({ capacity: 8 });
    const large = iotlb.insert(entry({ page: 0x200, shift: 21 }));
    const small = iotlb.insert(entry({ page: 0x201 }));
    expect(iotlb.lookup(0, 1, NO_PASID, 0x201)).toBe(small);
    expect(iotlb.lookup(0, 1, NO_PASID, 0x202)).toBe(large);
  });

  it('reaches the last page of the address space', () => {
    const iotlb = new Iotlb({ capacity: 8 });
    const last = 2 ** 52 - 1;
    iotlb.insert(entry({ page: last, shift: 30 }));
    expect(iotlb.lookup(0, 1, NO_PASID, last)?.page).toBe(2 ** 52 - 2 ** 18);
    expect(iotlb.flush({ first: last, last })).toBe(1);
  });

  it('flushes what overlaps a range of pages, with both ends included', () => {
    const fresh = () => {
      const iotlb = new Iotlb({ capacity: 8 });
      iotlb.insert(entry({ page: 0x200, shift: 21 }));
      iotlb.insert(entry({ page: 0x3ff }));
      iotlb.insert(entry({ page: 0x400 }));
      return iotlb;
    };
    const left = (scope: IotlbScope) => {
      const iotlb = fresh();
      const dropped = iotlb.flush(scope);
      expect(iotlb.size).toBe(3 - dropped);
      return iotlb.entries().map(({ page }) => page);
    };
    expect(left({ first: 0x1ff, last: 0x1ff })).toEqual([0x200, 0x3ff, 0x400]);
    expect(left({ first: 0x1ff, last: 0x200 })).toEqual([0x3ff, 0x400]);
    expect(left({ first: 0x3ff, last: 0x3ff })).toEqual([0x400]);
    expect(left({ first: 0x400, last: 0x7ff })).toEqual([0x200, 0x3ff]);
    expect(left({ last: 0x3ff })).toEqual([0x400]);
    expect(left({})).toEqual([]);
  });

  it('can spare stages', () => {
    const iotlb = new Iotlb({ capacity: 8 });
    iotlb.insert(entry({ page: 1, stage: 'first' }));
    iotlb.insert(entry({ page: 2, stage: 'second' }));
    iotlb.insert(entry({ page: 3, stage: 'nested' }));
    expect(iotlb.flush({ stages: ['first', 'nested'] })).toBe(2);
    expect(iotlb.entries().map(({ stage }) => stage)).toEqual(['second']);
  });

  it('replaces by its seed when it is full, the same way every time', () => {
    const survivors = (seed: number) => {
      const iotlb = new Iotlb({ capacity: 16, seed });
      for (let page = 0; page < 100; page++) iotlb.insert(entry({ page }));
      expect([iotlb.size, iotlb.evictions]).toEqual([16, 84]);
      return iotlb.entries().map(({ page }) => page);
    };
    expect(survivors(1)).toEqual(survivors(1));
    expect(survivors(1)).not.toEqual(survivors(2));
    expect(survivors(1)).toContain(99);
  });

  it('empties itself instead where that is asked for', () => {
    const iotlb = new Iotlb({ capacity: 4, replacement: 'clear' });
    for (let page = 0; page < 5; page++) iotlb.insert(entry({ page }));
    expect([iotlb.size, iotlb.evictions]).toEqual([1, 4]);
    // The same page again needs no room.
    for (let page = 4; page < 8; page++) iotlb.insert(entry({ page }));
    iotlb.insert(entry({ page: 4 }));
    expect(iotlb.size).toBe(4);
  });

  it('lists by table, domain id, PASID, page and size', () => {
    const iotlb = new Iotlb({ capacity: 16 });
    const inOrder = [
      entry({ table: 0, domainId: 0, pasid: NO_PASID, page: 9 }),
      entry({ table: 0, domainId: 0, pasid: 0, page: 0 }),
      entry({ table: 0, domainId: 0, pasid: 0, page: 0, shift: 21 }),
      entry({ table: 0, domainId: 0, pasid: 0, page: 3 }),
      entry({ table: 0, domainId: 7, pasid: 0, page: 0 }),
      entry({ table: 1, domainId: 0, pasid: 0, page: 0 }),
    ];
    for (const each of [...inOrder].reverse()) iotlb.insert({ ...each, frame: 0 });
    expect(iotlb.entries()).toEqual(inOrder.map((each) => ({ ...each, frame: 0 })));
  });

  it('drops by any other rule, and starts anew at a reset', () => {
    const iotlb = new Iotlb({ capacity: 8 });
    for (let page = 0; page < 6; page++) iotlb.insert(entry({ page, frame: page }));
    expect(iotlb.drop(({ frame }) => frame % 2 === 0)).toBe(3);
    expect(iotlb.entries().map(({ frame }) => frame)).toEqual([1, 3, 5]);
    iotlb.lookup(0, 1, NO_PASID, 1);
    iotlb.reset();
    expect([iotlb.size, iotlb.hits, iotlb.misses, iotlb.evictions]).toEqual([0, 0, 0, 0]);
    expect(iotlb.lookup(0, 1, NO_PASID, 1)).toBeNull();
  });

  it('goes on after saving and restoring as if nothing had happened', () => {
    const one = new Iotlb({ capacity: 8, seed: 3 });
    for (let page = 0; page < 20; page++) one.insert(entry({ page }));
    one.lookup(0, 1, NO_PASID, 19);
    const other = new Iotlb({ capacity: 8, seed: 99 });
    other.restore(structuredClone(one.save()));
    expect(other.save()).toEqual(one.save());
    for (let page = 20; page < 40; page++) {
      one.insert(entry({ page }));
      other.insert(entry({ page }));
    }
    expect(other.entries()).toEqual(one.entries());
  });

  it('wants room for one entry at least', () => {
    expect(() => new Iotlb({ capacity: 0 })).toThrow(RangeError);
  });
});

type Step =
  | { kind: 'insert'; entry: IotlbEntry }
  | { kind: 'lookup'; table: number; domainId: number; pasid: number; page: number }
  | { kind: 'flush'; scope: IotlbScope };

const tags = { table: fc.nat(1), domainId: fc.nat(1), pasid: fc.constantFrom(NO_PASID, 0) };
const pages = fc.oneof(
  { weight: 4, arbitrary: fc.nat(5) },
  fc.nat(0x600),
  fc.integer({ min: 0x3_fffe, max: 0x4_0001 }),
);
const shifts = fc.constantFrom(12, 21, 30);
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ ...tags, page: pages, frame: fc.nat(1000), shift: shifts, stage: fc.constantFrom('first', 'nested') })
      .map((given) => ({ kind: 'insert', entry: entry(given as Partial<IotlbEntry>) }) as const),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('lookup' as const), ...tags, page: pages }) },
  {
    weight: 1,
    arbitrary: fc
      .record(
        { ...tags, first: pages, last: pages, stages: fc.constantFrom(['first'], ['nested'], ['first', 'nested']) },
        { requiredKeys: [] },
      )
      .map((scope) => ({ kind: 'flush', scope: scope }) as const),
  },
);

/** The same cache as a list that is searched from end to end. */
class NaiveCache {
  list: IotlbEntry[] = [];

  static size = (shift: number): number => 2 ** (shift - 12);

  insert(given: IotlbEntry): void {
    const size = NaiveCache.size(given.shift);
    const made = { ...given, page: given.page - (given.page % size), frame: given.frame - (given.frame % size) };
    const same = (other: IotlbEntry) =>
      (['table', 'domainId', 'pasid', 'page', 'shift'] as const).every((member) => other[member] === made[member]);
    this.list = [...this.list.filter((other) => !same(other)), made];
  }

  lookup(table: number, domainId: number, pasid: number, page: number): IotlbEntry | null {
    const found = this.list
      .filter((each) => each.table === table && each.domainId === domainId && each.pasid === pasid)
      .filter((each) => page >= each.page && page < each.page + NaiveCache.size(each.shift))
      .sort((a, b) => a.shift - b.shift);
    return found[0] ?? null;
  }

  flush(scope: IotlbScope): number {
    const { table, domainId, pasid, stages, first = 0, last = Infinity } = scope;
    const before = this.list.length;
    this.list = this.list.filter((each) => {
      if (table !== undefined && each.table !== table) return true;
      if (domainId !== undefined && each.domainId !== domainId) return true;
      if (pasid !== undefined && each.pasid !== pasid) return true;
      if (stages !== undefined && !stages.includes(each.stage)) return true;
      const end = each.page + NaiveCache.size(each.shift) - 1;
      return each.page > last || end < first;
    });
    return before - this.list.length;
  }
}

describe('Iotlb against a naive list', () => {
  it('answers alike as long as nothing is evicted', () => {
    let hits = 0;
    fc.assert(
      fc.property(fc.array(steps, { minLength: 20, maxLength: 60 }), (sequence) => {
        const iotlb = new Iotlb({ capacity: 100 });
        const naive = new NaiveCache();
        for (const step of sequence) {
          if (step.kind === 'insert') {
            iotlb.insert(step.entry);
            naive.insert(step.entry);
          } else if (step.kind === 'lookup') {
            const { table, domainId, pasid, page } = step;
            const found = iotlb.lookup(table, domainId, pasid, page);
            expect(found).toEqual(naive.lookup(table, domainId, pasid, page));
            if (found !== null) hits += 1;
          } else {
            expect(iotlb.flush(step.scope)).toBe(naive.flush(step.scope));
          }
          expect(iotlb.size).toBe(naive.list.length);
        }
        const byKey = (each: IotlbEntry) => [each.table, each.domainId, each.pasid, each.page, each.shift].join();
        expect(iotlb.entries().map(byKey).sort()).toEqual(naive.list.map(byKey).sort());
      }),
      { numRuns: 500 },
    );
    expect(hits).toBeGreaterThan(500);
  });

  it('with eviction never answers what was not inserted, and never after a flush', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 80 }), fc.integer({ min: 1, max: 6 }), (sequence, capacity) => {
        const iotlb = new Iotlb({ capacity, seed: capacity });
        const naive = new NaiveCache();
        for (const step of sequence) {
          if (step.kind === 'insert') {
            iotlb.insert(step.entry);
            naive.insert(step.entry);
          } else if (step.kind === 'flush') {
            iotlb.flush(step.scope);
            naive.flush(step.scope);
          }
          expect(iotlb.size).toBeLessThanOrEqual(capacity);
          for (const each of iotlb.entries()) expect(naive.list).toContainEqual(each);
        }
      }),
      { numRuns: 200 },
    );
  });
});
