import type { Arguments } from './arguments.ts';
import { Refusal } from './refusal.ts';
import type { InterceptOutcome, LineDirection, LineWatcher, QtestTarget } from './target.ts';

/** What a command works with. */
export interface CommandContext {
  readonly target: QtestTarget;
  /** Sends `IRQ raise N` and `IRQ lower N` on the connection. */
  readonly tellInterrupt: LineWatcher;
}

interface Command {
  /** @returns the whole answer without its line end @throws Refusal */
  readonly run: (words: Arguments, context: CommandContext) => string;
  /** Belongs to the clock: exists only where qtest moves it, and opens no operation, since each timer is one. */
  readonly clock?: boolean;
}

/** The largest block of a `read` or `write`, in bytes: its text is twice as long and is held in memory whole. */
export const TRANSFER_LIMIT = 64 * 1024 * 1024;

/** The largest block of a `memset`, in bytes: more would hold every other client for seconds. */
const FILL_LIMIT = 1024 * 1024 * 1024;

/** `memset` goes in pieces of so many bytes. */
const FILL_PIECE = 1024 * 1024;

const memorySizes = { b: 1, w: 2, l: 4, q: 8 } as const;
const portSizes = { b: 1, w: 2, l: 4 } as const;

/** QEMU pads what ports gave to four digits, whatever the size of the access, and what memory gave to sixteen. */
const okPort = (value: number): string => `OK 0x${value.toString(16).padStart(4, '0')}`;
const okMemory = (value: bigint): string => `OK 0x${value.toString(16).padStart(16, '0')}`;

function readValue(size: 1 | 2 | 4 | 8): Command['run'] {
  return (words, { target }) => {
    const word = new DataView(new ArrayBuffer(8));
    target.readMemory(words.unsigned('ADDRESS'), new Uint8Array(word.buffer, 0, size));
    return okMemory(word.getBigUint64(0, true));
  };
}

function writeValue(size: 1 | 2 | 4 | 8): Command['run'] {
  return (words, { target }) => {
    const address = words.unsigned('ADDRESS');
    const word = new DataView(new ArrayBuffer(8));
    word.setBigUint64(0, words.unsigned('VALUE'), true);
    target.writeMemory(address, new Uint8Array(word.buffer, 0, size));
    return 'OK';
  };
}

function readPort(size: 1 | 2 | 4): Command['run'] {
  return (words, { target }) => okPort(target.readPort(words.port(), size));
}

function writePort(size: 1 | 2 | 4): Command['run'] {
  return (words, { target }) => {
    const port = words.port();
    target.writePort(port, size, Number(BigInt.asUintN(8 * size, words.unsigned('VALUE'))));
    return 'OK';
  };
}

const okHex = (block: Buffer): string => `OK 0x${block.toString('hex')}`;

function readBlock(words: Arguments, { target }: CommandContext): Buffer {
  const address = words.unsigned('ADDRESS');
  const block = Buffer.alloc(words.size(TRANSFER_LIMIT));
  if (block.length > 0) target.readMemory(address, block);
  return block;
}

function writeBlock(words: Arguments, { target }: CommandContext): string {
  const address = words.unsigned('ADDRESS');
  const block = Buffer.alloc(words.size(TRANSFER_LIMIT));
  const data = words.word('DATA');
  if (data.length < 3) return 'ERR invalid argument size';
  if (!/^0[xX][0-9a-fA-F]*$/.test(data)) throw new Refusal('write: DATA is not of the form 0x and hexadecimal digits');
  // Data that is too short leaves the rest of the block zero, data that is too long is cut off, half bytes are dropped.
  block.write(data.slice(2), 'hex');
  if (block.length > 0) target.writeMemory(address, block);
  return 'OK';
}

function writeBase64(words: Arguments, { target }: CommandContext): string {
  const address = words.unsigned('ADDRESS');
  const size = words.size(TRANSFER_LIMIT);
  const data = words.word('DATA');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw new Refusal('b64write: DATA is not Base64');
  const block = Buffer.from(data, 'base64').subarray(0, size);
  if (block.length > 0) target.writeMemory(address, block);
  return 'OK';
}

function fill(words: Arguments, { target }: CommandContext): string {
  const address = words.unsigned('ADDRESS');
  const size = words.size(FILL_LIMIT);
  const piece = new Uint8Array(Math.min(size, FILL_PIECE)).fill(Number(BigInt.asUintN(8, words.unsigned('VALUE'))));
  for (let done = 0; done < size; done += FILL_PIECE) {
    const at = BigInt.asUintN(64, address + BigInt(done));
    target.writeMemory(at, piece.subarray(0, Math.min(FILL_PIECE, size - done)));
  }
  return 'OK';
}

const intercepts: Readonly<Record<InterceptOutcome, string>> = {
  ok: 'OK',
  'unknown-device': 'FAIL Unknown device',
  'already-intercepted': 'FAIL IRQ intercept already enabled',
};

function intercept(direction: LineDirection): Command['run'] {
  return (words, { target, tellInterrupt }) =>
    intercepts[target.interceptInterrupts(words.word('DEVICE'), direction, tellInterrupt)];
}

function setInterrupt(words: Arguments, { target }: CommandContext): string {
  const path = words.word('DEVICE');
  const name = words.word('NAME');
  const line = words.signed('LINE');
  const wrong = target.setInterrupt(path, name === 'unnamed-gpio-in' ? null : name, line, words.signed('LEVEL'));
  if (wrong === 'no-such-line') throw new Refusal(`set_irq_in: ${path} has no line ${line} of the name ${name}`);
  return wrong === null ? 'OK' : 'FAIL Unknown device';
}

/** Devices are built in: there is no module that could be loaded. */
function loadModule(words: Arguments): string {
  words.word('PREFIX');
  words.word('NAME');
  return 'FAIL';
}

function clockStep(words: Arguments, { target }: CommandContext): string {
  return `OK ${target.clockStep(words.empty ? null : words.signed('NANOSECONDS'))}`;
}

const table = new Map<string, Command>([
  ['clock_step', { run: clockStep, clock: true }],
  ['clock_set', { run: (words, { target }) => `OK ${target.clockSet(words.signed('NANOSECONDS'))}`, clock: true }],
  ['irq_intercept_in', { run: intercept('in') }],
  ['irq_intercept_out', { run: intercept('out') }],
  ['set_irq_in', { run: setInterrupt }],
  ['read', { run: (words, context) => okHex(readBlock(words, context)) }],
  ['write', { run: writeBlock }],
  ['b64read', { run: (words, context) => `OK ${readBlock(words, context).toString('base64')}` }],
  ['b64write', { run: writeBase64 }],
  ['memset', { run: fill }],
  ['endianness', { run: () => 'OK little' }],
  ['module_load', { run: loadModule }],
]);
for (const [suffix, size] of Object.entries(memorySizes)) {
  table.set(`read${suffix}`, { run: readValue(size) });
  table.set(`write${suffix}`, { run: writeValue(size) });
}
for (const [suffix, size] of Object.entries(portSizes)) {
  table.set(`in${suffix}`, { run: readPort(size) });
  table.set(`out${suffix}`, { run: writePort(size) });
}

/** The command of that name; null where there is none, or none on a machine whose clock moves by itself. */
export function findCommand(name: string, virtualTime: boolean): Command | null {
  const command = table.get(name) ?? null;
  return command !== null && command.clock === true && !virtualTime ? null : command;
}
