/** The executable as a shell sees it: what it prints, its files, its exit status. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
    // A busy machine takes longer than the half second that socat waits once its input has ended.
    const patient = command!.replace(/^socat /, 'socat -t 20 ');
    const { stdout } = spawnSync('sh', ['-c', patient], { encoding: 'utf8', input: requests.join('\n') });
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
    const complaint = once(daemon.stderr!, 'data');
    daemon.kill('SIGINT');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
    expect(String(await complaint)).toBe('viommud: terminating on signal 2\n');
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
    ['an option of QEMU about what is not here', ['-netdev', 'user,id=n'], /^viommud: -netdev: .*leave it out\n$/],
    [
      'a log file in no folder',
      ['-D', '/nowhere/log'],
      'viommud: Error opening logfile /nowhere/log: No such file or directory\n',
    ],
    [
      'a file of patterns that is not there',
      ['-trace', 'events=/nowhere/e'],
      'viommud:/nowhere/e: No such file or directory\n',
    ],
    [
      'a descriptor that is no socket',
      ['-chardev', 'socket,id=c,fd=77,server=on,wait=off', '-mon', 'c,mode=control'],
      /: File descriptor '77' is not a socket\n$/,
    ],
    [
      'a file of commands that is not there',
      ['--exec', '/nowhere/c'],
      'viommud: --exec /nowhere/c: No such file or directory\n',
    ],
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

  it('and leaves nothing behind: no socket, no pid file, no process', () => {
    const path = join(folder, 'first.sock');
    const first = ['-qmp', `unix:${path},server=on,wait=off`, '-pidfile', join(folder, 'pid')];
    const wrong = ['-qmp', 'unix:/nowhere/q,server=on'];
    for (const more of [[], ['-daemonize']]) {
      expect(run(...first, ...wrong, ...more)).toEqual({
        status: 1,
        stderr:
          'viommud: -qmp unix:/nowhere/q,server=on: Failed to bind socket to /nowhere/q: No such file or directory\n',
      });
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('but a pattern that names no trace point is only warned of', async () => {
    const daemon = start('-trace', 'vtd_nope', '-M', 'none');
    const [line] = (await once(daemon.stderr!, 'data')) as [Buffer];
    expect(line.toString()).toBe("viommud: -trace vtd_nope: warning: trace event 'vtd_nope' does not exist\n");
  });
});

describe('helps', () => {
  const qemu = systemProgram('qemu-system-x86_64');
  it
    .skipIf(qemu.missing)
    .each([
      '-smp help',
      '-boot help',
      '-chardev socket,help',
      '-mon chardev=c,help',
      '-action help',
      '-icount shift=1,help',
      '-device edu,help',
      '-device edu,?',
      '-device nope,help',
      '-device pci-device,help',
      '-device help -nonsense',
      '-object nope,help',
      '-accel tcg,help',
    ])(qemu.title('say what QEMU says: %s'), (args) => {
    const options = { encoding: 'utf8', env: environment(), timeout: 20_000 } as const;
    const theirs = spawnSync(qemu.path, args.split(' '), options);
    const ours = spawnSync(process.execPath, [executable, ...args.split(' ')], options);
    const complaints = theirs.stderr.replace(/^qemu: module.*\n/gm, '').replaceAll('qemu-system-x86_64', 'viommud');
    expect([ours.status, ours.stdout, ours.stderr]).toEqual([theirs.status, theirs.stdout, complaints]);
  });

  it.skipIf(qemu.missing)(qemu.title('list devices in lines that QEMU has, and under its headings'), () => {
    const options = { encoding: 'utf8', timeout: 20_000 } as const;
    const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
    const theirs = lines(spawnSync(qemu.path, ['-device', 'help'], options).stdout);
    const ours = lines(spawnSync(process.execPath, [executable, '-device', 'help'], options).stdout);
    const unknown = ours.filter((line) => !theirs.includes(line));
    expect(unknown.map((line) => /^name "([^"]*)"/.exec(line)?.[1])).toEqual([
      'dma-agent',
      'iommu-testdev',
      'vhost-agent',
      'vio-dma-agent',
    ]);
    const places = ours.filter((line) => theirs.includes(line)).map((line) => theirs.indexOf(line));
    expect(places).toEqual(places.toSorted((left, right) => left - right));
  });
});

describe('--exec', () => {
  const play = (text: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } => {
    const file = join(folder, 'commands');
    writeFileSync(file, text);
    return spawnSync(process.execPath, [executable, '-M', 'none', '--exec', file, ...args], {
      encoding: 'utf8',
      timeout: 20_000,
    });
  };

  it('plays commands, prints what a monitor would, and ends with status 0', () => {
    expect(play('{"execute": "query-name"}\n{"execute":\n"query-target", "id": [1]}')).toMatchObject({
      status: 0,
      stdout: '{"return": {}}\n{"return": {"arch": "x86_64"}, "id": [1]}\n',
      stderr: '',
    });
  });

  it('finds what -global and -set say of devices', () => {
    const get = (property: string): string =>
      `{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/e", "property": "${property}"}}`;
    const { stdout, stderr } = play(
      get('dma_mask') + get('addr'),
      ...['-M', 'q35', '-global', 'edu.dma_mask=5', '-global', 'nope.x=1'],
      ...['-device', 'edu,id=e,addr=3', '-set', 'device.e.addr=4'],
    );
    expect(stdout).toBe('{"return": 5}\n{"return": 32}\n');
    expect(stderr).toBe('viommud: warning: global nope.x has invalid class name\n');
    const refused = run('-M', 'q35', '-global', 'edu.nope=5', '-device', 'edu');
    const sentence = "can't apply global edu.nope=5: Property 'edu.nope' not found";
    expect(refused).toEqual({ status: 1, stderr: `viommud: -device edu: ${sentence}\n` });
  });

  it('ends with status 1 at the first error, of whatever kind', () => {
    const known = '{"return": {}}\n';
    const failure = (desc: string, errorClass = 'GenericError'): string =>
      `{"error": {"class": "${errorClass}", "desc": "${desc}"}}\n`;
    const unknown = failure('The command nope has not been found', 'CommandNotFound');
    expect(play('{"execute": "query-name"}{"execute": "nope"}{"execute": "query-name"}')).toMatchObject({
      status: 1,
      stdout: known + unknown,
    });
    expect(play('{"execute": "query-name"}{"execute"')).toMatchObject({
      status: 1,
      stdout: known + failure('JSON parse error, the file ends inside a command'),
    });
    expect(play('{"execute": "query-name"} @')).toMatchObject({
      status: 1,
      stdout: known + failure("JSON parse error, stray '@'"),
    });
  });

  it('shows events where they happen, and quit ends it with status 0', () => {
    const { status, stdout } = play('{"execute": "stop"}{"execute": "quit"}{"execute": "nope"}');
    expect(status).toBe(0);
    expect(stdout.split('\n').map((line) => /"(event": "\w+|return)"/.exec(line)?.[1])).toEqual([
      'event": "STOP',
      'return',
      'event": "SHUTDOWN',
      'return',
      undefined,
    ]);
  });

  it('reads standard input as it comes, and can be ended by a signal', async () => {
    const daemon = spawn(process.execPath, [executable, '--exec', '-'], { stdio: ['pipe', 'pipe', 'inherit'] });
    started.push(daemon);
    daemon.stdin.write('{"execute": "query-name"}');
    expect(await printed(daemon, '\n')).toBe('{"return": {}}\n');
    daemon.kill('SIGTERM');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
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
