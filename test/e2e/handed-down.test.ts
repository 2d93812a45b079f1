/** Sockets that someone else opened, servers that come and go, and service managers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { systemProgram } from '../support/system-program.ts';

const executable = join(import.meta.dirname, '../../dist/main.js');
const python = systemProgram('python3');

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

async function listen(path: string): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

/** Asks for the clients, then quits. */
async function converse(path: string): Promise<string> {
  const connection = await RawConnection.open(path);
  connection.send('{"execute": "qmp_capabilities"}{"execute": "query-clients"}{"execute": "quit"}');
  return await connection.end();
}

async function greeted(socket: Socket): Promise<string> {
  return String(((await once(socket, 'data')) as [Buffer])[0]);
}

describe('reconnect', () => {
  it('goes on trying until there is a server, and again when it closes', async () => {
    const path = join(folder, 'q.sock');
    const args = ['-M', 'none', '-chardev', `socket,id=c,path=${path},reconnect=1`, '-mon', 'c,mode=control'];
    const daemon = spawn(process.execPath, [executable, ...args], { stdio: ['ignore', 'inherit', 'pipe'] });
    started.push(daemon);
    const [line] = (await once(daemon.stderr, 'data')) as [Buffer];
    const reason = `Failed to connect to '${path}': No such file or directory`;
    expect(line.toString()).toBe(`viommud: Unable to connect character device c: ${reason}\n`);
    const server = await listen(path);
    const [first] = (await once(server, 'connection')) as [Socket];
    expect(await greeted(first)).toMatch(/^\{"QMP": /);
    first.destroy();
    const [second] = (await once(server, 'connection')) as [Socket];
    expect(await greeted(second)).toMatch(/^\{"QMP": /);
    second.write('{"execute": "qmp_capabilities"}{"execute": "quit"}');
    expect(await once(daemon, 'exit')).toEqual([0, null]);
    server.close();
  });
});

describe('handed-down sockets', () => {
  it.skipIf(python.missing).each([[[]], [['-daemonize']]])(
    python.title('are served as -chardev socket,fd= %j, and their path is left alone'),
    async (more) => {
      const path = join(folder, 'q.sock');
      const parent = [
        'import os, socket, subprocess, sys',
        'server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1] + "~"); server.listen()',
        'os.rename(sys.argv[1] + "~", sys.argv[1])',
        'option = f"socket,id=c,fd={server.fileno()},server=on,wait=off"',
        'command = [*sys.argv[2:], "-chardev", option, "-mon", "c,mode=control"]',
        'sys.exit(subprocess.run(command, pass_fds=[server.fileno()]).returncode)',
      ].join('\n');
      const child = spawn(python.path, ['-c', parent, path, process.execPath, executable, ...more], {
        stdio: 'inherit',
      });
      started.push(child);
      while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 10));
      const ended = once(child, 'exit');
      // In the background it serves when the command has come back.
      if (more.length > 0) expect(await ended).toEqual([0, null]);
      expect(await converse(path)).toMatch(/"socket": "fd:\d+"/);
      expect(await ended).toEqual([0, null]);
      expect(existsSync(path)).toBe(true);
    },
  );
});

describe('a service manager', () => {
  it.skipIf(python.missing)(python.title('hands sockets down, and is told when they are served'), async () => {
    const [path, notify] = [join(folder, 'q.sock'), join(folder, 'notify.sock')];
    const manager = [
      'import os, socket, subprocess, sys',
      'notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); notify.bind(sys.argv[2]); notify.settimeout(30)',
      'server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1] + "~"); server.listen()',
      'os.rename(sys.argv[1] + "~", sys.argv[1])',
      'shell = f"exec 3<&{server.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 NOTIFY_SOCKET=$0 exec \\"$@\\""',
      'child = subprocess.Popen(["bash", "-c", shell, *sys.argv[2:]], pass_fds=[server.fileno()])',
      'message = notify.recv(1000).decode()',
      'print(message.replace(str(child.pid), "PID"), flush=True)',
      'sys.exit(child.wait(60))',
    ].join('\n');
    const child = spawn(python.path, ['-c', manager, path, notify, process.execPath, executable], { stdio: 'pipe' });
    started.push(child);
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    expect(text.toString()).toBe('READY=1\nMAINPID=PID\n');
    expect(await converse(path)).toContain('"socket": "fd:3"');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(existsSync(path)).toBe(true);
  });
});
