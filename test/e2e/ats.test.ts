/** A device that keeps translations itself (ATS), over the socket. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { QmpClient } from '../../clients/typescript/client.ts';
import { load } from '../../schema/generator/load.ts';
import type { CommandName } from '../../src/generated/types.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

const { setups } = load();
/** PASID 1 of the setup maps 0x10000 to `hello`, and after `remap` to `world`. */
const PAGE = { device: 'nic0', pasid: 1, address: 0x1_0000n } as const;
const [hello, world] = ['hello', 'world'].map((text) => Buffer.from(text).toString('base64'));

let daemon: InProcessDaemon;
let client: QmpClient;

async function play(...names: string[]): Promise<void> {
  for (const { '->': step } of names.flatMap((name) => setups[name]?.steps ?? [])) {
    if (step !== undefined) await client.execute(step['execute'] as CommandName, step['arguments'] as never);
  }
}

const read = async (): Promise<string | undefined> => (await client.execute('dma-read', { ...PAGE, size: 5n })).data;

beforeEach(async () => {
  daemon = await InProcessDaemon.start();
  client = await daemon.client();
  await play('pasid-table', 'nic0-ats', 'dma');
});

afterEach(async () => {
  client.close();
  await daemon.stop();
});

describe('a device with ATS', () => {
  it('shows its cache beside those of the host', async () => {
    const { caches } = await client.execute('query-host-iommu');
    expect(caches.map(({ name, entries }) => [name, entries])).toEqual([
      ['context', 1],
      ['pasid', 1],
      ['iotlb', 1],
      ['device:nic0', 1],
    ]);
    const { entries } = await client.execute('query-iotlb', { side: 'host', device: 'nic0' });
    expect(entries.map(({ cache, permissions, stale }) => ({ cache, permissions, stale }))).toEqual([
      { cache: undefined, permissions: ['read', 'write', 'execute'], stale: false },
      { cache: 'device', permissions: ['read', 'execute'], stale: false },
    ]);
    expect(await client.execute('iommu-translate', { ...PAGE, via: 'host' })).toMatchObject({ source: 'device' });
  });

  it('goes on with what it has until an invalidation reaches it', async () => {
    await play('remap');
    const flush = { ...PAGE, size: 4096n } as const;
    expect(await client.execute('iommu-flush-iotlb', { ...flush, granularity: 'page' })).toMatchObject({ dropped: 1 });
    expect(await read()).toBe(hello);
    const { data } = await client.events.next('HOST_STALE_TRANSLATION');
    expect(data).toMatchObject({ cache: 'device', missing: { granularity: 'page', pasid: 1, address: 0x1_0000n } });
    expect(await client.execute('iommu-flush-device-iotlb', flush)).toEqual({ dropped: 1 });
    expect(await read()).toBe(world);
    const { checks } = await client.execute('query-checks');
    expect(checks.find(({ name }) => name === 'stale-translation')?.violations).toBe(1);
  });

  it('says nothing of old translations while the check is off', async () => {
    await play('remap');
    await client.execute('set-check', { name: 'stale-translation', enabled: false });
    client.events.takeAll();
    expect(await read()).toBe(hello);
    await client.execute('query-status');
    expect(client.events.takeAll()).toEqual([]);
  });
});

describe('iommu-flush-device-iotlb', () => {
  it.each([
    [{ address: 0x1_0000n }, "Parameter 'size' is missing"],
    [{ size: 4096n }, "Parameter 'address' is missing"],
    [
      { address: 0n, size: 4095n },
      "Parameter 'size' is 4095; a flush covers a power of two of at least 4096 bytes: give 4096",
    ],
    [{ pasid: 1, 'all-pasids': true }, "Parameters 'pasid' and 'all-pasids' exclude each other: leave one of them out"],
  ])('refuses %o', async (args, sentence) => {
    await expect(client.execute('iommu-flush-device-iotlb', { device: 'nic0', ...args })).rejects.toThrow(sentence);
  });

  it('covers everything unless it is told otherwise', async () => {
    expect(await client.execute('iommu-flush-device-iotlb', { device: 'nic0' })).toEqual({ dropped: 0 });
    const { data } = await client.events.next('IOMMU_DEVICE_IOTLB_FLUSHED');
    expect(data).toMatchObject({ address: 0n, last: 2n ** 64n - 1n, origin: 'command' });
    const all = { device: 'nic0', 'all-pasids': true } as const;
    expect(await client.execute('iommu-flush-device-iotlb', all)).toEqual({ dropped: 1 });
  });
});
