import { describe, expect, it } from 'vitest';
import { EventMessage } from '../../src/qmp/event-message.ts';
import { EventQueue } from '../../src/qmp/event-queue.ts';
import type { QmpServerOptions } from '../../src/qmp/server.ts';
import { type TestClient, TestMachine } from './support.ts';

const LIMITS = { unreadReplies: 1000, directEvents: 200, queuedEvents: 5, queuedEventText: 100_000 };

function machineWith(limits: QmpServerOptions['limits']): TestMachine {
  return new TestMachine({ limits: { ...LIMITS, ...limits } });
}

/** Emits the model events `from` to `to`, inclusive. */
function emit(machine: TestMachine, from: number, to: number): void {
  for (let sequence = from; sequence <= to; sequence++) {
    machine.server.emit('IOMMU_REGION_SWITCHED', { device: 'd', bypass: true, sequence, operation: 1 });
  }
}

type Line = { event?: string; data?: { sequence?: number; lost?: number; from?: number; to?: number }; id?: number };

async function linesOf(client: TestClient): Promise<string[]> {
  return ((await client.take()) as Line[]).map(({ event, data, id }) => {
    if (event === 'EVENT_LOSS') return `lost ${data?.lost} ${data?.from}-${data?.to}`;
    return event === undefined ? `reply ${id}` : `${data?.sequence ?? event}`;
  });
}

/** A client whose connection takes no more: two events of some 150 characters are on their way, unread. */
async function blocked(machine: TestMachine): Promise<TestClient> {
  const client = machine.negotiated();
  client.reading = false;
  emit(machine, 1, 2);
  await new Promise(setImmediate);
  return client;
}

describe('a client that does not read its events', () => {
  it('loses the newest beyond the bound and is told exactly which, before the next that fits', async () => {
    const machine = machineWith({});
    const slow = await blocked(machine);
    const quick = machine.negotiated();
    emit(machine, 3, 20);
    const before = await linesOf(slow);
    expect(machine.server.clients()[0]).toMatchObject({ 'queued-events': 5, 'lost-events': 20 - before.length - 5 });
    slow.reading = true;
    slow.read();
    emit(machine, 21, 22);
    const after = await linesOf(slow);
    const kept = before.length + 5;
    const sequence = (from: number, to: number): string[] =>
      Array.from({ length: to - from + 1 }, (_, index) => String(from + index));
    expect([...before, ...after]).toEqual([
      ...sequence(1, kept),
      `lost ${20 - kept} ${kept + 1}-20`,
      ...sequence(21, 22),
    ]);
    expect(await linesOf(quick)).toEqual(sequence(3, 22));
    expect(machine.server.clients()[0]).toMatchObject({ 'queued-events': 0, 'lost-events': 20 - kept });
  });

  it('is told of each of several losses', async () => {
    const machine = machineWith({ queuedEvents: 1 });
    const client = await blocked(machine);
    const lines = await linesOf(client);
    for (let round = 1; round <= 3; round++) {
      emit(machine, round * 10, round * 10 + 9);
      client.read();
      lines.push(...(await linesOf(client)));
    }
    const losses = lines.filter((line) => line.startsWith('lost'));
    const seen = lines.filter((line) => /^\d+$/.test(line)).map(Number);
    const lost = losses.flatMap((line) => {
      const [from = 0, to = 0] = (line.split(' ')[2] ?? '').split('-').map(Number);
      expect(line).toBe(`lost ${to - from + 1} ${from}-${to}`);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
    expect(losses.length).toBeGreaterThan(1);
    const emitted = [1, 2, ...Array.from({ length: 30 }, (_, index) => 10 + index)];
    expect([...seen, ...lost].sort((a, b) => a - b)).toEqual(emitted);
  });

  it("is told a number without sequences when only QEMU's own events were lost", async () => {
    const machine = machineWith({ queuedEvents: 0 });
    const client = await blocked(machine);
    client.takeText();
    for (let count = 0; count < 4; count++) machine.server.emit('STOP');
    client.read();
    expect(await client.take()).toEqual([{ event: 'EVENT_LOSS', data: { lost: 4 } }]);
  });

  it('hears of a loss in its place when only some room has been made', () => {
    const queue = new EventQueue({ queuedEvents: 2, queuedEventText: 1000 }, false, (loss) => message('LOSS', loss));
    const message = (name: string, data?: object): EventMessage =>
      new EventMessage(name, data, { seconds: 0, microseconds: 0 });
    for (const name of ['a', 'b', 'c', 'd']) queue.offer(message(name));
    queue.addReply('reply');
    expect([queue.take(), queue.events]).toEqual([message('a').line(false), 1]);
    queue.offer(message('e'));
    const rest = [message('b'), message('LOSS', { lost: 2 }), message('e')].map((each) => each.line(false));
    expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([rest[0], 'reply', rest[1], rest[2]]);
    expect([queue.take(), queue.empty, queue.events, queue.lostTotal]).toEqual([undefined, true, 0, 2]);
  });

  it('is bounded by the length of the events as well, but one event always fits', async () => {
    const machine = machineWith({ queuedEvents: 1000, queuedEventText: 300 });
    const client = await blocked(machine);
    client.takeText();
    machine.server.emit('DMA_COMPLETED', { data: 'x'.repeat(1000), sequence: 3 });
    machine.server.emit('DMA_COMPLETED', { data: 'x', sequence: 4 });
    client.read();
    expect(await linesOf(client)).toEqual(['3', 'lost 1 4-4']);
  });

  it('costs nobody anything: a hundred dead clients share the text that waits for them', async () => {
    const machine = new TestMachine({ limits: { directEvents: 1000, queuedEvents: 100 } });
    const dead = Array.from({ length: 100 }, () => machine.negotiated());
    for (const client of dead) client.reading = false;
    const alive = machine.negotiated();
    emit(machine, 1, 10_000);
    expect(await linesOf(alive)).toHaveLength(10_000);
    for (const [index, client] of dead.entries()) {
      const written = client.takeText().length;
      expect(written).toBeLessThan(70_000);
      expect(machine.server.clients()[index]).toMatchObject({ 'queued-events': 100 });
    }
  });
});

describe('a client that does not read its replies', () => {
  it('is not read from beyond the bound, loses none, and goes on when it reads', async () => {
    const machine = machineWith({});
    const client = machine.negotiated();
    client.reading = false;
    const total = 500;
    for (let id = 1; id <= total; id++) client.execute('query-name', id);
    expect(client.inputPaused).toBe(true);
    const executed = machine.executed.length;
    expect(executed).toBeLessThan(60);
    const ids: unknown[] = [];
    for (let rounds = 0; ids.length < total && rounds < 100; rounds++) {
      for (const reply of await client.take()) ids.push((reply as Line).id);
      client.read();
    }
    expect(ids).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    expect(client.inputPaused).toBe(false);
  });

  it('is held back within one chunk too, by not more than the chunk that is being written', () => {
    const machine = machineWith({});
    const client = machine.negotiated();
    client.reading = false;
    client.send(Array.from({ length: 20_000 }, (_, id) => `{"execute": "query-name", "id": ${id}}`).join(''));
    expect(client.inputPaused).toBe(true);
    expect(client.unsent).toBeLessThan(70_000);
  });

  it('gets everything before the end when it has ended its own side', async () => {
    const machine = machineWith({});
    const client = machine.negotiated();
    client.reading = false;
    client.send(Array.from({ length: 5000 }, (_, id) => `{"execute": "query-name", "id": ${id}}`).join(''));
    client.halfClose();
    let replies = 0;
    for (let rounds = 0; !client.ended && rounds < 100; rounds++) {
      replies += (await client.take()).length;
      client.read();
    }
    replies += (await client.take()).length;
    expect(replies).toBe(5000);
    expect(client.ended).toBe(true);
  });

  it('does not delay another', async () => {
    const machine = machineWith({});
    const stuck = machine.negotiated();
    stuck.reading = false;
    for (let id = 1; id <= 100; id++) stuck.execute('query-name', id);
    const other = machine.negotiated();
    other.execute('query-name', 1);
    expect(await other.take()).toEqual([{ return: {}, id: 1 }]);
  });
});

describe('replies and events', () => {
  it('keep their order when events wait', async () => {
    const machine = machineWith({ queuedEvents: 100 });
    const client = await blocked(machine);
    client.execute('cont', 7);
    emit(machine, 3, 3);
    client.read();
    expect(await linesOf(client)).toEqual(['1', '2', 'RESUME', 'reply 7', '3']);
  });

  it('of one piece of input go out in one write', () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    let writes = 0;
    const write = client.write.bind(client);
    client.write = (text) => {
      writes += 1;
      write(text);
    };
    client.send('{"execute": "cont"}{"execute": "stop"}{"execute": "query-name"}@');
    expect(writes).toBe(1);
  });

  it('that come by themselves are written once at the end of the turn', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    emit(machine, 1, 50);
    expect(client.takeText()).toBe('');
    await Promise.resolve();
    expect(client.takeText().split('\r\n')).toHaveLength(51);
  });
});
