import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Endpoint, EndpointError } from '../../src/qmp/endpoint.ts';
import { TestMachine } from './support.ts';

/** A client on a real socket that collects what it is sent. */
class SocketClient {
  readonly socket: net.Socket;
  readonly ended: Promise<unknown>;
  text = '';

  private constructor(socket: net.Socket) {
    this.socket = socket;
    this.ended = once(socket, 'end');
    socket.on('data', (bytes: Buffer) => {
      this.text += bytes.toString('latin1');
    });
  }

  static adopt(socket: net.Socket): SocketClient {
    return new SocketClient(socket);
  }

  static async connect(target: net.NetConnectOpts): Promise<SocketClient> {
    const socket = net.connect({ ...target, allowHalfOpen: true });
    const client = new SocketClient(socket);
    await once(socket, 'connect');
    return client;
  }

  /** Waits until `count` lines have come. */
  async lines(count: number): Promise<string[]> {
    for (let tries = 0; this.text.split('\r\n').length <= count; tries++) {
      if (tries > 2000) throw new Error(`only this came: ${this.text}`);
      await sleep(1);
    }
    return this.text.split('\r\n').slice(0, -1);
  }

  send(...requests: (string | object)[]): void {
    this.socket.write(requests.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join(''));
  }
}

const negotiate = { execute: 'qmp_capabilities' };

let folder: string;
let path: string;
let machine: TestMachine;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'viommud-qmp-'));
  path = join(folder, 'q.sock');
  machine = new TestMachine();
});

afterEach(async () => {
  await machine.server.close();
  rmSync(folder, { recursive: true });
});

describe('a UNIX socket', () => {
  const unix = (): Endpoint => ({ kind: 'unix', path });

  it('serves several clients at once', async () => {
    await machine.server.listen(unix());
    const [first, second] = [await SocketClient.connect({ path }), await SocketClient.connect({ path })];
    first.send(negotiate, { execute: 'wait', id: 1 });
    second.send(negotiate, { execute: 'cont', id: 2 });
    expect((await second.lines(4)).slice(2)).toEqual([expect.stringContaining('RESUME'), '{"return": {}, "id": 2}']);
    expect((await first.lines(3))[2]).toContain('RESUME');
    machine.release();
    expect((await first.lines(4))[3]).toBe('{"return": {}, "id": 1}');
    expect(machine.server.clients().map(({ id, socket }) => [id, socket])).toEqual([
      [1, `unix:${path}`],
      [2, `unix:${path}`],
    ]);
  });

  it('answers what came before a half-close, then closes', async () => {
    await machine.server.listen(unix());
    const client = await SocketClient.connect({ path });
    client.socket.end(JSON.stringify(negotiate) + '{"execute": "wait", "id": 1}{"execute": "query-name", "id": 2}');
    await client.lines(2);
    await sleep(20);
    machine.release();
    await client.ended;
    expect((await client.lines(4)).slice(2)).toEqual(['{"return": {}, "id": 1}', '{"return": {}, "id": 2}']);
  });

  it('drops unread requests of a client that has closed, as QEMU does', async () => {
    await machine.server.listen(unix());
    const client = await SocketClient.connect({ path });
    client.send(negotiate);
    await client.lines(2);
    client.send({ execute: 'cont' });
    client.socket.destroy();
    while (machine.server.clients().length > 0) await sleep(1);
    expect(machine.executed).toEqual([]);
  });

  it('survives a client that goes away while it is sent to', async () => {
    await machine.server.listen(unix());
    const client = await SocketClient.connect({ path });
    client.send(negotiate, { execute: 'wait' });
    await client.lines(2);
    client.socket.destroy();
    machine.release();
    const next = await SocketClient.connect({ path });
    next.send(negotiate);
    await next.lines(2);
    for (let sequence = 0; sequence < 100; sequence++) machine.server.emit('STOP');
    expect(await next.lines(102)).toHaveLength(102);
    while (machine.server.clients().length > 1) await sleep(1);
  });

  it('keeps every reply for a client that is slow to read', async () => {
    await machine.server.listen(unix());
    const client = await SocketClient.connect({ path });
    client.socket.pause();
    const text = 'x'.repeat(50_000);
    client.send(negotiate);
    for (let id = 0; id < 100; id++) client.send({ execute: 'echo', arguments: { text }, id });
    await sleep(100);
    client.socket.resume();
    const replies = (await client.lines(102)).slice(2).map((line) => (JSON.parse(line) as { id: number }).id);
    expect(replies).toEqual(Array.from({ length: 100 }, (_, id) => id));
  });

  it('stops reading from a client that does not read, and loses nothing of it', async () => {
    machine = new TestMachine({ limits: { unreadReplies: 100_000 } });
    await machine.server.listen(unix());
    const client = await SocketClient.connect({ path });
    client.socket.pause();
    const text = 'x'.repeat(10_000);
    client.send(negotiate);
    let answered = 0;
    machine.server.emit('STOP');
    for (let id = 0; id < 1000; id++) client.send({ execute: 'echo', arguments: { text }, id });
    await sleep(200);
    expect(client.socket.writableLength).toBeGreaterThan(1_000_000);
    client.socket.resume();
    answered = (await client.lines(1002)).length;
    expect(answered).toBe(1002);
  });

  it('is removed at the end, its clients with it, after their last event', async () => {
    await machine.server.listen(unix());
    const [asker, other] = [await SocketClient.connect({ path }), await SocketClient.connect({ path })];
    other.send(negotiate);
    await other.lines(2);
    asker.send(negotiate, { execute: 'quit', id: 1 }, { execute: 'query-name', id: 2 });
    await Promise.all([asker.ended, other.ended]);
    expect((await asker.lines(4)).slice(2)).toEqual([expect.stringContaining('SHUTDOWN'), '{"return": {}, "id": 1}']);
    expect((await other.lines(3))[2]).toContain('SHUTDOWN');
    expect(existsSync(path)).toBe(false);
  });

  it('takes the place of a socket file, in use or stale, but not of another file', async () => {
    await machine.server.listen(unix());
    const second = new TestMachine();
    await second.server.listen(unix());
    const client = await SocketClient.connect({ path });
    await client.lines(1);
    expect(second.server.clients()).toHaveLength(1);
    expect(machine.server.clients()).toHaveLength(0);
    client.socket.destroy();
    await second.server.close();
    writeFileSync(path, 'text');
    const refusal = machine.server.listen(unix());
    await expect(refusal).rejects.toThrow(`Failed to bind socket to ${path}: Address already in use`);
    expect(statSync(path).size).toBe(4);
  });

  it('has a path of less than 108 bytes', async () => {
    const long = `${folder}/${'é'.repeat(50)}`;
    const error: unknown = await machine.server.listen({ kind: 'unix', path: long }).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(EndpointError);
    expect((error as EndpointError).message).toBe(`UNIX socket path '${long}' is too long`);
    expect((error as EndpointError).hint).toBe('Path must be less than 108 bytes');
    await expect(machine.server.connect({ kind: 'unix', path: long })).rejects.toThrow('is too long');
    await machine.server.listen({ kind: 'unix', path: `${folder}/${'x'.repeat(106 - folder.length)}` });
  });

  it('can be waited for until the first client has come', async () => {
    const listener = await machine.server.listen(unix());
    expect(listener.filename).toBe(`disconnected:unix:${path},server=on`);
    let here = false;
    const first = listener.firstClient.then(() => {
      here = true;
    });
    await sleep(5);
    expect(here).toBe(false);
    const client = await SocketClient.connect({ path });
    await first;
    expect(listener.filename).toBe(`unix:${path},server=on`);
    client.socket.destroy();
  });

  it('in a folder that is not there gives a sentence', async () => {
    const missing = join(folder, 'no', 'q.sock');
    const refusal = machine.server.listen({ kind: 'unix', path: missing });
    await expect(refusal).rejects.toThrow(`Failed to bind socket to ${missing}: `);
    const unreachable = machine.server.connect({ kind: 'unix', path: missing });
    await expect(unreachable).rejects.toThrow(`Failed to connect to '${missing}': No such file or directory`);
  });
});

describe('a TCP socket', () => {
  it('is served on loopback alone', async () => {
    const listener = await machine.server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    const { endpoint } = listener;
    const port = endpoint.kind === 'tcp' ? endpoint.port : 0;
    expect(port).toBeGreaterThan(0);
    const client = await SocketClient.connect({ host: '127.0.0.1', port });
    client.send(negotiate);
    expect((await client.lines(2))[1]).toBe('{"return": {}}');
    const from = `127.0.0.1:${client.socket.localPort}`;
    expect(listener.filename).toBe(`tcp:127.0.0.1:${port},server=on <-> ${from}`);
    const taken = machine.server.listen({ kind: 'tcp', host: '', port });
    await expect(taken).rejects.toThrow('Failed to find an available port: Address already in use');
    const open = machine.server.listen({ kind: 'tcp', host: '0.0.0.0', port: 0 });
    await expect(open).rejects.toThrow("QMP is served on loopback addresses only, and '0.0.0.0' is none");
    const nobody = new net.Server().listen(0, '127.0.0.1');
    await once(nobody, 'listening');
    const free = (nobody.address() as net.AddressInfo).port;
    nobody.close();
    const refused = machine.server.connect({ kind: 'tcp', host: '127.0.0.1', port: free });
    await expect(refused).rejects.toThrow(`Failed to connect to '127.0.0.1:${free}': Connection refused`);
  });
});

describe('client mode', () => {
  it('connects out and greets', async () => {
    const monitor = net.createServer({ allowHalfOpen: true }).listen(path);
    const accepted = once(monitor, 'connection');
    await machine.server.connect({ kind: 'unix', path }, { pretty: true });
    const [socket] = (await accepted) as [net.Socket];
    const client = SocketClient.adopt(socket);
    client.send(negotiate);
    const lines = await client.lines(17);
    expect(lines[1]).toBe('    "QMP": {');
    expect(lines.slice(-4)).toEqual(['{', '    "return": {', '    }', '}']);
    socket.end();
    await client.ended;
    monitor.close();
  });
});

describe('standard input and output', () => {
  it('serve one client, and tell it events when its input has ended', async () => {
    const streams = { stdin: new PassThrough(), stdout: new PassThrough() };
    machine.server.serveStandardStreams({}, streams);
    streams.stdin.end('{"execute": "qmp_capabilities"}{"execute": "query-name", "id": 1}');
    let text = '';
    streams.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
    while (!text.includes('"id": 1')) await sleep(1);
    await sleep(5);
    machine.server.emit('STOP');
    await machine.server.close();
    const lines = text.split('\r\n').slice(1);
    expect(lines.slice(0, 2)).toEqual(['{"return": {}}', '{"return": {}, "id": 1}']);
    expect(lines[2]).toContain('"event": "STOP"');
    expect(lines.slice(3)).toEqual(['']);
    expect(streams.stdout.writableEnded).toBe(false);
  });
});

describe('closing', () => {
  it('may be asked for twice', async () => {
    await machine.server.listen({ kind: 'unix', path });
    const client = await SocketClient.connect({ path });
    await client.lines(1);
    const start = performance.now();
    await Promise.all([machine.server.close(), machine.server.close()]);
    await client.ended;
    // A client that keeps its own side open is not waited for.
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('does not wait longer than a second for a client that reads nothing', async () => {
    await machine.server.listen({ kind: 'unix', path });
    const client = await SocketClient.connect({ path });
    client.send(negotiate);
    await client.lines(2);
    client.socket.pause();
    client.send({ execute: 'echo', arguments: { text: 'x'.repeat(4_000_000) } });
    while (machine.executed.length === 0) await sleep(1);
    const start = performance.now();
    await machine.server.close();
    const took = performance.now() - start;
    expect(took).toBeGreaterThan(900);
    expect(took).toBeLessThan(3000);
    client.socket.destroy();
  });
});
