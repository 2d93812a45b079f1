/**
 * The bytes that real QMP clients sent to QEMU through a logging proxy, sent again to the daemon: each answer must be
 * what QEMU answered, line by line. Versions, time stamps and lists that are each server's own are compared in shape.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from '../support/daemon.ts';

interface Step {
  readonly mark?: string;
  readonly ev?: string;
  readonly c2s?: string;
  readonly s2c?: string;
}

const log = readFileSync(join(import.meta.dirname, '../fixtures/clients/client-wire-log.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Step);

const conversations: { name: string; steps: Step[] }[] = [];
for (const step of log) {
  if (step.mark !== undefined) conversations.push({ name: step.mark, steps: [] });
  else conversations.at(-1)!.steps.push(step);
}

/** A line without what differs from server to server; a list of commands is compared by its beginning. */
function comparable(line: string): string {
  return line
    .replace(/"version": \{.*\}, "capabilities"/, '"version": *, "capabilities"')
    .replace(/"seconds": \d+, "microseconds": \d+/, '*')
    .replace(/^\{"return": \[\{"name": "[^"]*"\}, .*/, '{"return": [{"name": *');
}

describe('recorded clients', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start([
      '-M',
      'q35',
      '-m',
      '64',
      '-nodefaults',
      '-S',
      '-display',
      'none',
      '-accel',
      'tcg',
    ]);
  });
  afterAll(() => daemon.stop());

  it.each(conversations.map(({ name, steps }) => [name, steps] as const))('%s', async (_, steps) => {
    const connection = await daemon.connection();
    let expected = '';
    for (const { ev, c2s, s2c } of steps) {
      if (c2s !== undefined) connection.send(c2s);
      if (ev === 'client-eof') connection.socket.end();
      if (s2c === undefined) continue;
      expected += s2c;
      // The log cuts what it stored of very long lines; such a line still counts as one.
      const lines = expected.split('\r\n').map(comparable);
      const wanted = expected.endsWith('\r\n') ? lines.slice(0, -1) : lines;
      const seen = (await connection.lines(wanted.length)).map(comparable);
      expect(seen.slice(0, wanted.length)).toEqual(wanted);
      if (!expected.endsWith('\r\n')) expected += '\r\n';
    }
    await connection.end();
  });
});

describe('what other clients rely on', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });
  afterAll(() => daemon.stop());

  it('libvirt: every line ends with exactly CRLF, holds one object, and comes only after a request', async () => {
    const connection = await daemon.connection();
    await connection.lines(1);
    connection.send('{"execute":"qmp_capabilities","id":"libvirt-1"}\r\n');
    expect((await connection.lines(2))[1]).toBe('{"return": {}, "id": "libvirt-1"}');
    connection.send('{"execute":"query-version","id":"libvirt-2"}\r\n');
    const version = JSON.parse((await connection.lines(3))[2]!) as { return: { qemu: object; package: string } };
    expect(version.return.qemu).toEqual({ micro: 22, minor: 2, major: 7 });
    expect(version.return.package).toMatch(/^viommud-/);
    connection.send('{"execute":"query-target","id":"libvirt-3"}\r\n');
    expect((await connection.lines(4))[3]).toBe('{"return": {"arch": "x86_64"}, "id": "libvirt-3"}');
    expect(connection.received.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    connection.socket.end();
    await connection.end();
  });

  it('go-qemu: one value, then lines; no request has an id or a line end after it', async () => {
    const connection = await daemon.connection();
    connection.send('{"execute":"qmp_capabilities"}\n');
    await connection.lines(2);
    connection.send('{"execute":"query-status"}');
    const [greeting, ready, status] = await connection.lines(3);
    expect(JSON.parse(greeting!)).toHaveProperty('QMP.capabilities', ['oob']);
    expect(ready).toBe('{"return": {}}');
    expect(JSON.parse(status!)).toEqual({ return: { status: 'running', singlestep: false, running: true } });
    connection.socket.end();
    await connection.end();
  });

  it('python qemu.qmp: its line buffer of 256 KiB holds the whole introspection', async () => {
    const connection = await daemon.connection();
    connection.send('{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}');
    await connection.lines(2);
    connection.send('{"execute":"query-qmp-schema","id":"__qmp#00000"}');
    const line = (await connection.lines(3))[2]!;
    expect(line.length).toBeLessThan(256 * 1024);
    expect((JSON.parse(line) as { return: unknown[] }).return.length).toBeGreaterThan(100);
    connection.socket.end();
    await connection.end();
  });

  it('qapi-rs: numeric ids come back in every reply, errors too', async () => {
    const connection = await daemon.connection();
    connection.send('{"execute":"qmp_capabilities","arguments":{"enable":[]},"id":0}\n{"execute":"nope","id":1}\n');
    const lines = await connection.lines(3);
    expect(lines.slice(1).map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([0, 1]);
    connection.socket.end();
    await connection.end();
  });
});
