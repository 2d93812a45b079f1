import { describe, expect, it } from 'vitest';
import type { TranslationResult } from '../../src/generated/types.ts';
import { HandlerRig } from '../support/handlers.ts';

const PAGE = 0x1000n;
const directory = 0x10_0000n;
const target = 0x20_0000n;
const virtual = 0x1_0000n;

/** PASID 1, domain 5, maps `virtual`; PASID 2 passes through. */
function rig(iommufd: boolean): HandlerRig {
  const made = new HandlerRig();
  if (iommufd) made.run('object-add', { 'qom-type': 'iommufd', id: 'fd0' });
  const more = iommufd ? { iommufd: 'fd0' } : {};
  made.run('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0', ...more });
  made.poke(directory, 0x10_1001n);
  made.poke(0x10_1040n, 0x41n, 5n, 0x10_2000n);
  made.poke(0x10_1080n, 0x101n, 6n);
  for (const table of [0x10_2000n, 0x10_3000n, 0x10_4000n]) made.poke(table, (table + PAGE) | 7n);
  made.poke(0x10_5080n, target | 7n);
  made.run('iommu-bind-pasid-table', { device: 'nic0', address: directory });
  return made;
}

const explain = (made: HandlerRig, pasid?: number, address = virtual): TranslationResult =>
  made.run('iommu-translate', {
    device: 'nic0',
    address,
    via: 'host',
    explain: true,
    ...(pasid !== undefined && { pasid }),
  });
const way = ({ steps = [] }: TranslationResult): string[] =>
  steps.map(({ structure, level, address }) => `${structure}${level ?? ''} ${address.toString(16)}`);

const pages = [
  'page-table-entry4 102000',
  'page-table-entry3 103000',
  'page-table-entry2 104000',
  'page-table-entry1 105080',
];

describe('iommu-translate via host, explained', () => {
  it('names every entry of the guest, and the range of the second stage', () => {
    const made = rig(false);
    const answer = explain(made, 1);
    expect(way(answer)).toEqual([
      'pasid-directory-entry 100000',
      'pasid-table-entry 101040',
      ...pages,
      'host-mapping 0',
    ]);
    const last = answer.steps!.at(-1)!;
    const [first] = last.fields;
    if (answer.result !== 'translated') throw new Error('faulted');
    expect([first!.name, last.raw]).toEqual(['host-physical', []]);
    expect(first!.value + (target - last.address)).toBe(answer.address);
  });

  it('goes by the tables as they are, where a cache would answer', () => {
    const made = rig(false);
    made.run('dma-read', { device: 'nic0', address: virtual, size: 1n, pasid: 1 });
    made.poke(0x10_5080n, 0n);
    const answer = explain(made, 1);
    expect(answer).toMatchObject({ result: 'translated', source: 'iotlb' });
    expect(way(answer).at(-1)).toBe('page-table-entry1 105080');
  });

  it('with contract iommufd the host has an entry of its own', () => {
    const made = rig(true);
    const answer = explain(made, 1);
    expect(way(answer)).toEqual(['attached-pasid 0', ...pages, 'host-mapping 0']);
    expect(answer.steps![0]!.fields).toContainEqual({ name: 'address', value: 0x10_2000n });
    expect(way(explain(made, 2))).toEqual(['attached-pasid 0', 'host-mapping 0']);
    expect(way(explain(made, 3))).toEqual([]);
  });

  it('ends where the request does', () => {
    const made = rig(false);
    expect(way(explain(made))).toEqual(['host-mapping 0']);
    expect(way(explain(made, 2))).toEqual([
      'pasid-directory-entry 100000',
      'pasid-table-entry 101080',
      'host-mapping 0',
    ]);
    expect(way(explain(made, 3))).toEqual(['pasid-directory-entry 100000', 'pasid-table-entry 1010c0']);
    expect(way(explain(made, 1, virtual + PAGE))).toEqual([
      'pasid-directory-entry 100000',
      'pasid-table-entry 101040',
      ...pages.slice(0, 3),
      'page-table-entry1 105088',
    ]);
    expect(way(explain(made, undefined, 1n << 45n))).toEqual([]);
  });
});
