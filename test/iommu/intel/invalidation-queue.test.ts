import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { registerRig } from './register-rig.ts';

type Given = Parameters<typeof registerRig>[0];

const QUEUE = 0x18_0000n;
const STATUS = 0x19_0000n;
const QIE = 0x0400_0000n;
const IQE = 0x10n;
/** Writes 0x5151 to the status word. */
const WAIT = [0x5151_0000_0025n, STATUS] as const;

const SCALABLE = { intremap: 'off', 'scalable-mode': true } as const;
const SVM = { ...SCALABLE, fsts: true, 'device-iotlb': true, 'pasid-bits': 20, svm: true } as const;

/** A queue with descriptors of 16 bytes, or of 32, that is enabled and empty. */
function queue(given: Given = { intremap: 'off' }, wide = false) {
  const rig = registerRig(given);
  const bytes = wide ? 32n : 16n;
  rig.write('IQA', QUEUE | (wide ? 0x800n : 0n));
  rig.write('GCMD', QIE);
  let next = 0n;
  /** Appends descriptors and writes the tail. */
  const submit = (...descriptors: (readonly bigint[])[]): void => {
    for (const words of descriptors) {
      rig.put(QUEUE + bytes * next, ...words);
      next += 1n;
    }
    rig.write('IQT', bytes * next);
  };
  return { ...rig, submit, head: () => rig.read('IQH') / bytes };
}

const ok = (name: string, scope: unknown) => [[name, scope]];

describe('descriptors of 16 bytes', () => {
  it.each<[string, bigint, bigint, unknown]>([
    ['context, global', 0x11n, 0n, ok('context', { granularity: 'global' })],
    ['context, domain', 0x12_0021n, 0n, ok('context', { granularity: 'domain', domainId: 0x12 })],
    [
      'context, device',
      0x2_0118_0012_0031n,
      0n,
      ok('context', { granularity: 'device', domainId: 0x12, sourceId: 0x118, functionMask: 2 }),
    ],
    ['IOTLB, global', 0xd2n, 0n, ok('iotlb', { granularity: 'global' })],
    ['IOTLB, domain', 0x7_0022n, 0n, ok('iotlb', { granularity: 'domain', domainId: 7 })],
    [
      'IOTLB, page',
      0x7_0032n,
      0x1234_5052n,
      ok('iotlb', { granularity: 'page', domainId: 7, address: 0x1234_5000n, addressMask: 18, leafOnly: true }),
    ],
    [
      'device IOTLB, a page',
      0x118_0000_0003n,
      0x5000n,
      ok('device-iotlb', { sourceId: 0x118, address: 0x5000n, size: 0x1000n }),
    ],
    [
      'device IOTLB, 8 KiB',
      0x118_0000_0003n,
      0x4001n,
      ok('device-iotlb', { sourceId: 0x118, address: 0x4000n, size: 0x2000n }),
    ],
    [
      'device IOTLB, 32 KiB',
      0x118_001f_0003n,
      0x3_b001n,
      ok('device-iotlb', { sourceId: 0x118, address: 0x3_8000n, size: 0x8000n }),
    ],
    [
      'device IOTLB, everything',
      0x118_0000_0003n,
      0xffff_ffff_ffff_f001n,
      ok('device-iotlb', { sourceId: 0x118, address: 0n, size: 1n << 64n }),
    ],
    ['interrupt entries, global', 0x4n, 0n, []],
    ['interrupt entries, by index', 0x5_0800_0014n, 0n, []],
  ])('%s', (_name, low, high, calls) => {
    const rig = queue();
    rig.submit([low, high], WAIT);
    expect([rig.calls, rig.read('FSTS'), rig.head(), rig.word(STATUS)]).toEqual([calls, 0n, 2n, 0x5151n]);
  });

  it.each<[string, bigint, bigint]>([
    ['no type', 0n, 0n],
    ['an unknown type', 0xdn, 0n],
    ['type 0x15', 0x215n, 0n],
    ['context: granularity 0', 0x01n, 0n],
    ['context: reserved bit 6', 0x51n, 0n],
    ['context: reserved bit 50', 0x4_0000_0000_0011n, 0n],
    ['context: upper word', 0x11n, 1n],
    ['IOTLB: granularity 0', 0x02n, 0n],
    ['IOTLB: reserved bit 8', 0x112n, 0n],
    ['IOTLB: reserved bit 32', 0x1_0000_0012n, 0n],
    ['IOTLB: reserved upper bit 7', 0x12n, 0x80n],
    ['IOTLB: address mask 19', 0x32n, 19n],
    ['device IOTLB: reserved bit 4', 0x13n, 0n],
    ['device IOTLB: reserved upper bit 1', 0x03n, 2n],
    ['interrupt entries: reserved bit 5', 0x24n, 0n],
    ['interrupt entries: upper word', 0x04n, 1n],
    ['wait: nothing asked for', 0x05n, 0n],
    ['wait: reserved bit 7', 0xa5n, STATUS],
    ['wait: reserved bit 12', 0x1025n, STATUS],
    ['wait: unaligned address', 0x25n, STATUS | 2n],
    ['PASID-based IOTLB', 0x26n, 0n],
    ['PASID cache', 0x37n, 0n],
    ['PASID-based device IOTLB', 0x08n, 0n],
    ['page group response without PASID', 0x09n, 0n],
  ])('that are refused: %s', (_name, low, high) => {
    const rig = queue();
    rig.submit([low, high], WAIT);
    expect([rig.calls, rig.read('FSTS'), rig.head(), rig.word(STATUS)]).toEqual([[], IQE, 0n, 0n]);
    expect(rig.read('FECTL')).toBe(0xc000_0000n);
  });
});

describe('descriptors of 32 bytes', () => {
  it.each<[string, readonly bigint[], unknown]>([
    ['IOTLB, global', [0x12n, 0n, 0n, 0n], ok('iotlb', { granularity: 'global' })],
    [
      'PASID-based IOTLB, all',
      [0x5_0007_0026n, 0n, 0n, 0n],
      ok('pasid-iotlb', { granularity: 'pasid', domainId: 7, pasid: 5 }),
    ],
    [
      'PASID-based IOTLB, page',
      [0xf_ffff_0007_0036n, 0x1234_5041n, 0n, 0n],
      ok('pasid-iotlb', {
        granularity: 'page',
        domainId: 7,
        pasid: 0xfffff,
        address: 0x1234_5000n,
        addressMask: 1,
        leafOnly: true,
      }),
    ],
    ['PASID cache, domain', [0x7_0007n, 0n, 0n, 0n], ok('pasid-cache', { granularity: 'domain', domainId: 7 })],
    [
      'PASID cache, PASID',
      [0x5_0007_0017n, 0n, 0n, 0n],
      ok('pasid-cache', { granularity: 'pasid', domainId: 7, pasid: 5 }),
    ],
    ['PASID cache, global', [0x37n, 0n, 0n, 0n], ok('pasid-cache', { granularity: 'global' })],
    [
      'PASID-based device IOTLB',
      [0x5_0118_0008n, 0x4800n, 0n, 0n],
      ok('device-iotlb', { sourceId: 0x118, pasid: 5, address: 0x4000n, size: 0x2000n }),
    ],
    [
      'PASID-based device IOTLB, of every PASID',
      [0x5_0118_0008n, 0x4001n, 0n, 0n],
      ok('device-iotlb', { sourceId: 0x118, pasid: 'all', address: 0x4000n, size: 0x1000n }),
    ],
  ])('%s', (_name, words, calls) => {
    const rig = queue(SCALABLE, true);
    rig.submit(words, [...WAIT, 0n, 0n]);
    expect([rig.calls, rig.read('FSTS'), rig.head(), rig.word(STATUS)]).toEqual([calls, 0n, 2n, 0x5151n]);
  });

  it.each<[string, readonly bigint[]]>([
    ['PASID-based IOTLB: granularity 0', [0x6n, 0n, 0n, 0n]],
    ['PASID-based IOTLB: granularity 1', [0x16n, 0n, 0n, 0n]],
    ['PASID-based IOTLB: reserved bit 52', [0x10_0000_0000_0026n, 0n, 0n, 0n]],
    ['PASID-based IOTLB: reserved bit 7 of word 1', [0x26n, 0x80n, 0n, 0n]],
    ['PASID-based IOTLB: word 2', [0x26n, 0n, 1n, 0n]],
    ['PASID cache: granularity 2', [0x27n, 0n, 0n, 0n]],
    ['PASID cache: word 1', [0x37n, 1n, 0n, 0n]],
    ['PASID cache: word 3', [0x37n, 0n, 0n, 1n]],
    ['PASID-based device IOTLB: reserved bit 12', [0x1008n, 0n, 0n, 0n]],
    ['PASID-based device IOTLB: word 2', [0x8n, 0n, 1n, 0n]],
    ['IOTLB: word 2', [0x12n, 0n, 1n, 0n]],
    ['wait: word 3', [...WAIT, 0n, 1n]],
  ])('that are refused: %s', (_name, words) => {
    const rig = queue(SCALABLE, true);
    rig.submit(words);
    expect([rig.calls, rig.read('FSTS'), rig.head()]).toEqual([[], IQE, 0n]);
  });

  it('tell of answers to page requests', () => {
    const rig = queue(SCALABLE, true);
    rig.submit([0x5_0118_1019n, 0x28n, 0n, 0n]);
    rig.submit([0x118_1009n, 0x28n, 0n, 0n]);
    expect(rig.responses).toEqual([{ sourceId: 0x118, pasid: 5, group: 5, code: 1 }]);
    expect([rig.read('FSTS'), rig.head()]).toEqual([IQE, 1n]);
    const strict = queue({ ...SCALABLE, 'strict-spec': true }, true);
    strict.submit([0x118_f009n, 0x28n, 0n, 0n]);
    expect(strict.responses).toEqual([{ sourceId: 0x118, group: 5, code: 15 }]);
  });

  it('need scalable mode: otherwise the width is ignored', () => {
    const rig = registerRig();
    rig.write('IQA', QUEUE | 0x800n);
    rig.write('GCMD', QIE);
    rig.put(QUEUE, 0x12n, 0n);
    rig.write('IQT', 0x10n);
    expect([rig.read('IQH'), rig.read('FSTS')]).toEqual([0x10n, 0n]);
  });
});

describe('descriptors about PASIDs with extended contexts', () => {
  it.each<[string, bigint, bigint, unknown]>([
    ['IOTLB, every PASID', 0x7_0006n, 0n, ok('iotlb', { granularity: 'domain', domainId: 7 })],
    ['IOTLB, every PASID but global pages', 0x7_0016n, 0n, ok('iotlb', { granularity: 'domain', domainId: 7 })],
    ['IOTLB, all of one', 0x5_0007_0026n, 0n, ok('pasid-iotlb', { granularity: 'pasid', domainId: 7, pasid: 5 })],
    [
      'IOTLB, a page, global or not',
      0x5_0007_0036n,
      0x4080n,
      ok('pasid-iotlb', {
        granularity: 'page',
        domainId: 7,
        pasid: 5,
        address: 0x4000n,
        addressMask: 0,
        leafOnly: false,
      }),
    ],
    ['PASID cache', 0x5_0007_0017n, 0n, ok('pasid-cache', { granularity: 'pasid', domainId: 7, pasid: 5 })],
    [
      'device IOTLB',
      0x5_0118_0008n,
      0x4000n,
      ok('device-iotlb', { sourceId: 0x118, pasid: 5, address: 0x4000n, size: 0x1000n }),
    ],
  ])('have 16 bytes: %s', (_name, low, high, calls) => {
    const rig = queue({ intremap: 'off', ecs: true });
    rig.submit([low, high], WAIT);
    expect([rig.calls, rig.read('FSTS'), rig.head()]).toEqual([calls, 0n, 2n]);
  });
});

describe('wait descriptors', () => {
  it('write 4 bytes and leave the rest', () => {
    const rig = queue();
    rig.put(STATUS, 0xffff_ffff_ffff_ffffn);
    rig.submit([0x1234_5678_0000_0025n, STATUS]);
    expect(rig.word(STATUS)).toBe(0xffff_ffff_1234_5678n);
  });

  it('stop the queue when the status cannot be written', () => {
    const rig = queue();
    rig.submit([0x25n, 0xf000_0000n]);
    expect([rig.read('FSTS'), rig.head()]).toEqual([IQE, 0n]);
  });

  it('raise the completion event once until software has served it', () => {
    const rig = queue();
    rig.write('IEDATA', 0x99n);
    rig.write('IEADDR', 0xfee0_2000n);
    rig.write('IECTL', 0n);
    rig.submit([0x15n, 0n], [0x15n, 0n]);
    expect([rig.read('ICS'), rig.messages]).toEqual([1n, [{ address: 0xfee0_2000n, data: 0x99 }]]);
    rig.write('ICS', 1n);
    rig.submit([0x15n, 0n]);
    expect(rig.messages.length).toBe(2);
  });

  it('leave the event pending while it is masked; clearing IWC takes it back, unmasking sends it', () => {
    const rig = queue();
    rig.submit([0x15n, 0n]);
    expect(rig.read('IECTL')).toBe(0xc000_0000n);
    rig.write('ICS', 0n);
    expect(rig.read('IECTL')).toBe(0xc000_0000n);
    rig.write('ICS', 1n);
    expect(rig.read('IECTL')).toBe(0x8000_0000n);
    rig.submit([0x15n, 0n]);
    rig.write('IECTL', 0n);
    expect([rig.read('IECTL'), rig.messages.length]).toEqual([0n, 1]);
  });

  it('may drain page requests with svm', () => {
    const rig = queue(SVM);
    rig.submit([0xa5n, STATUS]);
    expect([rig.read('FSTS'), rig.head()]).toEqual([0n, 1n]);
  });

  it('cannot write to the registers that they hang on', () => {
    const rig = queue();
    rig.submit([0x12n, 0n], [0x30_0000_0025n, 0xfed9_0088n], [0x11n, 0n]);
    expect(rig.calls.map(([name]) => name)).toEqual(['iotlb']);
    expect([rig.read('IQH'), rig.read('IQT'), rig.read('FSTS')]).toEqual([0x10n, 0x30n, IQE]);
  });
});

describe('the queue', () => {
  it('wraps, and has as many entries as QS says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.integer({ min: 1, max: 255 }), (qs, wide, more) => {
        const rig = registerRig(SCALABLE);
        const bytes = wide ? 32n : 16n;
        const entries = BigInt((256 << qs) >> (wide ? 1 : 0));
        rig.write('IQA', QUEUE | (wide ? 0x800n : 0n) | BigInt(qs));
        rig.write('GCMD', QIE);
        for (let at = 0n; at < entries; at += 1n) {
          rig.put(QUEUE + bytes * at, 0x12n, 0n, ...(wide ? [0n, 0n] : []));
        }
        rig.write('IQT', bytes * (entries - 1n));
        rig.write('IQT', bytes * (BigInt(more) % (entries - 1n)));
        expect(rig.read('FSTS')).toBe(0n);
        expect(rig.read('IQH')).toBe(rig.read('IQT'));
        expect(rig.calls.length).toBe(Number(entries) + (more % Number(entries - 1n)));
        if (entries * bytes < 0x7_fff0n) rig.write('IQT', bytes * entries);
        expect(rig.read('FSTS')).toBe(IQE);
      }),
      { numRuns: 12 },
    );
  });

  it('works off a tail that was written before it was enabled', () => {
    const rig = registerRig();
    rig.put(QUEUE, 0x12n, 0n);
    rig.write('IQA', QUEUE);
    rig.write('IQT', 0x10n);
    expect(rig.calls).toEqual([]);
    rig.write('GCMD', QIE);
    expect([rig.calls.length, rig.read('IQH')]).toEqual([1, 0x10n]);
  });

  it.each([
    [true, 0x20n],
    [false, 0x40n],
  ])('reads such a tail in the width of its time, but for strict-spec (%s)', (strict, head) => {
    const rig = registerRig({ ...SCALABLE, 'strict-spec': strict });
    for (const at of [0n, 0x20n]) rig.put(QUEUE + at, 0x12n, 0n, 0n, 0n);
    rig.write('IQA', QUEUE | 0x800n);
    rig.write('IQT', 0x20n);
    rig.write('GCMD', QIE);
    expect([rig.read('IQH'), rig.read('FSTS')]).toEqual([head, 0n]);
  });

  it('stands still at an error; the next tail goes on at the head once IQE is clear', () => {
    const rig = queue();
    rig.submit([0xdn, 0n]);
    rig.submit(WAIT);
    expect([rig.head(), rig.word(STATUS)]).toEqual([0n, 0n]);
    rig.put(QUEUE, 0x12n, 0n);
    rig.write('FSTS', IQE);
    expect([rig.head(), rig.calls]).toEqual([0n, []]);
    rig.write('IQT', 0x20n);
    expect([rig.head(), rig.calls.length, rig.word(STATUS)]).toEqual([2n, 1, 0x5151n]);
  });

  it('goes on by itself with strict-spec', () => {
    const rig = queue({ intremap: 'off', 'strict-spec': true });
    rig.submit([0xdn, 0n], WAIT);
    rig.write('FSTS', 1n);
    expect(rig.head()).toBe(0n);
    rig.put(QUEUE, 0x12n, 0n);
    rig.write('FSTS', IQE);
    expect([rig.head(), rig.word(STATUS)]).toEqual([2n, 0x5151n]);
  });

  it('keeps its tail when bit 4 is set with descriptors of 32 bytes', () => {
    const rig = queue(SCALABLE, true);
    rig.write('IQT', 0x30n);
    expect([rig.read('FSTS'), rig.read('IQH'), rig.calls]).toEqual([IQE, 0n, []]);
    rig.write('FSTS', IQE);
    rig.submit([0x12n, 0n, 0n, 0n]);
    expect([rig.read('FSTS'), rig.head()]).toEqual([0n, 1n]);
  });

  it('cannot be read everywhere', () => {
    const rig = registerRig();
    rig.write('IQA', 0xf000_0000n);
    rig.write('GCMD', QIE);
    rig.write('IQT', 0x10n);
    expect([rig.read('FSTS'), rig.read('IQH')]).toEqual([IQE, 0n]);
  });
});
