import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineFramer } from '../../src/qtest/line-framer.ts';
import { signed64, unsigned64 } from '../../src/qtest/numbers.ts';
import { Conversation } from './support.ts';

const commands = [
  'clock_step',
  'clock_set',
  'irq_intercept_in',
  'irq_intercept_out',
  'set_irq_in',
  'inb',
  'inw',
  'inl',
  'outb',
  'outw',
  'outl',
  'readb',
  'readw',
  'readl',
  'readq',
  'writeb',
  'writew',
  'writel',
  'writeq',
  'read',
  'write',
  'b64read',
  'b64write',
  'memset',
  'endianness',
  'module_load',
  'nonsense',
  '',
];

const address = fc.nat({ max: 0x1_ffff }).map((value) => `0x${value.toString(16)}`);
const word = fc.oneof(
  address,
  fc.bigInt(-(2n ** 65n), 2n ** 65n).map(String),
  fc.nat({ max: 4096 }).map(String),
  fc.constantFrom('ioapic', 'unnamed-gpio-in', '0x', '-', '', 'AQID', '0xa1b2c3', '\r', '\0', '٣'),
  fc.string({ maxLength: 8 }),
);
const line = fc
  .tuple(fc.constantFrom(...commands), fc.array(word, { maxLength: 5 }))
  .map(([name, words]) => [name, ...words].join(' ').replaceAll('\n', ''));

describe('qtest lines', () => {
  it('are answered alike wherever the stream of bytes is cut', () => {
    const conversation = ['writel 0x10 0x1234', 'readl 0x10', 'foo', '', 'irq_intercept_in ioapic', 'read 0x10 4', 'x'];
    const bytes = Buffer.from(`${conversation.join('\n')}\n`);
    const whole = new Conversation();
    whole.session.push(bytes);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const pieces = new Conversation();
      pieces.session.push(bytes.subarray(0, cut));
      pieces.session.push(bytes.subarray(cut));
      expect(pieces.sent).toBe(whole.sent);
    }
    const single = new Conversation();
    for (const byte of bytes) single.session.push(Uint8Array.of(byte));
    expect(single.sent).toBe(whole.sent);
  });

  it('get one answer each, and never an internal error, whatever they say', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), (lines) => {
        const conversation = new Conversation();
        for (const text of lines) {
          const answers = conversation
            .ask(text)
            .split('\n')
            .filter((answer) => !answer.startsWith('IRQ '));
          expect(answers).toHaveLength(1);
          expect(answers[0]).toMatch(/^(OK|FAIL|ERR)( |$)/);
        }
        expect(conversation.internalErrors).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const conversation = new Conversation();
        for (const chunk of chunks) conversation.session.push(chunk);
        const lines = chunks.flatMap((chunk) => [...chunk]).filter((byte) => byte === 0x0a).length;
        expect(conversation.sent.split('\n').length - 1).toBe(lines);
        conversation.sent = '';
        conversation.session.push(Buffer.from('\nendianness\n'));
        expect(conversation.sent).toMatch(/\nOK little\n$/);
      }),
    );
  });

  it('of memory words come back as they were written', () => {
    const sizes = fc.constantFrom(['b', 1], ['w', 2], ['l', 4], ['q', 8]) as fc.Arbitrary<[string, number]>;
    fc.assert(
      fc.property(sizes, fc.nat({ max: 0xfff0 }), fc.bigInt(0n, 2n ** 64n - 1n), ([suffix, size], at, value) => {
        const conversation = new Conversation();
        expect(conversation.ask(`write${suffix} ${at} ${value}`)).toBe('OK');
        const expected = BigInt.asUintN(8 * size, value)
          .toString(16)
          .padStart(16, '0');
        expect(conversation.ask(`read${suffix} ${at}`)).toBe(`OK 0x${expected}`);
      }),
    );
  });

  it('of blocks come back as they were written, in both encodings', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        const block = Buffer.from(bytes);
        const conversation = new Conversation();
        conversation.ask(`write 0x100 ${block.length} 0x${block.toString('hex')}`);
        expect(conversation.ask(`b64read 0x100 ${block.length}`)).toBe(`OK ${block.toString('base64')}`);
        conversation.ask(`b64write 0x800 ${block.length} ${block.toString('base64')}`);
        expect(conversation.ask(`read 0x800 ${block.length}`)).toBe(`OK 0x${block.toString('hex')}`);
      }),
    );
  });
});

describe('line framer', () => {
  it('drops a line above its limit, says so once, and goes on with the next', () => {
    const seen: string[] = [];
    const framer = new LineFramer({ line: (text) => seen.push(text), tooLong: () => seen.push('(too long)') }, 4);
    for (const chunk of ['abcd\nabcde', 'fghijklmnop', 'q\nxy', 'z\n\n']) framer.push(Buffer.from(chunk));
    expect(seen).toEqual(['abcd', '(too long)', 'xyz', '']);
  });

  it('keeps nothing of the caller’s buffer', () => {
    const seen: string[] = [];
    const framer = new LineFramer({ line: (text) => seen.push(text), tooLong: () => {} }, 100);
    const buffer = Buffer.from('abc');
    framer.push(buffer);
    buffer.fill(0);
    framer.push(Buffer.from('\n'));
    expect(seen).toEqual(['abc']);
  });
});

describe('numbers of the protocol', () => {
  it('are read as C reads them', () => {
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 66n), 2n ** 66n), (value) => {
        const sign = value < 0n ? '-' : '';
        const magnitude = value < 0n ? -value : value;
        const fits = magnitude < 2n ** 64n;
        for (const text of [`${magnitude}`, `0x${magnitude.toString(16)}`, `0${magnitude.toString(8)}`]) {
          expect(unsigned64(sign + text)).toBe(fits ? BigInt.asUintN(64, value) : null);
          expect(signed64(sign + text)).toBe(BigInt.asIntN(64, value) === value ? value : null);
        }
      }),
    );
  });

  it.each(['', '0x', '08', '12x', '1 ', '--1', '+-1', '1e3', '0b1', '0o7', 'x1', '٣'])('refuse %j', (text) => {
    expect(unsigned64(text)).toBeNull();
    expect(signed64(text)).toBeNull();
  });
});
