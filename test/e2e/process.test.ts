/** The executable as a shell sees it: what it prints, its files, its exit status. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { systemProgram } from '../support/system-program.ts';

const executable = join(import.meta.dirname, '../../dist/main.js');
const socat = systemProgram('socat');

let folder: string;
let started: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'viommud-test-'));
  started = [];
});
afterEach(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const environment = (): NodeJS.ProcessEnv => ({ ...process.env, XDG_RUNTIME_DIR: folder });

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [executable, ...args], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  return child;
}

/** What it prints until `text` is among it. */
async function printed(child: ChildProcess, text: string): Promise<string> {
  let all = '';
  while (!all.includes(text)) all += ((await once(child.stdout!, 'data')) as [Buffer])[0].toString();
  return all;
}

function run(...args: string[]): { status: number | null; stderr: string } {
  const options = { env: environment(), encoding: 'utf8', timeout: 20_000 } as const;
  const { status, stderr } = spawnSync(process.execPath, [executable, ...args], options);
  return { status, stderr };
}

async function quit(path: string): Promise<void> {
  const connection = await RawConnection.open(path);
  connection.send('{"execute": "qmp_capabilities"}{"execute": "quit"}');
  await connection.end();
}

describe('without options', () => {
  it.skipIf(socat.missing)(socat.title('prints lines for socat that work as they are'), async () => {
    const block = await printed(start(), 'stop ');
    const [command, ...requests] = block.split('\n').flatMap((line) => /^ {4}([s{].*)/.exec(line)?.[1] ?? []);
    const { stdout } = spawnSync('sh', ['-c', command!], { encoding: 'utf8', input: requests.join('\n') });
    const replies = stdout.split('\r\n').filter((line) => line.startsWith('{"return"') || line.includes('"error"'));
    expect(command).toMatch(/^socat /);
    expect(requests.length).toBeGreaterThan(1);
    expect(replies).toHaveLength(requests.length);
    expect(replies.filter((line) => line.includes('"error"'))).toEqual([]);
  });

  it('listens in the runtime directory, and a signal ends it with status 0 and without the socket', async () => {
    const daemon = start();
    const path = join(folder, 'viommud/qmp.sock');
    expect(await printed(daemon, 'stop ')).toContain(`socket   ${path}\n`);
    expect(existsSync(path)).toBe(true);
    daemon.kill('SIGINT');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
    expect(existsSync(path)).toBe(false);
  });
});

describe('what cannot be served ends with status 1', () => {
  const device = 'edu,id=e0,nope=1';
  it.each([
    ['an unknown option', ['-fancy'], 'viommud: -fancy: invalid option\n'],
    [
      'a property that a device lacks',
      ['-device', device],
      `viommud: -device ${device}: Property 'edu.nope' not found\n`,
    ],
    ['an option of QEMU that has no meaning here yet', ['-trace', 'vtd_*'], /^viommud: -trace: .*leave it out\n$/],
    [
      'a socket in no folder',
      ['-qmp', 'unix:/nowhere/q,server=on'],
      'viommud: -qmp unix:/nowhere/q,server=on: Failed to bind socket to /nowhere/q: No such file or directory\n',
    ],
    ['a port that is none', ['-qmp', 'tcp:127.0.0.1:65536,server=on'], /: a port is a number from 0 to 65535\n$/],
    ['the name of a service', ['-qmp', 'tcp:127.0.0.1:http,server=on'], /: a port is a number from 0 to 65535\n$/],
    [
      'standard streams of a daemon',
      ['-qmp', 'stdio', '-daemonize'],
      'viommud: -qmp stdio: cannot use stdio with -daemonize\n',
    ],
    [
      'a process id in no folder',
      ['-pidfile', '/nowhere/pid'],
      "viommud: cannot create PID file: Could not create '/nowhere/pid': No such file or directory\n",
    ],
  ])('%s', (_, args, sentence) => {
    const { status, stderr } = run(...args);
    expect(stderr).toEqual(typeof sentence === 'string' ? sentence : expect.stringMatching(sentence));
    expect(status).toBe(1);
  });
});

describe('files and processes', () => {
  it('-pidfile holds the process id while the daemon runs', async () => {
    const file = join(folder, 'pid');
    const daemon = start('-pidfile', file);
    await printed(daemon, 'stop ');
    while (!existsSync(file)) await new Promise(setImmediate);
    expect(readFileSync(file, 'utf8')).toBe(`${daemon.pid}\n`);
    const second = run('-pidfile', file, '-qmp', `unix:${join(folder, 'second.sock')},server=on,wait=off`);
    expect(second).toEqual({
      status: 1,
      stderr: 'viommud: cannot create PID file: Cannot lock pid file: Resource temporarily unavailable\n',
    });
    expect(readFileSync(file, 'utf8')).toBe(`${daemon.pid}\n`);
    daemon.kill('SIGTERM');
    await once(daemon, 'exit');
    expect(existsSync(file)).toBe(false);
  });

  it('-pidfile takes over what a daemon that was killed has left, whoever has its number now', async () => {
    const file = join(folder, 'pid');
    // A process that lives and never opens the file; this one does, to look whether it has changed.
    writeFileSync(file, `${process.ppid}\n`);
    const daemon = start('-pidfile', file);
    await printed(daemon, 'stop ');
    while (readFileSync(file, 'utf8') !== `${daemon.pid}\n`) {
      expect(daemon.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it('-daemonize comes back when the socket listens, and fails where the daemon does', async () => {
    const path = join(folder, 'q.sock');
    const args = ['-daemonize', '-qmp', `unix:${path},server=on,wait=off`];
    // Its output is collected, which only ends when nobody holds it open any more.
    expect(run(...args).status).toBe(0);
    await quit(path);
    expect(run('-daemonize', '-device', 'nope').status).toBe(1);
  });

  it('wait=on keeps the machine from running until a client has come', async () => {
    const path = join(folder, 'q.sock');
    const daemon = start('-qmp', `unix:${path},server=on,wait=on`);
    const [line] = (await once(daemon.stderr!, 'data')) as [Buffer];
    const waiting = `QEMU waiting for connection on: disconnected:unix:${path},server=on`;
    expect(line.toString()).toBe(`viommud: -qmp unix:${path},server=on,wait=on: info: ${waiting}\n`);
    await quit(path);
    expect(await once(daemon, 'exit')).toEqual([0, null]);
  });

  it('wait=on can be given up by a signal', async () => {
    const path = join(folder, 'q.sock');
    const daemon = start('-qmp', `unix:${path},server=on,wait=on`);
    await once(daemon.stderr!, 'data');
    daemon.kill('SIGTERM');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
    expect(existsSync(path)).toBe(false);
  });

  it('goes on when standard input ends, and tells its end there', async () => {
    const daemon = spawn(process.execPath, [executable, '-qmp', 'stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
    started.push(daemon);
    daemon.stdin.end('{"execute": "qmp_capabilities"}');
    await printed(daemon, '{"return": {}}');
    await new Promise((resolve) => setTimeout(resolve, 50));
    daemon.kill('SIGTERM');
    const rest = printed(daemon, 'host-signal');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
    expect(await rest).toContain('"event": "SHUTDOWN"');
  });
});
