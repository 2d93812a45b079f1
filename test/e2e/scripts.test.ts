/** The scripts of clients/, run as a user runs them. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';
import { systemProgram } from '../support/system-program.ts';

const clients = join(import.meta.dirname, '../../clients');
const socat = systemProgram('socat');
const python = systemProgram('python3');

describe('scripts', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });
  afterAll(() => daemon.stop());

  const run = (program: string, args: string[], input = ''): { status: number | null; out: string } => {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', input, timeout: 20_000 });
    return { status, out: stdout + stderr };
  };

  it.skipIf(socat.missing)(socat.title('socat: a pipe of commands is answered whole, then the connection ends'), () => {
    const input = '{"execute": "qmp_capabilities"}{"execute": "query-name"}\n{"execute": "nope", "id": 3}\n';
    const { status, out } = run(socat.path, ['-t', '10', '-', `UNIX-CONNECT:${daemon.path}`], input);
    expect(status).toBe(0);
    expect(out.split('\r\n').slice(1)).toEqual([
      '{"return": {}}',
      '{"return": {}}',
      '{"id": 3, "error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}}',
      '',
    ]);
  });

  it.skipIf(socat.missing)(socat.title('viommu-ask prints the reply, and its status says whether it failed'), () => {
    const ask = join(clients, 'shell/viommu-ask');
    expect(run(ask, [daemon.path, 'query-status'])).toEqual({
      status: 0,
      out: '{"return": {"status": "running", "singlestep": false, "running": true}, "id": "ask"}\n',
    });
    const failed = run(ask, [daemon.path, 'device_del', '{"id": "nope"}']);
    expect(failed.status).toBe(1);
    expect(failed.out).toContain("Device 'nope' not found");
    expect(run(ask, [`${daemon.path}.nope`, 'query-status']).status).toBe(2);
  });

  it.skipIf(socat.missing)(
    socat.title('viommu-watch prints each event as it comes, and ends with the daemon'),
    async () => {
      const watched = await TestDaemon.start();
      const watch = spawn(join(clients, 'shell/viommu-watch'), [watched.path, 'RESUME'], { detached: true });
      const ended = once(watch, 'exit');
      let printed = '';
      watch.stdout.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
      const client = await watched.client();
      try {
        const negotiated = async (): Promise<number> =>
          (await client.execute('query-clients')).clients.filter((each) => each.negotiated).length;
        while ((await negotiated()) < 2) await setTimeout(20);
        for (const count of [1, 2]) {
          await client.execute('stop');
          await client.execute('cont');
          // A second event must not be needed to push the first one out.
          while (printed.split('\n').length <= count) await setTimeout(5);
          expect(printed.match(/"event": "RESUME"/g)).toHaveLength(count);
        }
        expect(printed).not.toContain('STOP');
        await client.execute('quit');
        expect(await ended).toEqual([0, null]);
      } finally {
        client.close();
        if (watch.exitCode === null) process.kill(-watch.pid!, 'SIGTERM');
        await watched.stop();
      }
    },
  );

  it.skipIf(socat.missing)(socat.title('socket paths may hold what socat would take for options'), async () => {
    const folder = mkdtempSync(join(tmpdir(), 'viommud-a b,c:d-'));
    const path = join(folder, 'q.sock');
    const option = `unix:${path.replaceAll(',', ',,')},server=on,wait=on`;
    const odd = spawn(process.execPath, [join(clients, '../dist/main.js'), '-qmp', option], { stdio: 'pipe' });
    try {
      await once(odd.stderr, 'data');
      expect(run(join(clients, 'shell/viommu-ask'), [path, 'query-name']).out).toBe('{"return": {}, "id": "ask"}\n');
    } finally {
      odd.kill();
      rmSync(folder, { recursive: true });
    }
  });

  it.skipIf(python.missing)(python.title('viommu.py sends 64-bit numbers exactly and shows events'), () => {
    const script = join(clients, 'python/viommu.py');
    const added = run(python.path, [
      script,
      daemon.path,
      'device_add',
      'driver=vfio-pci',
      'id=py0',
      'host=0000:5e:00.0',
    ]);
    expect(added.status).toBe(0);
    expect(added.out).toContain('VFIO_DMA_MAPPED');
    const refused = run(python.path, [script, daemon.path, 'memory-read', 'address=18446744073709551615', 'size=1']);
    expect(refused.status).toBe(1);
    expect(refused.out).toContain('0xffffffffffffffff');
  });
});
