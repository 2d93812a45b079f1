import { readFileSync } from 'node:fs';
import { CommandError } from '../core/errors.ts';

/** The file of `-bios`. No processor runs it; software that looks finds it there. @throws CommandError in QEMU's words */
export function readFirmware(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch {
    throw new CommandError(`could not load PC BIOS '${path}'`);
  }
}
