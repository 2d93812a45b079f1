import { spawn } from 'node:child_process';

const readyMark = 'VIOMMUD_DAEMONIZED';

/** True in the process that `daemonize` started. */
export function isDaemonized(environment: NodeJS.ProcessEnv): boolean {
  return environment[readyMark] === '1' && process.send !== undefined;
}

/**
 * Starts this program again in a session of its own and waits until its sockets listen. What it prints before that
 * comes out here.
 * @returns the exit status for this process: 0 once it listens, its own where it ended first
 */
export async function daemonize(argv: readonly string[]): Promise<number> {
  const [script, ...rest] = argv;
  const child = spawn(process.execPath, [...process.execArgv, script!, ...rest], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [readyMark]: '1' },
  });
  const status = await new Promise<number>((resolve) => {
    child.once('message', () => resolve(0));
    child.once('exit', (code) => resolve(code ?? 1));
  });
  if (child.connected) child.disconnect();
  child.unref();
  return status;
}

/** Tells the process that started this one that the sockets listen. */
export function tellReady(): void {
  process.send?.('ready');
}
