import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canonicalOrder, encode, encodeLine } from '../../src/wire/encoder.ts';
import { MessageReader } from '../../src/wire/message-reader.ts';
import { isWireObject, type WireValue } from '../../src/wire/values.ts';

interface Step {
  readonly op: string;
  readonly send?: string;
  readonly send_b64?: string;
  readonly recv?: readonly WireValue[];
  readonly recv_raw?: string;
  readonly text?: string;
}

/** Conversations recorded from QEMU 7.2.22 after negotiation without out-of-band execution. */
const names = ['malformed', 'framing', 'sweep-bytes-top', 'sweep-bytes-in-object', 'sweep-escapes', 'escaping'];

function stepsOf(name: string): Step[] {
  const file = new URL(`../fixtures/qmp/${name}.json`, import.meta.url);
  const { steps } = JSON.parse(readFileSync(file, 'utf8')) as { steps: Step[] };
  return steps.flatMap((step, index) => {
    if (step.op !== 'send') return [];
    // The recorder wrote down the last one only of the bytes that it sent singly.
    const isLastByte = steps[index - 1]?.text === 'one message byte by byte';
    return [isLastByte ? { ...step, send: '{"execute": "query-name", "id": 12}' } : step];
  });
}

/** The recorder wrote bytes as Latin-1, or in Base64 where that might not survive. */
function bytesOf(step: Step): Buffer {
  if (step.send_b64 !== undefined) return Buffer.from(step.send_b64, 'base64');
  return Buffer.from(step.send ?? '', 'latin1');
}

const NO_OBJECT = 'QMP input must be a JSON object';

/** What a reply says of how its request was read: the sentence of a refusal to read it, else the request's id. */
function readingOf(reply: WireValue): string {
  if (!isWireObject(reply)) return '?';
  const error = reply['error'];
  const desc = isWireObject(error) ? error['desc'] : undefined;
  if (typeof desc === 'string' && (desc.startsWith('JSON ') || desc === NO_OBJECT)) return desc;
  return 'id' in reply ? `id ${encode(canonicalOrder(reply['id']))}` : 'object';
}

function requestReading(request: WireValue): string {
  if (!isWireObject(request)) return NO_OBJECT;
  return 'id' in request ? `id ${encode(canonicalOrder(request['id']))}` : 'object';
}

function expectedOf(step: Step): string[] {
  // The text is parsed by our own reader, since JSON.parse would not tell 1 from 1.0.
  const expected: string[] = [];
  const reader = new MessageReader({
    value: (reply) => expected.push(readingOf(reply)),
    error: (desc) => expected.push(`unreadable reply: ${desc}`),
  });
  reader.push(Buffer.from(step.recv_raw ?? '', 'latin1'));
  return expected;
}

describe.each(names)('QEMU conversation %s', (name) => {
  const steps = stepsOf(name);

  it.each([
    ['whole', Infinity],
    ['byte by byte', 1],
    ['in threes', 3],
  ])('is read as QEMU reads it, fed %s', (_, size) => {
    let readings: string[] = [];
    const reader = new MessageReader({
      value: (request) => readings.push(requestReading(request)),
      error: (desc) => readings.push(desc),
    });
    for (const step of steps) {
      readings = [];
      const bytes = bytesOf(step);
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
      expect({ step, readings }).toEqual({ step, readings: expectedOf(step) });
    }
  });

  it('has replies that encode to the bytes that QEMU wrote', () => {
    for (const step of steps) {
      let text = '';
      const reader = new MessageReader({
        value: (reply) => {
          text += encodeLine(canonicalOrder(reply));
        },
        error: (desc) => {
          text += desc;
        },
      });
      reader.push(Buffer.from(step.recv_raw ?? '', 'latin1'));
      expect(text).toBe(step.recv_raw ?? '');
    }
  });
});
