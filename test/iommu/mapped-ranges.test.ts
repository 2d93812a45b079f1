import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MappedRanges, type MappedPage } from '../../src/iommu/mapped-ranges.ts';

/** The same as a plain list. */
class Naive {
  pages: MappedPage[] = [];

  find(page: number): MappedPage | null {
    return this.pages.find((one) => page >= one.page && page < one.page + 2 ** (one.shift - 12)) ?? null;
  }

  remove(page: number, shift: number): boolean {
    const end = page + 2 ** (shift - 12);
    const left = this.pages.filter((one) => one.page >= end || one.page + 2 ** (one.shift - 12) <= page);
    const dropped = left.length < this.pages.length;
    this.pages = left;
    return dropped;
  }

  sorted(): MappedPage[] {
    return [...this.pages].sort((a, b) => a.page - b.page);
  }
}

const shifts = fc.oneof(fc.integer({ min: 12, max: 24 }), fc.integer({ min: 12, max: 63 }));
const steps = fc.array(
  fc.record({ add: fc.boolean(), page: fc.integer({ min: 0, max: 4000 }), far: fc.boolean(), shift: shifts }),
  { maxLength: 40 },
);

describe('MappedRanges', () => {
  it('does what a plain list does, for pages of any size', () => {
    fc.assert(
      fc.property(steps, (program) => {
        const ranges = new MappedRanges();
        const naive = new Naive();
        for (const { add, page, far, shift } of program) {
          const pages = 2 ** (shift - 12);
          const at = page + (far ? 2 ** 40 : 0);
          const first = at - (at % pages);
          expect(ranges.remove(first, shift)).toBe(naive.remove(first, shift));
          if (add) {
            ranges.add(first, shift, page, 3);
            naive.pages.push({ page: first, shift, frame: page, rights: 3 });
          }
          expect(ranges.size).toBe(naive.pages.length);
          expect(ranges.find(at)).toEqual(naive.find(at));
        }
        expect(ranges.save()).toEqual(naive.sorted());
        expect([...ranges.overlapping(100, 900)]).toEqual(
          naive.sorted().filter((one) => one.page <= 900 && one.page + 2 ** (one.shift - 12) > 100),
        );
        const copy = new MappedRanges();
        copy.restore(ranges.save());
        expect(copy.save()).toEqual(ranges.save());
      }),
    );
  });
});
