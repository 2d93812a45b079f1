import { describe, expect, it } from 'vitest';
import { latin1, type Outcome, piecesOf, readChunks, recordingReader, value } from './reading.ts';

const MIB = 1024 * 1024;
const DEPTH = { error: 'JSON nesting depth limit exceeded' };
const COUNT = { error: 'JSON token count limit exceeded' };
const SIZE = { error: 'JSON token size limit exceeded' };
const EXPECTING_VALUE = { error: 'JSON parse error, expecting value' };

/** Large inputs are not compared as values but by what matters of them. */
function summary(outcomes: readonly Outcome[]): string[] {
  return outcomes.map((outcome) => {
    if ('error' in outcome) return outcome.error;
    return typeof outcome.value === 'string' ? `string of ${outcome.value.length}` : typeof outcome.value;
  });
}

describe('nesting', () => {
  it.each([
    ['brackets', '[', ']', 1024, ''],
    ['braces', '{"a":', '}', 1024, '0'],
    ['both', '[{"a":', '}]', 512, '0'],
  ])('is accepted to a depth of 1024: %s', (_, open, close, times, inner) => {
    const input = latin1(open.repeat(times) + inner + close.repeat(times));
    expect(summary(readChunks([input]))).toStrictEqual(['object']);
    expect(summary(readChunks(piecesOf(input, 1)))).toStrictEqual(['object']);
  });

  it('is refused at the 1025th opener, and each closer is then an error of its own', () => {
    const input = latin1(`${'['.repeat(1025)}${']'.repeat(1025)}{}`);
    expect(readChunks([input])).toStrictEqual([DEPTH, ...new Array<Outcome>(1025).fill(EXPECTING_VALUE), value({})]);
  });
});

describe('token count', () => {
  // An opener, a value, then pairs of comma and value, and the closer.
  const list = (tokens: number): Buffer => latin1(`[0${',0'.repeat((tokens - 3) / 2)}]`);

  it('accepts 2097151 tokens in a list, and takes 2097152 for what they are', () => {
    expect(summary(readChunks([list(2_097_151)]))).toStrictEqual(['object']);
    const withEmptyLast = latin1(`[${'0,'.repeat((2_097_152 - 2) / 2)}]`);
    expect(readChunks([withEmptyLast])).toStrictEqual([EXPECTING_VALUE]);
  });

  it('refuses the 2097153rd and reads on', () => {
    expect(readChunks([list(2_097_153), latin1('{}')])).toStrictEqual([COUNT, value({})]);
  });
});

describe('token size', () => {
  const chunk = Buffer.alloc(MIB, 'a');
  const push = (reader: { push(bytes: Uint8Array): void }, bytes: number): void => {
    for (let left = bytes; left > 0; left -= MIB) reader.push(chunk.subarray(0, Math.min(left, MIB)));
  };

  it('accepts a string token of 64 MiB less one byte and refuses one of 64 MiB', () => {
    const { reader, outcomes } = recordingReader();
    reader.push(latin1('"'));
    push(reader, 64 * MIB - 3);
    reader.push(latin1('"'));
    expect(summary(outcomes)).toStrictEqual([`string of ${64 * MIB - 3}`]);
    outcomes.length = 0;
    reader.push(latin1('"'));
    push(reader, 64 * MIB - 2);
    reader.push(latin1('"{}'));
    expect(outcomes).toStrictEqual([SIZE, value({})]);
  });

  it('gives a token up in its middle when it grows beyond 64 MiB; the rest of it is read afresh', () => {
    const { reader, outcomes } = recordingReader();
    reader.push(latin1('["'));
    push(reader, 64 * MIB - 1);
    expect(outcomes).toStrictEqual([]);
    reader.push(latin1('a'));
    expect(outcomes).toStrictEqual([SIZE]);
    reader.push(latin1('bcd "x" ]{}'));
    expect(outcomes.slice(1)).toStrictEqual([
      { error: "JSON parse error, invalid keyword 'bcd'" },
      value('x'),
      EXPECTING_VALUE,
      value({}),
    ]);
  });

  it('counts all tokens of a message together', () => {
    const { reader, outcomes } = recordingReader();
    const list = (elements: number): void => {
      reader.push(latin1('['));
      for (let index = 0; index < elements; index++) {
        reader.push(latin1('"'));
        push(reader, MIB - 3);
        reader.push(latin1('",'));
      }
      reader.push(latin1('0]'));
    };
    list(63);
    expect(summary(outcomes)).toStrictEqual(['object']);
    outcomes.length = 0;
    list(64);
    expect(outcomes).toStrictEqual([SIZE, EXPECTING_VALUE, value(0), EXPECTING_VALUE]);
  });
});
