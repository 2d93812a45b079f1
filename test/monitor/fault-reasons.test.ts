import { describe, expect, it } from 'vitest';
import { schema } from '../../src/generated/schema.ts';
import { AMD_FAULTS } from '../../src/iommu/amd/faults.ts';
import { FAULT_REASONS } from '../../src/iommu/faults.ts';

describe('fault reasons', () => {
  it('are all in the schema, so that a reply never holds a word that its type does not have', () => {
    const shape = schema.types['FaultReason'];
    const known = shape?.kind === 'enum' ? shape.values : [];
    expect(known.length).toBeGreaterThan(0);
    expect(
      [...FAULT_REASONS, ...AMD_FAULTS].map(({ reason }) => reason).filter((reason) => !known.includes(reason)),
    ).toEqual([]);
  });
});
