/** One conversation with TCE tables over the socket: enable, map, DMA, unmap, nothing stale, faults; PCI and VIO. */
import { afterEach, describe, expect, it } from 'vitest';
import type { QmpClient } from '../../../clients/typescript/client.ts';
import { InProcessDaemon } from '../../support/in-process-daemon.ts';

let daemon: InProcessDaemon | null = null;
afterEach(async () => {
  await daemon?.stop();
  daemon = null;
});

const UNIT = '/machine/spapr-tce';
const PAGE = 0x20_0000n;
const IOVA = 0x40_0000n;
const DYNAMIC = 0x800_0000_0000_0000n;
const BUID = [0x0800_0000, 0x2000_0000];
const BUFFER = 0x10_0000n;

/** `vio0` on the VIO bus, and on PCI `edu0`, emulated, and `nic0`, assigned. */
async function started(): Promise<QmpClient> {
  daemon = await InProcessDaemon.start([
    ...['-M', 'pseries', '-m', '64M'],
    ...['-device', 'vio-dma-agent,id=vio0,reg=0x71000005', '-device', 'edu,id=edu0,dma_mask=0xffffffffffffffff'],
    ...['-device', 'vfio-pci,id=nic0,host=0000:3b:00.0'],
  ]);
  const client = await daemon.client();
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

function events(client: QmpClient): string[] {
  return client.events
    .takeAll()
    .filter(({ event }) => /^(IOMMU|VFIO)_/.test(event))
    .map(({ event, data }) => {
      const { device, bypass, reason, iova, size } = data as Partial<
        Record<'device' | 'reason' | 'iova' | 'size', string | bigint> & { bypass: boolean }
      >;
      return [event, device, bypass, reason, iova, size].filter((part) => part !== undefined).join(' ');
    });
}

async function violations(client: QmpClient): Promise<string[]> {
  const { checks } = await client.execute('query-checks');
  return checks.filter(({ violations: count }) => count > 0).map(({ name }) => name);
}

describe('TCE tables over the socket', () => {
  it('map for VIO and PCI devices, and tell what happens', async () => {
    const client = await started();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    events(client);
    expect(await read(client, 'vio0', IOVA)).toContain('the TCE allows neither reads nor writes');
    expect(await read(client, 'edu0', IOVA)).toContain('the TCE allows neither reads nor writes');
    expect(await read(client, 'nic0', IOVA)).toContain("the host's second stage");
    expect(events(client)).toEqual(['IOMMU_FAULT vio0 not-mapped', 'IOMMU_FAULT edu0 not-mapped']);

    await client.execute('guest-dma-map', { device: 'vio0', iova: IOVA, address: PAGE, size: 0x2000n });
    expect(events(client)).toEqual([]);
    await client.execute('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x2000n });
    const first = events(client);
    expect(first).toHaveLength(2);
    expect(first[0]).toMatch(/^IOMMU_MAPPED \S+ 4194304 8192$/);
    expect(first[1]).toBe('VFIO_DMA_MAPPED 4194304 8192');
    // All functions behind a host bridge share its windows.
    for (const device of ['vio0', 'nic0', 'edu0']) expect(await read(client, device, IOVA)).toBe('hello');

    // A hypercall is in force at once, flushed or not: nothing can be stale.
    await client.execute('guest-dma-unmap', { device: 'nic0', iova: IOVA, size: 0x1000n, flush: false });
    await client.execute('guest-dma-unmap', { device: 'vio0', iova: IOVA, size: 0x1000n });
    expect(await read(client, 'nic0', IOVA)).toContain("the host's second stage");
    expect(await read(client, 'edu0', IOVA)).toContain('the TCE allows');
    expect(await read(client, 'vio0', IOVA)).toContain('the TCE allows');
    await expect(client.execute('guest-dma-unmap', { device: 'nic0', iova: IOVA, size: 0x1000n })).rejects.toThrow(
      '0x400000 is not mapped',
    );
    expect(await violations(client)).toEqual([]);
  });

  it('are written by hypercalls, with their return codes, and have windows that come and go', async () => {
    const client = await started();
    const hypercall = async (name: 'H_PUT_TCE' | 'H_GET_TCE' | 'H_STUFF_TCE', ...args: bigint[]) =>
      client.execute('guest-hypercall', { hypercall: name, arguments: args });
    const vio = 0x7100_0005n;
    expect(await hypercall('H_PUT_TCE', vio, 0x5000n, PAGE | 1n)).toEqual({ status: 0, values: [] });
    expect(await hypercall('H_GET_TCE', vio, 0x5000n)).toEqual({ status: 0, values: [PAGE | 1n] });
    expect(await hypercall('H_PUT_TCE', vio, 0x1000_0000n, 3n)).toMatchObject({ status: -4 });
    expect(await hypercall('H_STUFF_TCE', vio, 0n, 0n, 0x10_0001n)).toMatchObject({ status: -4 });
    expect(await client.execute('guest-hypercall', { number: 4, arguments: [] })).toMatchObject({ status: -2 });
    await expect(client.execute('guest-hypercall', { arguments: [] })).rejects.toThrow(
      "Parameter 'hypercall' is missing",
    );
    expect(await read(client, 'vio0', 0x5000n)).toBe('hello');
    await expect(client.execute('dma-write', { device: 'vio0', address: 0x5000n, data: 'aGVsbG8=' })).rejects.toThrow(
      'does not permit writes',
    );

    const rtas = async (
      call: 'ibm,query-pe-dma-window' | 'ibm,create-pe-dma-window',
      returns: number,
      ...more: number[]
    ) => client.execute('guest-rtas', { call, arguments: [0, ...BUID, ...more], returns, buffer: BUFFER });
    expect(await rtas('ibm,query-pe-dma-window', 5)).toEqual({ status: 0, values: [1, 0x10_0000, 0x107, 0] });
    const created = await rtas('ibm,create-pe-dma-window', 4, 16, 24);
    expect(created).toEqual({ status: 0, values: [0x8000_0001, Number(DYNAMIC >> 32n), 0] });
    expect(await rtas('ibm,create-pe-dma-window', 4, 16, 24)).toMatchObject({ status: -1 });
    await hypercall('H_PUT_TCE', 0x8000_0001n, DYNAMIC, PAGE | 3n);
    expect(await read(client, 'nic0', DYNAMIC)).toBe('hello');
    const { windows } = await client.execute('query-tce-windows');
    expect(windows.map((window) => [window.liobn, window.devices, window.mapped, window['need-vfio']])).toEqual([
      [0x8000_0000, ['edu0', 'nic0'], 0, true],
      [0x8000_0001, ['edu0', 'nic0'], 1, true],
      [Number(vio), ['vio0'], 1, false],
    ]);
    await client.execute('system_reset');
    expect(await read(client, 'nic0', DYNAMIC)).toContain("the host's second stage");
    expect((await client.execute('query-tce-windows')).windows.map(({ mapped }) => mapped)).toEqual([0, 0]);
    expect(await violations(client)).toEqual([]);
  });

  it('answer questions: translations with their steps, mappings, who reaches a page, what there is', async () => {
    const client = await started();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'vio0', iova: IOVA, address: PAGE, size: 0x3000n });
    await client.execute('guest-dma-map', { device: 'edu0', iova: DYNAMIC, address: PAGE, size: 0x1000n });
    const translated = await client.execute('iommu-translate', { device: 'vio0', address: IOVA + 5n, explain: true });
    expect(translated).toMatchObject({ result: 'translated', address: PAGE + 5n, size: 0x1000n, source: 'walk' });
    expect(translated.steps?.map(({ structure }) => structure)).toEqual(['dma-window', 'tce']);
    const outside = await client.execute('iommu-translate', { device: 'vio0', address: DYNAMIC });
    expect(outside).toMatchObject({ result: 'fault', reason: 'outside-dma-windows' });
    expect((await client.execute('query-iommu-mappings', { device: 'vio0' })).mappings).toMatchObject([
      { iova: IOVA, address: PAGE, size: 0x3000n },
    ]);
    const { users } = await client.execute('iommu-reverse-translate', { space: 'guest', address: PAGE + 1n });
    expect(users.map(({ device, iova }) => [device, iova])).toEqual(
      expect.arrayContaining([
        ['vio0', IOVA + 1n],
        ['edu0', DYNAMIC + 1n],
        ['nic0', DYNAMIC + 1n],
      ]),
    );
    const { iommus } = await client.execute('query-iommus');
    expect(iommus).toMatchObject([{ id: UNIT, kind: 'spapr-tce', mode: 'other', caches: [] }]);
    expect(iommus[0]?.devices.map(({ device, bdf, bypass }) => [device, bdf, bypass])).toContainEqual([
      'vio0',
      'vio@71000005',
      false,
    ]);
    expect((await client.execute('query-iotlb', { side: 'viommu' })).entries).toEqual([]);
  });

  it('are passed by on command and by the guest, and bind no PASID table', async () => {
    const client = await started();
    const setBypass = async (bypass: number) =>
      client.execute('guest-rtas', {
        call: 'ibm,set-tce-bypass',
        arguments: [0x7100_0005, bypass],
        returns: 1,
        buffer: BUFFER,
      });
    expect(await read(client, 'vio0', PAGE)).toContain('the TCE allows');
    events(client);
    expect(await setBypass(1)).toEqual({ status: 0, values: [] });
    expect(await read(client, 'vio0', PAGE)).toBe('hello');
    await setBypass(0);
    await client.execute('iommu-set-bypass', { device: 'vio0', mode: 'bypass' });
    expect(await read(client, 'vio0', PAGE)).toBe('hello');
    await client.execute('iommu-set-bypass', { device: 'vio0', mode: 'auto' });
    expect(events(client)).toEqual([true, false, true, false].map((bypass) => `IOMMU_REGION_SWITCHED vio0 ${bypass}`));
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'bypass' });
    expect(await read(client, 'nic0', PAGE)).toBe('hello');
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'translate' });
    const kinds = (await client.execute('query-iommu-notifiers')).notifiers.filter(({ device }) => device === 'nic0');
    expect(kinds.map(({ kind }) => kind)).toContain('object');
    const refused = client.execute('iommu-bind-pasid-table', { device: 'nic0', address: 0x10_0000n });
    await expect(refused).rejects.toThrow(`vIOMMU '${UNIT}' has no PASIDs`);
    await expect(
      client.execute('guest-svm-bind', { device: 'nic0', pasid: 1, 'page-table': 0x10_0000n }),
    ).rejects.toThrow('The unit has no PASIDs');
  });

  it('are checked: a mapping that the host keeps behind a hypercall is found', async () => {
    const client = await started();
    await client.execute('guest-iommu-enable', { mode: 'other' });
    await client.execute('guest-dma-map', { device: 'nic0', iova: IOVA, address: PAGE, size: 0x1000n });
    await client.execute('fault-inject', { point: 'unmap', kind: 'lose' });
    await client.execute('guest-dma-unmap', { device: 'nic0', iova: IOVA, size: 0x1000n });
    expect(await violations(client)).toEqual(['mapping-survives-invalidation']);
    expect(await read(client, 'nic0', IOVA)).toBe('hello');
  });
});
