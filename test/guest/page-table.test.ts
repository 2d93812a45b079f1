/** The page tables that the driver builds, against a list of pages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guestRig } from './rig.ts';

const TABLES = { address: 0x100_0000n, size: 0x20_0000n };
const DEVICE = 0x18;
const PAGE = 4096n;

/** Ranges around a boundary of 2 MiB and of 1 GiB, so that large pages, splits and overlaps all come up. */
const range = fc.record({
  start: fc.oneof(
    fc.integer({ min: 0, max: 1100 }),
    fc.constantFrom(0, 512, 1024),
    fc.integer({ min: 0x3_fe00, max: 0x4_0100 }),
  ),
  pages: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(512, 513, 1024)),
});
const step = fc.oneof(
  fc.record({ kind: fc.constant('map' as const), range, offset: fc.constantFrom(0, 1, 512, 0x4_0000) }),
  fc.record({ kind: fc.constant('unmap' as const), range, flush: fc.boolean() }),
);

describe('page tables of the driver', () => {
  it.each<['legacy' | 'scalable', Record<string, boolean | number>, number]>([
    ['legacy', {}, 4],
    ['legacy', { 'aw-bits': 39 }, 3],
    ['scalable', { 'scalable-mode': true, fsts: true }, 4],
  ])('map exactly what was asked for, or nothing: %s %o', (mode, properties, levels) => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const rig = guestRig(properties);
        rig.driver.enable(mode, TABLES);
        const model = new Map<bigint, bigint>();
        const root = (): bigint => rig.driver.save().running!.domains[0]!.root;
        const walked = (): [bigint, bigint][] =>
          model.size === 0 && rig.driver.save().running!.domains.length === 0
            ? []
            : rig.walk(root(), levels).flatMap(({ iova, entry, size }) => {
                const address = entry & 0x000f_ffff_ffff_f000n;
                expect(address % size).toBe(0n);
                const pages = Array.from({ length: Number(size / PAGE) }, (_, index) => BigInt(index) * PAGE);
                return pages.map((at): [bigint, bigint] => [iova + at, address + at]);
              });
        for (const { kind, range, ...rest } of steps) {
          const iova = BigInt(range.start) * PAGE;
          const pages = Array.from({ length: range.pages }, (_, index) => iova + BigInt(index) * PAGE);
          const order = { sourceId: DEVICE, iova, size: BigInt(range.pages) * PAGE };
          try {
            if (kind === 'map') {
              const address = iova + BigInt((rest as { offset: number }).offset) * PAGE;
              rig.driver.map({ ...order, address, permissions: ['read', 'write'] });
              expect(pages.some((page) => model.has(page))).toBe(false);
              for (const page of pages) model.set(page, page + address - iova);
            } else {
              rig.driver.unmap({ ...order, flush: (rest as { flush: boolean }).flush });
              expect(pages.every((page) => model.has(page))).toBe(true);
              for (const page of pages) model.delete(page);
            }
          } catch (error) {
            const sentence = String(error);
            if (/mapped already/.test(sentence)) expect(pages.some((page) => model.has(page))).toBe(true);
            else if (/is not mapped/.test(sentence)) expect(pages.every((page) => model.has(page))).toBe(false);
            else expect(sentence).toMatch(/goes as a whole/);
          }
        }
        expect(new Map(walked())).toEqual(model);
      }),
      { numRuns: 60 },
    );
  });

  it('give tables back with the whole of what they reach, once it is flushed, and keep them otherwise', () => {
    const rig = guestRig({});
    rig.driver.enable('legacy', TABLES);
    // Two tables of pages: the addresses are not aligned alike.
    const order = { sourceId: DEVICE, iova: 0x20_0000n, size: 0x40_0000n };
    const map = () => rig.driver.map({ ...order, address: 0x1000n, permissions: ['read'] });
    const taken = (): bigint => {
      const { next, free } = rig.driver.save().running!.pages;
      return (next - TABLES.address) / PAGE - BigInt(free.length);
    };
    map();
    const full = taken();
    rig.driver.unmap({ ...order, flush: false });
    expect(taken()).toBe(full);
    map();
    rig.driver.unmap({ ...order, size: 0x1f_f000n, flush: true });
    expect(taken()).toBe(full);
    rig.driver.unmap({ ...order, iova: 0x3f_f000n, size: 0x20_1000n, flush: true });
    expect(taken()).toBe(full - 1n);
    map();
    expect(taken()).toBe(full);
    rig.driver.unmap({ ...order, flush: true });
    expect(taken()).toBe(full - 2n);
  });
});
