import { ADDRESS_LAST, hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { decodeData, encodeData } from '../machine/data-encoding.ts';
import type { Machine } from '../machine/machine.ts';
import { type AccessResult, permits, sentenceOf } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { describeAddressSpaces, describeFlatView } from '../memory/tree-data.ts';
import type { HandlersOf } from './handlers-of.ts';
import { saveMemory } from './save-memory.ts';

/** The most that one command moves: a reply is one line, and base64 of this is what a client's buffer still holds. */
const LARGEST_TRANSFER = 4n * 1024n * 1024n;

/**
 * Checks `size` bytes at `address`, which the argument `parameter` gave.
 * @throws CommandError naming the limit
 */
export function checkTransfer(address: bigint, size: bigint, parameter: 'size' | 'data'): void {
  if (size < 1n) {
    const expected = parameter === 'size' ? 'a number of bytes' : 'bytes,';
    throw new CommandError(`Parameter '${parameter}' expects ${expected} from 1 to ${LARGEST_TRANSFER}`);
  }
  if (size > LARGEST_TRANSFER) {
    throw new CommandError(
      `Parameter '${parameter}' is ${size} bytes, above the ${LARGEST_TRANSFER} that one command moves; use several commands`,
    );
  }
  if (address + size - 1n > ADDRESS_LAST) {
    throw new CommandError(`${size} bytes at ${hex(address)} go beyond the last address, ${hex(ADDRESS_LAST)}`);
  }
}

/** The address space of that name; names of devices' spaces are not unique, so the device's id finds its own first. */
function findSpace(machine: Machine, name: string): AddressSpace {
  const spaces = machine.topology.addressSpaces();
  const found = spaces.find((space) => space.device === name) ?? spaces.find((space) => space.name === name);
  if (found === undefined) {
    throw new CommandError(`Address space '${name}' not found; query-address-spaces lists names and devices`);
  }
  return found;
}

function requireAll(result: AccessResult, address: bigint, size: number, write: boolean): void {
  if (result.ok || result.error === null) return;
  const where = result.firstBad ?? address;
  const done = write ? 'written' : 'readable';
  throw new CommandError(`${sentenceOf(result.error, where, write)} (${result.good} of ${size} bytes were ${done})`);
}

/**
 * Looks at every byte of the range before anything is written, so that a write that cannot be whole changes nothing.
 * MMIO counts as writable: what a device does with a write is its own.
 */
function requireWritable(space: AddressSpace, address: bigint, size: bigint): void {
  const last = address + size - 1n;
  for (let at = address; at <= last; ) {
    const { region, readonly, permissions, length, fault } = space.translate(at, 'write');
    if (fault !== null) throw new CommandError(`${fault.sentence}; nothing was written`);
    if (region === null) throw new CommandError(`Nothing decodes ${hex(at)} in '${space.name}'; nothing was written`);
    if (readonly || !permits(permissions, 'write')) {
      throw new CommandError(
        `${hex(at)} in '${space.name}' is read-only (region '${region.name}'); nothing was written`,
      );
    }
    at += length;
  }
}

/** Memory as the processor, or a device, sees it. */
export function memoryHandlers(
  machine: Machine,
): HandlersOf<'query-address-spaces' | 'query-flat-view' | 'memory-read' | 'memory-write' | 'pmemsave'> {
  return {
    'query-address-spaces': () => ({ 'address-spaces': describeAddressSpaces(machine.topology) }),
    'query-flat-view': (args) => describeFlatView(findSpace(machine, args['address-space'])),
    'memory-read': (args) => {
      checkTransfer(args.address, args.size, 'size');
      const bytes = new Uint8Array(Number(args.size));
      const space = findSpace(machine, args['address-space'] ?? 'memory');
      requireAll(space.read(args.address, bytes), args.address, bytes.length, false);
      return { data: encodeData(bytes, args.encoding ?? 'base64') };
    },
    pmemsave: ({ val, size, filename }) => {
      saveMemory(machine.memory, val, size, filename);
      return {};
    },
    'memory-write': (args) => {
      const bytes = decodeData(args.data, args.encoding ?? 'base64', 'data');
      checkTransfer(args.address, BigInt(bytes.length), 'data');
      const space = findSpace(machine, args['address-space'] ?? 'memory');
      requireWritable(space, args.address, BigInt(bytes.length));
      requireAll(space.write(args.address, bytes), args.address, bytes.length, true);
      return {};
    },
  };
}
