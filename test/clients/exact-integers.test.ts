import { Readable } from 'node:stream';
import fc from 'fast-check';
import ndjson from 'ndjson';
import { describe, expect, it } from 'vitest';
import { DressIntegers, stringifyExact, undress } from '../../clients/typescript/exact-integers.ts';

/** What the client sees of `text`, when it comes in the given chunks. */
async function read(chunks: string[]): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of Readable.from(chunks.map((chunk) => Buffer.from(chunk)))
    .pipe(new DressIntegers())
    .pipe(ndjson.parse())) {
    values.push(undress(value));
  }
  return values;
}

describe('integers of 64 bits through ndjson', () => {
  it.each<[string, unknown]>([
    ['{"a": 18446744073709551615}', { a: 18446744073709551615n }],
    ['{"a": -9223372036854775808}', { a: -9223372036854775808n }],
    ['{"a": 9007199254740991}', { a: 9007199254740991 }],
    ['{"a": 9007199254740993}', { a: 9007199254740993n }],
    ['{"a": [1, 1234567890123456]}', { a: [1, 1234567890123456] }],
    ['{"a": "18446744073709551615"}', { a: '18446744073709551615' }],
    ['{"a": "x \\" 18446744073709551615"}', { a: 'x " 18446744073709551615' }],
    ['{"a": 0.10000000000000001}', { a: 0.1 }],
    ['{"a": 1.7976931348623157e+308}', { a: Number.MAX_VALUE }],
    ['{"a": "\\uE0001"}', { a: '\ue0001' }],
    ['{"a": "\\uE000\\uE000"}', { a: '\ue000\ue000' }],
  ])('%s', async (line, value) => {
    expect(await read([`${line}\r\n`])).toEqual([value]);
  });

  it('gives the same wherever the stream is cut', async () => {
    const text = '{"a": 18446744073709551615, "b": "1234567890123456789"}\r\n{"c": -9223372036854775808}\r\n';
    const whole = await read([text]);
    for (let cut = 1; cut < text.length; cut += 1) {
      expect(await read([text.slice(0, cut), text.slice(cut)])).toEqual(whole);
    }
  });

  it('writes bigints as digits, and strings as they are', () => {
    expect(stringifyExact({ a: 18446744073709551615n, b: '18446744073709551615', c: ['\ue0001', 5n] })).toBe(
      '{"a":18446744073709551615,"b":"18446744073709551615","c":["\ue0001",5]}',
    );
  });

  it('brings any bigint and any string back', async () => {
    const value = fc.oneof(fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }), fc.string({ unit: 'binary' }));
    await fc.assert(
      fc.asyncProperty(fc.array(value), async (values) => {
        const [back] = (await read([`${stringifyExact({ values })}\n`])) as [{ values: unknown[] }];
        expect(back.values.map((item) => (typeof item === 'number' ? BigInt(item) : item))).toEqual(values);
      }),
      { numRuns: 200 },
    );
  });
});
