/** One conversation with the functions of s390 over the socket: enable, map, DMA, unmap, stale, flush, fault. */
import { afterEach, describe, expect, it } from 'vitest';
import type { QmpClient } from '../../../clients/typescript/client.ts';
import { InProcessDaemon } from '../../support/in-process-daemon.ts';

let daemon: InProcessDaemon | null = null;
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
});

const IOVA = 0x1_0000_0000n;
const PAGE = 0x20_0000n;
const UNIT = '/machine/s390-pcihost';

/** A daemon with an emulated and an assigned function. */
async function started(...more: string[]): Promise<QmpClient> {
  daemon = await InProcessDaemon.start(['-M', 's390-ccw-virtio', ...more]);
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

function told(client: QmpClient): string[] {
  return client.events
    .takeAll()
    .filter(({ event }) => /^(IOMMU|HOST|MODEL)_/.test(event))
    .map(({ event, data }) => {
      const { device, bypass, reason, size } = data as Record<string, string | boolean | bigint>;
      return [event, device, bypass, reason, size].filter((part) => part !== undefined).join(' ');
    });
}

describe('s390 over the socket', () => {
  it('maps for an emulated and an assigned function, keeps what is stale, and tells of faults', async () => {
    const client = await started();
    expect(await read(client, 'agent0', IOVA)).toContain('no bus master');
    await client.execute('guest-iommu-enable', { mode: 'other' });
    expect(told(client)).toEqual(['IOMMU_REGION_SWITCHED agent0 false', 'IOMMU_REGION_SWITCHED nic0 false']);
    for (const device of ['agent0', 'nic0']) {
      await client.execute('guest-dma-map', { device, iova: IOVA, address: PAGE, size: 0x2000n });
      expect(await read(client, device, IOVA)).toBe('hello');
    }
    expect(told(client)).toEqual(['IOMMU_MAPPED nic0 8192']);
    const { mappings } = await client.execute('query-iommu-mappings', { device: 'nic0' });
    expect(mappings).toEqual([
      { iova: IOVA, address: PAGE, size: 0x2000n, permissions: ['read', 'write'], 'page-size': 4096n },
    ]);

    for (const device of ['agent0', 'nic0']) {
      await client.execute('guest-dma-unmap', { device, iova: IOVA, size: 0x1000n, flush: false });
      expect(await read(client, device, IOVA)).toBe('hello');
    }
    const { entries } = await client.execute('query-iotlb', { side: 'viommu', device: 'agent0' });
    expect(entries.map(({ iova, stale }) => [iova, stale])).toEqual([
      [IOVA, true],
      [IOVA + 0x1000n, false],
    ]);
    for (const device of ['agent0', 'nic0']) {
      const refresh = { instruction: 'rpcit', device, start: IOVA, length: 0x1000n } as const;
      expect(await client.execute('guest-zpci', refresh)).toEqual({ cc: 0 });
    }
    expect(told(client)).toEqual(['IOMMU_UNMAPPED nic0 4096']);
    expect(await read(client, 'nic0', IOVA)).not.toBe('hello');
    expect(told(client)).toEqual([]);
    expect(await read(client, 'agent0', IOVA)).toContain('no refreshed translation allows the access');
    expect(told(client)).toEqual(['IOMMU_FAULT agent0 translation-protection']);
  });

  it('holds a function in error until software resets it', async () => {
    const client = await started();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'agent0', iova: IOVA, address: PAGE, size: 0x1000n });
    expect(await read(client, 'agent0', 0x1000n)).toContain('outside the registered range');
    expect(await read(client, 'agent0', IOVA)).toContain('or in error');
    const zpci = (more: object) => client.execute('guest-zpci', { device: 'agent0', ...more } as never);
    expect(await zpci({ instruction: 'rpcit', start: IOVA, length: 0x1000n })).toEqual({ cc: 1, status: 40 });
    expect(await zpci({ instruction: 'pcilg', offset: 0n, length: 2n })).toEqual({ cc: 1, status: 12 });
    expect(await zpci({ instruction: 'stpcifc' })).toMatchObject({ cc: 0, block: { controls: 0xf0, base: IOVA } });
    expect(await zpci({ instruction: 'store-event-information' })).toMatchObject({
      event: { content: 2, code: 0x301 },
    });
    await zpci({ instruction: 'store-event-information' });
    expect(await zpci({ instruction: 'store-event-information' })).toMatchObject({
      event: { content: 1, code: 2, address: 0x1000n },
    });
    expect(await zpci({ instruction: 'mpcifc', operation: 7 })).toEqual({ cc: 0 });
    expect(await read(client, 'agent0', IOVA)).toBe('hello');
    expect(await zpci({ instruction: 'pcilg', offset: 0n, length: 2n })).toEqual({ cc: 0, value: 0x3412n });
  });

  it('shows an assigned function guest memory as it is, on its own wish or on command', async () => {
    const client = await started();
    const zpci = (more: object) => client.execute('guest-zpci', { device: 'nic0', ...more } as never);
    expect(await zpci({ instruction: 'clp-enable' })).toMatchObject({ response: 16 });
    // Bus master: bit 2 of the command register, which is little-endian.
    const master = { instruction: 'pcistg', offset: 4n, length: 2n, value: 0x0600n };
    expect(await zpci(master)).toEqual({ cc: 0 });
    const block = { base: IOVA, limit: 0x1_ffff_ffffn, anchor: 0n };
    expect(await zpci({ instruction: 'mpcifc', operation: 4, block })).toEqual({ cc: 0 });
    expect(told(client)).toEqual(['IOMMU_REGION_SWITCHED nic0 true']);
    expect(await read(client, 'nic0', IOVA + PAGE)).toBe('hello');
    const found = await client.execute('iommu-reverse-translate', { space: 'guest', address: PAGE + 2n });
    expect(
      JSON.stringify(found, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).toContain(String(IOVA + PAGE + 2n));
    expect(await zpci({ instruction: 'mpcifc', operation: 5 })).toEqual({ cc: 0 });
    expect(await read(client, 'nic0', IOVA + PAGE)).not.toBe('hello');
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'bypass' });
    expect(await read(client, 'nic0', IOVA + PAGE)).toBe('hello');
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'auto' });
    expect(await read(client, 'nic0', IOVA + PAGE)).not.toBe('hello');
  });

  it('answers questions, and refuses PASID tables', async () => {
    const client = await started();
    const { iommus } = await client.execute('query-iommus', {});
    expect(iommus).toMatchObject([{ id: UNIT, kind: 's390-pci-iommu', mode: 'off' }]);
    expect(iommus[0]!.devices.map(({ device, 'domain-id': id }) => [device, id])).toEqual([
      ['agent0', 1],
      ['nic0', 2],
    ]);
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'agent0', iova: IOVA, address: PAGE, size: 0x1000n });
    const answer = await client.execute('iommu-translate', { device: 'agent0', address: IOVA + 1n, explain: true });
    expect(answer).toMatchObject({ result: 'translated', address: PAGE + 1n, source: 'iotlb' });
    expect(answer.steps?.map(({ structure }) => structure)).toEqual([
      'region-third-table-entry',
      'segment-table-entry',
      'page-table-entry',
    ]);
    const bind = client.execute('iommu-bind-pasid-table', { device: 'nic0', address: 0x10_0000n, size: 0x1000n });
    await expect(bind).rejects.toThrow('zPCI functions make no requests with PASID');
    await expect(
      client.execute('guest-svm-bind', { device: 'nic0', pasid: 1, 'page-table': 0x10_0000n }),
    ).rejects.toThrow('no requests with PASID');
    const { notifiers } = await client.execute('query-iommu-notifiers', {});
    expect(notifiers.map(({ device, kind }) => [device, kind])).toContainEqual(['nic0', 'region']);
    await client.execute('system_reset', {});
    expect((await client.execute('query-iommus', {})).iommus).toMatchObject([{ mode: 'off' }]);
    expect(await client.execute('guest-zpci', { instruction: 'clp-list' })).toMatchObject({
      functions: [{ handle: 0x2_0000 }, { handle: 0x1_0001 }],
    });
  });

  it('has zpci devices beside PCI devices, given or made, with QEMU’s refusals', async () => {
    const client = await started('-device', 'zpci,id=z5,uid=5,fid=7,target=edu0', '-device', 'edu,id=edu0');
    const query = { instruction: 'clp-query', device: 'edu0' } as const;
    expect(await client.execute('guest-zpci', query)).toMatchObject({ function: { uid: 5, fid: 7 } });
    const add = (more: object): Promise<unknown> => client.execute('device_add', { driver: 'zpci', ...more });
    await expect(add({ target: 'edu0' })).rejects.toThrow('target edu0 already has an associated zpci device');
    await expect(add({ target: 'x', uid: 5 })).rejects.toThrow('uid 5 already in use');
    await expect(add({ target: 'x', fid: 7 })).rejects.toThrow('fid 7 already in use');
    await expect(add({})).rejects.toThrow('target must be defined');
    await expect(client.execute('device_del', { id: 'z5' })).rejects.toThrow("goes with 'edu0'");
    await client.execute('device_del', { id: 'edu0' });
    await expect(client.execute('qom-get', { path: 'z5', property: 'uid' })).rejects.toThrow();
    await client.execute('device_del', { id: 'nic0' });
    expect((await client.execute('guest-zpci', { instruction: 'clp-list' })).functions).toHaveLength(1);
  });
});
