import { describe, expect, it } from 'vitest';
import type { resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';
import { dma, Guest } from './guest.ts';
import { withDevice } from './rig.ts';
import { spaceAt } from '../space-at.ts';

type Given = Parameters<typeof resolveIntelProperties>[0];
const PASID = 5;
const FIRST_STAGE = { 'scalable-mode': true, fsts: true, 'pasid-bits': 20, 'device-iotlb': true } as const;

/** Scalable mode with first-stage tables: PASID 0 passes through, PASID 5 (domain 9) has tables of its own. */
function firstStage(given: Given = {}) {
  const all = withDevice({ ...FIRST_STAGE, ...given });
  const driver = new Guest(all);
  driver.useQueue(true);
  const top = driver.table();
  driver.scalableContext(all.device.devfn);
  driver.pasidEntry(0, [0x101n]);
  const entry = (words: readonly bigint[]) => driver.pasidEntry(PASID, words);
  entry([0x41n | (2n << 2n), 9n, BigInt(top)]);
  driver.setRoot('scalable');
  driver.enable();
  const map = (iova: bigint, leaf: bigint, shift = 12) => driver.map(top, 4, iova, leaf, shift, 7n);
  map(0x5000n, 0x40_0007n);
  map(0x6000n, 0x40_1005n);
  driver.put(0x40_0000, 0x11n);
  const { unit, bus, device } = all;
  const space = unit.getPasidAddressSpace(bus, device.devfn, PASID);
  const look = (address: bigint, rest = {}) =>
    unit.translate(spaceAt(unit, bus, device.devfn), { address, access: 'read', ...rest });
  const faults = () => all.seen.splice(0).flatMap(({ name, data }) => (name === 'IOMMU_FAULT' ? [data] : []));
  return { ...all, driver, top, entry, map, pasidSpace: space, look, faults };
}

describe('requests with PASID', () => {
  it('go through the first stage of their entry, and leave accessed and dirty bits', () => {
    const { pasidSpace, driver, unit, top, device } = firstStage();
    expect(dma(pasidSpace, 0x5000n)).toBe(0x11);
    expect(pasidSpace.write(0x6000n, Uint8Array.of(1)).ok).toBe(false);
    expect(driver.at(top) & 0x20n).toBe(0x20n);
    expect(unit.iotlbEntries()).toMatchObject([
      { device: 'dev0', 'domain-id': 9, pasid: 5, iova: 0x5000n, stage: 'first' },
    ]);
    expect(device.addressSpace.flatView.ranges[0]!.region.name).toBe('pc.ram');
  });

  it('are faults with the PASID when their entry is not there', () => {
    const { pasidSpace, entry, faults } = firstStage();
    entry([]);
    expect(dma(pasidSpace, 0x5000n)).toBeNull();
    expect(faults()).toMatchObject([{ address: 0x5000n, code: 0x5b, reason: 'pasid-entry-invalid' }]);
  });

  it('that pass through see plain memory, without interrupts', () => {
    const { pasidSpace, entry, driver, faults, messages } = firstStage();
    entry([0x101n]);
    driver.submit(7n | (3n << 4n));
    driver.put(0x5000, 0x77n);
    expect(dma(pasidSpace, 0x5000n)).toBe(0x77);
    expect(pasidSpace.write(0xfee0_1000n, new Uint8Array(4)).ok).toBe(false);
    expect(faults()).toMatchObject([{ pasid: PASID, code: 0x87, access: 'write' }]);
    expect(messages).toEqual([]);
  });

  it('are translated in the interrupt range too, and must not come out there', () => {
    const { pasidSpace, map, faults, driver } = firstStage();
    driver.put(0x40_0000, 0x11n);
    map(0xfee0_0000n, 0x40_0007n);
    map(0x8000n, 0xfee0_1007n);
    expect(dma(pasidSpace, 0xfee0_0000n)).toBe(0x11);
    expect(dma(pasidSpace, 0x8000n)).toBeNull();
    expect(faults()).toMatchObject([{ address: 0x8000n, pasid: PASID, code: 0x87 }]);
  });

  it('are blocked in legacy mode', () => {
    const { driver, pasidSpace, faults, device } = firstStage();
    driver.enable(false);
    driver.context(device.devfn, BigInt(driver.table()) | 1n, 2n);
    driver.setRoot('legacy');
    driver.enable();
    expect(dma(pasidSpace, 0x5000n)).toBeNull();
    expect(faults()).toMatchObject([{ code: 0x31, reason: 'translation-mode-blocks-request' }]);
  });
});

describe('translation requests of a device (ATS)', () => {
  it('are answered page by page; what is not there is no fault', () => {
    const { unit, bus, device, faults } = firstStage();
    const ask = (address: bigint, length: bigint, rest = {}) =>
      unit.atsTranslate(bus, device.devfn, { address, length, write: true, pasid: PASID, ...rest });
    expect(ask(0x5010n, 0x2ff0n)).toEqual([
      { iova: 0x5000n, address: 0x40_0000n, size: 0x1000n, permissions: 3 },
      { iova: 0x6000n, address: 0x40_1000n, size: 0x1000n, permissions: 1 },
      { iova: 0x7000n, address: 0n, size: 0x1000n, permissions: 0 },
    ]);
    // Nothing behind the entry of the second level: the answer is as wide as that.
    expect(ask(0x20_0000n, 1n)).toEqual([{ iova: 0x20_0000n, address: 0n, size: 0x20_0000n, permissions: 0 }]);
    expect(faults()).toEqual([]);
    expect(ask(0x5000n, 1n, { privileged: true })).toMatchObject([{ permissions: 8 }]);
    expect(ask(0xfee0_0000n, 1n)).toMatchObject([{ permissions: 0 }]);
    expect(faults()).toMatchObject([{ code: 0x87 }]);
  });

  it('come with requests for pages, where the context entry allows them', () => {
    const { unit, bus, device, driver, faults } = firstStage({ svm: true });
    const request = { pasid: PASID, address: 0x5000n, write: true };
    const responder = { respondToPages: () => undefined, retryPages: () => undefined };
    const ask = () => unit.requestPage(bus, device.devfn, { ...request, group: 3, last: true }, responder);
    expect(ask()).toBe('refused');
    expect(faults()).toMatchObject([{ pasid: PASID, code: 0x47, reason: 'page-requests-disabled' }]);
    driver.scalableContext(device.devfn, 0n, 1n << 4n);
    driver.write(0xd0, 0x9000n, 8);
    unit.atsTranslate(bus, device.devfn, { ...request, length: 1n });
    expect(unit.iotlbEntries()).toHaveLength(1);
    expect(ask()).toBe('queued');
    expect(unit.iotlbEntries()).toEqual([]);
    expect(driver.read(0xc8, 8)).toBe(0x20n);
  });
});

describe('looking', () => {
  it('explains each step', () => {
    const { look, top } = firstStage();
    const { steps, ...answer } = look(0x5123n, { pasid: PASID, explain: true });
    expect(answer).toMatchObject({ result: 'translated', address: 0x40_0123n, source: 'walk' });
    expect(steps!.map(({ stage, structure, level, index }) => [stage, structure, level, index])).toEqual([
      ['second', 'root-entry', undefined, 0],
      ['second', 'context-entry', undefined, 0x18],
      ['first', 'pasid-directory-entry', undefined, 0],
      ['first', 'pasid-table-entry', undefined, PASID],
      ['first', 'page-table-entry', 4, 0],
      ['first', 'page-table-entry', 3, 0],
      ['first', 'page-table-entry', 2, 0],
      ['first', 'page-table-entry', 1, 5],
    ]);
    expect(steps![3]).toMatchObject({ raw: [0x49n, 9n, BigInt(top), 0n, 0n, 0n, 0n, 0n], spec: 'VT-d 9.6' });
    expect(steps![3]!.fields).toContainEqual({ name: 'DID', value: 9n });
    expect(steps!.at(-1)).toMatchObject({ raw: [0x40_0007n], spec: 'VT-d 9.7' });
  });

  it('leaves no trace, and sees what is cached', () => {
    const { look, unit, block, pasidSpace, driver, top, faults } = firstStage();
    const before = structuredClone({ ram: block.save(), unit: unit.save() });
    look(0x5000n, { pasid: PASID, access: 'write' });
    expect(look(0x9000n, { pasid: PASID })).toMatchObject({ result: 'fault', code: 0x71 });
    expect({ ram: block.save(), unit: unit.save() }).toEqual(before);
    expect(faults()).toEqual([]);
    dma(pasidSpace, 0x6000n);
    driver.clear(top, 4, 0x6000n);
    expect(look(0x6000n, { pasid: PASID })).toMatchObject({ source: 'iotlb', permissions: ['read'] });
    expect(look(0x6000n, { pasid: PASID, access: 'write' })).toMatchObject({
      code: 0x85,
      desc: expect.stringContaining('nothing is recorded') as unknown,
    });
    expect(unit.iotlbEntries()).toMatchObject([{ stale: true }]);
    expect(look(0x1234n)).toMatchObject({ address: 0x1234n, source: 'bypass' });
  });

  it('lists mappings merged, from anywhere, a page at a time', () => {
    const { unit, bus, device, map } = firstStage();
    const list = (rest = {}) => unit.mappings(spaceAt(unit, bus, device.devfn), { pasid: PASID, limit: 10, ...rest });
    map(0x7000n, 0x40_2005n);
    map(0x40_0000n, 0x80_0007n, 21);
    map(0xffff_8000_0000_0000n, 0x40_0007n);
    const all = [
      { iova: 0x5000n, address: 0x40_0000n, size: 0x1000n, permissions: ['read', 'write'], 'page-size': 0x1000n },
      { iova: 0x6000n, address: 0x40_1000n, size: 0x2000n, permissions: ['read'], 'page-size': 0x1000n },
      {
        iova: 0x40_0000n,
        address: 0x80_0000n,
        size: 0x20_0000n,
        permissions: ['read', 'write'],
        'page-size': 0x20_0000n,
      },
      {
        iova: 0xffff_8000_0000_0000n,
        address: 0x40_0000n,
        size: 0x1000n,
        permissions: ['read', 'write'],
        'page-size': 0x1000n,
      },
    ];
    expect(list()).toEqual({ mappings: all });
    expect(list({ limit: 2 })).toEqual({ mappings: all.slice(0, 2), next: 0x40_0000n });
    expect(list({ start: 0x40_0000n }).mappings).toEqual(all.slice(2));
    expect(list({ start: 0x8000_0000_0000n }).mappings).toEqual(all.slice(3));
    const found: unknown[] = [];
    let start: bigint | undefined = 0n;
    let pages = 0;
    while (start !== undefined) {
      const page: ReturnType<typeof list> = list({ start, budget: 300 });
      found.push(...page.mappings);
      start = page.next;
      pages += 1;
    }
    expect(found).toEqual(all);
    expect(pages).toBeGreaterThan(5);
    expect(unit.mappings(spaceAt(unit, bus, device.devfn), { limit: 10 })).toEqual({ mappings: [] });
    expect(() => list({ pasid: 70 })).toThrow('There are no tables to list: The lookup at address 0x0 with PASID 70');
  });
});

describe('the two readings', () => {
  it.each([
    [false, 0x5b],
    [true, 0x59],
  ])('of an empty PASID entry (strict %s): fault %i', (strict, code) => {
    const { entry, pasidSpace, faults } = firstStage({ 'strict-spec': strict });
    entry([]);
    dma(pasidSpace, 0x5000n);
    expect(faults()).toMatchObject([{ code }]);
  });

  it.each([
    [false, 0],
    [true, 1],
  ])('of a write through an entry that was cached for reading only (strict %s): %i faults', (strict, count) => {
    const { pasidSpace, faults } = firstStage({ 'strict-spec': strict });
    expect(dma(pasidSpace, 0x6000n)).toBe(0);
    expect(pasidSpace.write(0x6000n, Uint8Array.of(1)).ok).toBe(false);
    expect(faults()).toHaveLength(count);
  });

  it.each([false, true])('of the dirty bit after a read (strict %s)', (strict) => {
    const { pasidSpace, driver, top } = firstStage({ 'strict-spec': strict });
    dma(pasidSpace, 0x5000n);
    pasidSpace.write(0x5000n, Uint8Array.of(1));
    const level1 = Number(driver.at(Number(driver.at(Number(driver.at(top) & ~0xfffn)) & ~0xfffn)) & ~0xfffn);
    expect((driver.at(level1 + 8 * 5) & 0x40n) !== 0n).toBe(strict);
  });

  it.each([
    [false, 0x11],
    [true, 0x22],
  ])('of RID_PASID (strict %s)', (strict, byte) => {
    const all = withDevice({ 'scalable-mode': true, 'strict-spec': strict });
    const driver = new Guest(all);
    const tops = [driver.table(), driver.table()];
    driver.extendedContext(all.device.devfn, [0x2_0001n, 1n, 0n, 0n]);
    tops.forEach((top, pasid) => {
      driver.map(top, 4, 0x5000n, 0x40_0003n + BigInt(pasid) * 0x1000n);
      driver.pasidEntry(pasid, [0x81n | (2n << 2n) | BigInt(top), 3n]);
    });
    driver.put(0x40_0000, 0x11n);
    driver.put(0x40_1000, 0x22n);
    driver.setRoot('scalable');
    driver.enable();
    expect(dma(all.device.addressSpace, 0x5000n)).toBe(byte);
    expect(dma(all.device.addressSpace, 0x5000n)).toBe(byte);
    expect(all.unit.describe().caches).toMatchObject([{}, { hits: 1, misses: 1 }]);
  });

  it.each([
    [false, null],
    [true, 0x11],
  ])('of a large page that only touches the interrupt range (strict %s)', (strict, byte) => {
    const { map, pasidSpace } = firstStage({ 'strict-spec': strict });
    // 0xc0000000 to 0xffffffff to itself, asked for at an address that memory does not have: only the fault differs.
    map(0xc000_0000n, 0xc000_0007n, 30);
    map(0x5000n, 0x40_0007n);
    const found = pasidSpace.translate(0xc000_0000n, 'read');
    expect(found.fault === null).toBe(byte !== null);
  });
});
