import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server under test: how to start it, and the socket that it will listen on. */
export interface Candidate {
  readonly name: string;
  readonly command: readonly string[];
  readonly socket: string;
}

const newline = 0x0a;

function linesIn(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) count += 1;
  return count;
}

/** Sends `total` times `request`, at most `depth` of them unanswered; resolves with commands per second. */
function drive(socket: Socket, request: string, total: number, depth: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let sent = Math.min(depth, total);
    let answered = 0;
    const begin = process.hrtime.bigint();
    const onData = (chunk: Buffer): void => {
      const lines = linesIn(chunk);
      answered += lines;
      if (answered >= total) {
        socket.off('data', onData);
        resolve((total * 1e9) / Number(process.hrtime.bigint() - begin));
        return;
      }
      const more = Math.min(lines, total - sent);
      sent += more;
      if (more > 0) socket.write(request.repeat(more));
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.write(request.repeat(sent));
  });
}

/** Connects as soon as the server listens, and reads its greeting. */
async function open(path: string): Promise<Socket> {
  for (let tries = 0; ; tries += 1) {
    const socket = connect(path);
    try {
      await once(socket, 'data');
      return socket;
    } catch (error) {
      if (tries === 500) throw error;
      await sleep(20);
    }
  }
}

/** Starts the candidate, negotiates, and gives `body` a way to measure it; stops it at the end. */
export async function withCandidate<T>(
  candidate: Candidate,
  body: (measure: (total: number, depth: number) => Promise<number>) => Promise<T>,
): Promise<T> {
  const [program, ...args] = candidate.command;
  const child = spawn(program!, args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    const socket = await open(candidate.socket);
    await drive(socket, '{"execute":"qmp_capabilities"}\n', 1, 1);
    const result = await body((total, depth) => drive(socket, '{"execute":"query-status"}\n', total, depth));
    socket.destroy();
    return result;
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}
