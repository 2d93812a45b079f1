import type { Machine } from '../../machine/machine.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { saveMemory } from '../save-memory.ts';
import type { HumanCommand, HumanParameter } from './command.ts';
import { dumpText, numberText, type ReadBytes } from './dump-format.ts';

const formatted = (...names: string[]): HumanParameter[] => [
  { kind: 'format' },
  ...names.map((name): HumanParameter => ({ kind: 'number', name })),
];

/** Reads what answers; null where nothing does. */
function reader(space: AddressSpace): ReadBytes {
  return (address, length) => {
    const bytes = new Uint8Array(length);
    return space.read(address, bytes).ok ? bytes : null;
  };
}

/** Eight bits of a sum with the carry coming in again at the other end, as the System V command has it. */
function checksum(space: AddressSpace, start: bigint, size: bigint): number {
  let sum = 0;
  const byte = new Uint8Array(1);
  for (let done = 0n; done < size; done += 1n) {
    byte[0] = 0;
    space.read(BigInt.asUintN(64, start + done), byte);
    sum = (((sum >>> 1) | (sum << 15)) + byte[0]) & 0xffff;
  }
  return sum;
}

const LARGEST_SUM = 1n << 28n;
const suffixes: ReadonlyMap<number, string> = new Map([
  [1, 'b'],
  [2, 'w'],
  [4, 'l'],
]);

/** The width of a port access: 1, 2 or 4 bytes; 8 and formats without width are as 4 and 1. */
function portSize(size: number): number {
  return size > 4 ? 4 : size;
}

function readPort(machine: Machine, port: number, size: number): string {
  const bytes = new Uint8Array(size);
  if (!machine.io.read(BigInt(port), bytes).ok) bytes.fill(0xff);
  const value = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
  const digits = value.toString(16).padStart(size * 2, '0');
  return `port${suffixes.get(size)}[0x${port.toString(16).padStart(4, '0')}] = 0x${digits}\n`;
}

function writePort(machine: Machine, port: number, size: number, value: bigint): void {
  const bytes = Uint8Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
  machine.io.write(BigInt(port), bytes);
}

/** Commands about memory, ports and numbers. */
export function memoryCommands(machine: Machine): HumanCommand[] {
  return [
    {
      names: ['xp'],
      parameters: formatted('addr'),
      usage: '/fmt addr',
      help: "physical memory dump starting at 'addr'",
      run: ({ numbers, format }) =>
        format.radix === 'i'
          ? 'Can not disassemble without CPU\n'
          : dumpText(BigInt.asUintN(64, numbers[0]!), format, reader(machine.memory)),
    },
    {
      names: ['x'],
      parameters: formatted('addr'),
      usage: '/fmt addr',
      help: "virtual memory dump starting at 'addr'",
      run: () => 'Can not dump without CPU\n',
    },
    {
      names: ['print', 'p'],
      parameters: formatted('expr'),
      usage: '/fmt expr',
      help: 'print expression value (use $reg for CPU register access)',
      run: ({ numbers, format }) => `${numberText(numbers[0]!, format.radix)}\n`,
    },
    {
      names: ['i'],
      parameters: formatted('addr'),
      usage: '/fmt addr',
      help: 'I/O port read',
      run: ({ numbers, format }) => readPort(machine, Number(numbers[0]! & 0xffffn), portSize(format.size)),
    },
    {
      names: ['o'],
      parameters: formatted('addr', 'val'),
      usage: '/fmt addr value',
      help: 'I/O port write',
      run: ({ numbers, format }) => {
        writePort(machine, Number(numbers[0]! & 0xffffn), portSize(format.size), numbers[1]!);
        return '';
      },
    },
    {
      names: ['sum'],
      parameters: formatted('start', 'size').slice(1),
      usage: 'addr size',
      help: 'compute the checksum of a memory region',
      run: ({ numbers: [start = 0n, size = 0n] }) => {
        if (size > LARGEST_SUM) return `Error: Parameter 'size' is ${size}; the limit is ${LARGEST_SUM}\n`;
        return `${checksum(machine.memory, start, size).toString().padStart(5, '0')}\n`;
      },
    },
    {
      names: ['pmemsave'],
      parameters: [...formatted('val', 'size').slice(1), { kind: 'string', name: 'filename' }],
      usage: 'addr size file',
      help: "save to disk physical memory dump starting at 'addr' of size 'size'",
      run: ({ numbers: [address = 0n, size = 0n], strings }) => {
        saveMemory(machine.memory, address, size, strings[0]!);
        return '';
      },
    },
  ];
}
