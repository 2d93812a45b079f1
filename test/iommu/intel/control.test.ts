import { describe, expect, it } from 'vitest';
import { type RegisterRig, registerRig } from './register-rig.ts';

const TE = 0x8000_0000n;
const SRTP = 0x4000_0000n;
const QIE = 0x0400_0000n;
const IRE = 0x0200_0000n;
const SIRTP = 0x0100_0000n;
const CFI = 0x0080_0000n;

/** Writes one wait descriptor that does nothing but fence, and its tail. */
function wait(rig: RegisterRig, index: bigint): void {
  rig.put(0x18_0000n + 16n * index, 0x45n, 0n);
  rig.write('IQT', 16n * (index + 1n));
}

describe('GCMD', () => {
  it('switches translation at changes only', () => {
    const rig = registerRig();
    for (const command of [TE, TE, 0n, 0n]) rig.write('GCMD', command);
    expect(rig.calls).toEqual([
      ['setEnabled', true],
      ['setEnabled', false],
    ]);
    expect(rig.read('GSTS')).toBe(0n);
  });

  it('never enables translation that is not offered', () => {
    const rig = registerRig({ intremap: 'off', 'dma-translation': false });
    rig.write('GCMD', TE);
    expect([rig.read('GSTS'), rig.calls]).toEqual([0n, []]);
  });

  it.each([
    [{}, 0xffff_8012_3456_7c00n, { address: 0x8012_3456_7000, mode: 'legacy' }],
    [{ 'aw-bits': 39 }, 0x80_1234_5000n, { address: 0x1234_5000, mode: 'legacy' }],
    [{ 'scalable-mode': true }, 0x10_0400n, { address: 0x10_0000, mode: 'scalable' }],
    [{ 'scalable-mode': true }, 0x10_0800n, { address: 0x10_0000, mode: 'legacy' }],
    [{ ecs: true }, 0x10_0800n, { address: 0x10_0000, mode: 'ecs' }],
    [{ ecs: true }, 0x10_0400n, { address: 0x10_0000, mode: 'legacy' }],
  ] as const)('latches the root table (%o, %s)', (given, register, root) => {
    const rig = registerRig({ intremap: 'off', ...given });
    rig.write('RTADDR', register);
    expect(rig.calls).toEqual([]);
    rig.write('GCMD', SRTP);
    expect(rig.calls).toEqual([['setRoot', root]]);
    expect(rig.read('GSTS')).toBe(SRTP);
  });

  it('sets the root table each time it is asked to, and turns off what is not repeated', () => {
    const rig = registerRig();
    rig.write('GCMD', SRTP | TE);
    rig.write('GCMD', SRTP);
    expect(rig.calls.map(([name]) => name)).toEqual(['setEnabled', 'setRoot', 'setEnabled', 'setRoot']);
    expect(rig.read('GSTS')).toBe(SRTP);
  });

  it('enables translation and sets the root before the queue runs', () => {
    const rig = registerRig();
    rig.put(0x18_0000n, 0x12n, 0n);
    rig.write('IQA', 0x18_0000n);
    rig.write('IQT', 0x10n);
    rig.write('GCMD', TE | SRTP | QIE);
    expect(rig.calls.map(([name]) => name)).toEqual(['setEnabled', 'setRoot', 'iotlb']);
  });

  it('disables the queue only at rest behind a wait descriptor', () => {
    const rig = registerRig();
    rig.write('IQA', 0x18_0000n);
    rig.write('GCMD', QIE);
    rig.write('GCMD', 0n);
    expect(rig.read('GSTS')).toBe(QIE);
    wait(rig, 0n);
    rig.write('GCMD', 0n);
    expect([rig.read('GSTS'), rig.read('IQH'), rig.read('IQT')]).toEqual([0n, 0n, 0x10n]);
    expect(rig.level.queueEnabled).toBe(false);
  });

  it('disables the queue at any time with strict-spec', () => {
    const rig = registerRig({ intremap: 'off', 'strict-spec': true });
    rig.write('IQA', 0x18_0000n);
    rig.write('GCMD', QIE);
    rig.put(0x18_0000n, 0x12n, 0n, 0n, 0n);
    rig.write('IQT', 0x20n);
    expect(rig.read('IQH')).toBe(0x10n);
    rig.write('GCMD', 0n);
    expect([rig.read('GSTS'), rig.read('IQH')]).toEqual([0n, 0n]);
  });

  it('enables interrupt remapping where it is offered', () => {
    const rig = registerRig({ intremap: 'on' });
    rig.write('GCMD', SIRTP);
    rig.write('GCMD', IRE);
    expect(rig.read('GSTS')).toBe(SIRTP | IRE);
    rig.write('GCMD', 0n);
    expect(rig.read('GSTS')).toBe(SIRTP);
    const without = registerRig();
    without.write('GCMD', IRE | SIRTP);
    expect(without.read('GSTS')).toBe(SIRTP);
  });

  it('follows CFI with strict-spec alone', () => {
    for (const [strict, expected] of [
      [true, CFI],
      [false, 0n],
    ] as const) {
      const rig = registerRig({ intremap: 'on', 'strict-spec': strict });
      rig.write('GCMD', CFI);
      expect(rig.read('GSTS')).toBe(expected);
      rig.write('GCMD', 0n);
      expect(rig.read('GSTS')).toBe(0n);
    }
  });
});

describe('invalidation by registers', () => {
  it('has the scope of the command', () => {
    const rig = registerRig();
    rig.write('CCMD', 0xa000_0000_0000_0000n);
    rig.write('CCMD', 0xe000_0002_1234_0005n);
    rig.write('IVA', 0xabcd_e000n | 0x40n | 3n);
    rig.write('IOTLB', 0xb000_0005_0000_0000n);
    rig.write('IVA', 0x4_5000n);
    rig.write('IOTLB', 0xb000_0005_0000_0000n);
    expect(rig.calls).toEqual([
      ['context', { granularity: 'global' }],
      ['context', { granularity: 'device', domainId: 5, sourceId: 0x1234, functionMask: 2 }],
      ['iotlb', { granularity: 'page', domainId: 5, address: 0xabcd_e000n, addressMask: 3, leafOnly: true }],
      ['iotlb', { granularity: 'page', domainId: 5, address: 0x4_5000n, addressMask: 0, leafOnly: false }],
    ]);
    expect(rig.read('IOTLB')).toBe(0x3600_0005_0000_0000n);
  });

  it('does nothing for a mask beyond what CAP offers', () => {
    const rig = registerRig();
    rig.write('IVA', 19n);
    rig.write('IOTLB', 0xb000_0000_0000_0000n);
    expect([rig.read('IOTLB'), rig.calls]).toEqual([0x3000_0000_0000_0000n, []]);
  });

  it('stands still while the queue is enabled', () => {
    const rig = registerRig();
    rig.write('GCMD', QIE);
    rig.write('CCMD', 0xa000_0000_0000_0000n);
    rig.write('IOTLB', 0x9000_0000_0000_0000n);
    expect([rig.read('CCMD'), rig.read('IOTLB')]).toEqual([0xa000_0000_0000_0000n, 0x9000_0000_0000_0000n]);
    expect(rig.calls).toEqual([]);
  });
});

describe('a reset', () => {
  it('takes everything back', () => {
    const rig = registerRig({ intremap: 'on' });
    const fresh = rig.level.registers();
    rig.write('RTADDR', 0x10_0000n);
    rig.write('IQA', 0x18_0002n);
    rig.write('IRTA', 0x1a_0007n);
    rig.write('GCMD', SRTP | QIE | SIRTP | IRE);
    wait(rig, 0n);
    rig.level.record({ sourceId: 1, address: 0x1000n, code: 1, write: false, faultProcessingDisabled: false });
    rig.calls.length = 0;
    rig.level.reset();
    expect(rig.level.registers()).toEqual(fresh);
    expect(rig.calls).toEqual([['reset', undefined]]);
    rig.write('GCMD', QIE);
    rig.write('GCMD', QIE);
    expect(rig.read('IQA')).toBe(0n);
  });

  it('of the latches can be undone by restoring what was saved', () => {
    const rig = registerRig({ intremap: 'on' });
    rig.write('IQA', 0x18_0000n);
    rig.write('IRTA', 0x1a_0003n);
    rig.write('GCMD', QIE | SIRTP | IRE);
    rig.put(0x18_0000n, 0x12n, 0n);
    rig.write('IQT', 0x10n);
    const saved = rig.level.save();
    const seen = rig.level.registers();
    rig.level.reset();
    rig.calls.length = 0;
    rig.level.restore(structuredClone(saved));
    expect(rig.level.registers()).toEqual(seen);
    expect(rig.calls).toEqual([]);
    wait(rig, 1n);
    expect(rig.read('IQH')).toBe(0x20n);
    rig.interrupt(0xfee0_0010n | (16n << 5n), 0, 0x18);
    expect(rig.recorded).toMatchObject([{ code: 0x21 }]);
    expect(rig.level.save()).not.toEqual(saved);
  });
});
