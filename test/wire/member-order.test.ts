import { describe, expect, it } from 'vitest';
import { bucketOf } from '../../src/core/dictionary-bucket.ts';
import { membersInWireOrder } from '../../src/wire/member-order.ts';
import type { WireObject } from '../../src/wire/values.ts';
import { latin1, piecesOf, readChunks } from './reading.ts';

describe('bucketOf', () => {
  it.each([
    ['timestamp', 26],
    ['event', 361],
    ['data', 505],
    ['return', 401],
    ['id', 486],
    ['error', 489],
    ['class', 211],
    ['desc', 377],
    ['seconds', 5],
    ['microseconds', 374],
    ['version', 184],
    ['capabilities', 216],
    ['qemu', 232],
    ['package', 326],
    ['major', 481],
    ['minor', 225],
    ['micro', 225],
    ['status', 202],
    ['singlestep', 202],
    ['running', 246],
    ['guest', 223],
    ['reason', 401],
    ['device', 49],
    ['path', 253],
    ['name', 39],
    ['type', 425],
    ['exec-oob', 162],
    ['execute', 299],
    ['arguments', 447],
  ])('of %s is %d', (name, bucket) => {
    expect(bucketOf(name)).toBe(bucket);
  });

  /** The definition, byte by byte in exact arithmetic. */
  function definition(bytes: readonly number[]): number {
    const MASK = 0xffff_ffffn;
    let sum = (0x238f13afn * BigInt(bytes.length)) & MASK;
    bytes.forEach((byte, index) => {
      sum = (sum + (BigInt(byte) << BigInt((index * 5) % 24))) & MASK;
    });
    return Number((1103515243n * sum + 12345n) & 511n);
  }

  it.each(['', 'a', 'x'.repeat(100_000), 'caf\u00e9', '\u20ac', '\u{1f600}', '\x7f'.repeat(40)])(
    'follows the definition (%#)',
    (name) => {
      expect(bucketOf(name)).toBe(definition([...Buffer.from(name, 'utf8')]));
    },
  );

  it('counts U+0000 as the two bytes C0 80', () => {
    expect(bucketOf('a\0b')).toBe(definition([0x61, 0xc0, 0x80, 0x62]));
  });
});

describe('membersInWireOrder', () => {
  function parsed(text: string, size: number): WireObject {
    const [outcome] = readChunks(piecesOf(latin1(text), size));
    return (outcome as { value: WireObject }).value;
  }

  it.each([
    ['{"b": 1, "a": 1, "c": 1}', 'a b c'],
    [
      '{"one":1,"two":2,"three":3,"four":4,"five":5,"six":6,"seven":7,"eight":8,"nine":9,"ten":10}',
      'ten four one three two six nine eight five seven',
    ],
    // In one bucket the one that came last is first.
    ['{"major": 7, "minor": 2, "micro": 22}', 'micro minor major'],
    ['{"micro": 7, "minor": 2, "major": 22}', 'minor micro major'],
    ['{"running": true, "singlestep": false, "status": ""}', 'status singlestep running'],
    ['{"only": 1}', 'only'],
    ['{}', ''],
  ])('of %s is %s', (text, order) => {
    expect(membersInWireOrder(parsed(text, Infinity)).join(' ')).toBe(order);
    expect(membersInWireOrder(parsed(text, 1)).join(' ')).toBe(order);
  });

  it('keeps the order of arrival even of names that look like array indices', () => {
    // Some two numbers that share a bucket; JavaScript itself enumerates the smaller one first either way.
    const seen = new Map<number, string>();
    let pair: [string, string] | undefined;
    for (let index = 0; pair === undefined; index++) {
      const other = seen.get(bucketOf(String(index)));
      if (other !== undefined) pair = [other, String(index)];
      seen.set(bucketOf(String(index)), String(index));
    }
    const [small, large] = pair;
    expect(membersInWireOrder(parsed(`{"${small}": 1, "${large}": 2}`, Infinity))).toEqual([large, small]);
    expect(membersInWireOrder(parsed(`{"${large}": 1, "${small}": 2}`, Infinity))).toEqual([small, large]);
  });
});
