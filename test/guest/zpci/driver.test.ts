import { describe, expect, it } from 'vitest';
import { ZpciGuestDriver } from '../../../src/guest/zpci/driver.ts';
import { IOVA, listen, register, rig } from '../../iommu/s390/rig.ts';

const PAGE = 0x1000n;
const TABLES = { address: 0x80_0000n, size: 0x10_0000n };

/** Two functions, and a driver that has enabled nothing yet. */
function driven() {
  const all = rig();
  const { memory, plug, unit } = all;
  const devices = [plug(3, 'dev0'), plug(4, 'dev1')];
  const driver = new ZpciGuestDriver({ memory, services: unit });
  const spaces = devices.map(({ addressSpace }) => unit.spaceOf(addressSpace)!);
  const map = (fid: number, iova: bigint, size = PAGE, more: object = {}): void =>
    driver.map({ sourceId: fid, iova, address: 0x20_0000n, size, permissions: ['read', 'write'], ...more });
  const unmap = (fid: number, iova: bigint, size = PAGE, flush = true): void =>
    driver.unmap({ sourceId: fid, iova, size, flush });
  const mappings = (index: number) => unit.mappings(spaces[index]!, { limit: 100 }).mappings;
  return { ...all, driver, devices, spaces, map, unmap, mappings };
}

describe('enabling', () => {
  it('gives every function tables of its own and makes it a bus master, once', () => {
    const { driver, devices, unit, map } = driven();
    expect(() => map(0, IOVA)).toThrow('use guest-iommu-enable first');
    expect(() => driver.enable('legacy')).toThrow('The unit has no legacy mode: s390 has one only, other');
    expect(driver.enable('other', TABLES)).toEqual(TABLES);
    expect(driver.mode).toBe('other');
    const [first, second] = unit.functions.all();
    expect(first!.iommu.registration).toMatchObject({ base: IOVA, limit: 0x3ff_ffff_ffffn });
    expect(first!.iommu.tables?.origin).not.toBe(second!.iommu.tables?.origin);
    expect(devices.map(({ busMasterEnabled }) => busMasterEnabled)).toEqual([true, true]);
    expect(() => driver.enable('other', TABLES)).toThrow('enabled already');
  });

  it('keeps off functions that somebody else has enabled', () => {
    const { driver, unit } = driven();
    const [own] = unit.functions.all();
    unit.logicalProcessor.set(own!.handle, 'enable', 1);
    expect(() => driver.enable('other', TABLES)).toThrow('The function 0 is in use by somebody else');
    expect(driver.mode).toBeNull();
  });

  it('needs room for a table for each function', () => {
    const { driver } = driven();
    const small = { address: 0x80_0000n, size: 0x8000n };
    expect(() => driver.enable('other', small)).toThrow('needs 3 blocks of 16 KiB');
    expect(driver.mode).toBeNull();
  });
});

describe('mapping', () => {
  it('fills tables across segments and regions, refreshes, and keeps functions apart', () => {
    const { driver, map, mappings, unit } = driven();
    driver.enable('other', TABLES);
    const start = 0x1_7fff_e000n;
    map(0, start, 4n * PAGE);
    expect(mappings(0)).toEqual([
      { iova: start, address: 0x20_0000n, size: 4n * PAGE, permissions: ['read', 'write'], 'page-size': PAGE },
    ]);
    expect(mappings(1)).toEqual([]);
    expect(unit.iotlbEntries()).toHaveLength(4);
    map(1, IOVA, PAGE, { permissions: ['read'] });
    expect(mappings(1)).toMatchObject([{ permissions: ['read'] }]);
  });

  it('takes away what it has mapped, at once or when somebody refreshes', () => {
    const { driver, map, mappings, spaces, unit, unmap } = driven();
    driver.enable('other', TABLES);
    const heard = listen(spaces[0]!.region!);
    map(0, IOVA, 3n * PAGE);
    unmap(0, IOVA + PAGE);
    unmap(0, IOVA, PAGE, false);
    expect(mappings(0)).toMatchObject([{ iova: IOVA + 2n * PAGE }]);
    expect(unit.iotlbEntries().map(({ stale }) => stale)).toEqual([true, false]);
    expect(heard.filter((line) => line.startsWith('unmap'))).toEqual(['unmap 100001000+1000']);
  });

  it('refuses what zPCI cannot do, and changes nothing', () => {
    const { driver, map, mappings, unmap } = driven();
    driver.enable('other', TABLES);
    map(0, IOVA);
    const refusals: [() => void, string][] = [
      [() => map(0, 0x1000n), 'the DMA addresses of the function'],
      [() => map(0, 1n << 42n), 'the DMA addresses of the function'],
      [() => map(0, IOVA + 1n), 'is not a multiple of 4096'],
      [() => map(0, IOVA + PAGE, 1n), "Parameter 'size' is 1"],
      [() => map(0, IOVA + PAGE, PAGE, { address: 0n }), 'is not a multiple of 4096 above 0'],
      [() => map(0, IOVA + PAGE, PAGE, { permissions: ['write'] }), 'always permit reads'],
      [() => map(0, IOVA + PAGE, PAGE, { permissions: ['read', 'execute'] }), 'no right to execute'],
      [() => map(0, IOVA + PAGE, PAGE, { pasid: 1 }), 'no requests with PASID'],
      [() => map(0, IOVA - PAGE + PAGE, 2n * PAGE), 'is mapped already; unmap it first'],
      [() => unmap(0, IOVA, 2n * PAGE), '0x100001000 is not mapped'],
      [() => unmap(1, IOVA), 'is not mapped'],
      [() => driver.bindPageTable(), 'no requests with PASID'],
    ];
    for (const [call, sentence] of refusals) expect(call).toThrow(sentence);
    expect(mappings(0)).toHaveLength(1);
  });

  it('takes back what a refresh refused', () => {
    const { driver, map, mappings, unit } = driven();
    driver.enable('other', TABLES);
    const [own] = unit.functions.all();
    own!.iommu.limit = 2;
    expect(() => map(0, IOVA, 3n * PAGE)).toThrow('RPCIT ended with condition code 1, status 16');
    expect(mappings(0)).toEqual([]);
    expect(unit.iotlbEntries()).toEqual([]);
    own!.fail(4, IOVA, 'read');
    expect(() => map(0, IOVA)).toThrow('RPCIT ended with condition code 1, status 40');
    expect(mappings(0)).toEqual([]);
    expect(register(unit, own!, {}, 7)).toEqual({ cc: 0 });
    map(0, IOVA);
  });

  it('enables a function that came later when it is first mapped', () => {
    const { driver, map, plug, unit } = driven();
    driver.enable('other', TABLES);
    const late = plug(5, 'late');
    map(2, IOVA);
    expect(late.addressSpace.read(IOVA, new Uint8Array(4)).ok).toBe(true);
    expect(unit.functions.byTarget('late')?.state).toBe('enabled');
  });

  it('goes on from saved state', () => {
    const { driver, map, mappings, memory, unit, unmap } = driven();
    driver.enable('other', TABLES);
    map(0, IOVA, 2n * PAGE);
    const other = new ZpciGuestDriver({ memory, services: unit });
    other.restore(structuredClone(driver.save()));
    other.map({ sourceId: 0, iova: 0x2_0000_0000n, address: 0x30_0000n, size: PAGE, permissions: ['read'] });
    other.unmap({ sourceId: 0, iova: IOVA, size: PAGE, flush: true });
    expect(mappings(0).map(({ iova }) => iova)).toEqual([IOVA + PAGE, 0x2_0000_0000n]);
    expect(() => unmap(0, IOVA)).toThrow('is not mapped');
    driver.reset();
    expect(driver.mode).toBeNull();
  });
});
