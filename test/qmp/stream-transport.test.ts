import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { StreamTransport } from '../../src/qmp/stream-transport.ts';

const FULL_READ = 64 * 1024;

interface Opened {
  readonly input: PassThrough;
  readonly output: PassThrough;
  readonly transport: StreamTransport;
  readonly received: number[];
}

function open(onBytes: (count: number) => void = () => {}): Opened {
  const input = new PassThrough({ highWaterMark: 16 * FULL_READ });
  const output = new PassThrough({ highWaterMark: 1024 });
  const transport = new StreamTransport(input, output, { probe: false });
  const received: number[] = [];
  transport.open({
    receive: (bytes) => {
      received.push(bytes.length);
      onBytes(bytes.length);
    },
    inputEnded: () => void received.push(-1),
    drained: () => {},
    closed: () => {},
  });
  return { input, output, transport, received };
}

describe('a client that floods us', () => {
  it('is read from once a turn of the event loop, so that others get theirs', async () => {
    let turns = 0;
    const seen: number[] = [];
    const { input, received } = open(() => seen.push(turns));
    for (let reads = 0; reads < 4; reads++) input.write(Buffer.alloc(FULL_READ));
    input.end(Buffer.alloc(5));
    for (let tries = 0; tries < 50 && received.at(-1) !== -1; tries++) {
      await turn();
      turns += 1;
    }
    expect(received).toEqual([FULL_READ, FULL_READ, FULL_READ, FULL_READ, 5, -1]);
    expect(seen.at(3)! - seen[0]!).toBeGreaterThanOrEqual(2);
  });

  it('stays paused where the session has paused it', async () => {
    const { input, transport, received } = open((bytes) => {
      if (bytes === FULL_READ) transport.pauseInput();
    });
    input.write(Buffer.alloc(FULL_READ));
    input.write(Buffer.alloc(7));
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(received).toEqual([FULL_READ]);
    transport.resumeInput();
    for (let turns = 0; turns < 5; turns++) await turn();
    expect(received).toEqual([FULL_READ, 7]);
  });
});

describe('output', () => {
  it('comes out whole and in order, whether it could go at once, had to wait or is long', async () => {
    const { output, transport } = open();
    const pieces = ['a', 'b'.repeat(5000), 'c', `${'d'.repeat(70_000)}\u00ff`, 'e'];
    for (const piece of pieces) transport.write(piece);
    let text = '';
    output.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    for (let turns = 0; turns < 10 && transport.unsent > 0; turns++) await turn();
    expect(text).toBe(pieces.join(''));
  });
});
