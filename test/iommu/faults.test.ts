import { describe, expect, it } from 'vitest';
import { FAULT_REASONS, faultReason, translationFault } from '../../src/iommu/faults.ts';

describe('fault reasons', () => {
  it('have ascending codes, kebab-case names and a description', () => {
    const codes = FAULT_REASONS.map(({ code }) => code);
    expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
    for (const { reason, description } of FAULT_REASONS) {
      expect(reason).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(description.length).toBeGreaterThan(10);
    }
  });

  it('are qualified as QEMU 11.1.3 has them', () => {
    const unqualified = FAULT_REASONS.filter(({ qualified }) => !qualified).map(({ code }) => code);
    expect(unqualified).toEqual([0, 1, 8, 9, 0xa, 0xb, 0x20, 0x21, 0x23, 0x25, 0x31, 0x50, 0x58]);
  });

  it('are recoverable where a page may come later', () => {
    const recoverable = FAULT_REASONS.filter((fault) => fault.recoverable).map(({ code }) => code);
    const nested = [0x74, 0x75, 0x76, 0x77, 0x79];
    expect(recoverable).toEqual([5, 6, 0x51, 0x59, 0x70, 0x71, 0x72, 0x73, ...nested, 0x80, 0x81, 0x82, 0x85]);
  });

  it('make a sentence', () => {
    expect(translationFault(0x71, 'write', 0xfff_f000n, 5)).toEqual({
      code: 0x71,
      reason: 'first-stage-not-present',
      sentence: 'The write at address 0xffff000 with PASID 5 faulted: a first-stage entry is not present (fault 0x71)',
    });
    expect(translationFault(0, 'none', 0n).sentence).toBe(
      'The lookup at address 0x0 faulted: no PASID table is bound for the device',
    );
    expect(() => faultReason(0xff)).toThrow('fault reason 0xff is not in the table');
  });
});
