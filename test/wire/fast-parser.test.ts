import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FastParser } from '../../src/wire/fast-parser.ts';
import { membersInWireOrder } from '../../src/wire/member-order.ts';
import { WireFloat, type WireObject, type WireValue } from '../../src/wire/values.ts';
import { latin1, type Outcome, piecesOf, readChunks } from './reading.ts';

/** As text in which every difference shows: kinds of numbers, member order, own `__proto__`. */
function describeValue(value: WireValue): string {
  if (value instanceof WireFloat) return `float ${Object.is(value.value, -0) ? '-0' : value.value}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (Array.isArray(value)) return `[${value.map(describeValue).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${describeMembers(value, Object.keys(value))} | ${membersInWireOrder(value).join()}}`;
}

function describeMembers(object: WireObject, names: string[]): string {
  return names.map((name) => `${JSON.stringify(name)}:${describeValue(object[name]!)}`).join();
}

function describeOutcomes(outcomes: readonly Outcome[]): string[] {
  return outcomes.map((outcome) => ('error' in outcome ? outcome.error : describeValue(outcome.value)));
}

/** Byte by byte the shortcut never finds a whole message, so this is the lexer and the parser alone. */
const exact = (bytes: Uint8Array): string[] => describeOutcomes(readChunks(piecesOf(bytes, 1)));

const names = [
  'a',
  'b',
  'id',
  'execute',
  '1',
  '0',
  '10',
  '__proto__',
  'constructor',
  '',
  'é',
  'toString',
  '"',
  '\\u0061',
];
const space = fc.constantFrom('', '', '', ' ', '\n', '\r\n', '\t ');
const number = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '1.5',
    '1e3',
    '1E-7',
    '1e400',
    '00',
    '1.',
    '-',
    '0e1',
    '123456789012345',
    '1234567890123456',
  ),
);
const string = fc.oneof(
  fc.string().map((text) => JSON.stringify(text)),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.constantFrom(...names).map((name) => `"${name}"`),
  fc.constantFrom("'a'", '"\\u12"', '"\\ud83d"', '"\\x"', '"\\\'"', '"\x7f"', '"\t"'),
);
const { document } = fc.letrec<{ document: string }>((tie) => ({
  document: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(number, string, fc.constantFrom('true', 'false', 'null', 'nul', 'truex', '')),
    fc
      .array(fc.tuple(space, tie('document'), space), { maxLength: 4 })
      .map((items) => `[${items.map((item) => item.join('')).join()}]`),
    fc
      .array(fc.tuple(space, string, space, fc.constant(':'), space, tie('document'), space), { maxLength: 4 })
      .map((members) => `{${members.map((member) => member.join('')).join()}}`),
  ),
}));
const stream = fc
  .array(
    fc.tuple(
      space,
      document.map((text) => `{"m":${text}}`),
      space,
    ),
    { maxLength: 4 },
  )
  .map((messages) => Buffer.from(messages.map((message) => message.join('')).join('')));

/** One byte replaced, inserted or removed: most such streams are broken somewhere. */
const damaged = fc
  .tuple(stream, fc.nat(), fc.nat(255), fc.constantFrom('replace', 'insert', 'remove'))
  .map(([bytes, where, byte, how]) => {
    const at = bytes.length === 0 ? 0 : where % bytes.length;
    const behind = how === 'insert' ? at : at + 1;
    const middle = how === 'remove' ? [] : [byte];
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(middle), bytes.subarray(behind)]);
  });

describe('the shortcut for whole messages', () => {
  it.each([
    ['streams of messages', stream],
    ['damaged streams', damaged],
    ['random bytes', fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes))],
    [
      'random structure',
      fc
        .array(fc.constantFrom('{', '}', '[', ']', ':', ',', '"a"', '"b"', '1', 'true', ' ', '\n', '\x01', '@'))
        .map((parts) => latin1(parts.join(''))),
    ],
  ])('agrees with the lexer and the parser on %s, wherever they are cut', (_, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, fc.nat(), (bytes, where) => {
        const expected = exact(bytes);
        expect(describeOutcomes(readChunks([bytes]))).toEqual(expected);
        const cut = where % (bytes.length + 1);
        expect(describeOutcomes(readChunks([bytes.subarray(0, cut), bytes.subarray(cut)]))).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
  });

  it.each([
    '{"execute":"query-status"}',
    ' \r\n{ "execute" : "a" , "arguments" : { "x" : [ 1, -2, true, false, null ] }, "id": "libvirt-1" }',
    '{"address":18446744073709551615,"rate":1.5,"text":"caf\\u00e9"}',
    '{"text":"\u00e9"}',
    '{}',
  ])('takes %s', (text) => {
    const bytes = Buffer.from(text);
    const parser = new FastParser();
    const value = parser.parse(bytes, 0);
    expect(value).toBeDefined();
    expect(parser.position).toBe(bytes.length);
    expect(describeValue(value!)).toBe(exact(bytes)[0]);
  });

  it.each([
    ['a split', '{"a":1'],
    ['an error', '{"a":1,}'],
    ['a duplicate', '{"a":1,"a":2}'],
    ['an inherited name', '{"toString":1}'],
    ['an index-like name', '{"7":1}'],
    ['single quotes', "{'a':1}"],
    ['another type', '[1]'],
    ['great depth', `{"a":${'['.repeat(40)}${']'.repeat(40)}}`],
    ['great length', `{"a":"${'x'.repeat(1024 * 1024)}"}`],
  ])('leaves %s to the exact parser', (_, text) => {
    expect(new FastParser().parse(Buffer.from(text), 0)).toBeUndefined();
  });

  it('makes no text of another out of texts that share a slot', () => {
    const parser = new FastParser();
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 5000; index++) {
        const expected = { [`name-${index}`]: `value-${index}` };
        expect(parser.parse(Buffer.from(JSON.stringify(expected)), 0)).toEqual(expected);
      }
    }
  });
});
