/** Each check by its name: made at the start, silent once it is off, and a stop where it is told to stop the machine. */
import { afterEach, describe, expect, it } from 'vitest';
import type { CheckName } from '../../src/generated/types.ts';
import { NEW, OLD, Scenario, VIRTUAL } from './rig.ts';

const IOVA = 0x4000_0000n;

/** One way to fail a check: what the machine is started with, what comes first, and the step at which it fails. */
interface Mistake {
  readonly args?: readonly string[];
  readonly before: (scenario: Scenario) => Promise<unknown>;
  readonly step: (scenario: Scenario) => Promise<unknown>;
}

const process5 = async (scenario: Scenario): Promise<void> => {
  await scenario.bound();
  for (const page of [VIRTUAL, VIRTUAL + 0x1000n]) await scenario.sees(page, 5);
};
const mapped = async (scenario: Scenario): Promise<void> => {
  await scenario.translated();
  await scenario.map(IOVA, OLD, 0x1000n);
};
const bypass = (mode: 'bypass' | 'translate') => ({
  execute: 'iommu-set-bypass',
  arguments: { device: 'nic0', mode },
});

const MISTAKES: Readonly<Record<CheckName, Mistake>> = {
  'stale-translation': {
    before: async (scenario) => {
      await process5(scenario);
      await scenario.point(VIRTUAL, NEW);
    },
    step: (scenario) => scenario.sees(VIRTUAL, 5),
  },
  'mapping-survives-invalidation': {
    before: async (scenario) => {
      await mapped(scenario);
      await scenario.inject({ point: 'unmap', kind: 'lose' });
    },
    step: (scenario) => scenario.unmap(IOVA, 0x1000n),
  },
  'bad-unmap': {
    before: async (scenario) => {
      await scenario.translated();
      await scenario.inject({ point: 'map', kind: 'lose' });
      await scenario.map(IOVA, OLD, 0x1000n);
    },
    step: (scenario) => scenario.unmap(IOVA, 0x1000n),
  },
  'transient-empty-table': {
    before: mapped,
    step: (scenario) => scenario.client.execute('batch', { commands: [bypass('bypass'), bypass('translate')] }),
  },
  'layout-after-reset': {
    before: async (scenario) => {
      await mapped(scenario);
      await scenario.inject({ point: 'map', kind: 'lose', count: 2 });
    },
    step: (scenario) => scenario.client.execute('system_reset'),
  },
  'dead-notifier': {
    args: ['-device', 'intel-iommu,caching-mode=on,dma-translation=off'],
    before: (scenario) => scenario.assign(),
    step: (scenario) => scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'translate' }),
  },
  'host-capabilities': {
    before: (scenario) =>
      scenario.client.execute('object-add', { 'qom-type': 'host-iommu', id: 'h', 'pasid-bits': 16 }),
    step: (scenario) => scenario.assign(),
  },
  'page-response-once': {
    before: async (scenario) => {
      const directory = await scenario.pasidTable(await scenario.process());
      await scenario.assign('nic0', '0000:3b:00.0', { pri: 'on' });
      await scenario.client.execute('iommu-bind-pasid-table', { device: 'nic0', address: directory });
      const [device, address] = ['nic0', VIRTUAL + 0x2000n];
      await scenario.client.execute('dma-read', { device, address, size: 4n, pasid: 5, wait: false });
      await scenario.client.execute('page-response', { device, group: 0, response: 'invalid' });
    },
    step: (scenario) =>
      scenario.client.execute('page-response', { device: 'nic0', group: 0, response: 'invalid' }).catch(() => {}),
  },
  'flush-scope': {
    before: async (scenario) => {
      await process5(scenario);
      await scenario.inject({ point: 'invalidate', kind: 'lose' });
    },
    step: (scenario) => scenario.client.execute('flush-iotlb', { device: 'nic0', granularity: 'pasid', pasid: 5 }),
  },
  'over-flush': {
    before: process5,
    step: (scenario) => scenario.client.execute('flush-iotlb', { device: 'nic0', granularity: 'pasid', pasid: 5 }),
  },
  isolation: {
    before: async (scenario) => {
      await mapped(scenario);
      await scenario.assign('nic1', '0000:3b:00.1');
    },
    step: (scenario) => scenario.map(IOVA, OLD, 0x1000n, 'nic1'),
  },
};

describe.each(Object.entries(MISTAKES) as [CheckName, Mistake][])('%s', (name, { args = [], before, step }) => {
  let scenario: Scenario;
  afterEach(() => scenario.stop());

  const play = async (options: { readonly enabled?: boolean; readonly stop?: boolean }): Promise<number> => {
    scenario = await Scenario.start(...args);
    await before(scenario);
    if (Object.keys(options).length > 0) await scenario.client.execute('set-check', { name, ...options });
    const found = (await scenario.violations())[name] ?? 0;
    scenario.names();
    await step(scenario);
    return ((await scenario.violations())[name] ?? 0) - found;
  };
  const status = async (): Promise<string> => (await scenario.client.execute('query-status')).status;

  it('is made unless told otherwise, and stops nothing', async () => {
    expect(await play({})).toBeGreaterThan(0);
    expect(await status()).toBe('running');
  });

  it('says and counts nothing once it is off', async () => {
    expect(await play({ enabled: false })).toBe(0);
    expect(scenario.sentences(name)).toEqual([]);
  });

  it('stops the machine with stop, until cont', async () => {
    expect(await play({ stop: true })).toBeGreaterThan(0);
    expect(scenario.names()).toContain('STOP');
    expect(await status()).toBe('debug');
    await scenario.client.execute('cont');
    expect(await status()).toBe('running');
  });
});
