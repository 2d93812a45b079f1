import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.ts';
import { canonicalOrder, encodeLine } from '../../src/wire/encoder.ts';
import { isWireObject, type WireValue } from '../../src/wire/values.ts';
import { systemProgram } from '../support/system-program.ts';
import { latin1, readChunks } from './reading.ts';

const MARK = 'the end of one case';
/** Whatever state an input leaves the stream in, this ends it, and the reply to it is told from all others. */
const END_OF_CASE = latin1(`\n\x01\n{"execute": "query-name", "id": "${MARK}"}\n`);

/** A QEMU without a machine, after negotiation, asked one input at a time. */
class Qemu {
  readonly #socket: Socket;
  #received = '';

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => (this.#received += text));
  }

  /** The lines that QEMU answers to the input. */
  async ask(input: Buffer): Promise<string[]> {
    this.#socket.write(Buffer.concat([input, END_OF_CASE]));
    const last = `{"return": {}, "id": "${MARK}"}\r\n`;
    while (!this.#received.endsWith(last)) await once(this.#socket, 'data');
    const answer = this.#received.slice(0, -last.length);
    this.#received = '';
    return answer.split(/(?<=\r\n)/);
  }
}

async function withQemu(path: string, body: (qemu: Qemu) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'viommud-wire-'));
  const address = join(folder, 'qmp.sock');
  const options = ['-M', 'none', '-nodefaults', '-display', 'none', '-S', '-qmp', `unix:${address},server=on,wait=off`];
  const child = spawn(path, options, { stdio: 'ignore' });
  try {
    while (!existsSync(address) && child.exitCode === null) await sleep(20);
    const socket = connect(address);
    await once(socket, 'data');
    const qemu = new Qemu(socket);
    await qemu.ask(latin1('{"execute": "qmp_capabilities"}'));
    await body(qemu);
    socket.destroy();
  } finally {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true });
  }
}

const LACKS = "QMP input lacks member 'execute'";

const error = (desc: string, errorClass = 'GenericError'): object => ({ error: { class: errorClass, desc } });

/** The lines that a server answers which has no command but query-name. */
function expectedAnswer(input: Buffer): string[] {
  const lines = readChunks([Buffer.concat([input, END_OF_CASE])]).map((outcome) =>
    'error' in outcome ? encodeLine(error(outcome.error)) : answerTo(outcome.value),
  );
  return lines.slice(0, -1);
}

function answerTo(request: WireValue): string {
  if (!isWireObject(request)) return encodeLine(error('QMP input must be a JSON object'));
  if (request['execute'] !== 'nope') return encodeLine(error(LACKS));
  const refusal = error('The command nope has not been found', 'CommandNotFound');
  return encodeLine('id' in request ? { id: canonicalOrder(request['id']), ...refusal } : refusal);
}

const pieces = [
  ...Array.from('{}[]:,{}[]:,"\'-0123456789.eE+ \t\n\r\\/@%auz'),
  ...['true', 'false', 'null', 'nul', '"a"', "'b'", '"a": ', '"\\u00e9"', '"\\u12"', '"\\ud83d\\ude00"', '"\\ud83d"'],
  ...['"\xc3\xa9"', '"\xc0\x80"', '"\xed\xa0\x80"', '"\xf8\x88\x80\x80\x80"', '"\xef\xbf\xbf"', '\xc3', '\xa9', '\xfe'],
  ...['\x00', '\x01', '\xff', '1.5', '-0', '1e5', '18446744073709551615', '[1, 2]', '{"x": 1}', '[[[', ']]]', '}}}'],
];

/** Inputs that are mostly broken. */
function soup(random: SeededRandom): Buffer {
  let text = '';
  for (let count = random.below(14) + 1; count > 0; count--) text += pieces[random.below(pieces.length)]!;
  return latin1(text);
}

describe('beside a running QEMU', () => {
  const qemu = systemProgram('qemu-system-x86_64');

  it.skipIf(qemu.missing)(qemu.title('broken input is answered with the same errors'), async () => {
    await withQemu(qemu.path, async (peer) => {
      const random = new SeededRandom(20_170_403);
      const fixed = [
        '['.repeat(1024) + ']'.repeat(1024),
        '['.repeat(1025) + ']'.repeat(1025),
        '{"a":'.repeat(1025),
        'z'.repeat(3000),
        `{"a": ${'1'.repeat(3000)}}`,
        `"${'\u00e9'.repeat(3000)}\x01`,
      ];
      const inputs = [...fixed.map(latin1), ...Array.from({ length: 1200 }, () => soup(random))];
      for (const input of inputs) {
        // Members other than execute and id are the next layer's matter, and so are requests that it would run.
        const expected = expectedAnswer(input).join('');
        const answer = (await peer.ask(input)).join('').replaceAll(/QMP input member '.*?' is unexpected/g, LACKS);
        expect({ input: input.toString('latin1'), answer }).toEqual({
          input: input.toString('latin1'),
          answer: expected,
        });
      }
    });
  });

  it.skipIf(qemu.missing)(qemu.title('any id is echoed in the same bytes'), async () => {
    const name = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.nat(99).map(String), fc.constant('__proto__'));
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((of) => JSON.stringify(of)),
      fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String),
      fc.constantFrom('-0.0', '-0', '1.0', '1e3', '1e-400', '1234567890123456.25', '9007199254740993'),
    );
    const { document } = fc.letrec<{ document: string }>((tie) => ({
      document: fc.oneof(
        { depthSize: 'medium' },
        fc.oneof(number, fc.constantFrom('true', 'null')),
        name.map((text) => JSON.stringify(text)),
        fc.array(tie('document'), { maxLength: 5 }).map((items) => `[${items.join()}]`),
        fc
          .uniqueArray(fc.tuple(name, tie('document')), { maxLength: 9, selector: ([key]) => key })
          .map((members) => `{${members.map(([key, of]) => `${JSON.stringify(key)}:${of}`).join()}}`),
      ),
    }));
    const ids = fc.sample(document, { numRuns: 600, seed: 7 });
    await withQemu(qemu.path, async (peer) => {
      for (const id of ids) {
        const input = Buffer.from(`{"execute": "nope", "id": ${id}}`);
        expect({ id, answer: (await peer.ask(input)).join('') }).toEqual({
          id,
          answer: expectedAnswer(input).join(''),
        });
      }
    });
  });
});
