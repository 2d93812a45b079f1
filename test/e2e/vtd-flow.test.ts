/** Both flows from a register write on, over the real socket: the built-in guest driver does what a kernel would. */
import { afterEach, describe, expect, it } from 'vitest';
import { entryAddress } from '../../clients/demo/guest-tables.ts';
import { VtdRig } from './vtd-rig.ts';

const [oldPage, newPage] = [0x20_0000n, 0x20_1000n];
const virtual = 0x7f12_3456_7000n;
const iova = 0x4000_0000n;
/** Top table first. */
const tables = [0x11_3000n, 0x11_2000n, 0x11_1000n, 0x11_0000n];
const leaf = entryAddress(tables[3]!, 1, virtual);

let rig: VtdRig;
afterEach(() => rig.stop());

/** A process's page table that maps `virtual` to the old page; both pages are marked. */
async function processTables(): Promise<void> {
  for (const [index, table] of tables.slice(0, 3).entries()) {
    await rig.write(entryAddress(table, 4 - index, virtual), tables[index + 1]! | 0x27n);
  }
  await rig.write(leaf, oldPage | 0x67n);
  await rig.write(oldPage, 0x01d0_1d01n);
  await rig.write(newPage, 0x0e0e_0e0en);
}

const OLD = '011dd001';
const NEW = '0e0e0e0e';

describe('flow 1 and 2, an assigned device', () => {
  it.each<['scalable' | 'ecs', string[], { format: string; size: bigint; domain: bigint }]>([
    ['scalable', [], { format: 'vtd-scalable', size: 0x2_0000n, domain: 1n }],
    ['ecs', ['-device', 'intel-iommu,ecs=on,caching-mode=on'], { format: 'vtd-ecs', size: 0x4_0000n, domain: 1n }],
  ])('%s: bind, DMA, stale, flush by descriptor, unbind', async (mode, args, { format, size, domain }) => {
    rig = await VtdRig.start(...args);
    const { client } = rig;
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
    await processTables();
    await client.execute('guest-iommu-enable', { mode });
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': tables[0]! });
    const { data: bound } = await client.events.next('IOMMU_PASID_TABLE_BOUND');
    expect(bound).toMatchObject({ device: 'nic0', format, size, origin: 'guest', replaced: false });
    expect(bound.listeners).toEqual([expect.objectContaining({ kind: 'vfio', status: 'ok' })]);
    expect(await rig.read('nic0', virtual, 5)).toBe(OLD);

    await rig.write(leaf, newPage | 0x67n);
    client.events.takeAll();
    expect(await rig.read('nic0', virtual, 5)).toBe(OLD);
    const { data: stale } = await client.events.next('HOST_STALE_TRANSLATION');
    expect(stale).toMatchObject({ cached: { gpa: oldPage }, current: { gpa: newPage }, pasid: 5 });

    // PASID-based IOTLB, one page: type 6, granularity 3.
    await rig.invalidate(6n | (3n << 4n) | (domain << 16n) | (5n << 32n), virtual);
    const { data: flushed } = await client.events.next('IOMMU_IOTLB_FLUSHED');
    expect(flushed).toMatchObject({
      device: 'nic0',
      granularity: 'page',
      'domain-id': Number(domain),
      pasid: 5,
      address: virtual,
      size: 4096n,
      'leaf-only': false,
      origin: 'guest',
      dropped: 1,
    });
    client.events.takeAll();
    expect(await rig.read('nic0', virtual, 5)).toBe(NEW);
    expect(rig.names()).not.toContain('HOST_STALE_TRANSLATION');

    await client.execute('guest-svm-unbind', { device: 'nic0', pasid: 5 });
    const { data: dropped } = await client.events.next('IOMMU_PASID_CACHE_FLUSHED');
    expect(dropped).toMatchObject({ granularity: 'pasid', pasid: 5, origin: 'guest' });
    await expect(rig.read('nic0', virtual, 5)).rejects.toThrow(/PASID 5/);

    await client.execute('system_reset');
    const { data: unbound } = await client.events.next('IOMMU_PASID_TABLE_UNBOUND');
    expect(unbound).toMatchObject({ device: 'nic0', address: bound.address });
  });

  it.each<['legacy' | 'scalable']>([['legacy'], ['scalable']])('%s: mappings are shadowed', async (mode) => {
    rig = await VtdRig.start();
    const { client } = rig;
    await client.execute('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
    await rig.write(oldPage, 0x01d0_1d01n);
    await client.execute('guest-iommu-enable', { mode });
    client.events.takeAll();
    await client.execute('guest-dma-map', { device: 'nic0', iova, address: oldPage, size: 0x2000n });
    const { data: mapped } = await client.events.next('IOMMU_MAPPED');
    expect(mapped).toMatchObject({ device: 'nic0', iova, address: oldPage, size: 0x2000n });
    expect(await rig.read('nic0', iova)).toBe(OLD);
    await client.execute('guest-dma-unmap', { device: 'nic0', iova, size: 0x1000n });
    const { data: unmapped } = await client.events.next('IOMMU_UNMAPPED');
    expect(unmapped).toMatchObject({ device: 'nic0', iova, size: 0x1000n });
    await expect(rig.read('nic0', iova)).rejects.toThrow();
    expect(await rig.read('nic0', iova + 0x1000n)).toBe('00000000');
  });
});

describe('emulated devices', () => {
  const agent = ['-device', 'dma-agent,id=agent0,bus=rp0'];

  it.each<['legacy' | 'scalable', string[]]>([
    ['legacy', []],
    ['scalable', []],
  ])('%s: map, DMA, unmap without flush, a stale hit in the unit, flush, fault', async (mode, args) => {
    rig = await VtdRig.start(...args, ...agent);
    const { client } = rig;
    await rig.write(oldPage, 0x01d0_1d01n);
    await client.execute('guest-iommu-enable', { mode });
    await expect(rig.read('agent0', iova)).rejects.toThrow(/faulted/);
    const { data: absent } = await client.events.next('IOMMU_FAULT');
    expect(absent).toMatchObject({ device: 'agent0', access: 'read', address: iova, reason: 'root-not-present' });
    // Acknowledge: write 1 to F of the fault record.
    await rig.write(0xfed9_0228n, 1n << 63n);

    await client.execute('guest-dma-map', { device: 'agent0', iova, address: oldPage, size: 0x1000n });
    expect(await rig.read('agent0', iova)).toBe(OLD);
    await client.execute('guest-dma-unmap', { device: 'agent0', iova, size: 0x1000n, flush: false });
    expect(await rig.read('agent0', iova)).toBe(OLD);
    const { entries } = await client.execute('query-iotlb', { side: 'viommu', device: 'agent0' });
    expect(entries).toEqual([expect.objectContaining({ iova, address: oldPage, stale: true, stage: 'second' })]);
    client.events.takeAll();

    // IOTLB, global: type 2, granularity 1.
    await rig.invalidate(2n | (1n << 4n));
    await expect(rig.read('agent0', iova)).rejects.toThrow(/faulted/);
    const { data: fault } = await client.events.next('IOMMU_FAULT');
    expect(fault).toMatchObject({ device: 'agent0', access: 'read', address: iova, reason: 'read-not-permitted' });
    expect(fault).not.toHaveProperty('pasid');
  });

  it('a process table of its own for a PASID, where the unit has the first stage', async () => {
    rig = await VtdRig.start('-device', 'intel-iommu,scalable-mode=on,fsts=on,pasid-bits=20', ...agent);
    const { client } = rig;
    await processTables();
    await client.execute('guest-iommu-enable', { mode: 'scalable' });
    await client.execute('guest-svm-bind', { device: 'agent0', pasid: 9, 'page-table': tables[0]! });
    expect(await rig.read('agent0', virtual, 9)).toBe(OLD);
    await rig.write(leaf, newPage | 0x67n);
    expect(await rig.read('agent0', virtual, 9)).toBe(OLD);
    await rig.invalidate(6n | (2n << 4n) | (1n << 16n) | (9n << 32n));
    expect(await rig.read('agent0', virtual, 9)).toBe(NEW);
    await expect(rig.read('agent0', virtual, 10)).rejects.toThrow(/PASID 10/);
  });

  it('with ATS: the device’s own cache serves until a device-IOTLB invalidation', async () => {
    const unit = 'intel-iommu,scalable-mode=on,pasid-bits=20,device-iotlb=on';
    rig = await VtdRig.start('-device', unit, '-device', 'dma-agent,id=agent0,bus=rp0,ats=on');
    const { client } = rig;
    const cache = async () => {
      const { iommus } = await client.execute('query-iommus');
      return iommus[0]!.caches.find(({ name }) => name === 'device:agent0');
    };
    await rig.write(oldPage, 0x01d0_1d01n);
    await client.execute('guest-iommu-enable', { mode: 'scalable' });
    await client.execute('guest-dma-map', { device: 'agent0', iova, address: oldPage, size: 0x1000n });
    expect(await rig.read('agent0', iova)).toBe(OLD);
    expect(await rig.read('agent0', iova)).toBe(OLD);
    expect(await cache()).toMatchObject({ entries: 1, hits: 1, misses: 1 });
    await client.execute('guest-dma-unmap', { device: 'agent0', iova, size: 0x1000n, flush: false });
    // The IOTLB alone is not enough.
    await rig.invalidate(2n | (1n << 4n));
    expect(await rig.read('agent0', iova)).toBe(OLD);
    await client.execute('guest-dma-map', { device: 'agent0', iova, address: newPage, size: 0x1000n });
    await client.execute('guest-dma-unmap', { device: 'agent0', iova, size: 0x1000n });
    expect(await cache()).toMatchObject({ entries: 0 });
    await expect(rig.read('agent0', iova)).rejects.toThrow(/answered without the right to read/);
    // Refused translation requests are the device's to know: nothing is recorded.
    expect(rig.names()).not.toContain('IOMMU_FAULT');
  });
});

describe('looking inside', () => {
  it('lists mappings in parts, and explains each step of a translation', async () => {
    rig = await VtdRig.start('-device', 'dma-agent,id=agent0,bus=rp0');
    const { client } = rig;
    await client.execute('guest-iommu-enable', { mode: 'scalable' });
    const map = (at: bigint, address: bigint, size: bigint): Promise<unknown> =>
      client.execute('guest-dma-map', { device: 'agent0', iova: at, address, size });
    await map(0n, 0x1000_1000n, 512n << 20n);
    await map(1n << 30n, 0n, 1n << 30n);
    await map(2n << 30n, 0n, 0x1000n);
    const first = await client.execute('query-iommu-mappings', { device: 'agent0', limit: 2 });
    const permissions = ['read', 'write'];
    expect(first.mappings).toEqual([
      { iova: 0n, address: 0x1000_1000n, size: 512n << 20n, permissions, 'page-size': 4096n },
      { iova: 1n << 30n, address: 0n, size: 1n << 30n, permissions, 'page-size': 1n << 30n },
    ]);
    expect(first.next).toBe(2n << 30n);
    const rest = await client.execute('query-iommu-mappings', { device: 'agent0', start: first.next! });
    expect(rest).toEqual({
      mappings: [{ iova: 2n << 30n, address: 0n, size: 4096n, permissions, 'page-size': 4096n }],
    });
    const answer = await client.execute('iommu-translate', { device: 'agent0', address: 0x1234n, explain: true });
    expect(answer).toMatchObject({ result: 'translated', address: 0x1000_2234n });
    expect(answer.steps?.map(({ structure, level }) => `${structure} ${level ?? ''}`.trim())).toEqual([
      'root-entry',
      'context-entry',
      'pasid-directory-entry',
      'pasid-table-entry',
      'page-table-entry 4',
      'page-table-entry 3',
      'page-table-entry 2',
      'page-table-entry 1',
    ]);
    for (const step of answer.steps ?? []) {
      expect(step.raw[0]).toBe(await rig.word(step.address));
      expect(step.spec).not.toBe('');
    }
  });

  it('serves other clients while a long table is read', async () => {
    rig = await VtdRig.start('-device', 'dma-agent,id=agent0,bus=rp0');
    const { client } = rig;
    await client.execute('guest-iommu-enable', { mode: 'legacy' });
    for (let part = 4n; part < 8n; part += 1n) {
      const at = part << 30n;
      await client.execute('guest-dma-map', { device: 'agent0', iova: at, address: 0x1000n, size: 1n << 30n });
    }
    const other = await rig.daemon.client();
    const order: string[] = [];
    const listing = client.execute('query-iommu-mappings', { device: 'agent0' }).then(({ mappings }) => {
      order.push('listing');
      return mappings;
    });
    await other.execute('query-status').then(() => order.push('status'));
    expect((await listing).length).toBe(4);
    other.close();
    expect(order).toEqual(['status', 'listing']);
  });
});
