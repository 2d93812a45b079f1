import { describe, expect, it } from 'vitest';
import { registerRig } from './register-rig.ts';

const TABLE = 0x1a_0000n;
const SIRTP = 0x0100_0000n;
const IRE = 0x0200_0000n;
const DEVICE = 0x0118;

/** A message in remappable format. */
const message = (index: number, subhandle = false): bigint =>
  0xfee0_0010n | (BigInt(index & 0x7fff) << 5n) | (subhandle ? 8n : 0n) | (BigInt(index >>> 15) << 2n);

function enabled(given: Parameters<typeof registerRig>[0] = {}, register = TABLE | 0x80fn) {
  const rig = registerRig({ intremap: 'on', ...given });
  rig.write('IRTA', register);
  rig.write('GCMD', SIRTP);
  rig.write('GCMD', IRE);
  const entry = (index: number, low: bigint, high = 0n): void => rig.put(TABLE + 16n * BigInt(index), low, high);
  return { ...rig, entry };
}

describe('interrupt remapping', () => {
  it('passes messages as they are while it is off', () => {
    const rig = registerRig({ intremap: 'on' });
    expect(rig.interrupt(message(5), 0x12, DEVICE).ok).toBe(true);
    expect(rig.messages).toEqual([{ address: message(5), data: 0x12, requester: DEVICE }]);
  });

  it('composes the message from the entry', () => {
    const rig = enabled({ eim: 'off' }, TABLE | 0xfn);
    // Vector 0x41, lowest priority (1), level (1), logical, redirection hint, destination 0x5a in bits 47:40.
    rig.entry(7, 0x5a00_0041_003dn, 0n);
    expect(rig.interrupt(message(7), 0, DEVICE).ok).toBe(true);
    expect(rig.messages).toEqual([{ address: 0xfee5_a00cn, data: 0xc141, requester: DEVICE }]);
  });

  it('has destinations of 32 bits in extended mode, of which the message carries the lowest 8', () => {
    const rig = enabled();
    rig.entry(7, 0x7f_0041_0001n);
    rig.interrupt(message(7), 0, DEVICE);
    expect(rig.messages).toEqual([{ address: 0xfee7_f000n, data: 0x4041, requester: DEVICE }]);
  });

  it('adds the data to the handle with SHV, and takes handles of 16 bits', () => {
    const rig = enabled();
    rig.entry(0x8003, 0x41_0001n);
    rig.interrupt(message(0x8001, true), 2, DEVICE);
    expect([rig.messages.length, rig.recorded]).toEqual([1, []]);
  });

  it.each<[string, bigint, bigint, number, number]>([
    ['validates no source with SVT=0', 0x41_0001n, 0x0000_ffffn, 0x0118, 0],
    ['compares all of it', 0x41_0001n, 0x4_0118n, 0x0118, 0],
    ['compares all of it and refuses', 0x41_0001n, 0x4_0118n, 0x011c, 0x26],
    ['leaves out bit 2', 0x41_0001n, 0x5_0118n, 0x011c, 0],
    ['leaves out bits 2 and 1', 0x41_0001n, 0x6_0118n, 0x011e, 0],
    ['leaves out bits 2 and 1 only', 0x41_0001n, 0x6_0118n, 0x011f, 0x26],
    ['leaves out the function', 0x41_0001n, 0x7_0118n, 0x011f, 0],
    ['takes a bus range', 0x41_0001n, 0x8_0301n, 0x0300, 0],
    ['ends a bus range', 0x41_0001n, 0x8_0301n, 0x0400, 0x26],
    ['knows no SVT=3', 0x41_0001n, 0xc_0118n, 0x0118, 0x26],
    ['wants P', 0x41_0000n, 0n, 0x0118, 0x22],
    ['refuses bit 14', 0x41_4001n, 0n, 0x0118, 0x24],
    ['refuses bit 31', 0x8041_0001n, 0n, 0x0118, 0x24],
    ['refuses bit 84', 0x41_0001n, 0x10_0000n, 0x0118, 0x24],
  ])('%s', (_name, low, high, source, code) => {
    const rig = enabled();
    rig.entry(3, low, high);
    const result = rig.interrupt(message(3), 0, source);
    expect(result.ok).toBe(code === 0);
    const fault = { sourceId: source, address: 3n << 48n, code, write: true, faultProcessingDisabled: false };
    expect(rig.recorded).toEqual(code === 0 ? [] : [fault]);
    expect(rig.messages.length).toBe(code === 0 ? 1 : 0);
    // FPD hides the faults of entries.
    const hidden = enabled();
    hidden.entry(3, low | 2n, high);
    hidden.interrupt(message(3), 0, source);
    expect([hidden.recorded, hidden.messages.length]).toEqual([[], code === 0 ? 1 : 0]);
  });

  it('knows where its table ends and that it can be read', () => {
    const rig = enabled({}, TABLE | 1n);
    rig.interrupt(message(4), 0, DEVICE);
    expect(rig.recorded).toMatchObject([{ code: 0x21, address: 4n << 48n }]);
    const nowhere = enabled({}, 0xf000_0000n);
    nowhere.interrupt(message(1), 0, DEVICE);
    expect(nowhere.recorded).toMatchObject([{ code: 0x23, address: 1n << 48n }]);
  });

  it('refuses reserved data behind an entry that it accepts, with index 0', () => {
    const rig = enabled();
    rig.interrupt(message(3, true), 0x1_0000, DEVICE);
    expect(rig.recorded).toMatchObject([{ code: 0x22, address: 3n << 48n }]);
    const accepted = enabled();
    accepted.entry(3, 0x41_0001n);
    accepted.interrupt(message(3, true), 0x1_0000, DEVICE);
    expect(accepted.recorded).toMatchObject([{ code: 0x20, address: 0n }]);
  });

  it('passes compatibility format always', () => {
    const rig = enabled();
    expect(rig.interrupt(0xfee0_1000n, 0x33, DEVICE).ok).toBe(true);
    expect(rig.messages).toEqual([{ address: 0xfee0_1000n, data: 0x33, requester: DEVICE }]);
  });

  it('knows no source of a DMA write, and validates none', () => {
    const rig = enabled();
    rig.entry(3, 0x41_0001n, 0xc_0000n);
    expect(rig.interrupt(message(3), 0).ok).toBe(true);
    rig.interrupt(message(4), 0);
    expect(rig.recorded).toMatchObject([{ code: 0x22, sourceId: 0xffff }]);
  });

  it('reads as zeros and takes 4 bytes alone', () => {
    const rig = enabled();
    expect(rig.level.interruptRange.read(0x20, 4, {})).toBe(0n);
    expect(rig.level.interruptRange.valid).toEqual({ min: 4, max: 4 });
  });
});

describe('interrupt remapping with strict-spec', () => {
  const strict = { 'strict-spec': true } as const;

  it('blocks compatibility format in extended mode, and without CFIS', () => {
    const rig = enabled(strict);
    rig.interrupt(0xfee0_1000n, 0x33, DEVICE);
    expect(rig.recorded).toMatchObject([{ code: 0x25, address: 0n }]);
    const plain = enabled({ ...strict, eim: 'off' });
    plain.write('GCMD', IRE | 0x0080_0000n);
    expect(plain.interrupt(0xfee0_1000n, 0x33, DEVICE).ok).toBe(true);
    plain.write('GCMD', IRE);
    expect(plain.interrupt(0xfee0_1000n, 0x33, DEVICE).ok).toBe(false);
  });

  it('looks at reserved data first', () => {
    const rig = enabled(strict);
    rig.interrupt(message(3, true), 0x1_0000, DEVICE);
    expect(rig.recorded).toMatchObject([{ code: 0x20 }]);
  });

  it('refuses entries for posted interrupts', () => {
    for (const [given, code] of [
      [strict, 0x24],
      [{}, undefined],
    ] as const) {
      const rig = enabled(given);
      rig.entry(3, 0x41_8001n);
      rig.interrupt(message(3), 0, DEVICE);
      expect(rig.recorded[0]?.code).toBe(code);
    }
  });

  it('knows the source of a DMA write', () => {
    const rig = enabled(strict);
    expect(() => rig.level.interruptRange.write(0x70, 4, 0n, { requester: DEVICE })).toThrow('blocked');
    expect(rig.recorded).toMatchObject([{ code: 0x22, sourceId: DEVICE }]);
  });
});
