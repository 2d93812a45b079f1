import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';
import { QtestClient } from '../support/qtest-client.ts';

let daemon: TestDaemon | null = null;
let client: QtestClient | null = null;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await daemon?.stop();
  await client?.stop();
  daemon = null;
  client = null;
});

/** Connects to a socket that may not be there yet. */
async function connected(path: string): Promise<Socket> {
  for (let tries = 0; !existsSync(path) && tries < 500; tries += 1) await sleep(10);
  const socket = connect(path);
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  return socket;
}

/** Sends text and waits until the answer has as many lines. */
async function exchange(socket: Socket, text: string, lines = text.split('\n').length - 1): Promise<string> {
  let received = '';
  const done = new Promise<string>((resolve, reject) => {
    socket.on('data', function collect(chunk: Buffer) {
      received += chunk.toString('latin1');
      if (received.split('\n').length - 1 < lines) return;
      socket.off('data', collect);
      resolve(received);
    });
    socket.once('close', () => reject(new Error(`closed after ${received}`)));
  });
  socket.write(text, 'latin1');
  return await done;
}

const MACHINE = ['-M', 'q35', '-m', '128', '-nodefaults', '-display', 'none'] as const;

describe('qtest over sockets', () => {
  it('is served to a client that the daemon connects to, with virtual time', async () => {
    client = await QtestClient.start(['-M', 'q35', '-m', '128', '-device', 'edu,addr=3.0']);
    expect(await client.ok('endianness')).toBe('little');
    expect(await client.ok('clock_step 100')).toBe('100');
    expect(await client.ok('clock_set 5000')).toBe('5000');
    await client.enableDevice(3 << 3, 0xe000_0000n);
    expect(await client.read(0xe000_0000n, 4)).toBe(0x0100_00edn);
    // A DMA of edu waits for virtual time, however long that takes.
    await client.write(0x1000n, 8, 0x1122_3344_5566_7788n);
    for (const [offset, value] of [
      [0x80n, 0x1000n],
      [0x88n, 0x4_0000n],
      [0x90n, 8n],
    ] as const) {
      await client.write(0xe000_0000n + offset, 8, value);
    }
    await client.write(0xe000_0098n, 4, 1n);
    await sleep(150);
    expect((await client.read(0xe000_0098n, 4)) & 1n).toBe(1n);
    expect(BigInt(await client.ok('clock_step'))).toBeGreaterThan(5000n);
    expect((await client.read(0xe000_0098n, 4)) & 1n).toBe(0n);
  });

  it('is served on a socket of the daemon’s, one client after the other, and recorded', async () => {
    const paths = ['-qtest', 'unix:DIR/qtest.sock,server=on,wait=off', '-qtest-log', 'DIR/log'];
    daemon = await TestDaemon.start([...MACHINE, '-accel', 'qtest', ...paths]);
    const first = await connected(join(daemon.folder, 'qtest.sock'));
    expect(await exchange(first, 'clock_step 100\nfoo\n\n')).toBe(
      "OK 100\nFAIL Unknown command 'foo'\nFAIL Unknown command ''\n",
    );
    const second = await connected(join(daemon.folder, 'qtest.sock'));
    const waiting = exchange(second, 'clock_step 1\n');
    expect(await exchange(first, 'endianness\n')).toBe('OK little\n');
    first.end();
    expect(await waiting).toBe('OK 101\n');
    expect(
      readFileSync(join(daemon.folder, 'log'), 'utf8')
        .replaceAll(/\+\d+\.\d{6}/g, '+TIME')
        .split('\n'),
    ).toEqual([
      '[I 0.000000] OPENED',
      '[R +TIME] clock_step 100',
      '[S +TIME] OK 100',
      '[R +TIME] foo',
      "[S +TIME] FAIL Unknown command 'foo'",
      '[R +TIME] ',
      "[S +TIME] FAIL Unknown command ''",
      '[R +TIME] endianness',
      '[S +TIME] OK little',
      '[I +TIME] CLOSED',
      '[I 0.000000] OPENED',
      '[R +TIME] clock_step 1',
      '[S +TIME] OK 101',
      '',
    ]);
  });

  it('shares the machine with monitors', async () => {
    daemon = await TestDaemon.start([...MACHINE, '-accel', 'qtest', '-qtest', 'unix:DIR/q,server=on,wait=off']);
    const qtest = await connected(join(daemon.folder, 'q'));
    const monitor = await daemon.client();
    await exchange(qtest, 'writel 0x2000 0x11223344\n');
    const read = await monitor.execute('memory-read', { address: 0x2000n, size: 4n, encoding: 'hex' });
    expect(read).toEqual({ data: '44332211' });
    await monitor.execute('memory-write', { address: 0x2000n, data: 'aabb', encoding: 'hex' });
    expect(await exchange(qtest, 'readw 0x2000\n')).toBe('OK 0x000000000000bbaa\n');
    monitor.close();
  });

  it('has no command of the clock where time is real, and edu’s DMA ends by itself', async () => {
    const qtestArgs = ['-qtest', 'unix:DIR/q,server=on,wait=off', '-qtest-log', 'none'];
    daemon = await TestDaemon.start([...MACHINE, '-device', 'edu,addr=3.0', ...qtestArgs]);
    const qtest = await connected(join(daemon.folder, 'q'));
    expect(await exchange(qtest, 'clock_step 1000\n')).toBe("FAIL Unknown command 'clock_step'\n");
    await exchange(qtest, 'outl 0xcf8 0x80001810\noutl 0xcfc 0xe0000000\noutl 0xcf8 0x80001804\noutw 0xcfc 6\n');
    const dma = [0x80, 0x1000, 0x88, 0x40000, 0x90, 8];
    for (let index = 0; index < dma.length; index += 2) {
      await exchange(qtest, `writeq 0x${(0xe000_0000 + dma[index]!).toString(16)} ${dma[index + 1]}\n`);
    }
    await exchange(qtest, 'writel 0xe0000098 1\n');
    expect(await exchange(qtest, 'readl 0xe0000098\n')).toBe('OK 0x0000000000000001\n');
    let running = true;
    for (let waited = 0; running && waited < 5000; waited += 20) {
      await sleep(20);
      running = (await exchange(qtest, 'readl 0xe0000098\n')).endsWith('1\n');
    }
    expect(running).toBe(false);
  });

  it('is refused in QEMU’s words where nobody listens', async () => {
    const starting = TestDaemon.start([...MACHINE, '-qtest', 'unix:DIR/nobody']);
    await expect(starting).rejects.toThrow(
      /Failed to connect to '.*\/nobody': No such file or directory\nviommud: Failed to initialize device for qtest: "unix:.*\/nobody"/,
    );
  });
});
