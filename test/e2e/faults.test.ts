/** Injected faults over the socket: a step goes wrong, and the checks say what that has led to. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { load } from '../../schema/generator/load.ts';
import type { QmpClient } from '../../clients/typescript/client.ts';
import type { CommandName } from '../../src/generated/types.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

const { setups } = load();
const PAGE = { device: 'nic0', address: 0x1_0000n, size: 5n, pasid: 1 } as const;
const [HELLO, WORLD] = ['hello', 'world'].map((text) => Buffer.from(text).toString('base64'));
const FLUSH = { device: 'nic0', granularity: 'domain', 'domain-id': 5 } as const;

describe('injected faults', () => {
  let daemon: InProcessDaemon;
  let client: QmpClient;
  const play = async (...names: string[]): Promise<void> => {
    for (const { '->': step } of names.flatMap((name) => setups[name]?.steps ?? [])) {
      if (step !== undefined) await client.execute(step['execute'] as CommandName, step['arguments'] as never);
    }
  };
  const read = async (): Promise<string | undefined> => (await client.execute('dma-read', PAGE)).data;
  const violations = async (): Promise<string[]> =>
    (await client.execute('query-checks')).checks.filter(({ violations: count }) => count > 0).map(({ name }) => name);

  beforeEach(async () => {
    daemon = await InProcessDaemon.start();
    client = await daemon.client();
    await play('nic0');
  });
  afterEach(async () => {
    client.close();
    await daemon.stop();
  });

  it('an invalidation that is lost leaves a stale translation, and whoever asked believes that it came', async () => {
    await play('pasid-table', 'bind', 'dma', 'remap');
    await client.execute('fault-inject', { point: 'invalidate', kind: 'lose', device: 'nic0' });
    const { listeners, dropped } = await client.execute('iommu-flush-iotlb', FLUSH);
    expect([listeners.map(({ status }) => status), dropped]).toEqual([['ok'], 0]);
    expect(await read()).toBe(HELLO);
    const { data } = await client.events.next('HOST_STALE_TRANSLATION');
    expect(data).toMatchObject({ cache: 'iotlb', missing: { granularity: 'page', 'domain-id': 5, pasid: 1 } });
    expect(await violations()).toEqual(['stale-translation', 'flush-scope']);
    await client.execute('iommu-flush-iotlb', FLUSH);
    expect(await read()).toBe(WORLD);
  });

  it('one that fails is told to who asked', async () => {
    await play('pasid-table', 'bind', 'dma');
    await client.execute('fault-inject', { point: 'invalidate', kind: 'fail' });
    const { listeners } = await client.execute('iommu-flush-iotlb', FLUSH);
    expect(listeners).toEqual([
      expect.objectContaining({
        status: 'error',
        desc: "Injected fault 'fault1': pass 1 of fault point invalidate fails",
      }),
    ]);
  });

  it('one that is late comes by guest time, as an operation of its own', async () => {
    await play('pasid-table', 'bind', 'dma', 'remap');
    await client.execute('fault-inject', { point: 'invalidate', kind: 'delay', 'delay-ms': 1 });
    await client.execute('iommu-flush-iotlb', FLUSH);
    const held = async (): Promise<number> =>
      (await client.execute('query-iotlb', { side: 'host', device: 'nic0' })).entries.filter(({ pasid }) => pasid === 1)
        .length;
    while ((await held()) > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(await read()).toBe(WORLD);
  });

  it('an unmap that VFIO never hears of leaves a mapping behind the invalidation', async () => {
    await play('guest-legacy', 'guest-mapping');
    await client.execute('fault-inject', { point: 'listener', kind: 'lose' });
    await client.execute('guest-dma-unmap', { device: 'nic0', iova: 0x4000_0000n, size: 0x1000n });
    const { data } = await client.events.next('MODEL_CHECK_FAILED');
    expect(data).toMatchObject({ check: 'mapping-survives-invalidation', device: 'nic0' });
    const { users } = await client.execute('iommu-reverse-translate', {
      address: 0x20_0000n,
      space: 'guest',
      device: 'nic0',
    });
    expect(users).toEqual([]);
    const via = { device: 'nic0', address: 0x4000_0000n, via: 'host' } as const;
    expect(await client.execute('iommu-translate', via)).toMatchObject({ result: 'translated', gpa: 0x4000_0000n });
  });

  it('a device that cannot be attached is refused, and leaves nothing', async () => {
    const before = await client.execute('query-vfio');
    await client.execute('fault-inject', { point: 'attach', kind: 'fail' });
    const add = (): Promise<unknown> =>
      client.execute('device_add', { driver: 'vfio-pci', id: 'nic1', host: '0000:3b:00.1' });
    await expect(add()).rejects.toThrow(
      "vfio 0000:3b:00.1: Injected fault 'fault1': pass 1 of fault point attach fails",
    );
    expect(await client.execute('query-vfio')).toEqual(before);
    await add();
  });

  it.each([
    ['bind', 'lose', 'choose fail'],
    ['map', 'delay', 'choose fail, lose'],
    ['page-response', 'fail', 'choose lose, delay, reorder'],
  ] as const)('%s cannot %s', async (point, kind, hint) => {
    await expect(client.execute('fault-inject', { point, kind })).rejects.toThrow(
      `Fault point '${point}' has no kind '${kind}': ${hint}`,
    );
  });
});
