import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IoMapping, MappingTable } from '../../../src/iommu/virtio/mapping-table.ts';

const mapping = (start: number, last: number): IoMapping => ({
  start: BigInt(start),
  last: BigInt(last),
  physical: BigInt(start) + 0x1000n,
  flags: 3,
});

describe('mapping table', () => {
  it('does what a plain list does, in any order of requests', () => {
    const address = fc.integer({ min: 0, max: 60 });
    const step = fc.record({
      kind: fc.constantFrom('add', 'remove', 'find', 'save'),
      start: address,
      length: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let table = new MappingTable();
        let list: IoMapping[] = [];
        for (const { kind, start, length } of steps) {
          const [first, last] = [BigInt(start), BigInt(start + length - 1)];
          const touching = list.filter((one) => one.start <= last && one.last >= first);
          if (kind === 'add') {
            expect(table.indexIn(first, last) >= 0).toBe(touching.length > 0);
            if (touching.length > 0) continue;
            table.add(mapping(start, start + length - 1));
            list = [...list, mapping(start, start + length - 1)].sort((a, b) => Number(a.start - b.start));
          } else if (kind === 'remove') {
            const partly = touching.find((one) => one.start < first || one.last > last);
            // The lowest go first, up to one that would be cut.
            const gone = touching.filter((one) => partly === undefined || one.start < partly.start);
            expect(table.removeIn(first, last)).toEqual({ removed: gone, cut: partly !== undefined });
            list = list.filter((one) => !gone.includes(one));
          } else if (kind === 'find') {
            expect(table.find(first)).toEqual(list.find((one) => one.start <= first && one.last >= first) ?? null);
            expect([...table.from(first)]).toEqual(list.filter((one) => one.last >= first));
          } else {
            const saved = table.save();
            table = new MappingTable();
            table.restore(saved);
          }
          expect(table.entries()).toEqual(list);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps a mapping that ends in front of its start, and finds neighbours past it', () => {
    const table = new MappingTable();
    table.add(mapping(0x10, 0x1f));
    table.add(mapping(0x18, 0x08));
    expect(table.find(0x1an)?.start).toBe(0x10n);
    expect(table.find(0x0an)).toBeNull();
    expect(table.removeIn(0x18n, 0x1fn)).toEqual({ removed: [], cut: true });
    expect(table.removeIn(0x00n, 0x1fn).removed).toHaveLength(2);
    expect(table.size).toBe(0);
  });
});
