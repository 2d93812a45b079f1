import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import { RegisterFile } from '../../../src/iommu/register-file.ts';
import { REGISTERS_SIZE, registerDefinitions } from '../../../src/iommu/intel/registers.ts';
import { registerRig } from './register-rig.ts';

const ONES = 0xffff_ffff_ffff_ffffn;
const SVM = {
  intremap: 'off',
  'scalable-mode': true,
  fsts: true,
  'device-iotlb': true,
  'pasid-bits': 20,
  svm: true,
} as const;

describe('the register file', () => {
  const definitions = registerDefinitions(resolveIntelProperties({}));

  it('has its registers in order, none over another', () => {
    let end = 0;
    for (const { offset, width } of definitions) {
      expect(offset).toBeGreaterThanOrEqual(end);
      expect(offset % width).toBe(0);
      end = offset + width;
    }
    expect(end).toBe(REGISTERS_SIZE);
  });

  it('applies the masks to every write, as a whole and in halves', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...definitions),
        fc.bigInt({ min: 0n, max: ONES }),
        fc.bigInt({ min: 0n, max: ONES }),
        fc.boolean(),
        ({ offset, width, writable, writeOneToClear, writeOnly }, before, value, halves) => {
          const file = new RegisterFile(definitions, REGISTERS_SIZE);
          const all = width === 8 ? ONES : 0xffff_ffffn;
          const old = before & all;
          if (width === 8) file.set64(offset, old);
          else file.set32(offset, Number(old));
          const written = value & all;
          if (width === 8 && halves) {
            file.writeBySoftware(offset + 4, 4, written >> 32n);
            file.writeBySoftware(offset, 4, written & 0xffff_ffffn);
          } else {
            file.writeBySoftware(offset, width, written);
          }
          const now = ((old & ~writable) | (written & writable)) & ~(writeOneToClear & written);
          expect(file.readBySoftware(offset, width)).toBe(now & ~writeOnly);
          if (width === 8) expect(file.get64(offset)).toBe(now);
        },
      ),
    );
  });

  it('answers with ones beyond its end, and drops what is written there', () => {
    const file = new RegisterFile(definitions, REGISTERS_SIZE);
    expect(file.readBySoftware(REGISTERS_SIZE - 4, 8)).toBe(ONES);
    expect(file.readBySoftware(REGISTERS_SIZE, 4)).toBe(0xffff_ffffn);
    const before = file.save();
    file.writeBySoftware(REGISTERS_SIZE - 4, 8, ONES);
    expect(file.save()).toEqual(before);
  });

  it('can be saved and restored, and keeps its copy apart', () => {
    const file = new RegisterFile(definitions, REGISTERS_SIZE);
    file.set64(0x20, 0x1234_5000n);
    const saved = file.save();
    file.reset();
    expect(file.get64(0x20)).toBe(0n);
    file.restore(saved);
    file.set64(0x28, 1n);
    expect(file.get64(0x20)).toBe(0x1234_5000n);
    expect(saved.bytes[0x28]).toBe(0);
    expect(() => file.restore({ bytes: new Uint8Array(8) })).toThrow('a saved register file has 8 bytes');
  });
});

describe('what software can write', () => {
  it.each<[string, bigint]>([
    ['VER', 0x10n],
    ['GCMD', 0n],
    ['RTADDR', 0xffff_ffff_ffff_fc00n],
    ['FEDATA', 0xffffn],
    ['FEADDR', 0xffff_fffcn],
    ['FEUADDR', 0n],
    ['AFLOG', 0n],
    ['PMEN', 0n],
    ['IQH', 0n],
    ['IQT', 0x7_fff0n],
    ['IQA', 0x807n],
    ['IEDATA', 0xffff_ffffn],
    ['IEADDR', 0xffff_fffcn],
    ['IEUADDR', 0n],
    ['IRTA', 0xffff_ffff_ffff_f80fn],
    ['PQH', 0n],
    ['PQA', 0n],
    ['PECTL', 0n],
    ['PEUADDR', 0n],
    ['IVA', 0n],
    ['FRCD', 0n],
  ])('%s reads back its writable bits after all ones', (name, expected) => {
    const rig = registerRig();
    rig.write(name, ONES);
    expect(rig.read(name)).toBe(expected);
  });

  it('includes the page-request registers with svm', () => {
    const rig = registerRig(SVM);
    const masks = { PQH: 0x7_ffe0n, PQT: 0x7_ffe0n, PQA: 0xffff_ffff_ffff_f007n, PRS: 0n, PEDATA: 0xffffn };
    for (const [name, mask] of Object.entries(masks)) {
      rig.write(name, ONES);
      expect([name, rig.read(name)]).toEqual([name, mask]);
    }
    rig.write('PEUADDR', ONES);
    expect(rig.read('PEUADDR')).toBe(0xffff_ffffn);
  });

  it('is what the specification says with strict-spec', () => {
    const given = { intremap: 'on', 'strict-spec': true } as const;
    const rig = registerRig(given);
    for (const name of ['FEUADDR', 'IEUADDR']) {
      rig.write(name, ONES);
      expect(rig.read(name)).toBe(0xffff_ffffn);
    }
    rig.write('IQA', ONES);
    expect(rig.read('IQA')).toBe(7n);
    expect(registerRig({ ...SVM, 'strict-spec': true }).read('PECTL')).toBe(0x8000_0000n);
    expect(registerRig(SVM).read('PECTL')).toBe(0n);
  });
});

describe('whatever software writes', () => {
  it('is borne: the registers stay readable, and restorable', () => {
    const offsets = registerDefinitions(resolveIntelProperties({})).flatMap(({ offset, width }) =>
      width === 8 ? [offset, offset + 4] : [offset],
    );
    const write = fc.record({
      offset: fc.constantFrom(...offsets),
      wide: fc.boolean(),
      value: fc.oneof(
        fc.bigInt({ min: 0n, max: ONES }),
        fc.integer({ min: 0, max: 63 }).map((bit) => 1n << BigInt(bit)),
        fc.constantFrom(0x18_0000n, 0x18_0800n, 0x40n, 0xc700_0000n),
      ),
    });
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 40 }),
        fc.array(fc.bigInt({ min: 0n, max: ONES }), { minLength: 16, maxLength: 16 }),
        fc.constantFrom({ intremap: 'on' }, { ...SVM, intremap: 'on' }, { intremap: 'on', 'strict-spec': true }),
        (writes, descriptors, given) => {
          const rig = registerRig(given);
          rig.put(0x18_0000n, ...descriptors.map((word, at) => (at % 2 === 0 ? word & 0xffff_ffff_00ff_f1ffn : word)));
          for (const { offset, wide, value } of writes) {
            rig.writeAt(offset, wide && offset % 8 === 0 ? 8 : 4, value);
          }
          const seen = rig.level.registers();
          const saved = rig.level.save();
          rig.level.reset();
          rig.level.restore(saved);
          expect(rig.level.registers()).toEqual(seen);
          for (const { name, value } of seen) expect(rig.read(name)).toBe(value);
        },
      ),
    );
  });
});

describe('accesses to registers', () => {
  it('are of 4 or 8 bytes', () => {
    const rig = registerRig();
    for (const size of [1, 2]) {
      expect(rig.writeAt(0x3c, size, 1n)).toMatchObject({ ok: false, error: { kind: 'decode' } });
      expect(rig.readAt(0, size)).toBe(0n);
    }
    expect(rig.readAt(0, 4)).toBe(0x10n);
    expect(rig.readAt(0x10, 8)).toBe(0xf42n);
    expect(rig.readAt(0x0c, 4)).toBe(0x80d2_008cn);
  });

  it('may cover two registers of 4 bytes, lower first', () => {
    const rig = registerRig();
    rig.writeAt(0x38, 8, 0x1234_0000_0000n);
    expect([rig.read('FECTL'), rig.read('FEDATA')]).toEqual([0n, 0x1234n]);
    expect(rig.readAt(0x38, 8)).toBe(0x1234_0000_0000n);
    rig.writeAt(0x40, 8, 0xffff_ffff_fee0_0000n);
    expect(rig.readAt(0x40, 8)).toBe(0xfee0_0000n);
  });

  it('of IQA show the address that was latched', () => {
    const rig = registerRig();
    rig.write('IQA', 0x18_0803n);
    expect(rig.read('IQA')).toBe(0x803n);
    rig.write('GCMD', 0x0400_0000n);
    rig.write('IQA', 0x99_0001n);
    expect(rig.read('IQA')).toBe(0x18_0001n);
    expect(rig.readAt(0x90, 4)).toBe(0x18_0001n);
    expect(rig.readAt(0x94, 4)).toBe(0n);
    const wide = registerRig();
    wide.write('IQA', 0x12_3456_7000n);
    wide.write('GCMD', 0x0400_0000n);
    expect(wide.readAt(0x94, 4)).toBe(0x12n);
  });

  it('of invalidation commands act with the upper half', () => {
    const rig = registerRig();
    rig.writeAt(0x28, 4, 7n);
    expect(rig.calls).toEqual([]);
    rig.writeAt(0x2c, 4, 0xc000_0000n);
    expect(rig.calls).toEqual([['context', { granularity: 'domain', domainId: 7 }]]);
    rig.writeAt(0xfc, 4, 0xa000_0009n);
    expect(rig.calls[1]).toEqual(['iotlb', { granularity: 'domain', domainId: 9 }]);
  });
});
