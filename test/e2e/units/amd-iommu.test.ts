/** One conversation with an AMD unit over the socket: enable, map, DMA, unmap, stale, flush, fault; then PASIDs. */
import { afterEach, describe, expect, it } from 'vitest';
import type { QmpClient } from '../../../clients/typescript/client.ts';
import { InProcessDaemon } from '../../support/in-process-daemon.ts';

let daemon: InProcessDaemon | null = null;
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
});

const IOVA = 0x4000_0000n;
const PAGE = 0x20_0000n;
const OTHER = 0x30_0000n;

async function started(properties: string): Promise<QmpClient> {
  daemon = await InProcessDaemon.start(['-device', `amd-iommu,id=iommu0${properties}`]);
  const client = await daemon.client();
  await client.execute('device_add', { driver: 'dma-agent', id: 'agent0' });
  await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
  await put(client, PAGE, 'hello');
  await put(client, OTHER, 'other');
  return client;
}

async function put(client: QmpClient, address: bigint, text: string): Promise<void> {
  await client.execute('memory-write', { address, data: Buffer.from(text).toString('base64') });
}

async function write64(client: QmpClient, address: bigint, ...words: bigint[]): Promise<void> {
  const bytes = Buffer.alloc(8 * words.length);
  for (const [index, word] of words.entries()) bytes.writeBigUInt64LE(word, 8 * index);
  await client.execute('memory-write', { address, data: bytes.toString('base64') });
}

async function read(client: QmpClient, device: string, address: bigint, pasid?: number): Promise<string> {
  try {
    const tag = pasid === undefined ? {} : { pasid };
    const { data = '' } = await client.execute('dma-read', { device, address, size: 5n, ...tag });
    return Buffer.from(data, 'base64').toString();
  } catch (error) {
    return String(error);
  }
}

function told(client: QmpClient): string[] {
  return client.events
    .takeAll()
    .filter(({ event }) => /^(IOMMU|HOST)_/.test(event))
    .map(({ event, data }) => {
      const { device, bypass, reason } = data as { device?: string; bypass?: boolean; reason?: string };
      return [event, device, bypass, reason].filter((part) => part !== undefined).join(' ');
    });
}

describe('amd-iommu over the socket', () => {
  it('maps for an emulated and an assigned device, keeps what is stale, and tells of faults', async () => {
    const client = await started(',dma-remap=on');
    await client.execute('guest-iommu-enable', { mode: 'other' });
    expect(await read(client, 'agent0', PAGE)).toBe('hello');
    told(client);

    for (const device of ['agent0', 'nic0']) {
      await client.execute('guest-dma-map', { device, iova: IOVA, address: PAGE, size: 0x2000n });
      expect(await read(client, device, IOVA)).toBe('hello');
    }
    expect(told(client)).toEqual([
      'IOMMU_REGION_SWITCHED agent0 false',
      'IOMMU_MAPPED nic0',
      'IOMMU_REGION_SWITCHED nic0 false',
    ]);
    const { entries } = await client.execute('query-iotlb', { side: 'viommu' });
    expect(entries).toMatchObject([{ device: 'agent0', iova: IOVA, address: PAGE, 'domain-id': 1, stale: false }]);

    await client.execute('guest-dma-unmap', { device: 'agent0', iova: IOVA, size: 0x1000n, flush: false });
    expect(await read(client, 'agent0', IOVA)).toBe('hello');
    expect((await client.execute('query-iotlb', { side: 'viommu' })).entries).toMatchObject([{ stale: true }]);
    await client.execute('guest-dma-map', { device: 'agent0', iova: IOVA + 0x10_0000n, address: OTHER, size: 0x1000n });
    expect(await read(client, 'agent0', IOVA)).toContain('do not map the page');
    expect(told(client)).toEqual(['IOMMU_FAULT agent0 not-mapped']);

    await client.execute('guest-dma-unmap', { device: 'nic0', iova: IOVA, size: 0x2000n });
    expect(told(client)).toEqual(['IOMMU_UNMAPPED nic0']);
    expect(await read(client, 'nic0', IOVA)).not.toBe('hello');
  });

  it('answers questions about translations', async () => {
    const client = await started(',dma-remap=on');
    const { iommus } = await client.execute('query-iommus', {});
    expect(iommus[0]).toMatchObject({ id: 'iommu0', kind: 'amd-iommu', mode: 'off' });
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'agent0', iova: IOVA, address: PAGE, size: 0x20_0000n });
    const answer = await client.execute('iommu-translate', { device: 'agent0', address: IOVA + 5n, explain: true });
    expect(answer).toMatchObject({ result: 'translated', address: PAGE + 5n, size: 0x20_0000n, source: 'walk' });
    expect(answer.steps?.map(({ structure, level }) => `${structure} ${level ?? ''}`)).toEqual([
      'device-table-entry ',
      'page-table-entry 4',
      'page-table-entry 3',
      'page-table-entry 2',
    ]);
    const { mappings } = await client.execute('query-iommu-mappings', { device: 'agent0' });
    expect(mappings).toMatchObject([{ iova: IOVA, address: PAGE, size: 0x20_0000n, 'page-size': 0x20_0000n }]);
    const reached = await client.execute('iommu-reverse-translate', {
      space: 'guest',
      address: PAGE + 5n,
      device: 'agent0',
    });
    expect(
      JSON.stringify(reached, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).toContain(String(IOVA + 5n));
    await client.execute('iommu-set-bypass', { device: 'agent0', mode: 'bypass' });
    expect(await read(client, 'agent0', PAGE)).toBe('hello');
    await client.execute('iommu-set-bypass', { device: 'agent0', mode: 'auto' });
    expect(await read(client, 'agent0', IOVA)).toBe('hello');
  });

  it('refuses notifiers of maps without dma-remap, and modes of other units', async () => {
    const client = await started('');
    await expect(client.execute('iommu-set-bypass', { device: 'nic0', mode: 'translate' })).rejects.toThrow(
      /requires dma-remap=1/,
    );
    await expect(client.execute('guest-iommu-enable', { mode: 'scalable' })).rejects.toThrow(/no mode 'scalable'/);
  });

  it('binds a GCR3 table by the device table entry, and flushes by commands', async () => {
    const client = await started(',dma-remap=on,pasid-bits=16');
    const [root, l3, l2, l1] = [0x40_0000n, 0x40_1000n, 0x40_2000n, 0x40_3000n];
    await write64(client, root, l3 | 7n);
    await write64(client, l3 + 8n, l2 | 7n);
    await write64(client, l2, l1 | 7n);
    await write64(client, l1, PAGE | 0x67n);
    await client.execute('guest-iommu-enable', { mode: 'other' });
    told(client);
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 700, 'page-table': root });
    expect(told(client)).toContain('IOMMU_PASID_TABLE_BOUND nic0');
    expect(await read(client, 'nic0', IOVA, 700)).toBe('hello');
    const answer = await client.execute('iommu-translate', {
      device: 'nic0',
      address: IOVA,
      pasid: 700,
      explain: true,
    });
    expect(answer).toMatchObject({ result: 'translated', address: PAGE });
    expect(answer.steps?.map(({ structure }) => structure).slice(0, 2)).toEqual([
      'gcr3-table-entry',
      'gcr3-table-entry',
    ]);

    await write64(client, l1, OTHER | 0x67n);
    expect(await read(client, 'nic0', IOVA, 700)).toBe('hello');
    expect(told(client)).toEqual(['HOST_STALE_TRANSLATION nic0']);
    await client.execute('guest-svm-unbind', { device: 'nic0', pasid: 700 });
    expect(await read(client, 'nic0', IOVA, 700)).not.toBe('hello');
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 700, 'page-table': root });
    expect(await read(client, 'nic0', IOVA, 700)).toBe('other');
  });

  it('takes a GCR3 table by command', async () => {
    const client = await started('');
    const [gcr3, root, l3, l2, l1] = [0x41_0000n, 0x40_0000n, 0x40_1000n, 0x40_2000n, 0x40_3000n];
    await write64(client, gcr3 + 8n * 5n, root | 1n);
    await write64(client, root, l3 | 7n);
    await write64(client, l3 + 8n, l2 | 7n);
    await write64(client, l2, l1 | 7n);
    await write64(client, l1, PAGE | 0x67n);
    await client.execute('iommu-bind-pasid-table', { device: 'nic0', address: gcr3, size: 4096n, format: 'amd-gcr3' });
    expect(await read(client, 'nic0', IOVA, 5)).toBe('hello');
    expect(await read(client, 'nic0', IOVA, 6)).toContain('not present');
  });
});
