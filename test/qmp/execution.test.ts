import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { TestMachine } from './support.ts';

const oob = (command: string, id: unknown): string => JSON.stringify({ 'exec-oob': command, id });
const run = (command: string, id: unknown): string => JSON.stringify({ execute: command, id });
const idsOf = (replies: unknown[]): unknown[] => replies.map((reply) => (reply as { id?: unknown }).id);

describe('without out-of-band execution', () => {
  it('reads nothing while a command runs, then answers in order, parse errors too', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    client.send(`${run('wait', 1)}${run('query-name', 2)}@`);
    client.send(run('query-name', 3));
    expect(client.inputPaused).toBe(true);
    expect(await client.take()).toEqual([]);
    expect(machine.executed).toEqual(['wait']);
    machine.release();
    const replies = await client.take();
    expect(idsOf(replies)).toEqual([1, 2, undefined, 3]);
    expect(client.inputPaused).toBe(false);
  });

  it('holds back only the session whose command waits', async () => {
    const machine = new TestMachine();
    const [first, second] = [machine.negotiated(), machine.negotiated()];
    first.execute('wait', 1);
    second.execute('query-name', 2);
    expect(await second.take()).toEqual([{ return: {}, id: 2 }]);
    expect(await first.take()).toEqual([]);
    machine.release(new CommandError('it was too late', 'DeviceNotActive'));
    expect(await first.take()).toEqual([{ id: 1, error: { class: 'DeviceNotActive', desc: 'it was too late' } }]);
  });
});

describe('with out-of-band execution', () => {
  it('runs an out-of-band command past one that waits, and its errors as well', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated(['oob']);
    const malformed = '{"exec-oob": 1, "id": "bad"}';
    client.send(
      run('wait', 1) + run('query-name', 2) + oob('query-yank', 3) + oob('query-name', 4) + oob('no', 5) + malformed,
    );
    expect(idsOf(await client.take())).toEqual([3, 4, 5, 'bad']);
    machine.release();
    expect(idsOf(await client.take())).toEqual([1, 2]);
  });

  it('queues a request with both verbs, and refuses it in its turn', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated(['oob']);
    client.send(`${run('wait', 1)}{"exec-oob": "query-yank", "execute": "query-name", "id": 2}`);
    expect(await client.take()).toEqual([]);
    machine.release();
    const desc = "QMP input member 'execute' clashes with 'exec-oob'";
    expect(await client.take()).toEqual([
      { return: {}, id: 1 },
      { id: 2, error: { class: 'GenericError', desc } },
    ]);
  });

  it('reads on with seven waiting and stops with eight, however the bytes are cut', async () => {
    for (const whole of [true, false]) {
      const machine = new TestMachine();
      const client = machine.negotiated(['oob']);
      const send = (text: string): void => {
        if (whole) client.send(text);
        else for (const byte of Buffer.from(text)) client.send(Uint8Array.of(byte));
      };
      const seven = [1, 2, 3, 4, 5, 6, 7].map((id) => run('query-name', id)).join('');
      send(run('wait', 0) + seven + oob('query-yank', 'early'));
      expect(idsOf(await client.take())).toEqual(['early']);
      send(`@${oob('query-yank', 'late')}`);
      expect(client.inputPaused).toBe(true);
      expect(await client.take()).toEqual([]);
      machine.release();
      expect(idsOf(await client.take())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, undefined, 'late']);
      expect(client.inputPaused).toBe(false);
    }
  });

  it('reads again as soon as one is taken off the full queue', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated(['oob']);
    client.send(run('wait', 0) + run('wait', 1) + [2, 3, 4, 5, 6, 7, 8].map((id) => run('query-name', id)).join(''));
    client.send(oob('query-yank', 'late'));
    expect(await client.take()).toEqual([]);
    machine.release();
    expect(idsOf(await client.take())).toEqual([0, 'late']);
    machine.release();
    expect(idsOf(await client.take())).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('answers an out-of-band command that waits when it is done, holding nothing back', async () => {
    let finish = (): void => {};
    const handlers = {
      'query-yank': () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
      'query-name': () => undefined,
    } as never;
    const client = new TestMachine({ handlers }).negotiated(['oob']);
    client.send(oob('query-yank', 1) + run('query-name', 2));
    client.halfClose();
    expect(idsOf(await client.take())).toEqual([2]);
    expect(client.ended).toBe(false);
    finish();
    expect(idsOf(await client.take())).toEqual([1]);
    expect(client.ended).toBe(true);
  });
});

describe('quit', () => {
  it('is the last in-band command of all sessions', async () => {
    const machine = new TestMachine({ capabilities: ['oob'] });
    const [first, second] = [machine.negotiated(), machine.negotiated(['oob'])];
    second.send(run('wait', 1) + run('query-name', 2));
    first.send(run('quit', 1) + run('query-name', 2) + run('quit', 3));
    const shutdown = { event: 'SHUTDOWN', data: { guest: false, reason: 'host-qmp-quit' } };
    expect(await first.take()).toEqual([shutdown, { return: {}, id: 1 }]);
    expect(await second.take()).toEqual([shutdown]);
    expect([first.ended, second.ended]).toEqual([true, true]);
    machine.release();
    expect(await second.take()).toEqual([]);
    expect(machine.executed).toEqual(['wait', 'quit']);
  });

  it('leaves out-of-band commands alone until the connection closes', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated(['oob']);
    machine.server.stopDispatch();
    client.send(run('query-name', 1) + oob('query-yank', 2));
    expect(idsOf(await client.take())).toEqual([2]);
    expect(machine.executed).toEqual([]);
  });
});

describe('the end of the input', () => {
  it.each([[undefined], [['oob'] as ['oob']]])(
    'with %s enabled lets all that was sent be answered first',
    async (enable) => {
      const machine = new TestMachine();
      const client = machine.negotiated(enable);
      client.send(run('wait', 0) + Array.from({ length: 12 }, (_, id) => run('query-name', id + 1)).join(''));
      client.halfClose();
      expect(await client.take()).toEqual([]);
      expect(client.ended).toBe(false);
      machine.release();
      expect(idsOf(await client.take())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect(client.ended).toBe(true);
    },
  );

  it('in the middle of a message drops that message', async () => {
    const client = new TestMachine().negotiated();
    client.send(`${run('query-name', 1)}{"execute": "stop"`);
    client.halfClose();
    expect(idsOf(await client.take())).toEqual([1]);
    expect(client.ended).toBe(true);
  });
});

describe('a client that vanishes', () => {
  it('leaves its running command to complete and nobody to get the reply', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated(['oob']);
    client.send(run('wait', 1) + run('cont', 2));
    client.destroy();
    const next = machine.negotiated();
    machine.release();
    expect(await next.take()).toEqual([]);
    expect(await client.take()).toEqual([]);
    expect(machine.executed).toEqual(['wait']);
    expect(machine.server.clients()).toHaveLength(1);
  });

  it('leaves no half message to the next one', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    client.send('{"execute": "query-st');
    client.destroy();
    const next = machine.negotiated();
    next.send(run('query-name', 1));
    expect(await next.take()).toEqual([{ return: {}, id: 1 }]);
  });
});

describe('a command', () => {
  it('may send an event behind its reply, whether it succeeds or fails', async () => {
    const client = new TestMachine().negotiated();
    client.execute('device_del', 1);
    client.execute('query-name', 2);
    expect(await client.take()).toEqual([
      { return: {}, id: 1 },
      { event: 'DEVICE_DELETED', data: { path: '/machine/x' } },
      { return: {}, id: 2 },
    ]);
  });

  it('may run another one on its own behalf', async () => {
    const client = new TestMachine().negotiated();
    client.execute('batch', 1);
    expect(await client.take()).toMatchObject([{ return: { status: 'prelaunch' }, id: 1 }]);
  });
});
