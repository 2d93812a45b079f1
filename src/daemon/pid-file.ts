import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { CommandError, messageOf } from '../core/errors.ts';

/** Writes this process's number into `path`, readable by its user alone, and removes the file when the process ends. */
export function writePidFile(path: string): void {
  try {
    // Renamed into place, so that nobody who waits for the file ever finds it empty.
    const staged = `${path}.${process.pid}`;
    writeFileSync(staged, `${process.pid}\n`, { mode: 0o600 });
    renameSync(staged, path);
  } catch (error) {
    throw new CommandError(`cannot create PID file: ${messageOf(error)}`);
  }
  process.once('exit', () => rmSync(path, { force: true }));
}
