import { closeSync, openSync, writeSync } from 'node:fs';
import { CommandError } from '../core/errors.ts';
import { systemText } from '../core/system-text.ts';
import type { AddressSpace } from '../memory/address-space.ts';

const CHUNK = 1n << 16n;

/** A file that is made anew. @throws CommandError with QEMU's sentence */
function create(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw new CommandError(`Could not open '${path}': ${systemText(error)}`);
  }
}

/**
 * Writes `size` bytes of memory from `address` on to a file; what nothing decodes is zeros, and addresses go round.
 * @throws CommandError when the size is negative or the file cannot be written
 */
export function saveMemory(space: AddressSpace, address: bigint, size: bigint, path: string): void {
  if (size < 0n) throw new CommandError(`Parameter 'size' is ${size}; a number of bytes from 0 on is wanted`);
  const file = create(path);
  try {
    for (let done = 0n; done < size; ) {
      const at = BigInt.asUintN(64, address + done);
      const room = (1n << 64n) - at;
      const left = size - done;
      const count = [CHUNK, room, left].reduce((least, value) => (value < least ? value : least));
      const bytes = new Uint8Array(Number(count));
      space.read(at, bytes);
      writeSync(file, bytes);
      done += count;
    }
  } catch (error) {
    throw new CommandError(`Could not write '${path}': ${systemText(error)}`);
  } finally {
    closeSync(file);
  }
}
