import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesGlob } from '../../src/core/glob.ts';
import { EventFilter } from '../../src/qmp/event-filter.ts';
import { QEMU_THROTTLE_RULES, Throttle, type Throttled } from '../../src/qmp/throttle.ts';
import { TestMachine, TestTimers } from './support.ts';

describe('an event', () => {
  it('goes to all that have negotiated, with one time stamp, before the reply of its command', () => {
    const machine = new TestMachine();
    const [first, second, silent] = [machine.negotiated(), machine.negotiated(), machine.connect()];
    silent.takeText();
    first.execute('cont', 1);
    machine.server.emit('STOP');
    return Promise.resolve().then(() => {
      const stamp = /^{"timestamp": {"seconds": 1, "microseconds": \d+}, "event": "RESUME"}\r\n/;
      const [event = ''] = stamp.exec(first.takeText()) ?? [];
      expect(event).not.toBe('');
      expect(second.takeText().startsWith(event)).toBe(true);
      expect(silent.takeText()).toBe('');
    });
  });

  it('is not kept for a client that negotiates later', async () => {
    const machine = new TestMachine();
    const client = machine.connect();
    await client.take();
    machine.server.emit('STOP');
    client.execute('qmp_capabilities', 1);
    machine.server.emit('RESUME');
    expect(await client.take()).toEqual([{ return: {}, id: 1 }, { event: 'RESUME' }]);
  });

  it('is printed over many lines for a pretty client and over one for the other', async () => {
    const machine = new TestMachine();
    const pretty = machine.connect({ pretty: true });
    pretty.execute('qmp_capabilities');
    pretty.takeText();
    const plain = machine.negotiated();
    machine.server.emit('SHUTDOWN', { guest: false });
    await Promise.resolve();
    const lines = ['{', '    "timestamp": {', '        "seconds": 1,', '        "microseconds": 0', '    },'];
    lines.push('    "event": "SHUTDOWN",', '    "data": {', '        "guest": false', '    }', '}', '');
    expect(pretty.takeText()).toBe(lines.join('\r\n'));
    expect(await plain.take()).toEqual([{ event: 'SHUTDOWN', data: { guest: false } }]);
  });

  it('carries every 64-bit integer exactly', async () => {
    const machine = new TestMachine();
    const client = machine.negotiated();
    machine.server.emit('VFIO_DMA_MAPPED', { iova: 18446744073709551615n, size: 1n, listeners: undefined });
    await Promise.resolve();
    expect(client.takeText()).toContain('"data": {"iova": 18446744073709551615, "size": 1}}');
  });
});

describe('an event filter', () => {
  it('is one of this client, and counts nothing as lost', async () => {
    const machine = new TestMachine();
    const [filtered, other] = [machine.negotiated(), machine.negotiated()];
    filtered.execute('set-event-filter', 1, { include: ['VFIO_*', 'STOP'], exclude: ['*_UNMAPPED'] });
    for (const name of ['VFIO_DMA_MAPPED', 'VFIO_DMA_UNMAPPED', 'STOP', 'RESUME'] as const) machine.server.emit(name);
    expect(await filtered.take()).toEqual([{ return: {}, id: 1 }, { event: 'VFIO_DMA_MAPPED' }, { event: 'STOP' }]);
    expect(await other.take()).toHaveLength(4);
    filtered.execute('set-event-filter', 2);
    machine.server.emit('RESUME');
    expect(await filtered.take()).toEqual([{ return: {}, id: 2 }, { event: 'RESUME' }]);
    expect(machine.server.clients()[0]).toMatchObject({ 'lost-events': 0 });
  });

  it('without include takes all, with an empty one none', () => {
    expect(new EventFilter({}).passes('STOP')).toBe(true);
    expect(new EventFilter({ include: [] }).passes('STOP')).toBe(false);
    expect(new EventFilter({ exclude: ['S?OP'] }).passes('STOP')).toBe(false);
  });

  it('matches as the same pattern written as a regular expression does', () => {
    const wild = new Map([
      ['*', '.*'],
      ['?', '.'],
      ['.', '\\.'],
    ]);
    const letters = fc.array(fc.constantFrom('A', 'B', '*', '?', '.'), { maxLength: 8 });
    const name = fc.array(fc.constantFrom('A', 'B', '.'), { maxLength: 8 });
    fc.assert(
      fc.property(letters, name, (pattern, text) => {
        const source = pattern.map((letter) => wild.get(letter) ?? letter).join('');
        const expected = new RegExp(`^${source}$`).test(text.join(''));
        expect(matchesGlob(pattern.join(''), text.join(''))).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no exponential time', () => {
    expect(matchesGlob(`${'*A'.repeat(200)}B`, 'A'.repeat(5000))).toBe(false);
  });
});

describe('throttling', () => {
  const sent: Throttled[] = [];
  const event = (name: string, data?: object): Throttled => ({ name, data });
  const start = (): { timers: TestTimers; throttle: Throttle<Throttled> } => {
    sent.length = 0;
    const timers = new TestTimers();
    return { timers, throttle: new Throttle(QEMU_THROTTLE_RULES, timers, (each) => sent.push(each)) };
  };

  it('sends the first at once, of those within the second only the last, then counts anew', () => {
    const { timers, throttle } = start();
    const offsets = (): unknown[] => sent.map(({ data }) => (data as { offset: number }).offset);
    throttle.offer(event('RTC_CHANGE', { offset: 1 }));
    expect(offsets()).toEqual([1]);
    timers.advance(300);
    throttle.offer(event('RTC_CHANGE', { offset: 2 }));
    throttle.offer(event('RTC_CHANGE', { offset: 3 }));
    timers.advance(699);
    expect(offsets()).toEqual([1]);
    timers.advance(1);
    expect(offsets()).toEqual([1, 3]);
    throttle.offer(event('RTC_CHANGE', { offset: 4 }));
    timers.advance(999);
    expect(offsets()).toEqual([1, 3]);
    timers.advance(1);
    expect(offsets()).toEqual([1, 3, 4]);
    timers.advance(1000);
    expect(timers.pending).toBe(0);
    throttle.offer(event('RTC_CHANGE', { offset: 5 }));
    expect(offsets()).toEqual([1, 3, 4, 5]);
  });

  it('tells streams of one kind apart by their key, and leaves other kinds alone', () => {
    const { timers, throttle } = start();
    for (const id of ['a', 'b', 'a']) throttle.offer(event('VSERPORT_CHANGE', { id }));
    for (let count = 0; count < 3; count++) throttle.offer(event('STOP'));
    expect(sent.map(({ name, data }) => [name, data])).toEqual([
      ['VSERPORT_CHANGE', { id: 'a' }],
      ['VSERPORT_CHANGE', { id: 'b' }],
      ['STOP', undefined],
      ['STOP', undefined],
      ['STOP', undefined],
    ]);
    timers.advance(1000);
    expect(sent).toHaveLength(6);
  });

  it('sends with the time at which it happened, and stops when the server closes', async () => {
    const timers = new TestTimers();
    const throttle = new Map([['STOP', { interval: 1000 }]]);
    const machine = new TestMachine({ timers, throttle });
    const client = machine.negotiated();
    for (let count = 0; count < 3; count++) machine.server.emit('STOP');
    timers.advance(1000);
    await Promise.resolve();
    expect(client.takeText().match(/"microseconds": \d/g)).toEqual(['"microseconds": 0', '"microseconds": 2']);
    machine.server.emit('STOP');
    client.destroy();
    await machine.server.close();
    expect(timers.pending).toBe(0);
  });
});

describe('query-clients', () => {
  it('shows every client with its own state, out-of-band too', async () => {
    const machine = new TestMachine();
    machine.connect();
    const asker = machine.negotiated(['oob']);
    asker.send('{"execute": "wait"}{"exec-oob": "query-clients", "id": 1}');
    const row = { socket: 'memory', 'queued-events': 0, 'lost-events': 0 };
    const clients = [
      { ...row, id: 1, negotiated: false, oob: false },
      { ...row, id: 2, negotiated: true, oob: true },
    ];
    expect(await asker.take()).toEqual([{ return: { clients }, id: 1 }]);
  });
});
