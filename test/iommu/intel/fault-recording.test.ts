import { describe, expect, it } from 'vitest';
import type { TranslationFaultReport } from '../../../src/iommu/intel/invalidation.ts';
import { registerRig } from './register-rig.ts';

const IQ = 0x18_0000n;

function fault(given: Partial<TranslationFaultReport> = {}): TranslationFaultReport {
  return { sourceId: 0x18, address: 0x1234_5678n, code: 6, write: false, faultProcessingDisabled: false, ...given };
}

describe('the fault record', () => {
  it.each<[string, Partial<TranslationFaultReport>, bigint, bigint]>([
    ['a read', {}, 0x1234_5000n, 0xc000_0006_0000_0018n],
    ['a write', { write: true, code: 5 }, 0x1234_5000n, 0x8000_0005_0000_0018n],
    ['a PASID', { pasid: 0xabcde, code: 0x71 }, 0x1234_5000n, 0xcabc_de71_8000_0018n],
    ['PASID 0', { pasid: 0, code: 0x71 }, 0x1234_5000n, 0xc000_0071_8000_0018n],
    ['an address of 64 bits', { address: 0xffff_8000_0000_1fffn }, 0xffff_8000_0000_1000n, 0xc000_0006_0000_0018n],
  ])('tells of %s', (_name, given, low, high) => {
    const rig = registerRig();
    rig.level.record(fault(given));
    expect([rig.read('FRCD'), rig.read('FRCD_HIGH'), rig.read('FSTS')]).toEqual([low, high, 2n]);
    expect(rig.recorded).toEqual([fault(given)]);
  });

  it('takes one fault; others of the same source are collapsed into it', () => {
    const rig = registerRig();
    rig.level.record(fault());
    rig.level.record(fault({ address: 0x2000n, write: true }));
    expect([rig.read('FRCD'), rig.read('FSTS'), rig.recorded.length]).toEqual([0x1234_5000n, 2n, 1]);
  });

  it('overflows by a fault of another source, and stays so until PFO is cleared', () => {
    const rig = registerRig();
    rig.level.record(fault());
    rig.level.record(fault({ sourceId: 0x20 }));
    expect([rig.read('FSTS'), rig.recorded.length]).toEqual([3n, 1]);
    rig.write('FRCD_HIGH', 1n << 63n);
    expect(rig.read('FSTS')).toBe(1n);
    rig.level.record(fault());
    expect(rig.recorded.length).toBe(1);
    rig.write('FSTS', 1n);
    rig.level.record(fault());
    expect([rig.read('FSTS'), rig.recorded.length]).toEqual([2n, 2]);
  });

  it('keeps its fields when F is cleared, by 8 bytes or the upper 4', () => {
    const rig = registerRig();
    rig.level.record(fault());
    rig.writeAt(0x22c, 4, 0x8000_0000n);
    expect([rig.read('FRCD_HIGH'), rig.read('FSTS')]).toEqual([0x4000_0006_0000_0018n, 0n]);
    rig.level.record(fault());
    rig.writeAt(0x228, 4, 0xffff_ffffn);
    expect(rig.read('FSTS')).toBe(2n);
    rig.writeAt(0x228, 8, 1n << 63n);
    expect(rig.read('FSTS')).toBe(0n);
  });
});

describe('FPD', () => {
  it.each([
    [0x01, false],
    [0x02, true],
    [0x08, false],
    [0x0a, false],
    [0x0b, false],
    [0x06, true],
    [0x21, false],
    [0x22, true],
    [0x50, false],
    [0x59, true],
    [0x71, true],
  ])('and reason %s', (code, hidden) => {
    const rig = registerRig();
    rig.level.record(fault({ code, faultProcessingDisabled: true }));
    expect(rig.recorded.length).toBe(hidden ? 0 : 1);
    expect(rig.read('FSTS')).toBe(hidden ? 0n : 2n);
  });

  it('hides reserved bits of a context entry with strict-spec', () => {
    const rig = registerRig({ intremap: 'off', 'strict-spec': true });
    rig.level.record(fault({ code: 0x0b, faultProcessingDisabled: true }));
    expect(rig.recorded).toEqual([]);
  });
});

describe('the fault event', () => {
  const armed = (given?: Parameters<typeof registerRig>[0]) => {
    const rig = registerRig(given);
    rig.write('FEDATA', 0x4321n);
    rig.write('FEADDR', 0xfee0_1004n);
    return rig;
  };

  it('is sent at once when it is not masked', () => {
    const rig = armed();
    rig.write('FECTL', 0n);
    expect(rig.messages).toEqual([]);
    rig.level.record(fault());
    expect(rig.messages).toEqual([{ address: 0xfee0_1004n, data: 0x4321 }]);
    expect(rig.read('FECTL')).toBe(0n);
  });

  it('is not sent again before software has served the last one', () => {
    const rig = armed();
    rig.write('FECTL', 0n);
    rig.level.record(fault());
    rig.level.record(fault({ sourceId: 0x20 }));
    expect(rig.messages.length).toBe(1);
    rig.write('FRCD_HIGH', 1n << 63n);
    rig.write('FSTS', 0x11n);
    rig.level.record(fault());
    expect(rig.messages.length).toBe(2);
  });

  it('is pending while it is masked', () => {
    const rig = armed();
    rig.level.record(fault());
    expect([rig.read('FECTL'), rig.messages.length]).toEqual([0xc000_0000n, 0]);
    rig.write('FECTL', 0x8000_0000n);
    expect([rig.read('FECTL'), rig.messages.length]).toEqual([0xc000_0000n, 0]);
    rig.write('FECTL', 0n);
    expect([rig.read('FECTL'), rig.messages.length]).toEqual([0n, 1]);
    rig.write('FECTL', 0n);
    expect(rig.messages.length).toBe(1);
  });

  it('is dropped by a write of FSTS that leaves nothing, not by clearing F', () => {
    const rig = armed();
    rig.level.record(fault());
    rig.write('FSTS', 0x11n);
    expect(rig.read('FECTL')).toBe(0xc000_0000n);
    rig.write('FRCD_HIGH', 1n << 63n);
    expect(rig.read('FECTL')).toBe(0xc000_0000n);
    rig.write('FSTS', 0n);
    expect(rig.read('FECTL')).toBe(0x8000_0000n);
  });

  it('is dropped by clearing F with strict-spec, when nothing else is left', () => {
    const rig = armed({ intremap: 'off', 'strict-spec': true });
    rig.level.record(fault());
    rig.level.record(fault({ sourceId: 0x20 }));
    rig.write('FRCD_HIGH', 1n << 63n);
    expect(rig.read('FECTL')).toBe(0xc000_0000n);
    rig.write('FSTS', 1n);
    rig.level.record(fault());
    rig.write('FRCD_HIGH', 1n << 63n);
    expect(rig.read('FECTL')).toBe(0x8000_0000n);
  });

  it('never hits memory, wherever its address points', () => {
    const rig = armed();
    rig.write('FEADDR', 0x1000n);
    rig.write('FECTL', 0n);
    rig.level.record(fault());
    expect(rig.word(0x1000n)).toBe(0n);
    expect(rig.messages).toEqual([{ address: 0xfee0_1000n, data: 0x4321 }]);
  });

  it('comes with an error of the queue, too', () => {
    const rig = armed();
    rig.write('FECTL', 0n);
    rig.write('IQA', IQ);
    rig.write('GCMD', 0x0400_0000n);
    rig.put(IQ, 0xdn, 0n);
    rig.write('IQT', 0x10n);
    expect([rig.read('FSTS'), rig.messages.length]).toEqual([0x10n, 1]);
    rig.level.record(fault());
    expect([rig.read('FSTS'), rig.messages.length]).toEqual([0x12n, 1]);
  });
});
