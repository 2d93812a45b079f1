/**
 * Bugs of the way from a guest's first-stage tables to the host's caches, as QEMU and others had them: each once as the
 * mistake, which a check names, and once done right.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { NEW, REGISTERS, Scenario, VIRTUAL } from './rig.ts';

const [BEFORE, AFTER] = ['011dd001', '0e0e0e0e'];
/** PASID-based IOTLB descriptors (type 6) of domain 1: the page at an address (granularity 3), or all of a PASID (2). */
const pageOf = (pasid: bigint): bigint => 6n | (3n << 4n) | (1n << 16n) | (pasid << 32n);
const allOf = (pasid: bigint): bigint => 6n | (2n << 4n) | (1n << 16n) | (pasid << 32n);

let scenario: Scenario;
afterEach(() => scenario.stop());

/** Two pages of the process are cached, and then lead elsewhere. */
async function remapped(contract: 'pasid-table' | 'iommufd' = 'pasid-table'): Promise<void> {
  scenario = await Scenario.start('-object', 'iommufd,id=iommufd0');
  await scenario.bound(contract === 'iommufd' ? { iommufd: 'iommufd0' } : {});
  for (const page of [VIRTUAL, VIRTUAL + 0x1000n]) {
    expect(await scenario.sees(page, 5)).toBe(BEFORE);
    await scenario.point(page, NEW);
  }
  expect(await scenario.violations()).toEqual({});
  scenario.names();
}

describe('an invalidation of a range that is decoded wrong (QEMU dcda883cd2)', () => {
  it('covers half of it: the other page is used as it was', async () => {
    await remapped();
    await scenario.invalidate(pageOf(5n), VIRTUAL);
    expect([await scenario.sees(VIRTUAL, 5), await scenario.sees(VIRTUAL + 0x1000n, 5)]).toEqual([AFTER, BEFORE]);
    expect(await scenario.violations()).toEqual({ 'stale-translation': 1 });
    const { data } = await scenario.client.events.next('HOST_STALE_TRANSLATION');
    expect(data).toMatchObject({
      cache: 'iotlb',
      missing: { granularity: 'page', 'domain-id': 1, pasid: 5, address: VIRTUAL + 0x1000n, size: 4096n },
    });
  });

  it('covers all of it', async () => {
    await remapped();
    await scenario.invalidate(pageOf(5n), VIRTUAL);
    await scenario.invalidate(pageOf(5n), VIRTUAL + 0x1000n);
    expect([await scenario.sees(VIRTUAL, 5), await scenario.sees(VIRTUAL + 0x1000n, 5)]).toEqual([AFTER, AFTER]);
    expect(await scenario.violations()).toEqual({});
  });
});

describe.each(['pasid-table', 'iommufd'] as const)(
  'an invalidation that misses entries (QEMU a4b6e1be2c), by contract %s',
  (contract) => {
    it('never reaches the host', async () => {
      await remapped(contract);
      await scenario.inject({ point: 'invalidate', kind: 'lose' });
      await scenario.invalidate(allOf(5n));
      expect(await scenario.violations()).toEqual({ 'flush-scope': 1 });
      expect(scenario.sentences('flush-scope')).toEqual([
        "The IOTLB flush of domain 1, PASID 5 of 'nic0' left 2 of the translations in its scope",
      ]);
      expect(await scenario.sees(VIRTUAL, 5)).toBe(BEFORE);
      expect(await scenario.violations()).toEqual({ 'flush-scope': 1, 'stale-translation': 1 });
    });

    it.each(['fail', 'delay'] as const)('is said to %s, or comes late', async (kind) => {
      await remapped(contract);
      await scenario.inject({ point: 'invalidate', kind, ...(kind === 'delay' && { 'delay-ms': 60_000 }) });
      await scenario.invalidate(allOf(5n));
      const { data } = await scenario.client.events.next('IOMMU_IOTLB_FLUSHED');
      expect(data.listeners[0]?.status).toBe(kind === 'fail' ? 'error' : 'ok');
      // Who was told of a failure has been promised nothing.
      expect(await scenario.violations()).toEqual(kind === 'fail' ? {} : { 'flush-scope': 1 });
    });

    it('reaches it', async () => {
      await remapped(contract);
      await scenario.invalidate(allOf(5n));
      expect(await scenario.sees(VIRTUAL, 5)).toBe(AFTER);
      expect(await scenario.violations()).toEqual({});
    });
  },
);

describe('an invalidation with bits of the PASID lost (QEMU ec1a78cee9)', () => {
  const pasid = 0x1_0005;
  const start = async (): Promise<void> => {
    scenario = await Scenario.start();
    await scenario.bound();
    const { client } = scenario;
    await client.execute('guest-svm-bind', { device: 'nic0', pasid, 'page-table': await scenario.process() });
    for (const one of [5, pasid]) expect(await scenario.sees(VIRTUAL, one)).toBe(BEFORE);
    await scenario.point(VIRTUAL, NEW);
  };

  it('drops those of another process', async () => {
    await start();
    await scenario.invalidate(allOf(BigInt(pasid & 0xffff)));
    expect(await scenario.sees(VIRTUAL, 5)).toBe(AFTER);
    expect(await scenario.sees(VIRTUAL, pasid)).toBe(BEFORE);
    expect(await scenario.violations()).toEqual({ 'stale-translation': 1 });
    const { data } = await scenario.client.events.next('HOST_STALE_TRANSLATION');
    expect(data.missing).toMatchObject({ granularity: 'page', pasid, address: VIRTUAL });
  });

  it('drops its own', async () => {
    await start();
    for (const one of [5, pasid]) {
      await scenario.invalidate(allOf(BigInt(one)));
      expect(await scenario.sees(VIRTUAL, one)).toBe(AFTER);
    }
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a range that is one page too long (QEMU ebe1504e10)', () => {
  const start = async (): Promise<void> => {
    scenario = await Scenario.start();
    await scenario.bound();
    for (const page of [VIRTUAL, VIRTUAL + 0x1000n]) await scenario.sees(page, 5);
    await scenario.point(VIRTUAL + 0x1000n, NEW);
  };
  const flush = (address: bigint, size: bigint) =>
    scenario.client.execute('flush-iotlb', { device: 'nic0', granularity: 'page', pasid: 5, address, size });

  it('eats the neighbour, which is counted and no event', async () => {
    await start();
    expect(await flush(VIRTUAL, 0x2000n)).toMatchObject({ dropped: 2 });
    expect(await scenario.violations()).toEqual({ 'over-flush': 1 });
    expect(scenario.names()).not.toContain('MODEL_CHECK_FAILED');
  });

  it('is as long as the change', async () => {
    await start();
    expect(await flush(VIRTUAL + 0x1000n, 0x1000n)).toMatchObject({ dropped: 1 });
    expect(await scenario.violations()).toEqual({});
  });
});

describe('translation switched off and on again (QEMU bd02851d89)', () => {
  const [ENABLED, DISABLED] = [0x8400_0000n, 0x0400_0000n];

  it.each<[string, boolean, string]>([
    ['loses what was bound, and says so', true, 'fault'],
    ['binds it again', false, BEFORE],
  ])('%s', async (_what, refused, seen) => {
    scenario = await Scenario.start();
    await scenario.bound();
    await scenario.write(REGISTERS + 0x18n, DISABLED);
    expect(await scenario.sees(VIRTUAL, 5)).toBe('fault');
    if (refused) await scenario.inject({ point: 'bind', kind: 'fail' });
    scenario.names();
    await scenario.write(REGISTERS + 0x18n, ENABLED);
    expect(scenario.names()).toContain(refused ? 'IOMMU_PASID_TABLE_BIND_FAILED' : 'IOMMU_PASID_TABLE_BOUND');
    expect(await scenario.sees(VIRTUAL, 5)).toBe(seen);
    expect(await scenario.violations()).toEqual({});
  });
});

describe('a section that is skipped though a nested walk ends in it (NVIDIA/QEMU 24, 26)', () => {
  const HIGH = 0x1_0000_0000n;

  it.each<[string, boolean, string]>([
    ['is not there for the process, whose tables are', true, 'fault'],
    ['is there', false, AFTER],
  ])('%s', async (_what, skipped, seen) => {
    scenario = await Scenario.start();
    await scenario.assign();
    await scenario.write(HIGH, 0x0e0e_0e0en);
    const directory = await scenario.pasidTable(await scenario.process());
    await scenario.point(VIRTUAL + 0x1000n, HIGH);
    // The reset maps the memory below 4 GiB first, then that above.
    if (skipped) await scenario.inject({ point: 'map', kind: 'lose', after: 1 });
    await scenario.client.execute('iommu-set-bypass', { device: 'nic0', mode: 'translate' });
    await scenario.client.execute('system_reset');
    await scenario.client.execute('iommu-bind-pasid-table', { device: 'nic0', address: directory });
    expect(await scenario.sees(VIRTUAL, 5)).toBe(BEFORE);
    expect(await scenario.sees(VIRTUAL + 0x1000n, 5)).toBe(seen);
    expect(await scenario.violations()).toEqual(skipped ? { 'layout-after-reset': 1 } : {});
  });
});

describe('a device that keeps translations, and is never told (QEMU 3e090e3489)', () => {
  const start = async (): Promise<void> => {
    scenario = await Scenario.start(
      '-device',
      'intel-iommu,caching-mode=on,scalable-mode=on,device-iotlb=on,pasid-bits=20',
    );
    await scenario.assign('nic0', '0000:3b:00.0', { ats: 'on' });
    const table = await scenario.process();
    await scenario.client.execute('guest-iommu-enable', { mode: 'scalable' });
    await scenario.client.execute('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': table });
    expect(await scenario.sees(VIRTUAL, 5)).toBe(BEFORE);
    await scenario.point(VIRTUAL, NEW);
    await scenario.invalidate(allOf(5n));
  };

  it('by the invalidation of the IOTLB alone', async () => {
    await start();
    expect(await scenario.sees(VIRTUAL, 5)).toBe(BEFORE);
    expect(await scenario.violations()).toEqual({ 'stale-translation': 1 });
    const { data } = await scenario.client.events.next('HOST_STALE_TRANSLATION');
    expect(data).toMatchObject({ cache: 'device', missing: { address: VIRTUAL, size: 4096n, pasid: 5 } });
  });

  it('by that of its own cache, too', async () => {
    await start();
    const { devices } = (await scenario.client.execute('query-iommus')).iommus[0]!;
    const [bus, place] = devices
      .find(({ device }) => device === 'nic0')!
      .bdf.split(':')
      .slice(1) as [string, string];
    const [slot, fn] = place.split('.').map((text) => BigInt(`0x${text}`)) as [bigint, bigint];
    const sourceId = (BigInt(`0x${bus}`) << 8n) | (slot << 3n) | fn;
    // PASID-based device-TLB (type 8): source-id in bits 31:16, PASID in 51:32.
    await scenario.invalidate(8n | (sourceId << 16n) | (5n << 32n), VIRTUAL);
    expect(await scenario.sees(VIRTUAL, 5)).toBe(AFTER);
    expect(await scenario.violations()).toEqual({});
  });
});
