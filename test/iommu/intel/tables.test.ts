import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntry, type EntryLayout, fieldOf } from '../../../src/iommu/entry-layout.ts';
import {
  CONTEXT_ENTRY,
  ECS_PASID_ENTRY,
  FIRST_STAGE_ENTRY,
  PASID_DIRECTORY_ENTRY,
  PASID_ENTRY,
  ROOT_ENTRY,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_ROOT_ENTRY,
} from '../../../src/iommu/intel/tables.ts';

const LAYOUTS: EntryLayout[] = [
  ROOT_ENTRY,
  SCALABLE_ROOT_ENTRY,
  CONTEXT_ENTRY,
  SCALABLE_CONTEXT_ENTRY,
  PASID_DIRECTORY_ENTRY,
  PASID_ENTRY,
  ECS_PASID_ENTRY,
  FIRST_STAGE_ENTRY,
];

const valueOf = (words: Uint32Array): bigint =>
  words.reduce((value, word, index) => value | (BigInt(word) << BigInt(32 * index)), 0n);

describe('table layouts', () => {
  it('have fields that do not overlap and lie inside the entry', () => {
    for (const { structure, bytes, fields } of LAYOUTS) {
      const taken = new Set<number>();
      for (const [name, { low, high, address }] of Object.entries(fields)) {
        expect(low, `${structure} ${name}`).toBeLessThanOrEqual(high);
        expect(high).toBeLessThan(8 * bytes);
        if (address) expect(low % 64).toBe(12);
        for (let bit = low; bit <= high; bit++) {
          expect(taken.has(bit), `${structure} ${name} bit ${bit}`).toBe(false);
          taken.add(bit);
        }
      }
    }
  });

  it('extract what a shift and a mask give, pointers as addresses', () => {
    fc.assert(
      fc.property(fc.constantFrom(...LAYOUTS), fc.uint32Array({ minLength: 16, maxLength: 16 }), (layout, words) => {
        const whole = valueOf(words);
        const expected = Object.entries(layout.fields).map(([name, { low, high, address }]) => {
          const bits = (whole >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
          return { name, value: address ? bits << 12n : bits };
        });
        expect(decodeEntry(layout, words)).toEqual(expected);
      }),
    );
  });

  it('keep an address of all 64 bits exact', () => {
    const words = new Uint32Array([0xffff_ffff, 0xffff_ffff]);
    expect(BigInt(fieldOf(PASID_DIRECTORY_ENTRY, words, 'SMPTBLPTR'))).toBe(0xffff_ffff_ffff_f000n);
  });

  it('lie where guests put them', () => {
    // What Linux writes for a first-stage entry of domain 7: present, PGTT 1, AW 2; DID; SRE, WPE, FSPTPTR.
    const words = new Uint32Array(16);
    words.set([0x49, 0, 0x7, 0, 0x1234_5011, 0x1]);
    expect(decodeEntry(PASID_ENTRY, words).filter(({ value }) => value !== 0n)).toEqual([
      { name: 'P', value: 1n },
      { name: 'AW', value: 2n },
      { name: 'PGTT', value: 1n },
      { name: 'DID', value: 7n },
      { name: 'SRE', value: 1n },
      { name: 'WPE', value: 1n },
      { name: 'FSPTPTR', value: 0x1_1234_5000n },
    ]);
    const context = new Uint32Array([0x9_9001, 0, 0x0000_0702, 0]);
    expect(fieldOf(CONTEXT_ENTRY, context, 'SSPTPTR')).toBe(0x9_9000);
    expect(fieldOf(CONTEXT_ENTRY, context, 'AW')).toBe(2);
    expect(fieldOf(CONTEXT_ENTRY, context, 'DID')).toBe(7);
  });
});
