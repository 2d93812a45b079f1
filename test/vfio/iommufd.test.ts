import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../src/host/host.ts';
import { CONTRACTS, ContractGuest, DIRECTORY, IOVA, ROOTS } from './contract-guest.ts';
import { refusal } from './rig.ts';

const [A, B] = ROOTS as [bigint, bigint];
const ATTACHMENTS = ['IOMMU_PASID_ATTACHED', 'IOMMU_PASID_DETACHED'];

/** PASIDs 5 and 6 of domains 1 and 2, their first pages on data pages 1 and 2. */
function guest(host?: HostOptions): ContractGuest {
  const made = new ContractGuest('iommufd', host);
  made.entry(5, A);
  made.map(A, 0, 1);
  made.entry(6, B, { domainId: 2 });
  made.map(B, 0, 2);
  return made;
}

/** What was attached and detached since the last call: `+5:3` is PASID 5 at page table 3, `~` a replacement. */
function changes(made: ContractGuest): string[] {
  return made.take(...ATTACHMENTS, 'IOMMU_PASID_TABLE_BOUND', 'IOMMU_PASID_CACHE_FLUSHED').map(({ name, data }) => {
    if (!ATTACHMENTS.includes(name)) return name.slice('IOMMU_PASID_'.length).toLowerCase();
    const {
      pasid,
      'page-table': table,
      replaced,
    } = data as { pasid: number; 'page-table': number; replaced?: boolean };
    const sign = name === 'IOMMU_PASID_DETACHED' ? '-' : replaced === true ? '~' : '+';
    return `${sign}${pasid}:${table}`;
  });
}

const tables = (made: ContractGuest) => made.rig.host.describe()['page-tables'];

describe('a bind by contract iommufd', () => {
  it('attaches each PASID to a page table of its own, nested in that of the container', () => {
    const made = guest();
    made.entry(7, 0n, { type: 4n });
    made.bind();
    expect(changes(made)).toEqual(['+5:3', '+6:4', '+7:1', 'table_bound']);
    expect(tables(made)).toEqual([
      { id: 1, kind: 'second-stage', devices: ['nic0'] },
      { id: 3, kind: 'nested', parent: 1, devices: ['nic0'], pasids: [5] },
      { id: 4, kind: 'nested', parent: 1, devices: ['nic0'], pasids: [6] },
    ]);
    made.unbind();
    expect(changes(made)).toEqual(['-5:3', '-6:4', '-7:1']);
    expect(tables(made)).toHaveLength(1);
  });

  it('of another table detaches first what that has not, and leaves alone what it has too', () => {
    const made = guest();
    made.bind();
    changes(made);
    made.clear(6);
    made.entry(8, B);
    made.bind();
    expect(changes(made)).toEqual(['-6:4', '+8:6', 'table_bound']);
    expect(made.sees(5)).toBe(1);
    expect(made.rig.host.iommu.nestedTables).toHaveLength(1);
  });

  it('takes a table with room for more PASIDs than the function, and leaves those out', () => {
    const made = guest({ iommu: { pasidBits: 6 } });
    made.entry(70, A);
    made.bind();
    expect(changes(made)).toEqual(['+5:3', '+6:4', 'table_bound']);
    expect(made.sees(70)).toBe('fault');
    const other = new ContractGuest('pasid-table', { iommu: { pasidBits: 6 } });
    expect(refusal(() => other.bind())).toMatch(/size 4096 is above the host's maximum of 8 bytes/);
  });

  it('is refused as a whole when the host has no room for a PASID; what was bound before stays', () => {
    const made = guest({ iommu: { maxPageTables: 3 } });
    made.bind();
    const before = made.rig.host.describe();
    changes(made);
    made.entry(5, B);
    made.entry(7, A);
    expect(refusal(() => made.bind())).toMatch(
      /^The host IOMMU has room for 3 nested page tables, and all are in use: .* max-page-tables=4 or more$/,
    );
    expect(changes(made)).toEqual([]);
    expect(made.rig.host.describe()).toMatchObject({ 'page-tables': before['page-tables'] });
    expect([made.sees(5), made.sees(6), made.sees(7)]).toEqual([1, 2, 'fault']);
  });

  it('is refused without having read on when more PASIDs are present than there can be page tables', () => {
    const made = guest({ iommu: { maxPageTables: 2 } });
    made.entry(7, A);
    expect(refusal(() => made.bind())).toMatch(/^The PASID table at 0x100000 has more than 2 entries present/);
    expect(tables(made)).toHaveLength(1);
  });

  it.each([
    [{ iommu: { nesting: false } }, /it has nesting=off; start with a host-iommu that has nesting=on/],
    [{ iommu: { pasidBits: 0 } }, /has 0 PASID bits/],
    [{ iommu: { formats: [] } }, /no PASID table format 'vtd-scalable'; its formats: none/],
  ])('is refused by a host with %j', (host, sentence) => {
    expect(refusal(() => guest(host).bind())).toMatch(sentence);
  });

  it('is refused while the device is translated', () => {
    const made = guest();
    made.rig.unit!.space(0).translateNow(true);
    expect(refusal(() => made.bind())).toMatch(/switch it with iommu-set-bypass/);
  });
});

describe('a flush of the PASID cache by contract iommufd', () => {
  it('detaches what has vanished before it attaches and replaces, all before the event of the flush', () => {
    const made = guest();
    made.bind();
    changes(made);
    made.clear(6);
    made.entry(3, B);
    made.entry(5, B);
    made.flushPasids();
    expect(changes(made)).toEqual(['-6:4', '+3:5', '~5:6', 'cache_flushed']);
    expect(tables(made).map(({ id }) => id)).toEqual([1, 5, 6]);
  });

  it('leaves what leads where it led, and what is out of its scope', () => {
    const made = guest();
    made.bind();
    changes(made);
    made.entry(5, B);
    made.flushPasids({ granularity: 'domain', domainId: 2 });
    made.flushPasids({ granularity: 'pasid', pasid: 5, domainId: 2 });
    made.flushPasids({ granularity: 'pasid', pasid: 6, domainId: 2 });
    expect(changes(made)).toEqual(['cache_flushed', 'cache_flushed', 'cache_flushed']);
    made.flushPasids({ granularity: 'pasid', pasid: 5 });
    expect(changes(made)).toEqual(['~5:5', 'cache_flushed']);
  });

  it('of a domain concerns entries that were in it or are in it now', () => {
    const made = guest();
    made.bind();
    changes(made);
    made.entry(5, A, { domainId: 3 });
    made.entry(6, B, { domainId: 4 });
    made.flushPasids({ granularity: 'domain', domainId: 1 });
    expect(changes(made)).toEqual(['~5:5', 'cache_flushed']);
    made.flushPasids({ granularity: 'domain', domainId: 4 });
    expect(changes(made)).toEqual(['~6:6', 'cache_flushed']);
  });

  it('leaves a PASID that has vanished from another domain', () => {
    const made = guest();
    made.bind();
    changes(made);
    made.clear(5);
    made.flushPasids({ granularity: 'domain', domainId: 2 });
    made.flushPasids({ granularity: 'pasid', pasid: 5, domainId: 2 });
    expect(changes(made)).toEqual(['cache_flushed', 'cache_flushed']);
    made.flushPasids({ granularity: 'domain', domainId: 1 });
    expect(changes(made)).toEqual(['-5:3', 'cache_flushed']);
  });

  it('detaches an entry that no host can use', () => {
    const made = guest();
    made.bind();
    made.entry(5, A, { type: 3n });
    made.flushPasids();
    expect(made.sees(5)).toBe('fault');
    expect(made.sees(6)).toBe(2);
  });

  it('goes on behind a PASID that the host refuses, and answers with that refusal', () => {
    const made = guest({ iommu: { maxPageTables: 3 } });
    made.bind();
    changes(made);
    made.entry(3, A);
    made.entry(5, B);
    expect(made.flushPasids()).toMatchObject({ listeners: [{ status: 'error', desc: /room for 3/ }] });
    expect(changes(made)).toEqual(['+3:5', 'cache_flushed']);
    expect([made.sees(3), made.sees(5), made.sees(6)]).toEqual([1, 1, 2]);
    // With room again the same flush does the rest.
    made.clear(6);
    expect(made.flushPasids()).toMatchObject({ listeners: [{ status: 'ok' }] });
    expect([made.sees(3), made.sees(5), made.sees(6)]).toEqual([1, 2, 'fault']);
  });
});

describe('a flush of first-stage translations by contract iommufd', () => {
  const filled = (): ContractGuest => {
    const made = guest();
    made.map(A, 1, 3);
    made.bind();
    for (const index of [0, 1]) made.sees(5, index);
    made.sees(6);
    return made;
  };

  it.each([
    [{ granularity: 'global' }, 3],
    [{ granularity: 'domain', domainId: 1 }, 2],
    [{ granularity: 'domain', domainId: 3 }, 0],
    [{ granularity: 'pasid', pasid: 6, domainId: 2 }, 1],
    [{ granularity: 'pasid', pasid: 6, domainId: 1 }, 0],
    [{ granularity: 'pasid', pasid: 5 }, 2],
    [{ granularity: 'page', pasid: 5, address: IOVA + 0x1000n, size: 0x1000n }, 1],
    [{ granularity: 'page', pasid: 5, address: IOVA, size: 0x2000n }, 2],
  ] as const)('%o drops exactly what it covers', (flush, dropped) => {
    expect(filled().flush(flush)).toMatchObject({ dropped, listeners: [{ listener: 'vfio-iommufd', status: 'ok' }] });
  });

  it('of a PASID that is not attached needs the domain id', () => {
    expect(filled().flush({ granularity: 'pasid', pasid: 9 })).toMatchObject({
      dropped: 0,
      listeners: [{ status: 'error', desc: expect.stringMatching(/PASID 9 .* give domain-id$/) as string }],
    });
  });
});

describe('where the contracts differ', () => {
  it('a PASID that came without a flush is seen by pasid-table alone', () => {
    const seen = CONTRACTS.map((contract) => {
      const made = new ContractGuest(contract);
      made.bind();
      made.entry(5, A);
      made.map(A, 0, 1);
      return made.sees(5);
    });
    expect(seen).toEqual([1, 'fault']);
  });

  it('a PASID that came without a flush is blamed on the write that made it, though none was there before', () => {
    const made = new ContractGuest('iommufd');
    made.entry(5, A);
    made.clear(5);
    made.bind();
    made.map(A, 0, 1);
    made.entry(5, A);
    const came = made.rig.operations.last;
    expect(made.sees(5)).toBe('fault');
    expect(made.take('HOST_STALE_TRANSLATION').map(({ data }) => data)).toMatchObject([
      { cache: 'pasid', since: came, write: { is: 0x41n }, missing: { granularity: 'pasid', pasid: 5 } },
    ]);
  });

  it('a replaced PASID takes its translations along by iommufd alone', () => {
    const seen = CONTRACTS.map((contract) => {
      const made = new ContractGuest(contract);
      made.entry(5, A);
      made.map(A, 0, 1);
      made.map(B, 0, 2);
      made.bind();
      made.sees(5);
      made.entry(5, B);
      made.flushPasids();
      return [made.sees(5), made.take('HOST_STALE_TRANSLATION').length];
    });
    expect(seen).toEqual([
      [1, 1],
      [2, 0],
    ]);
  });

  it("an invalidation of the IOTLB reaches the device's own cache by iommufd alone", () => {
    const caches = CONTRACTS.map((contract) => {
      const made = new ContractGuest(contract);
      made.device.function.enableAts(true);
      made.entry(5, A);
      made.map(A, 0, 1);
      made.bind();
      made.sees(5);
      made.map(A, 0, 2);
      made.flush({ granularity: 'page', pasid: 5, address: IOVA, size: 0x1000n });
      const seen = made.sees(5);
      return [seen, made.take('HOST_STALE_TRANSLATION').map(({ data }) => (data as { cache: string }).cache)];
    });
    expect(caches).toEqual([
      [1, ['device']],
      [2, []],
    ]);
  });

  it('two devices of one guest can each have their own', () => {
    const made = guest();
    made.rig.attach('nic1', 8, '0000:5e:00.0');
    expect(made.rig.vfio.containers()).toMatchObject([{ contract: 'iommufd' }, { contract: 'pasid-table' }]);
    made.rig
      .unit!.space(8)
      .object.bind(
        { address: made.object.binding?.address ?? (DIRECTORY as never), size: 4096n, format: 'vtd-scalable' },
        'command',
      );
    made.bind();
    expect(tables(made).map(({ kind, pasids }) => [kind, pasids])).toEqual([
      ['second-stage', undefined],
      ['second-stage', undefined],
      ['nested', undefined],
      ['nested', [5]],
      ['nested', [6]],
    ]);
  });
});
