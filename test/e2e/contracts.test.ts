/** What the guest's invalidations make of its PASID table by contract iommufd, over QMP; the same flow by the other one beside it. */
import { afterEach, describe, expect, it } from 'vitest';
import { entryAddress } from '../../clients/demo/guest-tables.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';
import { VtdRig } from './vtd-rig.ts';

const [page, otherPage] = [0x20_0000n, 0x20_1000n];
const virtual = 0x7f12_3456_7000n;
/** Two processes, top table first; the second's leaf leads to the other page. */
const [ONE, TWO] = [
  [0x11_3000n, 0x11_2000n, 0x11_1000n, 0x11_0000n],
  [0x12_3000n, 0x12_2000n, 0x12_1000n, 0x12_0000n],
] as const;
const FIRST = '011dd001';
const SECOND = '0e0e0e0e';

class Rig extends VtdRig {
  static async of(...args: readonly string[]): Promise<Rig> {
    const daemon = await InProcessDaemon.start(args);
    const rig = new Rig(daemon, await daemon.client());
    for (const [tables, target] of [
      [ONE, page],
      [TWO, otherPage],
    ] as const) {
      for (const [index, table] of tables.slice(0, 3).entries()) {
        await rig.write(entryAddress(table, 4 - index, virtual), tables[index + 1]! | 0x27n);
      }
      await rig.write(entryAddress(tables[3], 1, virtual), target | 0x67n);
    }
    await rig.write(page, 0x01d0_1d01n);
    await rig.write(otherPage, 0x0e0e_0e0en);
    return rig;
  }

  add(id: string, host: string, contract: string): Promise<unknown> {
    return this.client.execute('device_add', {
      driver: 'vfio-pci',
      id,
      host,
      ...(contract === 'iommufd' && { iommufd: 'iommufd0' }),
    });
  }

  /** Events of single PASIDs since the last call: `+5`, `~5` (replaced), `-5`. */
  pasids(): string[] {
    return this.client.events.takeAll().flatMap(({ event, data }) => {
      const { pasid, replaced } = data as { pasid?: number; replaced?: boolean };
      if (event === 'IOMMU_PASID_ATTACHED') return [`${replaced === true ? '~' : '+'}${pasid}`];
      return event === 'IOMMU_PASID_DETACHED' ? [`-${pasid}`] : [];
    });
  }

  async nested(): Promise<{ pasids?: readonly number[] | undefined }[]> {
    const { 'page-tables': tables } = await this.client.execute('query-host-iommu');
    return tables.filter(({ kind }) => kind === 'nested');
  }
}

let rig: Rig;
afterEach(() => rig.stop());

const OBJECT = ['-object', 'iommufd,id=iommufd0'];
const UNIT = 'intel-iommu,caching-mode=on';
const UNITS = [
  ['scalable', []],
  ['scalable', ['-device', `${UNIT},scalable-mode=on,fsts=on,pasid-bits=20`]],
  ['ecs', ['-device', `${UNIT},ecs=on`]],
] as const;

describe.each(UNITS)('a guest in mode %s with %j', (mode, unit) => {
  it.each(['pasid-table', 'iommufd'])('gives PASIDs to its device by contract %s', async (contract) => {
    rig = await Rig.of(...OBJECT, ...unit);
    const { client } = rig;
    const single = contract === 'iommufd';
    await rig.add('nic0', '3b:00.0', contract);
    await client.execute('guest-iommu-enable', { mode });
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': ONE[0] });
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 6, 'page-table': TWO[0] });
    expect(rig.pasids().filter((change) => change !== '+0')).toEqual(single ? ['+5', '+6'] : []);
    expect(await rig.read('nic0', virtual, 5)).toBe(FIRST);
    expect(await rig.read('nic0', virtual, 6)).toBe(SECOND);

    await client.execute('guest-svm-unbind', { device: 'nic0', pasid: 5 });
    expect(rig.pasids()).toEqual(single ? ['-5'] : []);
    await expect(rig.read('nic0', virtual, 5)).rejects.toThrow(/PASID 5/);
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': TWO[0] });
    expect(rig.pasids()).toEqual(single ? ['+5'] : []);
    expect(await rig.read('nic0', virtual, 5)).toBe(SECOND);

    await client.execute('system_reset');
    expect(rig.pasids().filter((change) => change !== '-0')).toEqual(single ? ['-5', '-6'] : []);
    expect(await rig.nested()).toEqual([]);
    await expect(rig.read('nic0', virtual, 6)).rejects.toThrow(/PASID 6/);
    expect(rig.names()).not.toContain('HOST_STALE_TRANSLATION');
    expect(rig.names()).not.toContain('MODEL_CHECK_FAILED');
  });
});

describe('by contract iommufd', () => {
  it('a device that comes late has the PASIDs of its guest at the next invalidation, and leaves with them', async () => {
    rig = await Rig.of(...OBJECT);
    const { client } = rig;
    await client.execute('guest-iommu-enable', { mode: 'scalable' });
    await rig.add('nic0', '3b:00.0', 'iommufd');
    await client.execute('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': ONE[0] });
    expect(rig.pasids()).toContain('+5');
    await client.execute('device_del', { id: 'nic0' });
    await client.events.next('DEVICE_DELETED');
    expect(await rig.nested()).toEqual([]);
    const { containers } = await client.execute('query-vfio');
    expect(containers).toEqual([]);
    await client.execute('object-del', { id: 'iommufd0' });
  });

  it('a bind by command takes every PASID, whatever the registers say, and is shown with them', async () => {
    rig = await Rig.of(...OBJECT, '-object', 'host-iommu,id=h,max-page-tables=2');
    const { client } = rig;
    await rig.add('nic0', '3b:00.0', 'iommufd');
    const [directory, leaf] = [0x10_0000n, 0x10_1000n];
    await rig.write(directory, leaf | 1n);
    for (const [pasid, tables] of [
      [5n, ONE],
      [6n, TWO],
    ] as const) {
      await rig.write(leaf + 64n * pasid, 0x41n, pasid, tables[0]);
    }
    const bind = () => client.execute('iommu-bind-pasid-table', { device: 'nic0', address: directory, size: 8n });
    expect(await bind()).toMatchObject({ listeners: [{ listener: 'vfio-iommufd', status: 'ok' }], replaced: false });
    expect(rig.pasids()).toEqual(['+5', '+6']);
    expect((await rig.nested()).map(({ pasids }) => pasids)).toEqual([[5], [6]]);
    const { entries } = await client.execute('query-iotlb', { side: 'host' });
    expect(entries).toEqual([]);
    expect(await rig.read('nic0', virtual, 6)).toBe(SECOND);
    const filled = await client.execute('query-iotlb', { side: 'host', device: 'nic0' });
    expect(filled.entries).toMatchObject([{ device: 'nic0', 'domain-id': 6, pasid: 6, stage: 'nested', stale: false }]);

    await rig.write(leaf + 64n * 7n, 0x41n, 7n, ONE[0]);
    await expect(bind()).rejects.toThrow(/has more than 2 entries present/);
    expect(rig.pasids()).toEqual([]);
    expect(await rig.read('nic0', virtual, 5)).toBe(FIRST);
    const { listeners } = await client.execute('iommu-flush-pasid-cache', {
      device: 'nic0',
      granularity: 'pasid',
      pasid: 7,
    });
    expect(listeners).toMatchObject([{ status: 'error', desc: expect.stringContaining('room for 2') as string }]);
  });
});
