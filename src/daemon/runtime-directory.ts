import { mkdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Where the socket lies when no option says so: `viommud/qmp.sock` in the user's runtime directory, or in a folder of
 * the user's own in the temporary directory where there is none. Only the user may enter the folder.
 */
export function defaultSocketPath(environment: NodeJS.ProcessEnv): string {
  const runtime = environment['XDG_RUNTIME_DIR'];
  const folder =
    runtime === undefined || runtime === '' ? join(tmpdir(), `viommud-${userInfo().uid}`) : join(runtime, 'viommud');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, 'qmp.sock');
}
