import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatFloat } from '../../src/wire/float.ts';
import { WireFloat } from '../../src/wire/values.ts';
import { systemProgram } from '../support/system-program.ts';

describe('formatFloat', () => {
  it.each([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [1.5, '1.5'],
    [0.1, '0.10000000000000001'],
    [0.222, '0.222'],
    [32.43, '32.43'],
    [-32.12313, '-32.123130000000003'],
    [-32.2e-10, '-3.22e-09'],
    [1e3, '1000'],
    [1e16, '10000000000000000'],
    [1e17, '1e+17'],
    [1.5e17, '1.5e+17'],
    [123456789012345680, '1.2345678901234568e+17'],
    [0.0001, '0.0001'],
    [1e-5, '1.0000000000000001e-05'],
    [1e100, '1e+100'],
    [1e-100, '1e-100'],
    [2 ** 64, '1.8446744073709552e+19'],
    [-(2 ** 63), '-9.2233720368547758e+18'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    [Number.MIN_VALUE, '4.9406564584124654e-324'],
    [2.2250738585072014e-308, '2.2250738585072014e-308'],
    // Ties between two texts of 17 digits go to the even digit, unlike in toExponential.
    [1234567890123456.25, '1234567890123456.2'],
    [1234567890123456.75, '1234567890123456.8'],
    [-1234567890123457.25, '-1234567890123457.2'],
    // Beside powers of ten, where the logarithm may be off by one.
    [999999999999999.9, '999999999999999.88'],
    [9.999999999999999e22, '9.9999999999999992e+22'],
    [1e22, '1e+22'],
    [1e23, '9.9999999999999992e+22'],
    [9.999999999999999e-5, '9.9999999999999991e-05'],
  ])('prints %d as %s', (value, text) => {
    expect(formatFloat(value)).toBe(text);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses %d', (value) => {
    expect(() => formatFloat(value)).toThrow(RangeError);
  });

  it('prints what reads back as the same double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(formatFloat(value))).toBe(value);
      }),
      { numRuns: 3000 },
    );
  });

  const python = systemProgram('python3');
  it.skipIf(python.missing)(python.title('prints as C does'), () => {
    const doubles = fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), { numRuns: 4000, seed: 1 });
    const quarters = fc.sample(fc.maxSafeNat(), { numRuns: 2000, seed: 2 }).map((whole) => whole / 4);
    const values = [...doubles, ...quarters];
    const bits = Buffer.alloc(values.length * 8);
    values.forEach((value, index) => bits.writeDoubleLE(value, index * 8));
    const script =
      'import sys, struct\nfor (x,) in struct.iter_unpack("<d", sys.stdin.buffer.read()): print("%.17g" % x)';
    const { stdout } = spawnSync(python.path, ['-c', script], { input: bits, encoding: 'utf8' });
    expect(values.map(formatFloat)).toEqual(stdout.trimEnd().split('\n'));
  });
});

describe('WireFloat', () => {
  it('saturates what is beyond a double and has no NaN', () => {
    expect(new WireFloat(Infinity).value).toBe(Number.MAX_VALUE);
    expect(new WireFloat(-Infinity).value).toBe(-Number.MAX_VALUE);
    expect(Object.is(new WireFloat(-0).value, -0)).toBe(true);
    expect(() => new WireFloat(Number.NaN)).toThrow(RangeError);
  });
});
