import { describe, expect, it } from 'vitest';
import { WireFloat } from '../../src/wire/values.ts';
import { EXPECTING_VALUE, latin1, type Outcome, parseError, readEveryWay, stray, value } from './reading.ts';

type Case = readonly [input: string, ...outcomes: Outcome[]];

/** Inputs are bytes, written as Latin-1. */
function check(cases: readonly Case[]): void {
  it.each(cases.map(([input, ...outcomes]) => ({ input, outcomes })))('$input', ({ input, outcomes }) => {
    const read = readEveryWay(latin1(input), (a, b, how) => {
      expect(a, how).toStrictEqual(b);
    });
    expect(read).toStrictEqual(outcomes);
  });
}

const NOT_A_KEY = parseError('key is not a string in object');
const INVALID_UTF8 = parseError('invalid UTF-8 sequence in string');
const INVALID_ESCAPE = parseError('invalid escape sequence in string');
const notUnicode = (shown: string): Outcome => parseError(`${shown} is not a valid Unicode character`);

describe('framing', () => {
  check([
    [''],
    [' \n\r\n\t'],
    ['{}', value({})],
    ['\r\n\t {} \r\n', value({})],
    ['{}{}', value({}), value({})],
    ['[] "a"{}', value([]), value('a'), value({})],
    ['{"a":\r\n1\t,\n"b" : [ 1 , 2 ] }', value({ a: 1, b: [1, 2] })],
    ['{},{}', value({}), EXPECTING_VALUE, value({})],
    ['"a""b"', value('a'), value('b')],
    ['1 2 3\n', value(1), value(2), value(3)],
    ['12"a"', value(12), value('a')],
    ['true{}', value(true), value({})],
    ['null\n', value(null)],
    ['12{}', value(12), value({})],
    ['[1[2]]', parseError('expected separator in list')],
  ]);
});

describe('input that ends inside a message gives nothing', () => {
  check([['12'], ['null'], ['-'], ['"abc'], ['{"a"'], ['{"a":1'], ['[[]'], ['{}12', value({})]]);
});

describe('values', () => {
  check([
    ['{"a":null,"b":true,"c":false,"d":"e"}', value({ a: null, b: true, c: false, d: 'e' })],
    [`{'a': 'say "x"', "b": "it's"}`, value({ a: 'say "x"', b: "it's" })],
    [`'it\\'s' "\\'"`, value("it's"), value("'")],
    ['{"a":{"a":{"a":[[{}],[]]}}}', value({ a: { a: { a: [[{}], []] } } })],
    ['{"constructor":1,"toString":2}', value({ constructor: 1, toString: 2 })],
    ['{"":0}', value({ '': 0 })],
    ['["\x7f"]', value(['\x7f'])],
    ['["100%"]', value(['100%'])],
  ]);

  it('keeps __proto__ as a member like any other', () => {
    const [outcome] = readEveryWay(latin1('{"__proto__": {"x": 1}, "a": 2}'), (a, b) => {
      expect(JSON.stringify(a)).toBe(JSON.stringify(b));
    });
    expect(JSON.stringify(outcome)).toBe('{"value":{"__proto__":{"x":1},"a":2}}');
    expect(Object.getPrototypeOf((outcome as { value: object }).value)).toBe(Object.prototype);
  });
});

describe('numbers', () => {
  const float = (of: number): Outcome => value([new WireFloat(of)]);
  check([
    ['[0]', value([0])],
    ['[-0]', value([0])],
    ['[-32]', value([-32])],
    ['[9007199254740991]', value([9007199254740991])],
    ['[9007199254740992]', value([9007199254740992n])],
    ['[-9007199254740991]', value([-9007199254740991])],
    ['[-9007199254740992]', value([-9007199254740992n])],
    ['[9223372036854775808]', value([2n ** 63n])],
    ['[18446744073709551615]', value([2n ** 64n - 1n])],
    ['[18446744073709551616]', float(2 ** 64)],
    ['[-9223372036854775808]', value([-(2n ** 63n)])],
    ['[-9223372036854775809]', float(-(2 ** 63))],
    [`[1${'0'.repeat(400)}]`, float(Number.MAX_VALUE)],
    ['[1.0]', float(1)],
    ['[-0.0]', float(-0)],
    ['[1e3]', float(1000)],
    ['[1E+2]', float(100)],
    ['[12.5e-1]', float(1.25)],
    ['[0.5]', float(0.5)],
    ['[1e400]', float(Number.MAX_VALUE)],
    ['[-1e400]', float(-Number.MAX_VALUE)],
    ['[1e-400]', float(0)],
    ['0e1 ', value(0), parseError("invalid keyword 'e'"), value(1)],
    ['123abc ', value(123), parseError("invalid keyword 'abc'")],
    ['1true ', value(1), value(true)],
    ['1\xff{}', value(1), stray('\ufffd'), value({})],
    ['-1-1 ', value(-1), value(-1)],
    ['[1-1]', parseError('expected separator in list')],
    ['00\n', stray('00')],
    ['01\n', stray('01')],
    ['-01\n', stray('-01')],
    ['1.\n', stray('1.\n')],
    ['1e\n', stray('1e\n')],
    ['1e+\n', stray('1e+\n')],
    ['1.e\n', stray('1.e')],
    ['--1\n', stray('--')],
    ['-abc\n', stray('-a')],
    ['+1\n', stray('+')],
    ['.5\n', stray('.')],
    ['0x10\n', value(0), parseError("invalid keyword 'x'"), value(10)],
  ]);
});

describe('keywords', () => {
  const long = 'z'.repeat(2000);
  check([
    ['nope\n', parseError("invalid keyword 'nope'")],
    ['nul\n', parseError("invalid keyword 'nul'")],
    ['truer\n', parseError("invalid keyword 'truer'")],
    ['[truefalse]', parseError("invalid keyword 'truefalse'")],
    ['TRUE\n', stray('T')],
    ['nuLl\n', parseError("invalid keyword 'nu'"), stray('L')],
    ['{execute: 1}', parseError("invalid keyword 'execute'")],
    // 1023 bytes follow the prefix, so the closing quote is lost.
    [`${long} `, parseError(`invalid keyword '${'z'.repeat(1023 - 17)}`)],
  ]);
});

describe('lexical errors and recovery', () => {
  check([
    ['@\n', stray('@')],
    ['@ @ @\n', stray('@')],
    ['@@@{}', stray('@'), value({})],
    ['{}@@@', value({}), stray('@')],
    ['@\t@\n@', stray('@'), stray('@')],
    ['\0', stray('')],
    ['\0\0', stray(''), stray('')],
    ['\x01{}', stray('\x01'), value({})],
    ['\xef\xbb\xbf{}', stray('\ufffd'), value({})],
    ['\xff\xff{}', stray('\ufffd'), stray('\ufffd'), value({})],
    ['{"a\xff{}', stray('"a\ufffd'), value({})],
    ['{"a": [[[ "b", \xff{}', stray('\ufffd'), value({})],
    ['{"a": [[[ "b", \x01\n{}', stray('\x01'), value({})],
    ['{"query-na\n{}', stray('"query-na\n'), value({})],
    // The newline was the offending byte, so recovery swallows garbage at the start of the next line.
    ['"a\n@\n{}', stray('"a\n'), value({})],
    ['-\n+1\n{}', stray('-\n'), value({})],
    ['1.\n1e\n', stray('1.\n')],
    ['"a\tb"\n', stray('"a\t')],
    ['"a\0b"\n', stray('"a')],
    ['"a\\\n"\n', stray('"a\\\n')],
    ['"a\\\xfe{}', stray('"a\\\ufffd'), value({})],
    ["'a\n", stray("'a\n")],
    ['%s\n', stray('%')],
    ['// hi\n', stray('/')],
    ['"\xc3\xa9\x01\n', stray('"\u00e9\x01')],
    ['"\xc0\x80\x01\n', stray('"\0\x01')],
    ['"\xe2\x82\x01\n', stray('"\ufffd\x01')],
    ['"\xf8\x88\x80\x80\x80\x01\n', stray('"\ufffd\x01')],
    ['"\xfc\x80\x80\x80\x80\x80\x80\x01\n', stray('"\ufffd\ufffd\x01')],
    ['"\x80\x80\x01\n', stray('"\ufffd\ufffd\x01')],
    ['"\xef\xbf\xbf\x01\n', stray('"\ufffd\x01')],
    ['{"a": @ }\n', stray('@'), EXPECTING_VALUE],
    ['[1, @, 2]\n', stray('@'), EXPECTING_VALUE, value(2), EXPECTING_VALUE],
    ['{"a": @@@ "b", "id": 1}', stray('@'), EXPECTING_VALUE, value('id'), EXPECTING_VALUE, value(1), EXPECTING_VALUE],
  ]);
});

describe('counting of braces and brackets', () => {
  check([
    ['}', EXPECTING_VALUE],
    [']', EXPECTING_VALUE],
    [',', EXPECTING_VALUE],
    [':', EXPECTING_VALUE],
    ['{]', EXPECTING_VALUE],
    ['[}', EXPECTING_VALUE],
    ['{"a": ]{}', EXPECTING_VALUE, value({})],
    ['[1, }{}', EXPECTING_VALUE, value({})],
    ['[{]}{}', EXPECTING_VALUE, value({})],
    ['{"a":[}'],
    ['{"a":[}]{}', EXPECTING_VALUE, value({})],
    ['{{}'],
    ['{{]{}', EXPECTING_VALUE, value({})],
    ['[[}{}', EXPECTING_VALUE, value({})],
    ['{}}{}', value({}), EXPECTING_VALUE, value({})],
    [
      '{"a": [1]], "b": 2}',
      parseError('expected separator in dict'),
      EXPECTING_VALUE,
      value('b'),
      EXPECTING_VALUE,
      value(2),
      EXPECTING_VALUE,
    ],
  ]);
});

describe('the first error of a message', () => {
  check([
    ['{1: 2}', NOT_A_KEY],
    ['{null: 1}', NOT_A_KEY],
    ['{{}: 1}', NOT_A_KEY],
    ['{[1]: 1}', NOT_A_KEY],
    ['{{"a": 1}}', NOT_A_KEY],
    ['{{"a" 1}: nope}', parseError('missing : in object pair')],
    ['{"a" "b"}', parseError('missing : in object pair')],
    ['{"a"}', parseError('missing : in object pair')],
    ['{"a",}', parseError('missing : in object pair')],
    ['{"a": }', EXPECTING_VALUE],
    ['{"a": , "b": 1}', EXPECTING_VALUE],
    ['{, "a": 1}', EXPECTING_VALUE],
    ['{"a": 1,}', EXPECTING_VALUE],
    ['{"a": 1,, "b": 1}', EXPECTING_VALUE],
    ['{"a": 1 "b": 1}', parseError('expected separator in dict')],
    ['{"a": 1: 2}', parseError('expected separator in dict')],
    ['[1 2]', parseError('expected separator in list')],
    ['[1:2]', parseError('expected separator in list')],
    ['[1,]', EXPECTING_VALUE],
    ['[,1]', EXPECTING_VALUE],
    ['[1,,2]', EXPECTING_VALUE],
    ['[nope, nopf]', parseError("invalid keyword 'nope'")],
    ['{"a": nope "b" \x01{}', stray('\x01'), value({})],
    ['{"a": 1, "a": 2}', parseError('duplicate key')],
    ['{"b": {"a": 1, "a": 2}}', parseError('duplicate key')],
    ['{"a": 1, "\\u0061": 2}', parseError('duplicate key')],
    ['{"a": 1, "a": nope}', parseError("invalid keyword 'nope'")],
    ['{"a": 1, "a": [1 2]}', parseError('expected separator in list')],
    ['{"__proto__": 1, "__proto__": 2}', parseError('duplicate key')],
    ['{"1": 1, "1": 2}', parseError('duplicate key')],
    ['{"a": {"a": 1}}', value({ a: { a: 1 } })],
  ]);
});

describe('escapes and UTF-8 in strings', () => {
  check([
    ['"\\"\\\\\\/\\b\\f\\n\\r\\t\\\'"', value('"\\/\b\f\n\r\t\'')],
    ['"\\u0041\\u00e9\\u20AC"', value('A\u00e9\u20ac')],
    ['"\\uD834\\udd1e"', value('\u{1d11e}')],
    ['"\\u12345"', value('\u12345')],
    ['"a\\u0000b\xc0\x80c"', value('a\0b\0c')],
    ['"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"', value('\u00e9 \u20ac \u{1f600}')],
    ['{"\xc3\xa9":1}', value({ '\u00e9': 1 })],
    ['"\xf4\x8f\xbf\xbd"', value('\u{10fffd}')],
    ['"\xed\x9f\xbf\xee\x80\x80"', value('\ud7ff\ue000')],
    ['"\xef\xb7\x8f\xef\xb7\xb0"', value('\ufdcf\ufdf0')],
    ['"\x80"', INVALID_UTF8],
    ['"\xc3("', INVALID_UTF8],
    ['"\xc0\xaf"', INVALID_UTF8],
    ['"\xc1\xbf"', INVALID_UTF8],
    ['"\xe0\x9f\xbf"', INVALID_UTF8],
    ['"\xf0\x8f\xbf\xbf"', INVALID_UTF8],
    ['"\xe0\x80\x80"', INVALID_UTF8],
    ['"\xed\xa0\x80"', INVALID_UTF8],
    ['"\xed\xbf\xbf"', INVALID_UTF8],
    ['"\xf8\x88\x80\x80\x80"', INVALID_UTF8],
    ['"\xf4\x90\x80\x80"', INVALID_UTF8],
    ['"\xe2\x82"', INVALID_UTF8],
    ['"\xef\xbf\xbf"', INVALID_UTF8],
    ['"\xef\xb7\x90"', INVALID_UTF8],
    ['"\xef\xb7\xaf"', INVALID_UTF8],
    ['"\xf0\x9f\xbf\xbe"', INVALID_UTF8],
    ['{"a": "\x80", "b": nope}', INVALID_UTF8],
    ['"\\x41"', INVALID_ESCAPE],
    ['"\\U0041"', INVALID_ESCAPE],
    ['"\\\xc3\xa9"', INVALID_ESCAPE],
    ['"\\ud83d"', notUnicode('\\ud83d')],
    ['"\\ude00"', notUnicode('\\ude00')],
    ['"\\ud83dx"', notUnicode('\\ud83d')],
    ['"\\ud83d\\n"', notUnicode('\\ud83d')],
    ['"\\ud83d\\ud83d"', notUnicode('\\ud83d')],
    ['"\\ud83d\\u0041"', notUnicode('\\ud83d')],
    ['"\\ud83d\\u"', notUnicode('\\ud83d')],
    ['"\\ud83f\\udffe"', notUnicode('\\ud83f\\udffe')],
    ['"\\ufffe"', notUnicode('\\ufffe')],
    ['"\\uFDD0"', notUnicode('\\uFDD0')],
    ['"\\u"', notUnicode('\\u"')],
    ['"\\u12"', notUnicode('\\u12"')],
    ["'\\u1'", notUnicode("\\u1'")],
    ['"\\u12G4"', notUnicode('\\u12G4')],
    ['"\\u1\xc3\xa9x"', notUnicode('\\u1\u00e9x')],
    ['"\\u123\xc3\xa9"', notUnicode('\\u123\ufffd')],
    ['"\\u-123"', notUnicode('\\u-123')],
    ['"\\u 123"', notUnicode('\\u 123')],
  ]);
});
