/**
 * Bugs of what surrounds the translation of an assigned device, as QEMU and others had them: each once as the mistake,
 * which a check names, and once done right.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { NEW, OLD, Scenario, VIRTUAL } from './rig.ts';

const IOVA = 0x4000_0000n;
const MISSING = VIRTUAL + 0x2000n;
const [NIC0, NIC1] = ['0000:3b:00.0', '0000:3b:00.1'];

let scenario: Scenario;
afterEach(() => scenario.stop());

describe('two devices that the guest keeps apart', () => {
  it('reach one page of the host', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.assign('nic1', NIC1);
    await scenario.map(IOVA, OLD, 0x2000n);
    expect(await scenario.violations()).toEqual({});
    await scenario.map(IOVA + 0x10_0000n, NEW, 0x1000n, 'nic1');
    expect(await scenario.violations()).toEqual({ isolation: 1 });
    expect(scenario.sentences('isolation')).toEqual([
      expect.stringMatching(
        /^Host page 0x\w+ is reached by 'nic1' at 0x40100000 and by 'nic0' at 0x40001000, whose tables are not the same;/,
      ),
    ]);
    // Once it is told apart again, the page may be given to the other.
    await scenario.unmap(IOVA + 0x10_0000n, 0x1000n, 'nic1');
    await scenario.unmap(IOVA + 0x1000n, 0x1000n);
    await scenario.map(IOVA + 0x10_0000n, NEW, 0x1000n, 'nic1');
    expect(await scenario.violations()).toEqual({ isolation: 1 });
  });

  it('were told to share', async () => {
    scenario = await Scenario.start();
    await scenario.assign('nic0', NIC0, { shared: true });
    await scenario.assign('nic1', NIC1, { shared: true });
    await scenario.client.execute('guest-iommu-enable', { mode: 'legacy' });
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.map(IOVA, OLD, 0x1000n, 'nic1');
    expect(await scenario.violations()).toEqual({});
  });

  it('go by one table', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.assign('nic1', NIC1);
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.map(IOVA, NEW, 0x1000n, 'nic1');
    await scenario.unmap(IOVA, 0x1000n, 'nic1');
    // The context entry of nic1 becomes that of nic0: one domain, one table.
    const [one, other] = [await scenario.contextOf('nic0'), await scenario.contextOf('nic1')];
    await scenario.write(other, await scenario.word(one), await scenario.word(one + 8n));
    await scenario.invalidate(1n | (1n << 4n));
    expect(await scenario.sees(IOVA)).toBe('011dd001');
    const { data } = await scenario.client.execute('dma-read', {
      device: 'nic1',
      address: IOVA,
      size: 4n,
      encoding: 'hex',
    });
    expect(data).toBe('011dd001');
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a host that can do less than the guest was promised', () => {
  const viommu = (bits: number): string[] => [
    '-object',
    'host-iommu,id=host0,pasid-bits=16',
    '-device',
    `intel-iommu,caching-mode=on,scalable-mode=on,pasid-bits=${bits}`,
  ];

  it('is found out when it is too late', async () => {
    scenario = await Scenario.start(...viommu(20));
    await scenario.assign();
    expect(await scenario.violations()).toEqual({ 'host-capabilities': 1 });
    expect(scenario.sentences('host-capabilities')).toEqual([
      'PASID bits size 20 > host IOMMU PASID bits size 16: give the vIOMMU pasid-bits=16',
    ]);
  });

  it('is asked first', async () => {
    scenario = await Scenario.start(...viommu(16));
    await scenario.assign();
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a host that must not nest over read-only memory (QEMU 109aec52e5)', () => {
  /** A firmware image in ROM, and a process. */
  const start = async (more: Readonly<Record<string, unknown>>): Promise<readonly boolean[]> => {
    const directory = mkdtempSync(join(tmpdir(), 'viommud-'));
    try {
      const image = join(directory, 'firmware');
      writeFileSync(image, new Uint8Array(0x1_0000));
      const objects = ['-object', 'host-iommu,id=host0,errata-772415=on', '-object', 'iommufd,id=iommufd0'];
      scenario = await Scenario.start('-bios', image, ...objects);
    } finally {
      rmSync(directory, { recursive: true });
    }
    await scenario.bound(more);
    expect(await scenario.sees(VIRTUAL, 5)).toBe('011dd001');
    const { events } = await scenario.client.execute('query-event-log');
    return events.flatMap(({ event, data }) =>
      event === 'VFIO_DMA_MAPPED' ? [(data as { readonly: boolean }).readonly] : [],
    );
  };

  it('nests over it by contract pasid-table', async () => {
    expect(await start({})).toContain(true);
    expect(await scenario.violations()).toEqual({ 'host-capabilities': 1 });
    expect(scenario.sentences('host-capabilities')).toEqual([
      expect.stringMatching(/^The host IOMMU has erratum 772415, and a first stage is nested over 0x\w+-0x\w+, which/),
    ]);
  });

  it('has it left out by contract iommufd', async () => {
    expect(await start({ iommufd: 'iommufd0' })).not.toContain(true);
    await scenario.client.execute('system_reset');
    await scenario.client.execute('device_del', { id: 'nic0' });
    expect(await scenario.violations()).toEqual({});
  });
});

describe('host pages that are larger than the guest maps (QEMU 94df5b2180)', () => {
  it('are no host for this guest, and said so before anything is assigned', async () => {
    scenario = await Scenario.start();
    const host = { 'qom-type': 'host-iommu', id: 'host0', 'page-sizes': '2M' } as const;
    await expect(scenario.client.execute('object-add', host)).rejects.toThrow(
      "Parameter 'page-sizes' must have 4K among its values: guests map RAM in pages of that size",
    );
    await scenario.assign();
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a page request', () => {
  /** `nic0` waits for the page behind those that are mapped. */
  const ask = async (): Promise<{ done: Promise<string> }> => {
    scenario = await Scenario.start();
    const directory = await scenario.pasidTable(await scenario.process());
    await scenario.assign('nic0', NIC0, { pri: 'on' });
    await scenario.client.execute('iommu-bind-pasid-table', { device: 'nic0', address: directory });
    const other = await scenario.daemon.client();
    const done = other
      .execute('dma-read', { device: 'nic0', address: MISSING, size: 4n, pasid: 5, encoding: 'hex' })
      .then(({ data }) => data ?? '')
      .catch(() => 'fault')
      .finally(() => other.close());
    await scenario.client.events.next('IOMMU_PAGE_REQUEST');
    return { done };
  };
  const answer = (): Promise<unknown> =>
    scenario.client.execute('page-response', { device: 'nic0', group: 0, response: 'success' });

  it('is answered twice', async () => {
    const { done } = await ask();
    await scenario.point(MISSING, NEW);
    await answer();
    expect(await done).toBe('0e0e0e0e');
    await expect(answer()).rejects.toThrow('each group takes one response');
    expect(await scenario.violations()).toEqual({ 'page-response-once': 1 });
  });

  it('is never answered: the response is lost, and the device leaves', async () => {
    const { done } = await ask();
    await scenario.inject({ point: 'page-response', kind: 'lose' });
    await answer();
    await scenario.client.execute('device_del', { id: 'nic0' });
    expect(await done).toBe('fault');
    expect(await scenario.violations()).toEqual({ 'page-response-once': 1 });
  });

  it('is answered once', async () => {
    const { done } = await ask();
    await scenario.point(MISSING, NEW);
    await answer();
    expect(await done).toBe('0e0e0e0e');
    expect(await scenario.violations()).toEqual({});
  });
});

describe('an IOMMU that is not fit for assignment', () => {
  it('lets no device in without caching mode (kcli 458, eve 1204)', async () => {
    scenario = await Scenario.start('-device', 'intel-iommu');
    await expect(scenario.assign()).rejects.toThrow(
      'Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
    );
    const { containers } = await scenario.client.execute('query-vfio');
    expect(containers).toEqual([]);
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a device that leaves (libvfio-user 31)', () => {
  it('has its memory unmapped by nobody', async () => {
    scenario = await Scenario.start();
    await scenario.assign();
    await scenario.inject({ point: 'unmap', kind: 'lose' });
    await scenario.client.execute('device_del', { id: 'nic0' });
    await scenario.client.events.next('DEVICE_DELETED');
    expect(await scenario.violations()).toEqual({ 'mapping-survives-invalidation': 1 });
    expect(scenario.sentences('mapping-survives-invalidation')).toEqual([
      '0x80000000 bytes from 0x0 on are still mapped in container 0, although its last device has left',
    ]);
    expect((await scenario.client.execute('query-host-iommu'))['page-tables']).toEqual([]);
  });

  it('leaves nothing mapped', async () => {
    scenario = await Scenario.start();
    await scenario.translated();
    await scenario.map(IOVA, OLD, 0x1000n);
    await scenario.client.execute('device_del', { id: 'nic0' });
    await scenario.client.events.next('VFIO_DMA_UNMAPPED');
    const [{ containers }, host] = [
      await scenario.client.execute('query-vfio'),
      await scenario.client.execute('query-host-iommu'),
    ];
    expect([containers, host['page-tables']]).toEqual([[], []]);
    expect(await scenario.violations()).toEqual({});
  });
});
