import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RegionNotifier } from '../../../src/memory/iommu-region.ts';
import { ReverseSearch } from '../../../src/iommu/reverse-search.ts';
import { ANCHOR, IOVA, listen, PAGES, RAM_SIZE, refresh, REGION, register, rig, SEGMENT, withFunction } from './rig.ts';

const PAGE = 0x1000n;

/** The rig with three pages mapped: two neighbours, the second for reading only, and one behind a gap. */
function mapped() {
  const all = withFunction();
  register(all.unit, all.own);
  all.store(PAGES, 0x20_0000n);
  all.store(PAGES + 8n, 0x20_1200n);
  all.store(PAGES + 24n, 0x50_0000n);
  return all;
}

describe('DMA', () => {
  it('goes by what was refreshed, not by the tables', () => {
    const { unit, own, device, block, store } = mapped();
    block.write(0x20_0010, Uint8Array.of(1, 2, 3, 4));
    const bytes = new Uint8Array(4);
    refresh(unit, own, IOVA, 0x4000n);
    expect(device.addressSpace.read(IOVA + 0x10n, bytes).ok).toBe(true);
    expect([...bytes]).toEqual([1, 2, 3, 4]);
    store(PAGES, 0x400n);
    expect(device.addressSpace.read(IOVA + 0x10n, bytes).ok).toBe(true);
    expect(unit.iotlbEntries().map(({ iova, stale }) => [iova - IOVA, stale])).toEqual([
      [0n, true],
      [0x1000n, false],
      [0x3000n, false],
    ]);
    refresh(unit, own, IOVA, PAGE);
    expect(device.addressSpace.read(IOVA + 0x10n, bytes)).toMatchObject({ ok: false, error: { fault: { code: 4 } } });
    expect(own.state).toBe('error');
  });

  it.each([
    ['a page that is not mapped', IOVA + 0x2000n, false, 4],
    ['a write to a protected page', IOVA + 0x1000n, true, 4],
    ['an address below the range', 0x1000n, false, 2],
  ])('puts the function into error: %s', (_what, address, write, code) => {
    const { unit, own, device, seen } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    const { addressSpace } = device;
    const bytes = new Uint8Array(4);
    const outcome = write ? addressSpace.write(address, bytes) : addressSpace.read(address, bytes);
    expect(outcome).toMatchObject({ ok: false, error: { fault: { code } } });
    expect(seen.at(-1)).toMatchObject({ name: 'IOMMU_FAULT', data: { code, access: write ? 'write' : 'read' } });
    expect(unit.events.take()).toMatchObject({ content: 1, code, address });
    // Nothing passes now, and nothing further is reported.
    expect(addressSpace.read(IOVA, bytes)).toMatchObject({ ok: false, error: { fault: { code: 0 } } });
    expect(unit.events.take()).toBeNull();
    register(unit, own, {}, 9);
    expect(addressSpace.read(IOVA, bytes).ok).toBe(true);
  });

  it('reaches nothing without a registration, and no other function’s pages', () => {
    const { unit, own, plug } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    const other = plug(4, 'dev1');
    const bytes = new Uint8Array(4);
    expect(other.addressSpace.read(IOVA, bytes)).toMatchObject({ ok: false, error: { kind: 'decode' } });
    const second = unit.functions.byTarget('dev1')!;
    unit.logicalProcessor.set(second.handle, 'enable', 1);
    register(unit, second);
    expect(other.addressSpace.read(IOVA, bytes).ok).toBe(false);
    expect(own.state).toBe('enabled');
  });
});

describe('notifiers', () => {
  it('hear pages one by one, changes as unmap and map, and runs of unmaps in powers of two', () => {
    const { unit, own, space, store } = mapped();
    const heard = listen(space.region!);
    refresh(unit, own, IOVA, 0x4000n);
    expect(heard).toEqual([
      'map 100000000+1000 200000 3',
      'map 100001000+1000 201000 1',
      'unmap 100002000+1000',
      'map 100003000+1000 500000 3',
    ]);
    heard.length = 0;
    store(PAGES, 0x30_0000n);
    refresh(unit, own, IOVA, 0x2000n);
    expect(heard).toEqual(['unmap 100000000+1000', 'map 100000000+1000 300000 3']);
    heard.length = 0;
    for (let page = 0n; page < 4n; page++) store(PAGES + 8n * page, 0x400n);
    refresh(unit, own, IOVA + PAGE, 0x3000n);
    expect(heard).toEqual(['unmap 100001000+1000', 'unmap 100002000+2000']);
  });

  it('hear of pages behind a segment that is marked invalid, and of frames of 1 MiB page by page', () => {
    const { unit, own, space, store } = mapped();
    const heard = listen(space.region!);
    refresh(unit, own, IOVA, 0x10_0000n);
    heard.length = 0;
    store(SEGMENT, PAGES | 0x20n);
    refresh(unit, own, IOVA, 0x10_0000n);
    expect(heard).toEqual(['unmap 100000000+2000', 'unmap 100003000+1000']);
    heard.length = 0;
    store(SEGMENT, 0x40_0400n);
    refresh(unit, own, IOVA, 0x10_0000n);
    expect(heard).toHaveLength(256);
    expect(heard[255]).toBe('map 1000ff000+1000 4ff000 3');
  });

  it('are told nothing when they come, as there is nothing yet', () => {
    const { space, unit, own } = mapped();
    const heard = listen(space.region!);
    space.region!.replay(space.region!.notifiers[0]!);
    expect(heard).toEqual([]);
    refresh(unit, own, IOVA, PAGE);
    space.region!.replay(space.region!.notifiers[0]!);
    expect(heard).toEqual(['map 100000000+1000 200000 3', 'map 100000000+1000 200000 3']);
  });

  it('know after any changes and refreshes what the tables map', () => {
    const step = fc.record({ index: fc.nat(7), value: fc.constantFrom(0x400n, 0x20_0000n, 0x20_1000n, 0x20_1200n) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { unit, own, space, store } = withFunction();
        register(unit, own);
        const heard = listen(space.region!);
        for (const { index, value } of steps) {
          store(PAGES + 8n * BigInt(index), value);
          refresh(unit, own, IOVA + BigInt(index) * PAGE, PAGE);
        }
        const shadow = new Map<bigint, string>();
        for (const line of heard) {
          const [kind, where, frame, rights] = line.split(' ');
          const [start, size] = where!.split('+').map((text) => BigInt(`0x${text}`));
          for (let at = start!; at < start! + size!; at += PAGE) {
            if (kind === 'map') expect(shadow.has(at)).toBe(false);
            if (kind === 'map') shadow.set(at, `${frame} ${rights}`);
            else shadow.delete(at);
          }
        }
        const { mappings } = unit.mappings(space, { limit: 100 });
        const listed = mappings.flatMap(({ iova, address, size, permissions }) =>
          Array.from({ length: Number(size / PAGE) }, (_, page): [bigint, string] => {
            const offset = BigInt(page) * PAGE;
            return [iova + offset, `${(address + offset).toString(16)} ${permissions.length === 2 ? 3 : 1}`];
          }),
        );
        expect([...shadow].sort()).toEqual(listed.sort());
      }),
      { numRuns: 50 },
    );
  });
});

describe('a notifier of device-IOTLB invalidations', () => {
  it('is taken, as in QEMU, and a check tells that it never hears anything', () => {
    const { space, seen } = mapped();
    const quiet = { name: 'tlb', device: 'dev0', kind: 'vhost', start: 0n, last: 0xfffn, notify: () => {} } as const;
    space.region!.registerNotifier(new RegionNotifier({ ...quiet, events: ['deviotlb-unmap'] }));
    expect(seen.at(-1)).toMatchObject({ name: 'MODEL_CHECK_FAILED', data: { check: 'dead-notifier' } });
  });
});

describe('looking', () => {
  it('lists runs of the tables within the registered range', () => {
    const { unit, space, own } = mapped();
    const all = unit.mappings(space, { limit: 10 }).mappings;
    expect(all).toEqual([
      { iova: IOVA, address: 0x20_0000n, size: PAGE, permissions: ['read', 'write'], 'page-size': PAGE },
      { iova: IOVA + PAGE, address: 0x20_1000n, size: PAGE, permissions: ['read'], 'page-size': PAGE },
      { iova: IOVA + 0x3000n, address: 0x50_0000n, size: PAGE, permissions: ['read', 'write'], 'page-size': PAGE },
    ]);
    register(unit, own, { base: IOVA + PAGE, limit: IOVA + 0x1fffn }, 6);
    expect(unit.mappings(space, { limit: 10 }).mappings).toEqual([all[1]]);
    expect(unit.mappings(space, { limit: 1, pasid: 1 })).toEqual({ mappings: [] });
    expect(unit.translate(space, { address: IOVA, access: 'read', pasid: 1 })).toMatchObject({
      reason: 'pasid-not-supported',
    });
  });

  it('explains each entry, and says when no refresh has read what the tables map', () => {
    const { unit, own, space } = mapped();
    const ask = (address: bigint) => unit.translate(space, { address, access: 'read', explain: true });
    expect(ask(IOVA + 5n)).toMatchObject({
      result: 'fault',
      code: 4,
      desc: expect.stringContaining('RPCIT') as string,
    });
    refresh(unit, own, IOVA, 0x4000n);
    const answer = ask(IOVA + 0x1005n);
    expect(answer).toMatchObject({ result: 'translated', address: 0x20_1005n, permissions: ['read'], source: 'iotlb' });
    expect(answer.steps?.map(({ structure, level, index, address }) => [structure, level, index, address])).toEqual([
      ['region-third-table-entry', 3, 2, REGION + 16n],
      ['segment-table-entry', 2, 0, SEGMENT],
      ['page-table-entry', 1, 1, PAGES + 8n],
    ]);
    expect(answer.steps?.[2]?.raw).toEqual([0x20_1200n]);
    expect(unit.translate(space, { address: IOVA, access: 'write' })).toMatchObject({ result: 'translated' });
    expect(unit.translate(space, { address: 0n, access: 'read' })).toMatchObject({ code: 2 });
    expect(own.state).toBe('enabled');
  });

  it('finds the way back', () => {
    const { unit, space } = mapped();
    const search = new ReverseSearch({ address: 0x50_0123n, budget: 100_000, limit: 10 });
    expect(unit.reverse(space, search)).toEqual([{ iova: IOVA + 0x3123n, size: PAGE, permissions: ['read', 'write'] }]);
  });

  it('describes function, registration and translations', () => {
    const { unit, own } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    expect(unit.describe()).toMatchObject({
      kind: 's390-pci-iommu',
      mode: 'other',
      capabilities: {
        'pasid-bits': 0,
        registers: expect.arrayContaining([{ name: 'IOTA:dev0', value: ANCHOR }]) as unknown,
      },
      devices: [{ device: 'dev0', bypass: false, 'domain-id': 1 }],
      caches: [{ name: 'translations:dev0', entries: 3 }],
    });
  });
});

describe('the address space', () => {
  it('leads to the IOMMU object in every state, which refuses PASID tables', () => {
    const { unit, own, device, space } = withFunction();
    const table = { address: 0n as never, size: PAGE, format: 'vtd-scalable' } as const;
    for (const change of [() => {}, () => void register(unit, own), () => unit.setBypass(space, 'bypass')]) {
      change();
      const object = device.addressSpace.iommuObject();
      expect(object).toBe(space.iommuObject);
      expect(() => object?.bind(table, 'command')).toThrow('zPCI functions make no requests with PASID');
    }
  });

  it('shows guest memory from the first DMA address on when a command bypasses it', () => {
    const { unit, own, device, space, block } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    block.write(0x5000, Uint8Array.of(9));
    const bytes = new Uint8Array(1);
    unit.setBypass(space, 'bypass');
    expect(space).toMatchObject({ bypass: true, forced: true });
    device.addressSpace.read(IOVA + 0x5000n, bytes);
    expect([...bytes]).toEqual([9]);
    expect(unit.translate(space, { address: IOVA + 0x5000n, access: 'read' })).toMatchObject({
      address: 0x5000n,
      source: 'bypass',
    });
    expect(unit.translate(space, { address: IOVA + RAM_SIZE, access: 'read' })).toMatchObject({ code: 2 });
    unit.setBypass(space, 'auto');
    expect(space).toMatchObject({ bypass: false, forced: false });
    expect(device.addressSpace.read(IOVA, bytes).ok).toBe(true);
  });

  it('is another’s after unplugging: registration and function go', () => {
    const { unit, own, device, space, dropped } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    device.unrealize();
    expect(dropped).toEqual(['dev0']);
    expect(space.regions).toEqual([]);
    expect(own).toMatchObject({ state: 'reserved', device: null });
    expect(unit.functions.all()).toEqual([]);
  });

  it('forgets everything at a reset', () => {
    const { unit, own, space } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    own.report(4, 0n);
    unit.reset();
    expect(own).toMatchObject({ state: 'disabled', handle: 0x2_0000 });
    expect(space.region?.enabled).toBe(false);
    expect(unit.iotlbEntries()).toEqual([]);
    expect(unit.events.take()).toBeNull();
  });

  it('comes back from saved state', () => {
    const { unit, own, device } = mapped();
    refresh(unit, own, IOVA, 0x4000n);
    own.report(4, 7n);
    const state = structuredClone(unit.save());
    unit.reset();
    unit.restore(state);
    expect(unit.save()).toEqual(state);
    expect(device.addressSpace.read(IOVA, new Uint8Array(1)).ok).toBe(true);
    expect(unit.events.take()).toMatchObject({ address: 7n });
  });

  it('takes no function of several, and gives back the slot', () => {
    const { plug, bus, unit } = rig();
    const device = plug(3, 'dev0');
    device.unrealize();
    device.setText('multifunction', 'on');
    expect(() => device.realize(bus)).toThrow('multifunction not supported in s390');
    expect(bus.functions()).toEqual([]);
    expect(unit.functions.all()).toEqual([]);
  });
});

describe('direct mapping', () => {
  it('is for assigned functions: a registration without tables', () => {
    const { unit, plug, bus, block, seen } = rig();
    block.write(0x5000, Uint8Array.of(7));
    const host = { name: 'host0', capabilities: {} as never, flushDeviceTlb: () => 0 };
    unit.attachHostDevice(bus, 3 << 3, host);
    const device = plug(3, 'dev0');
    const own = unit.functions.byTarget('dev0')!;
    unit.logicalProcessor.set(own.handle, 'enable', 1);
    expect(own.handle).toBe(0x8001_0000);
    const space = unit.spaceOf(device.addressSpace)!;
    expect(register(unit, own, { anchor: 0n })).toEqual({ cc: 0 });
    expect(seen.at(-1)).toMatchObject({ name: 'IOMMU_REGION_SWITCHED', data: { device: 'dev0', bypass: true } });
    const bytes = new Uint8Array(1);
    device.addressSpace.read(IOVA + 0x5000n, bytes);
    expect([...bytes]).toEqual([7]);
    expect(device.addressSpace.read(0x5000n, bytes).ok).toBe(false);
    const search = new ReverseSearch({ address: 0x5001n, budget: 10, limit: 10 });
    expect(unit.reverse(space, search)).toMatchObject([{ iova: IOVA + 0x5001n }]);
    expect(refresh(unit, own, IOVA, PAGE)).toEqual({ cc: 1, status: 8 });
    register(unit, own, {}, 7);
    expect(register(unit, own, {}, 5)).toEqual({ cc: 0 });
    expect(space.bypass).toBe(false);
  });
});
