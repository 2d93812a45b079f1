/** One conversation with a virtio-iommu over the socket: enable, map, DMA, unmap, what waits in the queue, fault. */
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

async function started(...more: string[]): Promise<QmpClient> {
  daemon = await InProcessDaemon.start(['-device', `virtio-iommu-pci,id=v0${more.join('')}`]);
  const client = await daemon.client();
  await client.execute('device_add', { driver: 'dma-agent', id: 'agent0' });
  await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
  await client.execute('memory-write', { address: PAGE, data: Buffer.from('hello').toString('base64') });
  return client;
}

async function read(client: QmpClient, device: string, address: bigint): Promise<string> {
  try {
    const { data = '' } = await client.execute('dma-read', { device, address, size: 5n });
    return Buffer.from(data, 'base64').toString();
  } catch (error) {
    return String(error);
  }
}

describe('virtio-iommu over the socket', () => {
  it('maps for an emulated and an assigned device, and tells what happens', async () => {
    const client = await started();
    const events = (): string[] =>
      client.events
        .takeAll()
        .filter(({ event }) => event.startsWith('IOMMU_'))
        .map(({ event, data }) => {
          const { device, bypass, reason, iova, size } = data as Partial<
            Record<'device' | 'reason' | 'iova' | 'size', string | bigint> & { bypass: boolean }
          >;
          return [event, device, bypass, reason, iova, size].filter((part) => part !== undefined).join(' ');
        });
    expect(await read(client, 'agent0', PAGE)).toBe('hello');
    expect(await read(client, 'nic0', PAGE)).toBe('hello');
    events();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    expect(events().filter((text) => /agent0|nic0/.test(text))).toEqual([
      'IOMMU_REGION_SWITCHED agent0 false',
      'IOMMU_REGION_SWITCHED nic0 false',
    ]);
    expect(await read(client, 'agent0', PAGE)).toContain('never attached');
    expect(await read(client, 'nic0', PAGE)).toContain("the host's second stage");
    for (const device of ['agent0', 'nic0']) {
      await client.execute('guest-dma-map', { device, iova: IOVA, address: PAGE, size: 0x3000n });
      expect(await read(client, device, IOVA)).toBe('hello');
    }
    expect(events()).toEqual([
      'IOMMU_FAULT agent0 unknown-endpoint',
      // Aligned powers of two, put together again for who reads events.
      `IOMMU_MAPPED nic0 ${IOVA} 12288`,
    ]);

    // A request that nobody has notified the device of waits: the mapping is stale in the guest's eyes.
    for (const device of ['agent0', 'nic0']) {
      await client.execute('guest-dma-unmap', { device, iova: IOVA, size: 0x3000n, flush: false });
      expect(await read(client, device, IOVA)).toBe('hello');
    }
    await client.execute('guest-virtio-iommu', { request: 'probe', device: 'agent0' });
    expect(await read(client, 'agent0', IOVA)).toContain('does not map it');
    expect(await read(client, 'nic0', IOVA)).toContain("the host's second stage");
    expect(events()).toEqual([`IOMMU_UNMAPPED nic0 ${IOVA} 12288`, 'IOMMU_FAULT agent0 not-mapped']);
    const { faults } = await client.execute('guest-virtio-iommu', { request: 'probe', device: 'agent0' });
    expect(faults).toMatchObject([{ code: 2, flags: 0x100, address: IOVA }]);
    const { checks } = await client.execute('query-checks');
    expect(checks.filter(({ violations }) => violations > 0)).toEqual([]);
  });

  it('answers questions: translations with their steps, mappings, who reaches a page, what there is', async () => {
    const client = await started();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x1000n });
    await client.execute('guest-dma-map', {
      device: 'nic0',
      iova: IOVA + 0x1000n,
      address: PAGE + 0x1000n,
      size: 0x1000n,
    });
    await client.execute('guest-dma-map', {
      device: 'nic0',
      iova: 0x1000n,
      address: PAGE,
      size: 0x1000n,
      permissions: ['read'],
    });
    const translated = await client.execute('iommu-translate', { device: 'nic0', address: IOVA + 5n, explain: true });
    expect(translated).toMatchObject({ result: 'translated', address: PAGE + 5n, source: 'walk' });
    expect(translated.steps?.map(({ structure }) => structure)).toEqual(['endpoint', 'mapping']);
    expect(
      await client.execute('iommu-translate', { device: 'nic0', address: 0x1000n, access: 'write' }),
    ).toMatchObject({
      result: 'fault',
      code: 2,
      reason: 'write-not-permitted',
    });
    const { mappings } = await client.execute('query-iommu-mappings', { device: 'nic0' });
    expect(mappings.map(({ iova, size, permissions }) => [iova, size, permissions.length])).toEqual([
      [0x1000n, 0x1000n, 1],
      [IOVA, 0x2000n, 2],
    ]);
    const { users } = await client.execute('iommu-reverse-translate', { space: 'guest', address: PAGE + 0x10n });
    expect(users.filter(({ device }) => device === 'nic0').map(({ iova }) => iova)).toEqual([0x1010n, IOVA + 0x10n]);
    const { iommus } = await client.execute('query-iommus');
    expect(iommus).toMatchObject([{ id: 'v0', kind: 'virtio-iommu-pci', mode: 'other', caches: [] }]);
    expect(iommus[0]?.devices.find(({ device }) => device === 'nic0')).toMatchObject({ bypass: false, 'domain-id': 1 });
    expect((await client.execute('query-iotlb', { side: 'viommu' })).entries).toEqual([]);
  });

  it('switches bypass by command and by reset, and refuses PASIDs with a sentence', async () => {
    const client = await started();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x1000n });
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'bypass' });
    expect(await read(client, 'nic0', PAGE)).toBe('hello');
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'auto' });
    expect(await read(client, 'nic0', IOVA)).toBe('hello');
    const refused = client.execute('iommu-bind-pasid-table', { device: 'nic0', address: 0x10_0000n });
    await expect(refused).rejects.toThrow("vIOMMU 'v0' has no PASIDs");
    await expect(
      client.execute('guest-svm-bind', { device: 'nic0', pasid: 1, 'page-table': 0x10_0000n }),
    ).rejects.toThrow('no PASIDs');
    expect(
      (await client.execute('query-iommu-notifiers')).notifiers
        .filter(({ device }) => device === 'nic0')
        .map(({ kind }) => kind),
    ).toEqual(['region', 'object']);
    await client.execute('system_reset');
    expect(await read(client, 'nic0', PAGE)).toBe('hello');
    const inBypass = client.execute('iommu-bind-pasid-table', { device: 'nic0', address: 0x10_0000n });
    await expect(inBypass).rejects.toThrow("vIOMMU 'v0' has no PASIDs");
    expect((await client.execute('query-iommus')).iommus[0]?.mode).toBe('off');
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x1000n });
    expect(await read(client, 'nic0', IOVA)).toBe('hello');
  });

  it('lets nothing pass from the start with boot-bypass=off', async () => {
    const client = await started(',boot-bypass=off');
    expect(await read(client, 'agent0', PAGE)).toContain('never attached');
    expect(await read(client, 'nic0', PAGE)).toContain("the host's second stage");
    await client.execute('system_reset');
    expect(await read(client, 'agent0', PAGE)).toContain('never attached');
    const { checks } = await client.execute('query-checks');
    expect(checks.filter(({ violations }) => violations > 0)).toEqual([]);
  });

  it('is checked: a mapping that the host keeps behind an unmap request is found, and so is a broken rule', async () => {
    const client = await started();
    const violations = async (): Promise<string[]> =>
      (await client.execute('query-checks')).checks
        .filter(({ violations: count }) => count > 0)
        .map(({ name }) => name);
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x1000n });
    await client.execute('fault-inject', { point: 'unmap', kind: 'lose' });
    await client.execute('guest-dma-unmap', { device: 'nic0', iova: IOVA, size: 0x1000n });
    expect(await violations()).toEqual(['mapping-survives-invalidation']);
    expect(await read(client, 'nic0', IOVA)).toBe('hello');
    // Two devices in one domain: the second is told what was mapped before.
    await client.execute('guest-virtio-iommu', {
      request: 'map',
      domain: 1,
      start: 0x8000n,
      last: 0x8fffn,
      address: PAGE,
    });
    await client.execute('guest-virtio-iommu', { request: 'attach', device: 'agent0', domain: 1 });
    expect(await read(client, 'agent0', 0x8000n)).toBe('hello');
    const wrong = await client.execute('guest-virtio-iommu', { request: 'attach', endpoint: 0xff00, domain: 1 });
    expect(wrong).toMatchObject({ status: 'no-entry', code: 6 });
    await expect(client.execute('query-iommu-mappings', { device: 'nic0', pasid: 1 })).rejects.toThrow('no PASIDs');
    await expect(
      client.execute('guest-dma-map', { device: 'nic0', iova: 0xfee0_0000n, address: PAGE, size: 0x1000n }),
    ).rejects.toThrow('covers the interrupt range 0xfee00000 to 0xfeefffff');
    await expect(
      client.execute('guest-dma-map', { device: 'nic0', iova: 0x8000n, address: PAGE, size: 0x1000n }),
    ).rejects.toThrow('0x8000 to 0x8fff overlaps the mapping 0x8000 to 0x8fff');
    await expect(client.execute('guest-virtio-iommu', { request: 'map', domain: 1 })).rejects.toThrow(
      "Parameter 'start' is missing",
    );
  });
});
