/**
 * Bugs of the way from a guest's second-stage tables to the host's map, as QEMU and others had them: each once as the
 * mistake, which a check names, and once done right.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { NEW, OLD, REGISTERS, Scenario } from './rig.ts';

const IOVA = 0x4000_0000n;
const [MIB, GIB] = [0x10_0000n, 0x4000_0000n];
const GCMD = REGISTERS + 0x18n;

let scenario: Scenario;
afterEach(() => scenario.stop());

describe('an invalidation that covers a whole page directory entry (QEMU 36d2d52bdb)', () => {
  it('is skipped: the old mapping survives, and is in the way of the next ones', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, 64n * MIB, 2n * MIB);
    await scenario.inject({ point: 'unmap', kind: 'lose' });
    await scenario.unmap(IOVA, 2n * MIB);
    expect(await scenario.violations()).toEqual({ 'mapping-survives-invalidation': 1 });
    expect(scenario.sentences('mapping-survives-invalidation')).toEqual([
      expect.stringContaining('0x200000 bytes from 0x40000000 on stay mapped in container 0'),
    ]);
    expect(await scenario.sees(IOVA)).toBe('00000000');
    await scenario.map(IOVA, OLD, 0x1000n);
    const { data } = await scenario.client.events.next('IOMMU_MAPPED');
    expect(data.listeners[0]?.status).toBe('error');
    expect(data.listeners[0]?.desc).toContain('which is mapped already');
    await scenario.unmap(IOVA, 0x1000n);
    expect(await scenario.violations()).toMatchObject({ 'bad-unmap': 1 });
    expect(scenario.sentences('bad-unmap')).toEqual([
      'Unmap of 0x40000000-0x40000fff in container 0 would split the mapping 0x40000000-0x401fffff, which the host can ' +
        'unmap only as one',
    ]);
  });

  it('is carried out', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, 64n * MIB, 2n * MIB);
    await scenario.unmap(IOVA, 2n * MIB);
    expect(await scenario.sees(IOVA)).toBe('fault');
    await scenario.map(IOVA, OLD, 0x1000n);
    expect(await scenario.sees(IOVA)).toBe('011dd001');
    await scenario.unmap(IOVA, 0x1000n);
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a domain that is unmapped and replayed to tell one change (QEMU 63b88968f1, e80c1e4c7d)', () => {
  it('in one go: requests find an empty table in between', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    const mode = (value: string) => ({ execute: 'iommu-set-bypass', arguments: { device: 'nic0', mode: value } });
    await scenario.client.execute('batch', { commands: [mode('bypass'), mode('translate')] });
    expect(await scenario.violations()).toEqual({ 'transient-empty-table': 1 });
    expect(scenario.sentences('transient-empty-table')).toEqual([expect.stringContaining('0x40000000-0x40000fff')]);
  });

  it('by the difference alone', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.map(IOVA + 0x1000n, NEW, 0x1000n);
    await scenario.client.execute('guest-dma-unmap', { device: 'nic0', iova: IOVA, size: 0x1000n, flush: false });
    scenario.client.events.takeAll();
    // The whole IOTLB (type 2, granularity 1), then the whole context cache (type 1, granularity 1).
    await scenario.invalidate(2n | (1n << 4n));
    await scenario.invalidate(1n | (1n << 4n));
    expect(scenario.names()).toEqual(['IOMMU_UNMAPPED', 'VFIO_DMA_UNMAPPED']);
    expect(await scenario.sees(IOVA + 0x1000n)).toBe('0e0e0e0e');
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a reset of a machine that translates (QEMU 2cc9ddcceb, 43530095e1)', () => {
  it('leaves a device without its memory', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.inject({ point: 'map', kind: 'lose', count: 2 });
    await scenario.client.execute('system_reset');
    expect(await scenario.sees(OLD)).toBe('fault');
    expect(await scenario.violations()).toEqual({ 'layout-after-reset': 1 });
    expect(scenario.sentences('layout-after-reset')).toEqual([
      expect.stringMatching(/^After a reset, 0x0-0x\w+ is not mapped as it should be in container 0$/),
    ]);
  });

  it('gives it all of the memory back', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.client.execute('system_reset');
    expect(await scenario.sees(OLD)).toBe('011dd001');
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a guest that switches translation off (QEMU 2cc9ddcceb)', () => {
  it.each<[string, number, string]>([
    ['leaves the device without memory', 1, 'fault'],
    ['gives it all of the memory', 0, '011dd001'],
  ])('%s', async (_what, lost, seen) => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    if (lost > 0) await scenario.inject({ point: 'map', kind: 'lose' });
    await scenario.write(GCMD, 0n);
    expect(await scenario.sees(OLD)).toBe(seen);
    expect(await scenario.violations()).toEqual(lost > 0 ? { 'layout-after-reset': 1 } : {});
  });
});

describe('translation that is switched on again (QEMU bd02851d89, e80c1e4c7d)', () => {
  it.each<[string, number, string]>([
    ['brings part of what the tables map', 1, 'fault'],
    ['brings all of it', 0, '0e0e0e0e'],
  ])('%s', async (_what, lost, seen) => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.map(IOVA + 0x10_0000n, NEW, 0x1000n);
    await scenario.write(GCMD, 0n);
    if (lost > 0) await scenario.inject({ point: 'map', kind: 'lose', after: 1 });
    await scenario.write(GCMD, 0x8000_0000n);
    expect([await scenario.sees(IOVA), await scenario.sees(IOVA + 0x10_0000n)]).toEqual(['011dd001', seen]);
    expect(await scenario.violations()).toEqual(lost > 0 ? { 'layout-after-reset': 1 } : {});
    expect(scenario.sentences('layout-after-reset')).toEqual(
      lost > 0
        ? ['After a switch-on of translation, 0x40100000-0x40100fff is not mapped as it should be in container 0']
        : [],
    );
  });
});

describe('a notifier that can never be told of anything (QEMU 09adb0e021)', () => {
  it.each([
    ['fsts=on', 'with fsts=on the tables are of the first stage'],
    ['dma-translation=off', 'with dma-translation=off the unit translates nothing'],
  ])('is registered behind a unit with %s', async (property, why) => {
    scenario = await Scenario.start('-device', `intel-iommu,caching-mode=on,scalable-mode=on,${property}`);
    await scenario.assign();
    await scenario.client.execute('guest-iommu-enable', { mode: 'scalable' }).catch(() => {});
    await scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'translate' });
    expect(await scenario.violations()).toHaveProperty('dead-notifier', 1);
    expect(scenario.sentences('dead-notifier')).toEqual([expect.stringContaining(why)]);
  });

  it('is refused where the unit knows: device IOTLBs without device-iotlb=on, maps without caching-mode=on', async () => {
    scenario = await Scenario.start('-device', 'intel-iommu');
    await expect(scenario.client.execute('device_add', { driver: 'dma-agent', id: 'one', ats: true })).rejects.toThrow(
      'requires device IOTLB mode: Operation not supported',
    );
    await expect(scenario.assign()).rejects.toThrow(
      'Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
    );
    expect(await scenario.violations()).toEqual({});
  });

  it('is told where it can be', async () => {
    scenario = await Scenario.start(
      '-device',
      'intel-iommu,caching-mode=on,scalable-mode=on,device-iotlb=on,pasid-bits=20',
    );
    await scenario.client.execute('device_add', { driver: 'dma-agent', id: 'one', ats: true });
    await scenario.assign();
    await scenario.client.execute('guest-iommu-enable', { mode: 'scalable' });
    await scenario.map(IOVA, OLD, 0x1000n);
    expect(await scenario.sees(IOVA)).toBe('011dd001');
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a mapping that is no power of two, and unmaps that are (QEMU 0522be9a0c)', () => {
  it('a page around the interrupt range is told in part, and taken away in pieces', async () => {
    scenario = await Scenario.start('-m', '8G');
    await scenario.translated();
    await scenario.map(2n * GIB, 4n * GIB, GIB);
    // The next GiB, which the driver would refuse: the entry behind.
    const { address, raw } = await scenario.leafOf(2n * GIB);
    await scenario.write(address + 8n, raw);
    await scenario.invalidate(2n | (1n << 4n));
    await scenario.write(GCMD, 0n);
    expect(scenario.sentences('bad-unmap')[0]).toMatch(
      /^Unmap of 0xc0000000-0x\w+ in container 0 would split the mapping 0xc0000000-0xfedfffff/,
    );
    // What could not be unmapped goes with the region itself.
    expect(await scenario.violations()).not.toHaveProperty('layout-after-reset');
  });

  it('pages beside it are taken away as they were told', async () => {
    scenario = await Scenario.start('-m', '8G');
    await scenario.translated();
    await scenario.map(3n * GIB, 4n * GIB, GIB / 2n);
    await scenario.write(GCMD, 0n);
    expect(await scenario.violations()).toEqual({});
  });
});

describe('an unmap of the whole address space (QEMU 1b296c3def)', () => {
  /** Pages at both ends of what 48 bits reach, and beside the interrupt range. */
  const ends = [0n, 0xfed_ff000n, 0xfef_00000n, (1n << 48n) - 0x1000n];

  it.each<[string, number]>([
    ['is too long for a number of 64 bits, and nothing goes', 2 * ends.length],
    ['takes all of it', 0],
  ])('%s', async (_what, lost) => {
    scenario = await Scenario.start();
    await scenario.translated();
    for (const iova of ends) await scenario.map(iova, OLD, 0x1000n);
    if (lost > 0) await scenario.inject({ point: 'unmap', kind: 'lose', count: lost });
    scenario.client.events.takeAll();
    await scenario.write(GCMD, 0n);
    const events = scenario.client.events.takeAll();
    const gone = events.flatMap((one) => (one.event === 'VFIO_DMA_UNMAPPED' ? [one.data.iova] : []));
    expect(gone.sort((one, other) => (one < other ? -1 : 1))).toEqual(lost > 0 ? [] : ends);
    // As with QEMU: the memory that is to show now finds the old page in its way.
    expect(await scenario.violations()).toEqual(lost > 0 ? { 'layout-after-reset': 1 } : {});
  });
});

describe('a section that is skipped when it comes, and not when it goes (NVIDIA/QEMU 24)', () => {
  it('has what was never mapped unmapped', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.inject({ point: 'map', kind: 'lose' });
    await scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'bypass' });
    await scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'auto' });
    expect(await scenario.violations()).toEqual({ 'bad-unmap': 1 });
    expect(scenario.sentences('bad-unmap')).toEqual([expect.stringMatching(/of which nothing is mapped$/)]);
  });

  it('is skipped both times where the host refused it', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, 0xfed0_0000n, 0x1000n);
    await scenario.unmap(IOVA, 0x1000n);
    await scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'bypass' });
    await scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'auto' });
    expect(await scenario.violations()).toEqual({});
  });
});

describe('entries with reserved bits', () => {
  it('are passed over, as QEMU does: what was mapped survives', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    const { address, raw } = await scenario.leafOf(IOVA);
    await scenario.write(address, raw | (1n << 51n));
    await scenario.invalidate(2n | (1n << 4n));
    expect(await scenario.violations()).toEqual({ 'mapping-survives-invalidation': 1 });
  });
});
