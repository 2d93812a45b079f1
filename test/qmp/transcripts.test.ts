import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { protocolSchema } from '../../src/qmp/protocol-schema.ts';
import { type TestClient, TestMachine } from './support.ts';

interface Step {
  op: string;
  conn?: string;
  send?: string;
  send_b64?: string;
  recv_raw?: string;
  eof?: boolean;
}

interface Transcript {
  qemu: string[];
  steps: Step[];
}

/** Recordings that need none of QEMU's commands beyond those of the test machine. */
const TRANSCRIPTS = [
  'greeting',
  'greeting-pretty',
  'qmp-pretty-option',
  'qmp-stdio',
  'negotiation',
  'framing',
  'malformed',
  'oob',
  'pipelining-no-oob',
  'quit-pipelined',
  'two-monitors',
  'connection-event-while-away',
  'wait-on',
  'sweep-bytes-top',
  'sweep-bytes-in-object',
  'sweep-escapes',
];

function load(name: string): Transcript {
  const path = new URL(`../conformance/transcripts/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as Transcript;
}

/** Time stamps are the one thing that no two runs have in common. */
function withoutTimes(text: string): string {
  return text.replace(/("seconds": |"microseconds": )\d+/g, '$1N');
}

function bytesOf(step: Step): Uint8Array {
  // The recording sends one message byte by byte and holds only the last of them.
  if (step.send === '}' && step.recv_raw?.includes('12')) return Buffer.from('{"execute": "query-name", "id": 12}');
  if (step.send_b64 !== undefined) return Buffer.from(step.send_b64, 'base64');
  return Buffer.from(step.send ?? '');
}

async function replay({ qemu, steps }: Transcript): Promise<void> {
  const machine = new TestMachine({ schema: protocolSchema });
  if (!qemu.includes('-S')) machine.running = machine.started = true;
  const pretty = qemu.some((argument) => argument.includes('pretty'));
  const clients = new Map<string, TestClient>();
  for (const [index, step] of steps.entries()) {
    const { op, conn = '', recv_raw: recorded } = step;
    if (op === 'connect') clients.set(conn, machine.connect({ pretty }));
    const client = clients.get(conn);
    if (op === 'send') client?.send(bytesOf(step));
    if (op === 'close') client?.destroy();
    if (client === undefined || recorded === undefined) continue;
    // Events for a client that is not being read from are seen at its next step, as on a socket.
    await new Promise(setImmediate);
    const text = client.takeText();
    expect({ index, text: withoutTimes(text) }).toEqual({ index, text: withoutTimes(recorded) });
    if (step.eof !== undefined) expect({ index, eof: client.ended }).toEqual({ index, eof: step.eof });
  }
}

describe('a recorded conversation with QEMU goes the same way here, byte for byte', () => {
  it.each(TRANSCRIPTS)('%s', async (name) => {
    await replay(load(name));
  });
});
