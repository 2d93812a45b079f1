/** Programs that others wrote, and clients with bad manners, against the daemon as users start it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { systemProgram } from '../support/system-program.ts';

const go = systemProgram('go');
const python = systemProgram('python3');
const socat = systemProgram('socat');

/** Where Debian's golang-github-digitalocean-go-qemu-dev puts the library. */
const goPath = '/usr/share/gocode';
const goQemu = join(goPath, 'src/github.com/digitalocean/go-qemu');
if (!existsSync(goQemu) && process.env['CI']) {
  throw new Error('go-qemu is missing: install the package golang-github-digitalocean-go-qemu-dev');
}

const daemons: TestDaemon[] = [];
afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.stop();
});

async function start(...args: string[]): Promise<TestDaemon> {
  const daemon = await TestDaemon.start(args);
  daemons.push(daemon);
  return daemon;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, input = ''): string[] {
  const options = { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ...env }, input } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  expect([stderr, status]).toEqual(['', 0]);
  return stdout.trimEnd().split('\n');
}

const commands = ['{"execute":"query-status"}', '{"execute":"nope"}', '{"execute":"stop"}'];

describe('programs', () => {
  it.skipIf(go.missing || !existsSync(goQemu))(
    go.title('go-qemu (golang-github-digitalocean-go-qemu-dev) connects, runs commands and hears events'),
    async () => {
      const daemon = await start();
      const program = join(daemon.folder, 'go-client');
      const environment = { GO111MODULE: 'off', GOPATH: goPath, GOCACHE: join(daemon.folder, 'cache'), GOFLAGS: '' };
      run(go.path, ['build', '-o', program, join(import.meta.dirname, 'go-qemu/main.go')], environment);
      expect(run(program, [daemon.path, ...commands])).toEqual([
        'reply: {"return": {"status": "running", "singlestep": false, "running": true}}',
        'refused: The command nope has not been found',
        'reply: {"return": {}}',
        'event: STOP',
      ]);
    },
    180_000,
  );

  it.skipIf(python.missing)(python.title('Python with nothing but its standard library'), async () => {
    const daemon = await start();
    const script = join(import.meta.dirname, 'python-client.py');
    expect(run(python.path, [script, daemon.path, ...commands])).toEqual([
      '{"return": {"running": true, "singlestep": false, "status": "running"}}',
      '{"error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}}',
      '{"return": {}}',
      'STOP',
    ]);
  });

  it.skipIf(socat.missing)(socat.title('socat: one line a command, and the end of input ends it'), async () => {
    const daemon = await start('-M', 'none', '-S');
    const input = ['{"execute":"qmp_capabilities"}', ...commands, ''].join('\n');
    const lines = run(socat.path, ['-t', '20', '-', `UNIX-CONNECT:${daemon.path}`], {}, input);
    expect(lines.slice(1).map((line) => line.trimEnd())).toEqual([
      '{"return": {}}',
      '{"return": {"status": "prelaunch", "singlestep": false, "running": false}}',
      '{"error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}}',
      '{"return": {}}',
    ]);
  });
});

/** What libvirt takes for an answer besides a return. */
type Tolerated = 'CommandNotFound' | 'DeviceNotFound' | 'GenericError';

const argument = (name: string, value: string): string => `,"arguments":{"${name}":"${value}"}`;
const expansion = (type: string, model: string): string =>
  `,"arguments":{"type":"${type}","model":{"name":"${model}"}}`;

/** The commands of libvirt 9.0's probe in its order, with the arguments as it writes them. */
const probe: readonly (readonly [command: string, argumentText: string, tolerated?: Tolerated])[] = [
  ['qmp_capabilities', ''],
  ['query-version', ''],
  ['query-target', ''],
  ['query-qmp-schema', ''],
  ['query-commands', ''],
  ['query-kvm', ''],
  ['qom-list-types', ''],
  ...['virtio-blk-pci', 'virtio-net-pci', 'virtio-scsi-pci', 'virtio-balloon-pci', 'vfio-pci', 'usb-storage', 'VGA']
    .concat(['ICH9-LPC', 'i440FX-pcihost', 'q35-pcihost', 'mch', 'intel-iommu', 'pcie-root-port', 'scsi-hd', 'ide-hd'])
    .map((name) => ['device-list-properties', argument('typename', name), 'DeviceNotFound'] as const),
  ...['memory-backend-file', 'memory-backend-memfd', 'sev-guest', 'thread-context'].map(
    (name) => ['qom-list-properties', argument('typename', name), 'DeviceNotFound'] as const,
  ),
  ['query-machines', ''],
  ['query-cpu-definitions', '', 'GenericError'],
  ['query-tpm-models', '', 'CommandNotFound'],
  ['query-tpm-types', '', 'CommandNotFound'],
  ['query-command-line-options', ''],
  ['query-migrate-capabilities', '', 'CommandNotFound'],
  ['query-sev-capabilities', '', 'GenericError'],
  ['query-sgx-capabilities', '', 'GenericError'],
  ['query-cpu-model-expansion', expansion('static', 'host'), 'GenericError'],
  ['query-cpu-model-expansion', expansion('full', 'host'), 'GenericError'],
];

describe('libvirt', () => {
  it('probes a daemon in the background, by its bytes, and quits it', async () => {
    const daemon = await start(
      ...['-S', '-no-user-config', '-nodefaults', '-nographic', '-machine', 'none,accel=kvm:tcg'],
      ...['-pidfile', 'DIR/qmp.pid', '-daemonize'],
    );
    expect(await daemon.ended).toBe(0);
    const [processId] = readFileSync(join(daemon.folder, 'qmp.pid'), 'utf8').split('\n');
    const connection = await daemon.connection();
    await connection.lines(1);
    for (const [index, [command, text, tolerated]] of probe.entries()) {
      connection.send(`{"execute":"${command}"${text},"id":"libvirt-${index + 1}"}\r\n`);
      const line = (await connection.lines(index + 2))[index + 1]!;
      expect(line).toContain(`"id": "libvirt-${index + 1}"`);
      const reply = JSON.parse(line) as { return?: unknown; error?: { class: string } };
      const accepted = 'return' in reply || reply.error?.class === tolerated;
      expect(accepted, `${command}${text}: ${line}`).toBe(true);
    }
    expect(connection.received.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    connection.send('{"execute":"quit","id":"libvirt-last"}\r\n');
    await connection.end();
    const alive = (): boolean => existsSync(`/proc/${processId}/fd/0`);
    for (let tries = 0; alive() && tries < 500; tries += 1) await sleep(10);
    expect(alive()).toBe(false);
    expect(existsSync(join(daemon.folder, 'qmp.pid'))).toBe(false);
  });
});

describe('bad manners', () => {
  it('a client that never reads holds up nobody', async () => {
    const daemon = await start('-M', 'none');
    const deaf = await daemon.connection();
    deaf.socket.pause();
    deaf.send(`{"execute":"qmp_capabilities"}${'{"execute":"query-qmp-schema"}'.repeat(200)}`);
    const client = await daemon.client();
    for (let round = 0; round < 20; round += 1) {
      await client.execute('stop');
      await client.execute('cont');
    }
    expect(await client.execute('query-status')).toMatchObject({ status: 'running' });
    client.close();
    deaf.socket.destroy();
  });

  it('a client that sends no newline, byte by byte, is answered', async () => {
    const daemon = await start('-M', 'none');
    const connection: RawConnection = await daemon.connection();
    for (const byte of '{"execute":"qmp_capabilities"}{"execute":"query-name","id":1}') {
      connection.send(byte);
      await sleep(1);
    }
    expect((await connection.lines(3)).slice(1)).toEqual(['{"return": {}}', '{"return": {}, "id": 1}']);
    connection.socket.destroy();
  });
});
