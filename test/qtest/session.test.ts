import { describe, expect, it } from 'vitest';
import { Conversation, FlatTarget } from './support.ts';

/** Lines and what QEMU 7.2.22 answered to them, in this order on one connection, on a machine whose RAM was zero. */
const measured: readonly [line: string, answer: string][] = [
  ['readb 0', 'OK 0x0000000000000000'],
  ['writeb 0x1000 0x12', 'OK'],
  ['writeb 0x1000 0x1234', 'OK'],
  ['readb 0x1000', 'OK 0x0000000000000034'],
  ['writeb 0x1000 -1', 'OK'],
  ['readb 4096', 'OK 0x00000000000000ff'],
  ['readb 010000', 'OK 0x00000000000000ff'],
  ['readb +5', 'OK 0x0000000000000000'],
  ['writeq 0x1000 0x1122334455667788', 'OK'],
  ['readq 0x1000', 'OK 0x1122334455667788'],
  ['read 0x1000 8', 'OK 0x8877665544332211'],
  ['read 0x1000 1', 'OK 0x88'],
  ['b64read 0x1000 8', 'OK iHdmVUQzIhE='],
  ['b64write 0x1000 4 AQIDBA==', 'OK'],
  ['read 0x1000 8', 'OK 0x0102030444332211'],
  ['write 0x1000 4 0xa1b2c3d4', 'OK'],
  ['read 0x1000 8', 'OK 0xa1b2c3d444332211'],
  ['write 0x1000 4 0xa1b2', 'OK'],
  ['read 0x1000 8', 'OK 0xa1b2000044332211'],
  ['write 0x1000 2 0xa1b2c3d4', 'OK'],
  ['read 0x1000 8', 'OK 0xa1b2000044332211'],
  ['write 0x1000 4 0xabc', 'OK'],
  ['read 0x1000 4', 'OK 0xab000000'],
  ['write 0x1000 0 0xabc', 'OK'],
  ['write 0x1000 2 0x', 'ERR invalid argument size'],
  ['b64read 0x1000 0', 'OK '],
  ['memset 0x1000 0x8 0xff', 'OK'],
  ['read 0x1000 8', 'OK 0xffffffffffffffff'],
  ['memset 0x1000 0 0xff', 'OK'],
  ['memset 0x1000 4 0x1ff', 'OK'],
  ['writeq 0x1000 -2', 'OK'],
  ['readq 0x1000', 'OK 0xfffffffffffffffe'],
  ['endianness', 'OK little'],
  ['endianness foo', 'OK little'],
  ['readl 0x1000 junk', 'OK 0x00000000fffffffe'],
  ['readl 0x1000 ', 'OK 0x00000000fffffffe'],
  ['foo', "FAIL Unknown command 'foo'"],
  ['foo bar', "FAIL Unknown command 'foo'"],
  [' ', "FAIL Unknown command ''"],
  ['  readl 0x1000', "FAIL Unknown command ''"],
  ['READL 0x1000', "FAIL Unknown command 'READL'"],
  ['readl\t0x1000', "FAIL Unknown command 'readl\t0x1000'"],
  ['\xff\xfe', "FAIL Unknown command '\xff\xfe'"],
  ['rtas x 1 2 3 4 5', "FAIL Unknown command 'rtas'"],
  ['irq_intercept_in nowhere', 'FAIL Unknown device'],
  ['irq_intercept_in ioapic', 'OK'],
  ['set_irq_in /machine/nowhere unnamed-gpio-in 4 1', 'FAIL Unknown device'],
  ['set_irq_in ioapic unnamed-gpio-in 4 1', 'IRQ raise 4\nOK'],
  ['set_irq_in ioapic unnamed-gpio-in 4 0', 'IRQ lower 4\nOK'],
  ['module_load ui-gtk x', 'FAIL'],
  ['outb 0xcf8 0x1ff', 'OK'],
  ['inb 0xcf8', 'OK 0x00ff'],
  ['outl 0xcfc 0x11e81234', 'OK'],
  ['inl 0xcfc', 'OK 0x11e81234'],
];

/** Lines at which QEMU's process ends with a failed assertion. */
const fatalInQemu = [
  '',
  'readb',
  'readb ',
  'readb 0x',
  'readb x',
  'readb 12x',
  'readb 08',
  'readl 0xfffffffffffffffff',
  'writeb 0x1000',
  'writeb 0x1000 zz',
  'writeq 0x1000 0xffffffffffffffffff',
  'read 0x1000',
  'read 0x1000 zz',
  'read 0x1000 -1',
  'read 0x1000 0x-8',
  'write 0x1000 4',
  'memset 0x1000 zz 0',
  'memset 0x1000 4',
  'memset 0x1000 4 zz',
  'irq_intercept_in',
  'set_irq_in ioapic unnamed-gpio-in 4',
  'set_irq_in ioapic unnamed-gpio-in zz 1',
  'set_irq_in ioapic unnamed-gpio-in 24 1',
  'set_irq_in ioapic nope 4 1',
  'module_load x',
  'outb 0x80',
  'outb 0x80 zz',
  'inb zz',
  'inb 0x10000',
  'outl 0x10000 1',
];

describe('qtest session', () => {
  it('answers as QEMU does', () => {
    const conversation = new Conversation();
    expect(measured.map(([line]) => [line, conversation.ask(line)])).toEqual(measured);
  });

  it.each(fatalInQemu)('answers %j, which ends a QEMU, with a sentence', (line) => {
    const conversation = new Conversation();
    expect(conversation.ask(line)).toMatch(/^FAIL ./);
    expect(conversation.ask('endianness')).toBe('OK little');
    expect(conversation.internalErrors).toEqual([]);
  });

  it('names what is wrong, the value and the limit', () => {
    const conversation = new Conversation();
    const ask = (line: string): string => conversation.ask(line);
    expect(ask('readl 12x')).toBe("FAIL readl: ADDRESS '12x' is not a number of 64 bits");
    expect(ask('writel 0')).toBe('FAIL writel: VALUE is missing');
    expect(ask('inb 0x10000')).toBe('FAIL inb: PORT 0x10000 is above 0xffff');
    expect(ask('read 0 0x100000000')).toBe('FAIL read: SIZE 0x100000000 is above 0x4000000; split it');
    expect(ask('write 0 2 a1b2')).toBe('FAIL write: DATA is not of the form 0x and hexadecimal digits');
    expect(ask('b64write 0 2 !!!!')).toBe('FAIL b64write: DATA is not Base64');
    expect(ask('clock_set zz')).toBe("FAIL clock_set: NANOSECONDS 'zz' is not a signed number of 64 bits");
  });

  it('takes several spaces between words, and CR LF', () => {
    const conversation = new Conversation();
    expect(conversation.ask('writel   0x10  0x5')).toBe('OK');
    expect(conversation.ask('readl 0x10\r')).toBe('OK 0x0000000000000005');
  });

  it('makes one access of a word, and one of a block', () => {
    const conversation = new Conversation();
    const { target } = conversation;
    const ask = (line: string): string => conversation.ask(line);
    for (const line of ['readb 0', 'readw 0', 'readl 0', 'readq 0', 'writeq 0 1', 'read 0 100']) ask(line);
    expect(target.accesses).toEqual([1, 2, 4, 8, 8, 100]);
  });

  it('fills in pieces', () => {
    const conversation = new Conversation();
    expect(conversation.ask('memset 0x10 0x280000 0xab')).toBe('OK');
    expect(conversation.target.accesses).toEqual([0x10_0000, 0x10_0000, 0x8_0000]);
    expect(conversation.target.memory[0x10]).toBe(0xab);
  });

  it('opens one operation for each line, and none for those of the clock, whose timers are operations', () => {
    const conversation = new Conversation();
    const { target } = conversation;
    const ask = (line: string): string => conversation.ask(line);
    ask('readb 0');
    ask('writeb 0 1');
    ask('foo');
    ask('clock_step 10');
    expect(target.operations.last).toBe(2);
  });

  it('steps and sets the clock, and answers the new time', () => {
    const conversation = new Conversation();
    expect(conversation.ask('clock_step 1000')).toBe('OK 1000');
    expect(conversation.ask('clock_step')).toBe('OK 1007');
    expect(conversation.ask('clock_set 5000000000')).toBe('OK 5000000000');
    expect(conversation.ask('clock_set 5')).toBe('OK 5000000000');
    expect(conversation.ask('clock_step -5')).toBe('OK 5000000000');
  });

  it('knows no command of the clock where it moves by itself, as QEMU without the qtest accelerator', () => {
    const conversation = new Conversation(new FlatTarget(false));
    expect(conversation.ask('clock_step 1000')).toBe("FAIL Unknown command 'clock_step'");
    expect(conversation.ask('clock_set 5')).toBe("FAIL Unknown command 'clock_set'");
  });

  it('answers an error of this program, and serves on', () => {
    const conversation = new Conversation();
    conversation.target.readMemory = () => {
      throw new TypeError('a bug');
    };
    expect(conversation.ask('readb 0')).toBe('FAIL internal error in readb');
    expect(conversation.internalErrors).toHaveLength(1);
    expect(conversation.ask('endianness')).toBe('OK little');
  });

  it('records the conversation in the format of QEMU, and lets the interrupts go at its end', () => {
    const conversation = new Conversation();
    conversation.ask('irq_intercept_in ioapic');
    conversation.ask('set_irq_in ioapic unnamed-gpio-in 5 1');
    conversation.ask('foo');
    conversation.session.close();
    expect(conversation.record.split('\n')).toEqual([
      '[I 0.000000] OPENED',
      '[R +0.500000] irq_intercept_in ioapic',
      '[S +1.000000] OK',
      '[R +1.500000] set_irq_in ioapic unnamed-gpio-in 5 1',
      '[S +2.000000] IRQ raise 5',
      '[S +2.500000] OK',
      '[R +3.000000] foo',
      "[S +3.500000] FAIL Unknown command 'foo'",
      '[I +4.000000] CLOSED',
      '',
    ]);
    expect(conversation.target.watcher).toBeNull();
  });
});
