import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Operation } from '../../../src/iommu/s390/control-instructions.ts';
import { EMPTY_BLOCK } from '../../../src/iommu/s390/information-block.ts';
import { RefreshedPages } from '../../../src/iommu/s390/refreshed-pages.ts';
import { IOVA, listen, PAGES, refresh, REGION, register, SEGMENT, withFunction } from './rig.ts';

describe('tables that lead to the same ones again and again', () => {
  it.each([
    ['page by page', PAGES],
    ['in frames of 1 MiB', 0x40_0400n],
  ])(
    'end a refresh before they end the daemon: %s',
    (_how, segment) => {
      const { unit, own, store } = withFunction();
      register(unit, own, { limit: (1n << 57n) - 1n });
      for (let index = 0n; index < 2048n; index++) {
        store(REGION + 8n * index, SEGMENT | 7n);
        store(SEGMENT + 8n * index, segment);
      }
      for (let index = 0n; index < 256n; index++) store(PAGES + 8n * index, 0x20_0000n);
      own.iommu.limit = 1000;
      expect(refresh(unit, own, IOVA, (1n << 57n) - IOVA)).toEqual({ cc: 1, status: 16 });
      expect(own.iommu.pages.size).toBe(1000);
    },
    60_000,
  );

  it('are looked through quickly where nothing is mapped', () => {
    const { unit, own, store } = withFunction();
    register(unit, own);
    store(PAGES, 0x20_0000n);
    expect(refresh(unit, own, IOVA, 0x3fe_0000_0000n)).toEqual({ cc: 0 });
    expect(own.iommu.pages.size).toBe(1);
  });
});

describe('a guest that breaks every rule', () => {
  const address = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.constantFrom(IOVA, IOVA + 0x1000n, REGION, 0n, (1n << 64n) - 1n, 0x3ff_ffff_ffffn),
  );
  const word = fc.oneof(address, fc.constantFrom(SEGMENT | 7n, PAGES, 0x20n, 0x400n, 0x20_0200n, 0n));
  const step = fc.oneof(
    fc.record({ kind: fc.constant('store' as const), at: fc.bigInt({ min: REGION, max: PAGES + 64n }), word }),
    fc.record({ kind: fc.constant('rpcit' as const), start: address, length: address }),
    fc.record({
      kind: fc.constant('mpcifc' as const),
      operation: fc.oneof(fc.constantFrom(...Object.values(Operation)), fc.nat(255)),
      base: address,
      limit: address,
      anchor: fc.oneof(address, fc.constant(REGION | 0x804n)),
    }),
    fc.record({ kind: fc.constant('dma' as const), at: address, write: fc.boolean() }),
    fc.record({ kind: fc.constant('set' as const), operation: fc.constantFrom('enable' as const, 'disable' as const) }),
  );

  it('gets a condition code or a program interruption, and state that can be saved', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { unit, own, device, store } = withFunction();
        own.iommu.limit = 64;
        register(unit, own);
        listen(own.iommu.space.region!);
        for (const one of steps) {
          if (one.kind === 'store') store(one.at & ~7n, one.word);
          else if (one.kind === 'dma') {
            const bytes = new Uint8Array(4);
            if (one.write) device.addressSpace.write(one.at, bytes);
            else device.addressSpace.read(one.at, bytes);
          } else if (one.kind === 'set') unit.logicalProcessor.set(own.handle, one.operation, 1);
          else {
            const { cc, exception } =
              one.kind === 'rpcit'
                ? refresh(unit, own, one.start, one.length & 0xffff_ffffn)
                : unit.control.modify({ handle: own.handle, dmaSpace: 0, operation: one.operation }, () => ({
                    ...EMPTY_BLOCK,
                    base: one.base,
                    limit: one.limit,
                    anchor: one.anchor,
                  }));
            expect((cc === undefined) !== (exception === undefined)).toBe(true);
          }
        }
        const state = structuredClone(unit.save());
        unit.restore(state);
        expect(unit.save()).toEqual(state);
      }),
      { numRuns: 60 },
    );
  });
});

describe('refreshed pages', () => {
  it('are found as in a plain map', () => {
    const change = fc.record({ page: fc.nat(2000), keep: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change), fc.nat(2000), fc.nat(2000), (changes, first, length) => {
        const pages = new RefreshedPages();
        const plain = new Map<number, number>();
        for (const [frame, { page, keep }] of changes.entries()) {
          if (keep) pages.set({ page, frame, permissions: 3 });
          else expect(pages.delete(page)).toBe(plain.has(page));
          if (keep) plain.set(page, frame);
          else plain.delete(page);
        }
        const wanted = [...plain].filter(([page]) => page >= first && page <= first + length);
        expect(pages.size).toBe(plain.size);
        expect(pages.within(first, first + length).map(({ page, frame }) => [page, frame])).toEqual(
          wanted.sort(([a], [b]) => a - b),
        );
      }),
    );
  });
});
