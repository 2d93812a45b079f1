import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TceTable } from '../../../src/iommu/spapr/table.ts';

const GEOMETRY = { pageShift: 16, busOffset: 0x4000_0000n, entries: 4096 };

describe('a TCE table', () => {
  it('has a TCE for each page of its window, and for no other address', () => {
    const table = new TceTable(7);
    expect(table.indexOf(0x4000_0000n)).toBeNull();
    table.reshape(GEOMETRY);
    expect(table.indexOf(0x4000_0000n)).toBe(0);
    expect(table.indexOf(0x4001_ffffn)).toBe(1);
    expect(table.indexOf(0x4fff_ffffn)).toBe(4095);
    expect(table.indexOf(0x5000_0000n)).toBeNull();
    expect(table.indexOf(0x3fff_ffffn)).toBeNull();
    expect(table.indexOf(0xffff_ffff_ffff_ffffn)).toBeNull();
  });

  it('is a map of what was stored last, whatever the order', () => {
    const store = fc.tuple(fc.nat(4095), fc.constantFrom(0n, 1n, 2n, 0x1003n, 0xffff_ffff_ffff_f000n));
    fc.assert(
      fc.property(fc.array(store, { maxLength: 60 }), fc.nat(4095), fc.nat(4095), (stores, a, b) => {
        const table = new TceTable(7);
        table.reshape(GEOMETRY);
        const model = new Map<number, bigint>();
        for (const [index, tce] of stores) {
          expect(table.set(index, tce)).toBe(model.get(index) ?? 0n);
          model.set(index, tce);
        }
        const mapped = [...model].filter(([, tce]) => (tce & 3n) !== 0n).sort(([x], [y]) => x - y);
        expect(table.mapped).toBe(mapped.length);
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        const wanted = mapped.filter(([index]) => index >= first && index <= last);
        expect([...table.mappedIn(first, last)]).toEqual(wanted.map(([index, tce]) => ({ index, tce })));
        const copy = new TceTable(7);
        copy.restore(structuredClone(table.save()));
        expect(copy.save()).toEqual(table.save());
        expect([...copy.mappedIn()]).toEqual([...table.mappedIn()]);
        for (const [index, tce] of model) expect(copy.get(index)).toBe(tce);
      }),
    );
  });

  it('loses all TCEs with its window', () => {
    const table = new TceTable(7);
    table.reshape(GEOMETRY);
    table.set(5, 3n);
    table.reshape(GEOMETRY);
    expect([table.get(5), table.mapped]).toEqual([0n, 0]);
  });
});
