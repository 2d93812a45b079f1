import { describe, expect, it } from 'vitest';
import { MessageReader } from '../../src/wire/message-reader.ts';
import { latin1, type Outcome, recordingReader, stray, value } from './reading.ts';

describe('pause and resume', () => {
  it('stops after any message and keeps the rest of the bytes', () => {
    const outcomes: Outcome[] = [];
    const reader: MessageReader = new MessageReader({
      value: (delivered) => {
        outcomes.push({ value: delivered });
        reader.pause();
      },
      error: (desc) => {
        outcomes.push({ error: desc });
        reader.pause();
      },
    });
    reader.push(latin1('{"a":1}{"a":2}@\n["x"] 5 {"a'));
    const expected = [value({ a: 1 }), value({ a: 2 }), stray('@'), value(['x']), value(5)];
    for (let count = 1; count <= expected.length; count++) {
      expect(outcomes).toStrictEqual(expected.slice(0, count));
      expect(reader.paused).toBe(true);
      expect(reader.hasUnread).toBe(true);
      if (count === 2) reader.push(latin1('":6}'));
      reader.resume();
    }
    expect(outcomes).toStrictEqual([...expected, value({ a: 6 })]);
    expect(reader.hasUnread).toBe(false);
  });

  it('delivers nothing while paused, however much comes', () => {
    const { reader, outcomes } = recordingReader();
    reader.pause();
    reader.push(latin1('{"a":1}'));
    reader.push(latin1('@'));
    expect(outcomes).toStrictEqual([]);
    reader.resume();
    expect(outcomes).toStrictEqual([value({ a: 1 }), stray('@')]);
  });

  it('goes on in the same loop when a delivery resumes or pushes', () => {
    const order: string[] = [];
    const reader: MessageReader = new MessageReader({
      value: (delivered) => {
        order.push(`begin ${JSON.stringify(delivered)}`);
        reader.pause();
        if (order.length === 1) reader.push(latin1('[3]'));
        reader.resume();
        order.push(`end ${JSON.stringify(delivered)}`);
      },
      error: (desc) => order.push(desc),
    });
    reader.push(latin1('[1][2]'));
    expect(order).toStrictEqual(['begin [1]', 'end [1]', 'begin [2]', 'end [2]', 'begin [3]', 'end [3]']);
  });

  it('can be used again after a delivery has thrown, and has not lost its place', () => {
    const outcomes: Outcome[] = [];
    const reader = new MessageReader({
      value: (delivered) => {
        if (delivered === 'boom') throw new Error('boom');
        outcomes.push({ value: delivered });
      },
      error: (desc) => outcomes.push({ error: desc }),
    });
    expect(() => {
      reader.push(latin1('"boom" [1]'));
    }).toThrow('boom');
    reader.push(latin1('[2]'));
    expect(outcomes).toStrictEqual([value([1]), value([2])]);
  });
});

describe('push', () => {
  it('takes any view of bytes, an empty one too', () => {
    const { reader, outcomes } = recordingReader();
    const bytes = new Uint8Array([0x40, ...latin1('{"a":1}"b'), 0x40]);
    reader.push(new Uint8Array(0));
    reader.push(new Uint8Array(bytes.buffer, 1, 9));
    reader.push(new Uint8Array(latin1('"')));
    expect(outcomes).toStrictEqual([value({ a: 1 }), value('b')]);
  });
});

describe('reset', () => {
  it.each(['{"a": [', '"abc', '@', '12', 'tru', '{{{{'])('forgets %s', (unfinished) => {
    const { reader, outcomes } = recordingReader();
    reader.push(latin1(unfinished));
    outcomes.length = 0;
    reader.reset();
    reader.push(latin1('garbage '));
    reader.push(latin1('{}'));
    expect(outcomes).toStrictEqual([{ error: "JSON parse error, invalid keyword 'garbage'" }, value({})]);
  });

  it('forgets what a paused reader has not read, and a delivery may do it', () => {
    const outcomes: Outcome[] = [];
    const reader: MessageReader = new MessageReader({
      value: (delivered) => {
        outcomes.push({ value: delivered });
        reader.reset();
      },
      error: (desc) => outcomes.push({ error: desc }),
    });
    reader.push(latin1('[1][2][3]'));
    reader.pause();
    reader.push(latin1('[4]'));
    reader.reset();
    expect(reader.paused).toBe(false);
    reader.push(latin1('[5]'));
    expect(outcomes).toStrictEqual([value([1]), value([5])]);
  });
});
