import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../core/errors.ts';

/**
 * Where the socket lies when no option says so: `viommud/qmp.sock` in the user's runtime directory, or in a folder of
 * the user's own in the temporary directory where there is none. Only the user may enter the folder.
 * @throws CommandError when the folder is somebody else's, or open to others: whoever can enter it can take the socket
 */
export function defaultSocketPath(environment: NodeJS.ProcessEnv): string {
  const runtime = environment['XDG_RUNTIME_DIR'];
  const folder =
    runtime === undefined || runtime === '' ? join(tmpdir(), `viommud-${userInfo().uid}`) : join(runtime, 'viommud');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const there = lstatSync(folder);
  if (!there.isDirectory() || there.uid !== userInfo().uid || (there.mode & 0o077) !== 0) {
    throw new CommandError(
      `${folder} must be a folder of your own that nobody else may enter; remove it, or name a socket with -qmp`,
    );
  }
  return join(folder, 'qmp.sock');
}
