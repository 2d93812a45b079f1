import { openSync, writeSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { CommandError, messageOf } from '../core/errors.ts';
import type { Machine } from '../machine/machine.ts';
import { MachineQtestTarget } from '../machine/qtest-target.ts';
import type { Endpoint as OptionEndpoint, Options } from '../options/options.ts';
import type { Endpoint } from '../qmp/endpoint.ts';
import { connectTo, Listener } from '../qmp/listener.ts';
import { QtestServer } from '../qtest/server.ts';
import { candidates, firstOf } from './sockets.ts';

/** The qtest side of a daemon. */
export interface QtestService {
  /** Where clients are waited for; null where this program is the client. */
  readonly listener: Listener | null;
  /** The machine holds back until the first client has come. */
  readonly waitForClient: boolean;
  /** For the line that says who is waited for. */
  readonly option: string;
  /** From here on commands are read. */
  begin(): void;
  close(): void;
}

/** Where QEMU writes the conversation: standard error unless `-qtest-log` names a file, or `none`. */
function logWriter(path: string | null): ((text: string) => void) | null {
  if (path === 'none' || path === '/dev/null') return null;
  if (path === null) return (text) => void process.stderr.write(text, 'latin1');
  try {
    const file = openSync(path, 'w', 0o600);
    return (text) => void writeSync(file, text, null, 'latin1');
  } catch (error) {
    throw new CommandError(`-qtest-log ${path}: ${messageOf(error)}`);
  }
}

function describe(endpoint: OptionEndpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}${endpoint.server ? ',server=on' : ''}`;
  if (endpoint.kind === 'fd') return `fd:${endpoint.fd}${endpoint.server ? ',server=on' : ''}`;
  if (endpoint.kind === 'tcp') return `tcp:${endpoint.host}:${endpoint.port}${endpoint.server ? ',server=on' : ''}`;
  return endpoint.kind;
}

/**
 * Opens what `-qtest` names: connects, listens, or takes the standard streams. Nothing is read before `begin`.
 * @returns null without `-qtest`
 * @throws CommandError with QEMU's sentences
 */
export async function openQtest(
  machine: Machine,
  options: Options,
  virtualTime: boolean,
): Promise<QtestService | null> {
  const endpoint = options.qtest;
  if (endpoint === null) return null;
  const server = new QtestServer({
    target: new MachineQtestTarget(machine, { virtualTime }),
    logWriter: logWriter(options.qtestLog),
    seconds: () => performance.now() / 1000,
    onInternalError: (error, line) => console.error(`viommud: internal error in qtest line '${line}':`, error),
  });
  const early: Duplex[] = [];
  let begun = false;
  const take = (stream: Duplex): void => {
    if (begun) server.serve(stream);
    else early.push(stream);
  };
  let listener: Listener | null = null;
  try {
    if (endpoint.kind === 'stdio') take(Duplex.from({ readable: process.stdin, writable: process.stdout }));
    else if (endpoint.kind !== 'null') {
      const open = (candidate: Endpoint): Promise<Listener> => Listener.open(candidate, take, () => {});
      if (endpoint.server) listener = await firstOf(candidates(endpoint), open);
      else take(await connectTo(candidates(endpoint)[0]!));
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const summary = `Failed to initialize device for qtest: "${describe(endpoint)}"`;
    throw new CommandError(`${error.message}\nviommud: ${summary}`);
  }
  return {
    listener,
    waitForClient: endpoint.kind !== 'stdio' && endpoint.kind !== 'null' && endpoint.server && endpoint.wait,
    option: `-qtest ${describe(endpoint)}`,
    begin(): void {
      begun = true;
      for (const stream of early.splice(0)) server.serve(stream);
    },
    close(): void {
      listener?.close();
      server.close();
    },
  };
}
