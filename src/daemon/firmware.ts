import { readFileSync } from 'node:fs';
import { CommandError } from '../core/errors.ts';

/** Firmware is mapped in units of 64 KiB, and 16 MiB lie between it and the devices below. */
const FIRMWARE_UNIT = 64 * 1024;
const FIRMWARE_LIMIT = 16 * 1024 * 1024;

/** The file of `-bios`. No processor runs it; software that looks finds it there. @throws CommandError in QEMU's words */
export function readFirmware(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch {
    throw new CommandError(`could not load PC BIOS '${path}'`);
  }
  if (bytes.length === 0 || bytes.length > FIRMWARE_LIMIT || bytes.length % FIRMWARE_UNIT !== 0) {
    throw new CommandError(`could not load PC BIOS '${path}': its size must be a multiple of 64 KiB, at most 16 MiB`);
  }
  return bytes;
}
