import {
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../core/errors.ts';
import { systemText } from '../core/system-text.ts';

/**
 * Writes this process's number into `path`, readable by its user alone, and removes the file when the process ends.
 * Throws CommandError with QEMU's sentence when that cannot be done or a running process holds the file.
 */
export function writePidFile(path: string): void {
  if (isHeld(path)) {
    throw new CommandError('cannot create PID file: Cannot lock pid file: Resource temporarily unavailable');
  }
  try {
    // Left open for as long as the process runs: that is how the next one knows that the file is held. It gets its name
    // once the number is in it, so that whoever waits for the file never reads an empty one.
    const unnamed = `${path}.${process.pid}`;
    writeFileSync(openSync(unnamed, 'w', 0o600), `${process.pid}\n`);
    renameSync(unnamed, path);
  } catch (error) {
    throw new CommandError(`cannot create PID file: Could not create '${path}': ${systemText(error)}`);
  }
  process.once('exit', () => rmSync(path, { force: true }));
}

/**
 * Whether the process that the file names still has it open. QEMU locks the file, which Node cannot; a number alone
 * would not do, since after a restart of the system it may be anyone's.
 */
function isHeld(path: string): boolean {
  try {
    const target = realpathSync(path);
    const folder = `/proc/${Number(readFileSync(path, 'utf8'))}/fd`;
    return readdirSync(folder).some((entry) => linkOf(join(folder, entry)) === target);
  } catch {
    return false;
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
