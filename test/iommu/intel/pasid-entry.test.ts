import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../../src/core/address.ts';
import { TranslationType } from '../../../src/iommu/intel/tables.ts';
import { pasidCapacity, PasidEntryReader, type PasidEntryOptions } from '../../../src/iommu/intel/walk.ts';
import { QEMU_11_1_3 } from '../../../src/iommu/walk/reading.ts';
import type { PasidTable } from '../../../src/memory/iommu-object.ts';
import { WordMemory } from '../support.ts';

const DIRECTORY = 0x1_0000;
const TABLE = 0x2_0000;
const ROOT = 0x3_0000n;

const HOST: PasidEntryOptions = { types: [TranslationType.firstStage, TranslationType.passThrough], fiveLevels: true };
const QEMU: PasidEntryOptions = { ...HOST, fiveLevels: false, addressWidth: 48, reading: QEMU_11_1_3 };

const scalable = (size = 0x1000n): PasidTable => ({ address: BigInt(DIRECTORY) as Gpa, size, format: 'vtd-scalable' });
const flat = (size = 0x1000n): PasidTable => ({ address: BigInt(DIRECTORY) as Gpa, size, format: 'vtd-ecs' });

/** A directory with one table, whose entry for `pasid` has these words. */
function guest(pasid: number, words: readonly bigint[], directoryBits = 1n): WordMemory {
  const memory = new WordMemory();
  memory.put(DIRECTORY + 8 * (pasid >>> 6), BigInt(TABLE) | directoryBits);
  for (let word = 0; word < 8; word++) memory.put(TABLE + 64 * (pasid & 63) + 8 * word, words[word] ?? 0n);
  return memory;
}

const firstStageWords = (
  bits: { present?: boolean; type?: bigint; aw?: bigint; third?: bigint; domain?: bigint } = {},
) => [
  (bits.present === false ? 0n : 1n) | ((bits.aw ?? 2n) << 2n) | ((bits.type ?? 1n) << 6n),
  bits.domain ?? 0n,
  ROOT | (bits.third ?? 0n),
];

describe('PASID entries of scalable mode', () => {
  it('say where the first stage begins', () => {
    const memory = guest(70, firstStageWords({ domain: 9n, third: 0x95n }));
    const reader = new PasidEntryReader(HOST);
    expect(reader.read(memory, scalable(), 70)).toBe(true);
    expect(reader).toMatchObject({ code: 0, type: 1, domainId: 9, supervisor: true, faultsDisabled: false });
    expect(reader.firstStage).toEqual({
      address: Number(ROOT),
      levels: 5,
      canonicalBits: 57,
      writeProtect: true,
      extendedAccessed: true,
    });
    const entry = TABLE + 64 * 6;
    expect(reader.steps).toBe(4);
    expect([...reader.stepAddress]).toEqual([DIRECTORY + 8, entry, entry + 8, entry + 16]);
    expect([...reader.stepLow]).toEqual([TABLE | 1, 0x49, 9, Number(ROOT) | 0x95]);
  });

  it.each<[string, number, (memory: WordMemory) => void]>([
    ['an unreadable directory', 0x50, (memory) => memory.pages.delete(DIRECTORY / 4096)],
    ['an absent directory entry', 0x51, (memory) => memory.put(DIRECTORY, BigInt(TABLE))],
    ['an unreadable table', 0x58, (memory) => memory.pages.delete(TABLE / 4096)],
    ['an absent entry', 0x59, (memory) => memory.put(TABLE, 0x48n)],
    ['an empty entry', 0x59, (memory) => memory.put(TABLE, 0n)],
    ['a second stage', 0x5b, (memory) => memory.put(TABLE, 0x89n)],
    ['a nested type', 0x5b, (memory) => memory.put(TABLE, 0xc9n)],
    ['an unknown type', 0x5b, (memory) => memory.put(TABLE, 0x149n)],
    ['a reserved paging mode', 0x5b, (memory) => memory.put(TABLE + 16, ROOT | 0x8n)],
  ])('fault for %s', (_name, code, change) => {
    const memory = guest(0, firstStageWords());
    change(memory);
    const reader = new PasidEntryReader(HOST);
    expect(reader.read(memory, scalable(), 0)).toBe(false);
    expect(reader.code).toBe(code);
    // The next fetch starts anew.
    expect(reader.read(guest(0, firstStageWords()), scalable(), 0)).toBe(true);
    expect(reader.code).toBe(0);
  });

  it('end with the directory', () => {
    const memory = guest(0xf_ffff, firstStageWords());
    const reader = new PasidEntryReader(HOST);
    expect(pasidCapacity(scalable())).toBe(0x8000);
    expect(reader.read(memory, scalable(), 0x8000)).toBe(false);
    expect(reader.code).toBe(0x46);
    expect(reader.read(memory, scalable(0x2_0000n), 0xf_ffff)).toBe(true);
    expect(reader.readFrom(memory, DIRECTORY, 0xf_ffff)).toBe(true);
  });

  it('tell of disabled faults by the directory or the entry', () => {
    const reader = new PasidEntryReader(HOST);
    reader.read(guest(0, firstStageWords(), 3n), scalable(), 0);
    expect(reader.faultsDisabled).toBe(true);
    reader.read(guest(0, [0x4bn, 0n, ROOT]), scalable(), 0);
    expect(reader.faultsDisabled).toBe(true);
  });

  it('pass through', () => {
    const reader = new PasidEntryReader(HOST);
    expect(reader.read(guest(1, firstStageWords({ type: 4n })), scalable(), 1)).toBe(true);
    expect(reader.type).toBe(TranslationType.passThrough);
  });

  it('are read by QEMU 11.1.3 with the type before the present bit, 4 levels only, narrowed by AW', () => {
    const reader = new PasidEntryReader(QEMU);
    expect(reader.readFrom(guest(0, []), DIRECTORY, 0)).toBe(false);
    expect(reader.code).toBe(0x5b);
    expect(reader.readFrom(guest(0, firstStageWords({ present: false })), DIRECTORY, 0)).toBe(false);
    expect(reader.code).toBe(0x59);
    expect(reader.readFrom(guest(0, firstStageWords({ third: 4n })), DIRECTORY, 0)).toBe(false);
    expect(reader.code).toBe(0x5b);
    for (const [aw, bits] of [
      [0n, 30],
      [1n, 39],
      [2n, 48],
      [3n, 48],
    ] as const) {
      expect(reader.readFrom(guest(0, firstStageWords({ aw })), DIRECTORY, 0)).toBe(true);
      expect(reader.firstStage.canonicalBits).toBe(bits);
    }
  });

  it('of a second stage need a width that is supported', () => {
    const reader = new PasidEntryReader({ ...QEMU, types: [TranslationType.secondStage], secondStageWidths: [1] });
    expect(reader.readFrom(guest(0, [0x8_0085n, 5n]), DIRECTORY, 0)).toBe(true);
    expect(reader).toMatchObject({ secondStage: 0x8_0000, addressWidthCode: 1, domainId: 5 });
    expect(reader.readFrom(guest(0, [0x8_0089n, 5n]), DIRECTORY, 0)).toBe(false);
    expect(reader.code).toBe(0x5b);
  });

  it('of nested translation need both stages to be supported', () => {
    const options = { types: [TranslationType.nested], fiveLevels: false, secondStageWidths: [2] };
    const reader = new PasidEntryReader(options);
    expect(reader.readFrom(guest(0, firstStageWords({ type: 3n })), DIRECTORY, 0)).toBe(true);
    expect(reader.readFrom(guest(0, firstStageWords({ type: 3n, aw: 1n })), DIRECTORY, 0)).toBe(false);
    expect(reader.readFrom(guest(0, firstStageWords({ type: 3n, third: 4n })), DIRECTORY, 0)).toBe(false);
    const wider = new PasidEntryReader({ ...options, fiveLevels: true });
    expect(wider.readFrom(guest(0, firstStageWords({ type: 3n, third: 4n })), DIRECTORY, 0)).toBe(true);
  });

  it('agree with a naive fetch over random entries', () => {
    const word = fc.bigInt({ min: 0n, max: 0xffn }).map((low) => low | (low % 3n === 0n ? 1n : 0n));
    fc.assert(
      fc.property(word, word, word, fc.nat(200), fc.boolean(), (directory, first, third, pasid, qemu) => {
        const memory = guest(pasid, [first, 3n, ROOT | third], directory & 3n);
        const reader = new PasidEntryReader(qemu ? QEMU : HOST);
        const found = reader.readFrom(memory, DIRECTORY, pasid);
        const present = (first & 1n) === 1n;
        const type = Number((first >> 6n) & 7n);
        const mode = Number((third >> 2n) & 3n);
        const supported = type === 4 || (type === 1 && (mode === 0 || (mode === 1 && !qemu)));
        let code = 0;
        if ((directory & 1n) === 0n) code = 0x51;
        else if (qemu) code = !supported ? 0x5b : !present ? 0x59 : 0;
        else code = !present ? 0x59 : !supported ? 0x5b : 0;
        expect([found, reader.code]).toEqual([code === 0, code]);
      }),
    );
  });
});

describe('PASID entries of extended contexts', () => {
  it('lie in one flat table', () => {
    const memory = new WordMemory();
    memory.put(DIRECTORY + 8 * 5, ROOT | 0xa01n);
    const reader = new PasidEntryReader(HOST);
    expect(reader.read(memory, flat(), 5)).toBe(true);
    expect(reader).toMatchObject({ type: 1, domainId: 0, supervisor: true, steps: 1 });
    expect(reader.firstStage).toMatchObject({ address: Number(ROOT), levels: 5, canonicalBits: 57 });
    memory.put(DIRECTORY + 8 * 5, ROOT | 0x401n);
    expect([reader.read(memory, flat(), 5), reader.code]).toEqual([false, 0x5b]);
    expect([reader.read(memory, flat(), 6), reader.code]).toEqual([false, 0x59]);
    expect([reader.read(memory, flat(), 512), reader.code]).toEqual([false, 0x46]);
    memory.pages.clear();
    expect([reader.read(memory, flat(), 5), reader.code]).toEqual([false, 0x58]);
  });

  it('are not those of AMD', () => {
    const reader = new PasidEntryReader(HOST);
    const table: PasidTable = { ...flat(), format: 'amd-gcr3' };
    expect(() => reader.read(new WordMemory(), table, 0)).toThrow('no PASID entries of VT-d');
  });
});
