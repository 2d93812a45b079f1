import { rmSync, writeFileSync } from 'node:fs';
import { CommandError, messageOf } from '../core/errors.ts';

/** Writes this process's number into `path`, readable by its user alone, and removes the file when the process ends. */
export function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    throw new CommandError(`cannot create PID file: ${messageOf(error)}`);
  }
  process.once('exit', () => rmSync(path, { force: true }));
}
