import { describe, expect, it } from 'vitest';
import { SecondStageWalker } from '../../../src/iommu/walk/second-stage.ts';
import { WordMemory } from '../support.ts';

describe('the second-stage walk', () => {
  it('writes down what it read', () => {
    const memory = new WordMemory();
    memory.put(0x1000 + 8 * 5, 0x2003n);
    memory.put(0x2000 + 8 * 6, 0x3003n);
    memory.put(0x3000 + 8 * 7, 0x9_9003n);
    const walker = new SecondStageWalker({ addressWidth: 48, snoopControl: false, transientMapping: false });
    const page = (5 * 512 + 6) * 512 + 7;
    expect(walker.walk(memory, { address: 0x1000, levels: 3 }, page, 'read')).toBe(true);
    expect(walker).toMatchObject({ frame: 0x99, shift: 12, permissions: 3, level: 1, steps: 3 });
    expect([...walker.stepAddress.subarray(0, 3)]).toEqual([0x1028, 0x2030, 0x3038]);
    expect([...walker.stepLow.subarray(0, 3)]).toEqual([0x2003, 0x3003, 0x9_9003]);
  });

  it('refuses widths that no unit has', () => {
    const rest = { snoopControl: false, transientMapping: false };
    expect(() => new SecondStageWalker({ addressWidth: 38, ...rest })).toThrow(RangeError);
    expect(() => new SecondStageWalker({ addressWidth: 53, ...rest })).toThrow(RangeError);
  });
});
