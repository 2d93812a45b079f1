import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalOrder, encode, encodeLine } from '../../src/wire/encoder.ts';
import { WireFloat, type WireOutput, type WireValue } from '../../src/wire/values.ts';
import { readChunks, value } from './reading.ts';

describe('encode', () => {
  it.each<[WireOutput, string]>([
    [null, 'null'],
    [true, 'true'],
    [false, 'false'],
    [0, '0'],
    [-0, '0'],
    [-1234, '-1234'],
    [2 ** 53, '9007199254740992'],
    [-(2 ** 63), '-9223372036854775808'],
    [2 ** 64, '1.8446744073709552e+19'],
    [0.1, '0.10000000000000001'],
    [Infinity, '1.7976931348623157e+308'],
    [2n ** 64n - 1n, '18446744073709551615'],
    [-(2n ** 63n), '-9223372036854775808'],
    [new WireFloat(1), '1'],
    [new WireFloat(-0), '-0'],
    [new WireFloat(1e17), '1e+17'],
    ['', '""'],
    [{}, '{}'],
    [[], '[]'],
    [{ return: {} }, '{"return": {}}'],
    [{ a: [1, [], {}], b: { c: null } }, '{"a": [1, [], {}], "b": {"c": null}}'],
    [{ a: undefined, b: 1, c: undefined, d: 2 }, '{"b": 1, "d": 2}'],
    [{ a: undefined }, '{}'],
    [{ z: 1, a: 2 }, '{"z": 1, "a": 2}'],
    ['"\\/\'<>&', '"\\"\\\\/\'<>&"'],
    ['\b\f\n\r\t', '"\\b\\f\\n\\r\\t"'],
    ['\0\x01\x1b\x1f\x7f', '"\\u0000\\u0001\\u001B\\u001F\\u007F"'],
    ['caf\u00e9 \u20ac', '"caf\\u00E9 \\u20AC"'],
    ['\u{1f600}\u{10fffd}', '"\\uD83D\\uDE00\\uDBFF\\uDFFD"'],
    // What is no character is shown as the replacement character, once for each.
    ['\ud83dx\ude00', '"\\uFFFDx\\uFFFD"'],
    ['\uffff\ufdd0\u{1fffe}', '"\\uFFFD\\uFFFD\\uFFFD"'],
    ['x'.repeat(50) + '\u00e9', `"${'x'.repeat(50)}\\u00E9"`],
    [{ '\u00e9"': 1 }, '{"\\u00E9\\"": 1}'],
  ])('prints %o as %s', (of, text) => {
    expect(encode(of)).toBe(text);
  });

  it.each<[string, WireOutput]>([
    ['undefined', [undefined]],
    ['function', { a: () => 1 }],
    ['symbol', { a: Symbol('a') }],
  ])('refuses a %s', (type, of) => {
    expect(() => encode(of)).toThrow(new TypeError(`a ${type} cannot be sent as JSON`));
    expect(() => encode(of, true)).toThrow(TypeError);
  });

  it('refuses NaN, which JSON cannot say', () => {
    expect(() => encode({ a: Number.NaN })).toThrow(RangeError);
  });
});

describe('encode, pretty', () => {
  it('puts each member on a line, and an empty container on two', () => {
    const message = { return: {}, id: { e: {}, a: [], b: [1, { x: 2.5 }], c: undefined } };
    const lines = [
      '{',
      '    "return": {',
      '    },',
      '    "id": {',
      '        "e": {',
      '        },',
      '        "a": [',
      '        ],',
      '        "b": [',
      '            1,',
      '            {',
      '                "x": 2.5',
      '            }',
      '        ]',
      '    }',
      '}',
    ];
    expect(encode(message, true)).toBe(lines.join('\n'));
    expect(encodeLine(message, true)).toBe(`${lines.join('\r\n')}\r\n`);
  });

  it('leaves a line feed in a string an escape', () => {
    expect(encodeLine('a\nb', true)).toBe('"a\\nb"\r\n');
    expect(encodeLine({ a: 'a\nb' })).toBe('{"a": "a\\nb"}\r\n');
  });
});

describe('canonicalOrder', () => {
  const id: WireValue = { b: 1, a: [{ minor: 2, micro: 22, major: 7 }], c: { b: 1, a: 2 } };

  it('orders the members of an echoed value at every depth, and of nothing else', () => {
    const text =
      '{"z": 1, "a": {"b": 1, "a": 2}, "id": {"a": [{"micro": 22, "minor": 2, "major": 7}], "b": 1, "c": {"a": 2, "b": 1}}}';
    expect(encode({ z: 1, a: { b: 1, a: 2 }, id: canonicalOrder(id) })).toBe(text);
  });

  it('holds in pretty output too', () => {
    expect(encode({ id: canonicalOrder({ b: 1, a: 2 }) }, true).replaceAll(/\s+/g, '')).toBe('{"id":{"a":2,"b":1}}');
  });

  it.each<[WireValue]>([[null], [5], ['x'], [5n], [new WireFloat(5)], [true]])('leaves %s as it is', (scalar) => {
    expect(canonicalOrder(scalar)).toBe(scalar);
  });
});

describe('reading what was written', () => {
  // Everything but noncharacters and unpaired surrogates survives.
  const text = fc.string({ unit: 'binary' }).filter(isSound);
  const { document } = fc.letrec<{ document: WireValue }>((tie) => ({
    document: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false),
      fc.maxSafeInteger().map((of) => of + 0),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
      text,
      fc.array(tie('document'), { maxLength: 4 }),
      fc.dictionary(text, tie('document'), { maxKeys: 4 }).map((of) => ({ ...of })),
    ),
  }));

  function isSound(of: string): boolean {
    return Array.from(of).every((char) => {
      const code = char.codePointAt(0)!;
      return (code < 0xd800 || code > 0xdfff) && (code < 0xfdd0 || code > 0xfdef) && (code & 0xfffe) !== 0xfffe;
    });
  }

  it.each([false, true])('gives the same values (pretty: %s)', (pretty) => {
    fc.assert(
      fc.property(document, (of) => {
        const line = encodeLine(canonicalOrder(of), pretty);
        expect(/^[\r\n -~]*$/.test(line)).toBe(true);
        expect(readChunks([Buffer.from(line)])).toEqual([value(of)]);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same text, floats included', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (of) => {
        const text = encode([new WireFloat(of)]);
        const [outcome] = readChunks([Buffer.from(text)]);
        expect(encode((outcome as { value: WireValue }).value as WireOutput)).toBe(text === '[-0]' ? '[0]' : text);
      }),
      { numRuns: 1000 },
    );
  });
});
