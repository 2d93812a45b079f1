import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../src/core/address.ts';
import type { ObjectEvent, PasidTable } from '../../src/memory/iommu-object.ts';
import { NotifierIommuObject } from '../../src/iommu/object.ts';
import { RecordingListener, recordedEvents } from './support.ts';

const ALL: ObjectEvent[] = ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'];

function table(address: bigint): PasidTable {
  return { address: address as Gpa, size: 0x1000n, format: 'vtd-scalable' };
}

function rig(listenerCount = 0) {
  const { seen, operations, ...trace } = recordedEvents();
  const object = new NotifierIommuObject({ unit: 'iommu0', device: () => 'dev0', ...trace });
  const log: string[] = [];
  const listeners = Array.from({ length: listenerCount }, (_, index) => new RecordingListener(`l${index}`, log));
  for (const listener of listeners) object.register(listener, ALL);
  return { object, seen, log, listeners, operations };
}

describe('registration', () => {
  it('keeps the order and the events of each listener', () => {
    const { object, log } = rig();
    object.register(new RecordingListener('a', log), ['flush-iotlb']);
    object.register(new RecordingListener('b', log), ['bind', 'flush-iotlb', 'bind']);
    expect(object.registrations().map(({ listener, events }) => [listener.name, events])).toEqual([
      ['a', ['flush-iotlb']],
      ['b', ['bind', 'flush-iotlb']],
    ]);
    object.bind(table(0x1000n), 'command');
    object.flushIotlb({ granularity: 'global', leafOnly: false }, 'command');
    expect(log).toEqual(['b bind 1000', 'a flush-iotlb global', 'b flush-iotlb global']);
    expect(object.registrations().map(({ delivered }) => delivered)).toEqual([1, 2]);
  });

  it('takes no listener twice, none for no event, and none that cannot serve an event', () => {
    const { object } = rig();
    const listener = new RecordingListener('a');
    object.register(listener, ['bind']);
    expect(() => object.register(listener, ['unbind'])).toThrow('registered already');
    expect(() => object.register(new RecordingListener('b'), [])).toThrow('no event');
    const mute = { name: 'c', device: 'dev0', kind: 'vhost' } as const;
    expect(() => object.register(mute, ['bind'])).toThrow('cannot serve bind');
    expect(() => object.unregister(mute)).toThrow('not registered');
  });

  it('drops the binding with the last listener that holds it, and says so', () => {
    const { object, seen, listeners, log } = rig(2);
    object.bind(table(0x1000n), 'command');
    object.unregister(listeners[0]!);
    expect(object.binding).not.toBeNull();
    expect(listeners[0]!.table).toBeNull();
    object.unregister(listeners[1]!);
    expect(object.binding).toBeNull();
    expect(log.slice(2)).toEqual(['l0 unbind', 'l1 unbind']);
    expect(seen.map(({ name }) => name)).toEqual(['IOMMU_PASID_TABLE_BOUND', 'IOMMU_PASID_TABLE_UNBOUND']);
  });
});

describe('bind', () => {
  it('tells every listener in order, remembers the table with its origin and emits the event', () => {
    const { object, seen, listeners, operations } = rig(2);
    const result = operations.run(() => object.bind(table(0x5000n), 'guest'));
    const statuses = ['l0', 'l1'].map((listener) => ({ listener, device: 'dev0', kind: 'vfio', status: 'ok' }));
    expect(result).toEqual({ listeners: statuses, replaced: false });
    expect(object.binding).toEqual({ ...table(0x5000n), origin: 'guest' });
    expect(listeners.map((listener) => listener.table)).toEqual([table(0x5000n), table(0x5000n)]);
    expect(seen).toEqual([
      {
        name: 'IOMMU_PASID_TABLE_BOUND',
        data: {
          iommu: 'iommu0',
          device: 'dev0',
          address: 0x5000n,
          size: 0x1000n,
          format: 'vtd-scalable',
          replaced: false,
          origin: 'guest',
          listeners: statuses,
          sequence: 1,
          operation: 1,
        },
      },
    ]);
  });

  it('replaces an earlier table', () => {
    const { object, listeners } = rig(1);
    object.bind(table(0x1000n), 'guest');
    expect(object.bind(table(0x2000n), 'command').replaced).toBe(true);
    expect(object.binding).toEqual({ ...table(0x2000n), origin: 'command' });
    expect(listeners[0]!.table).toEqual(table(0x2000n));
  });

  it('refuses an unaligned address before anybody is asked', () => {
    const { object, log } = rig(1);
    expect(() => object.bind(table(0x1234n), 'command')).toThrow(
      "The PASID table's address 0x1234 is not a multiple of 4 KiB: the next one is 0x2000",
    );
    expect(log).toEqual([]);
  });

  it('refuses a device that nobody serves', () => {
    const { object } = rig();
    object.register(new RecordingListener('deaf'), ['flush-iotlb']);
    expect(() => object.bind(table(0x1000n), 'command')).toThrow("No listener takes PASID tables for device 'dev0'");
  });

  it('lets a bug of a listener through', () => {
    const { object } = rig();
    const broken = {
      name: 'broken',
      device: 'dev0',
      kind: 'vfio',
      bind: () => {
        throw new TypeError('bug');
      },
    } as const;
    object.register(broken, ['bind']);
    expect(() => object.bind(table(0x1000n), 'command')).toThrow(TypeError);
  });
});

describe('a refused bind', () => {
  const OLD = 0x1000n;
  const NEW = 0x2000n;

  for (const withPrevious of [false, true]) {
    for (const position of [0, 1, 2]) {
      const before = withPrevious ? 'gets the previous table back' : 'leaves nothing bound';
      it(`${before} when listener ${position} of 3 refuses`, () => {
        const { object, seen, log, listeners } = rig(3);
        if (withPrevious) object.bind(table(OLD), 'guest');
        const eventsBefore = seen.length;
        log.length = 0;
        listeners[position]!.refused.add(NEW);

        expect(() => object.bind(table(NEW), 'command')).toThrow(`l${position} refuses 2000`);

        const expected = withPrevious ? table(OLD) : null;
        expect(listeners.map((listener) => listener.table)).toEqual([expected, expected, expected]);
        expect(object.binding).toEqual(expected && { ...expected, origin: 'guest' });
        expect(seen.length).toBe(eventsBefore);
        const asked = listeners.slice(0, position + 1).map((listener) => `${listener.name} bind 2000`);
        const undone = listeners
          .slice(0, position)
          .reverse()
          .map((listener) => `${listener.name} ${withPrevious ? 'bind 1000' : 'unbind'}`);
        expect(log).toEqual([...asked, ...undone]);
        expect(object.registrations()[position]!.failed).toBe(1);
      });
    }
  }

  it('gives a listener that came after the previous bind nothing back', () => {
    const { object, listeners, log } = rig(1);
    object.bind(table(OLD), 'command');
    const late = new RecordingListener('late', log);
    const last = new RecordingListener('last', log);
    object.register(late, ALL);
    object.register(last, ALL);
    last.refused.add(NEW);
    expect(() => object.bind(table(NEW), 'command')).toThrow('last refuses 2000');
    expect(late.table).toBeNull();
    expect(listeners[0]!.table).toEqual(table(OLD));
    expect(object.binding).toMatchObject({ address: OLD });
  });

  it('unbinds a listener that does not take its previous table back, and names it', () => {
    const { object, seen, listeners } = rig(2);
    object.bind(table(OLD), 'command');
    listeners[0]!.refused.add(OLD);
    listeners[1]!.refused.add(NEW);
    expect(() => object.bind(table(NEW), 'command')).toThrow(
      "l1 refuses 2000. Undoing it on listener 'l0' failed: l0 refuses 1000",
    );
    expect(listeners[0]!.table).toBeNull();
    // The refuser never let go of the old one.
    expect(object.binding).toMatchObject({ address: OLD });
    expect(seen).toHaveLength(1);
  });

  it('says that the previous table is gone when nobody is left with it', () => {
    const { object, seen, listeners } = rig(1);
    object.bind(table(OLD), 'command');
    const late = new RecordingListener('late');
    object.register(late, ALL);
    listeners[0]!.refused.add(OLD);
    late.refused.add(NEW);
    expect(() => object.bind(table(NEW), 'guest')).toThrow('late refuses 2000. Undoing');
    expect(object.binding).toBeNull();
    expect(seen.at(-2)).toMatchObject({
      name: 'IOMMU_PASID_TABLE_UNBOUND',
      data: {
        address: OLD,
        origin: 'guest',
        listeners: [{ listener: 'l0', status: 'error', desc: 'l0 refuses 1000' }],
      },
    });
    expect(seen.at(-1)).toMatchObject({
      name: 'IOMMU_PASID_TABLE_BIND_FAILED',
      data: {
        address: NEW,
        listeners: [{ status: 'ok' }, { listener: 'late', status: 'error', desc: 'late refuses 2000' }],
        desc: expect.stringMatching(/^late refuses 2000\. Undoing/) as unknown,
      },
    });
  });

  it('asks no listener to unbind that does not take unbinds', () => {
    const { object, log } = rig();
    const first = new RecordingListener('first', log);
    const second = new RecordingListener('second', log);
    object.register(first, ['bind']);
    object.register(second, ['bind']);
    second.refused.add(NEW);
    expect(() => object.bind(table(NEW), 'command')).toThrow(/^second refuses 2000$/);
    expect(log).toEqual(['first bind 2000', 'second bind 2000']);
    expect(object.binding).toBeNull();
  });

  it('goes on undoing when one unbind fails', () => {
    const { object, listeners } = rig(3);
    listeners[1]!.failUnbind = true;
    listeners[2]!.refused.add(NEW);
    expect(() => object.bind(table(NEW), 'command')).toThrow("l2 refuses 2000. Undoing it on listener 'l1' failed");
    expect(listeners[0]!.table).toBeNull();
    expect(object.binding).toBeNull();
  });
});

describe('unbind', () => {
  it('needs something bound', () => {
    const { object } = rig(1);
    expect(() => object.unbind('command')).toThrow("No PASID table is bound for device 'dev0'");
  });

  it('succeeds with the status of a listener that failed', () => {
    const { object, seen, listeners } = rig(2);
    object.bind(table(0x1000n), 'guest');
    listeners[0]!.failUnbind = true;
    const statuses = object.unbind('command');
    expect(statuses.map(({ status, desc }) => [status, desc])).toEqual([
      ['error', 'l0 cannot unbind'],
      ['ok', undefined],
    ]);
    expect(object.binding).toBeNull();
    expect(seen.at(-1)).toMatchObject({
      name: 'IOMMU_PASID_TABLE_UNBOUND',
      data: { address: 0x1000n, size: 0x1000n, format: 'vtd-scalable', origin: 'command', listeners: statuses },
    });
    expect(() => object.unbind('command')).toThrow('No PASID table is bound');
  });

  it('happens at a reset, which needs nothing bound', () => {
    const { object, seen, listeners } = rig(1);
    object.reset();
    expect(seen).toEqual([]);
    object.bind(table(0x1000n), 'guest');
    object.reset();
    expect(listeners[0]!.table).toBeNull();
    expect(seen.at(-1)).toMatchObject({ name: 'IOMMU_PASID_TABLE_UNBOUND', data: { origin: 'command' } });
  });
});

describe('flush', () => {
  it('sums what was dropped and succeeds although a listener failed', () => {
    const { object, seen, listeners } = rig(3);
    listeners[0]!.dropped = 2;
    listeners[1]!.failFlush = true;
    listeners[2]!.dropped = 5;
    const flush = { granularity: 'page', pasid: 7, address: 0x4000n, size: 0x4000n, leafOnly: true } as const;
    const result = object.flushIotlb(flush, 'guest');
    expect(result.dropped).toBe(7);
    expect(result.listeners.map(({ status }) => status)).toEqual(['ok', 'error', 'ok']);
    expect(seen.at(-1)).toEqual({
      name: 'IOMMU_IOTLB_FLUSHED',
      data: {
        iommu: 'iommu0',
        device: 'dev0',
        granularity: 'page',
        pasid: 7,
        address: 0x4000n,
        size: 0x4000n,
        'leaf-only': true,
        origin: 'guest',
        dropped: 7,
        listeners: result.listeners,
        sequence: 1,
        operation: 0,
      },
    });
    expect(object.registrations().map(({ delivered, failed }) => [delivered, failed])).toEqual([
      [1, 0],
      [0, 1],
      [1, 0],
    ]);
  });

  it('tells of the PASID cache in an event of its own', () => {
    const { object, seen } = rig(1);
    object.flushPasidCache({ granularity: 'domain', domainId: 3 }, 'command');
    expect(seen.at(-1)).toMatchObject({
      name: 'IOMMU_PASID_CACHE_FLUSHED',
      data: { granularity: 'domain', 'domain-id': 3, origin: 'command', dropped: 0 },
    });
    expect(seen.at(-1)?.data).not.toHaveProperty('pasid');
  });

  it('is refused as a command when nobody listens, and passes silently from a guest', () => {
    const { object, seen } = rig();
    const flush = { granularity: 'global', leafOnly: false } as const;
    expect(() => object.flushIotlb(flush, 'command')).toThrow("No listener takes 'flush-iotlb' for device 'dev0'");
    expect(() => object.flushPasidCache(flush, 'command')).toThrow('flush-pasid-cache');
    expect(object.flushIotlb(flush, 'guest')).toEqual({ listeners: [], dropped: 0 });
    expect(object.flushPasidCache(flush, 'guest')).toEqual({ listeners: [], dropped: 0 });
    expect(seen).toEqual([]);
  });

  it.each([
    ["Parameter 'domain-id' is missing", { granularity: 'domain' }],
    ["Parameter 'pasid' is missing", { granularity: 'pasid' }],
    ["Parameter 'pasid' is missing", { granularity: 'page', address: 0n, size: 4096n }],
    ["Parameter 'address' is missing", { granularity: 'page', pasid: 1, size: 4096n }],
    ["Parameter 'size' is missing", { granularity: 'page', pasid: 1, address: 0n }],
    ['The flush size 0x0 must be a power of two', { granularity: 'page', pasid: 1, address: 0n, size: 0n }],
    ['The flush size 0x800 must be', { granularity: 'page', pasid: 1, address: 0n, size: 0x800n }],
    ['The flush size 0x3000 must be', { granularity: 'page', pasid: 1, address: 0n, size: 0x3000n }],
    ['address 0x1000 must be a multiple of', { granularity: 'page', pasid: 1, address: 0x1000n, size: 0x2000n }],
    ['PASID 1048576 is out of range', { granularity: 'pasid', pasid: 0x10_0000 }],
    ['Domain id 65536 is out of range', { granularity: 'domain', domainId: 0x1_0000 }],
  ] as const)('refuses: %s', (sentence, flush) => {
    const { object, log } = rig(1);
    expect(() => object.flushIotlb({ leafOnly: false, ...flush }, 'command')).toThrow(sentence);
    expect(log).toEqual([]);
  });

  it.each([
    ["Parameter 'domain-id' is missing", { granularity: 'domain' }],
    ["Parameter 'pasid' is missing", { granularity: 'pasid' }],
  ] as const)('refuses a PASID-cache flush: %s', (sentence, flush) => {
    expect(() => rig(1).object.flushPasidCache(flush, 'command')).toThrow(sentence);
  });
});

describe('saving', () => {
  it('brings back the binding, who holds it, and the counters', () => {
    const first = rig(2);
    first.object.bind(table(0x3000n), 'guest');
    first.listeners[1]!.failFlush = true;
    first.object.flushIotlb({ granularity: 'global', leafOnly: false }, 'guest');
    const state = structuredClone(first.object.save());

    const second = rig(2);
    second.object.restore(state);
    expect(second.object.save()).toEqual(state);
    expect(second.object.binding).toEqual(first.object.binding);
    expect(second.log).toEqual([]);
    second.object.unregister(second.listeners[0]!);
    expect(second.object.binding).not.toBeNull();
    second.object.unregister(second.listeners[1]!);
    expect(second.object.binding).toBeNull();
  });

  it('wants the same listeners', () => {
    const state = rig(2).object.save();
    expect(() => rig(1).object.restore(state)).toThrow(
      'the saved listeners of dev0 are [l0,l1], the present ones [l0]',
    );
  });
});
