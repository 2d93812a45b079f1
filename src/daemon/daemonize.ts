import { type IOType, spawn } from 'node:child_process';

const readyMark = 'VIOMMUD_DAEMONIZED';

/** True in the process that `daemonize` started. */
export function isDaemonized(environment: NodeJS.ProcessEnv): boolean {
  return environment[readyMark] === '1' && process.send !== undefined;
}

/**
 * Starts this program again in a session of its own and waits until its sockets listen. What it prints before that
 * comes out here; later there is nobody to read it, and whoever waits for the end of our output must not wait for the
 * daemon's, so the daemon's own pipes are let go of.
 * @param descriptors of this process that the daemon shall have under the same numbers
 * @returns the exit status for this process: 0 once it listens, its own where it ended first
 */
export async function daemonize(argv: readonly string[], descriptors: readonly number[]): Promise<number> {
  const [script, ...rest] = argv;
  const child = spawn(process.execPath, [...process.execArgv, script!, ...rest], {
    detached: true,
    stdio: streams(descriptors),
    env: { ...process.env, [readyMark]: '1' },
  });
  child.stdout?.pipe(process.stdout, { end: false });
  child.stderr?.pipe(process.stderr, { end: false });
  const status = await new Promise<number>((resolve) => {
    child.once('message', () => resolve(0));
    child.once('close', (code) => resolve(code ?? 1));
  });
  if (child.connected) child.disconnect();
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
  return status;
}

/** The daemon's descriptors by number: the standard streams, those that are handed on, and behind them our channel. */
function streams(descriptors: readonly number[]): (IOType | 'ipc' | number)[] {
  const handed = descriptors.filter((descriptor) => descriptor > 2);
  const table: (IOType | 'ipc' | number)[] = ['ignore', 'pipe', 'pipe'];
  while (table.length <= Math.max(2, ...handed)) table.push(handed.includes(table.length) ? table.length : 'ignore');
  return [...table, 'ipc'];
}

/** Tells the process that started this one that the sockets listen; from then on nobody reads what this one prints. */
export function tellReady(): void {
  if (!isDaemonized(process.env)) return;
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  process.send?.('ready');
}
