/** The main job over a real socket: what `make demo` shows, and what must be refused on the way. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryEntry, entryAddress, firstStageEntry, pasidEntry } from '../../clients/demo/guest-tables.ts';
import type { QmpClient } from '../../clients/typescript/client.ts';
import { TestDaemon } from '../support/daemon.ts';

const directory = 0x10_0000n;
const pasidTable = 0x10_1000n;
const tables = [0x11_3000n, 0x11_2000n, 0x11_1000n, 0x11_0000n];
const [oldPage, newPage] = [0x20_0000n, 0x20_1000n];
const virtual = 0x7f12_3456_7000n;
const pasid = 5;

describe('bind, DMA, stale, flush, unbind', () => {
  let daemon: TestDaemon;
  let client: QmpClient;
  beforeAll(async () => {
    daemon = await TestDaemon.start();
    client = await daemon.client();
  });
  afterAll(async () => {
    client.close();
    await daemon.stop();
  });

  const write = (address: bigint, data: string): Promise<unknown> =>
    client.execute('memory-write', { address, data, encoding: 'hex' });
  const dma = async (address = virtual): Promise<string> => {
    const { data } = await client.execute('dma-read', { device: 'nic0', address, size: 4n, pasid, encoding: 'hex' });
    return data ?? '';
  };
  const bind = (args: { device?: string; address?: bigint; size?: bigint } = {}): Promise<unknown> =>
    client.execute('iommu-bind-pasid-table', { device: 'nic0', address: directory, size: 4096n, ...args });

  it('adds a device: RAM is mapped, the object notifier is registered, no region notifier is', async () => {
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
    const mapped = client.events.takeAll();
    expect(mapped.map(({ event }) => event)).toContain('VFIO_DMA_MAPPED');
    const { notifiers } = await client.execute('query-iommu-notifiers');
    expect(notifiers).toEqual([
      expect.objectContaining({
        device: 'nic0',
        kind: 'object',
        events: ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'],
      }),
    ]);
    const { 'address-spaces': spaces } = await client.execute('query-address-spaces');
    expect(spaces.find(({ device }) => device === 'nic0')).toHaveProperty('iommu');
  });

  it('refuses a DMA with a PASID before anything is bound', async () => {
    await expect(dma()).rejects.toThrow(/0 of 4 bytes|PASID/);
  });

  it('reads through both stages once a table is bound', async () => {
    await write(directory, directoryEntry(pasidTable));
    await write(pasidTable + BigInt(pasid) * 64n, pasidEntry(7n, tables[3]!));
    for (const level of [4, 3, 2]) {
      await write(entryAddress(tables[level - 1]!, level, virtual), firstStageEntry(tables[level - 2]!));
    }
    await write(entryAddress(tables[0]!, 1, virtual), firstStageEntry(oldPage));
    await write(oldPage, '01d01d01');
    await write(newPage, '0e0e0e0e');
    const result = await bind();
    expect(result).toEqual({
      listeners: [expect.objectContaining({ device: 'nic0', kind: 'vfio', status: 'ok' })],
      replaced: false,
    });
    const { data } = await client.events.next('IOMMU_PASID_TABLE_BOUND');
    expect(data).toMatchObject({
      device: 'nic0',
      address: directory,
      size: 4096n,
      format: 'vtd-scalable',
      origin: 'command',
    });
    expect(await dma()).toBe('01d01d01');
  });

  it('keeps the old translation and names the missing flush, then reads the new page', async () => {
    client.events.takeAll();
    await write(entryAddress(tables[0]!, 1, virtual), firstStageEntry(newPage));
    expect(await dma()).toBe('01d01d01');
    const { data: stale } = await client.events.next('HOST_STALE_TRANSLATION');
    expect(stale).toMatchObject({
      device: 'nic0',
      pasid,
      address: virtual,
      access: 'read',
      cache: 'iotlb',
      cached: { gpa: oldPage },
      current: { gpa: newPage },
      missing: { granularity: 'page', 'domain-id': 7, pasid, address: virtual, size: 4096n },
    });
    expect(stale.since).toBeLessThan(stale.operation);
    const { dropped } = await client.execute('iommu-flush-iotlb', { device: 'nic0', ...stale.missing });
    expect(dropped).toBeGreaterThan(0);
    const { data: flushed } = await client.events.next('IOMMU_IOTLB_FLUSHED');
    expect(flushed).toMatchObject({ granularity: 'page', dropped, 'leaf-only': false });
    expect(await dma()).toBe('0e0e0e0e');
    expect(client.events.takeAll().filter(({ event }) => event === 'HOST_STALE_TRANSLATION')).toEqual([]);
  });

  it('shows the region notifier in translated mode, beside the object notifier', async () => {
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'translate' });
    const { notifiers } = await client.execute('query-iommu-notifiers');
    // Two regions: the interrupt range splits the IOMMU region of the address space.
    expect(notifiers.map(({ kind }) => kind).toSorted()).toEqual(['object', 'region', 'region']);
    await client.execute('iommu-set-bypass', { device: 'nic0', mode: 'auto' });
    expect((await client.execute('query-iommu-notifiers')).notifiers.map(({ kind }) => kind)).toEqual(['object']);
    expect(await dma()).toBe('0e0e0e0e');
  });

  it.each<[string, { device?: string; address?: bigint; size?: bigint; format?: 'amd-gcr3' }, RegExp]>([
    ['an unaligned address', { address: 0x10_0800n }, /0x100800.*(4096|4 KiB|0x1000)/],
    ['an address outside RAM', { address: 0x8000_0000_0000n }, /0x800000000000/],
    ['a size above the host’s', { size: 1n << 40n }, /1099511627776.*131072/],
    ['an unknown device', { device: 'nope' }, /Device 'nope' not found/],
    ['a device that no listener serves', { device: '00:1f.2' }, /listener|no /],
    ['a format the host lacks', { format: 'amd-gcr3' }, /amd-gcr3/],
  ])('refuses to bind %s, and keeps what is bound', async (_name, args, sentence) => {
    client.events.takeAll();
    await expect(bind(args)).rejects.toThrow(sentence);
    expect(client.events.takeAll()).toEqual([]);
    expect(await dma()).toBe('0e0e0e0e');
  });

  it('refuses DMA after unbind, and leaves nothing behind after device_del', async () => {
    await client.execute('iommu-unbind-pasid-table', { device: 'nic0' });
    await client.events.next('IOMMU_PASID_TABLE_UNBOUND');
    await expect(dma()).rejects.toThrow();
    await client.execute('device_del', { id: 'nic0' });
    const { data } = await client.events.next('DEVICE_DELETED');
    expect(data).toEqual({ device: 'nic0', path: '/machine/peripheral/nic0' });
    expect((await client.execute('query-vfio')).containers).toEqual([]);
    expect((await client.execute('query-iommu-notifiers')).notifiers).toEqual([]);
    expect((await client.execute('query-iotlb', { side: 'host' })).entries).toEqual([]);
  });
});

describe('without a vIOMMU', () => {
  it('refuses to bind a device without IOMMU object, and names what is missing', async () => {
    const daemon = await TestDaemon.start(['-nodefaults', '-m', '64']);
    const client = await daemon.client();
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
    await expect(client.execute('iommu-bind-pasid-table', { device: 'nic0', address: 0n })).rejects.toThrow(
      /IOMMU object/,
    );
    client.close();
    await daemon.stop();
  });
});
