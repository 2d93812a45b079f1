import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { OperationCounter } from '../../src/core/operation.ts';
import { RamBlock } from '../../src/memory/ram-block.ts';
import { differences, type Layout } from '../../src/vfio/layout.ts';

const block = new RamBlock('ram', 0x10_0000n, new OperationCounter());
const other = new RamBlock('other', 0x10_0000n, new OperationCounter());
const at = (iova: bigint, size: bigint, more: Partial<Layout> = {}): Layout => ({
  iova,
  size,
  block,
  offset: iova,
  readonly: false,
  ...more,
});
const compare = (actual: Layout[], expected: Layout[], first = 0n, last = 0xffffn): string[] =>
  [...differences(actual, expected, first, last)].map(
    ({ kind, iova, size }) => `${kind} ${iova.toString(16)}+${size.toString(16)}`,
  );

describe('differences', () => {
  it.each<[string, Layout[], Layout[], string[]]>([
    ['nothing at all', [], [], []],
    ['the same in other pieces', [at(0n, 0x3000n)], [at(0n, 0x1000n), at(0x1000n, 0x2000n)], []],
    ['more than expected', [at(0n, 0x3000n)], [at(0x1000n, 0x1000n)], ['surplus 0+1000', 'surplus 2000+1000']],
    ['less than expected', [at(0x1000n, 0x1000n)], [at(0n, 0x3000n)], ['missing 0+1000', 'missing 2000+1000']],
    ['another place', [at(0n, 0x1000n, { offset: 0x5000n })], [at(0n, 0x1000n)], ['surplus 0+1000', 'missing 0+1000']],
    ['another block', [at(0n, 0x1000n, { block: other })], [at(0n, 0x1000n)], ['surplus 0+1000', 'missing 0+1000']],
    ['a right too many', [at(0n, 0x1000n)], [at(0n, 0x1000n, { readonly: true })], ['surplus 0+1000']],
    ['a right too few', [at(0n, 0x1000n, { readonly: true })], [at(0n, 0x1000n)], ['missing 0+1000']],
  ])('%s', (_what, actual, expected, found) => {
    expect(compare(actual, expected)).toEqual(found);
  });

  it('are told from first to last alone', () => {
    expect(compare([at(0n, 0x4000n)], [], 0x1000n, 0x1fffn)).toEqual(['surplus 1000+1000']);
  });

  it('are those of a comparison page by page', () => {
    const pages = fc.array(
      fc.constantFrom<'none' | 'here' | 'there' | 'readonly'>('none', 'here', 'there', 'readonly'),
      {
        minLength: 16,
        maxLength: 16,
      },
    );
    const layout = (kinds: readonly string[]): Layout[] =>
      kinds.flatMap((kind, page) => {
        const iova = BigInt(page) << 12n;
        if (kind === 'none') return [];
        return [at(iova, 0x1000n, { readonly: kind === 'readonly', ...(kind === 'there' && { block: other }) })];
      });
    fc.assert(
      fc.property(pages, pages, (actual, expected) => {
        const naive = actual.flatMap((is, page) => {
          const due = expected[page]!;
          const place = (page << 12).toString(16);
          const elsewhere = (is === 'there') !== (due === 'there');
          const surplus = is !== 'none' && (due === 'none' || elsewhere || (is === 'here' && due === 'readonly'));
          const missing = due !== 'none' && (is === 'none' || elsewhere || (is === 'readonly' && due === 'here'));
          return [...(surplus ? [`surplus ${place}+1000`] : []), ...(missing ? [`missing ${place}+1000`] : [])];
        });
        expect(compare(layout(actual), layout(expected))).toEqual(naive);
      }),
      { seed: 4 },
    );
  });
});
