import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { HandlerRig } from '../support/handlers.ts';

const MIB = 0x10_0000n;
const GIB = 1024n * MIB;
const PAGE = 0x1000n;
const directory = 0x10_0000n;
const target = 0x20_0000n;

let rig: HandlerRig;
beforeEach(() => {
  rig = new HandlerRig();
  rig.run('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0' });
});

/** PASID 1 of a table that is bound for nic0; its level-1 table is at 0x105000, which maps from 0 on. */
function bindProcess(): void {
  rig.poke(directory, 0x10_1001n);
  rig.poke(0x10_1040n, 0x41n, 5n, 0x10_2000n);
  rig.poke(0x10_2000n, 0x10_3007n);
  rig.poke(0x10_3000n, 0x10_4007n);
  rig.poke(0x10_4000n, 0x10_5007n);
  rig.run('iommu-bind-pasid-table', { device: 'nic0', address: directory, size: PAGE });
}

const reverse = (
  address: bigint,
  space: 'guest' | 'host' = 'guest',
  limit?: number,
): ReturnType<typeof rig.run<'iommu-reverse-translate'>> =>
  rig.run('iommu-reverse-translate', { address, space, device: 'nic0', ...(limit !== undefined && { limit }) });

describe('iommu-reverse-translate', () => {
  it('names every PASID and address that leads to a byte, large pages and both halves of the canonical range too', () => {
    bindProcess();
    rig.poke(0x10_5080n, target | 7n, (target + PAGE) | 5n, target | 3n);
    rig.poke(0x10_4008n, target | 0x87n);
    rig.poke(0x10_2ff8n, 0x10_3007n);
    const { users, complete } = reverse(target + 0x10n);
    expect(complete).toBe(true);
    const all = ['read', 'write', 'execute'];
    const upper = 0xffff_ff80_0000_0000n;
    // The third entry of the level-1 table is for the supervisor only: no request here carries that right.
    expect(users).toEqual([
      { device: 'nic0', iova: target + 0x10n, size: PAGE, permissions: ['read', 'write'] },
      { device: 'nic0', pasid: 1, iova: 0x1_0010n, size: PAGE, permissions: all },
      { device: 'nic0', pasid: 1, iova: 0x20_0010n, size: 2n * MIB, permissions: all },
      { device: 'nic0', pasid: 1, iova: upper + 0x1_0010n, size: PAGE, permissions: all },
      { device: 'nic0', pasid: 1, iova: upper + 0x20_0010n, size: 2n * MIB, permissions: all },
    ]);
    expect(reverse(target + PAGE).users.at(1)).toMatchObject({ iova: 0x1_1000n, permissions: ['read', 'execute'] });
  });

  it('from a host-physical address: through the second stage, and through both', () => {
    bindProcess();
    rig.poke(0x10_5080n, target | 7n);
    const there = rig.run('iommu-translate', { device: 'nic0', address: 0x1_0000n, pasid: 1, via: 'host' });
    if (there.result !== 'translated') throw new Error('faulted');
    expect(reverse(there.address + 8n, 'host')).toMatchObject({
      complete: true,
      users: [
        { device: 'nic0', iova: target + 8n },
        { device: 'nic0', pasid: 1, iova: 0x1_0008n, size: PAGE, permissions: ['read', 'write', 'execute'] },
      ],
    });
    expect(reverse(there.address + PAGE, 'host').users).toHaveLength(1);
    expect(reverse(0x1000n, 'host').users).toEqual([]);
    expect(rig.takeEvents().filter(({ name }) => name.startsWith('IOMMU_FAULT'))).toEqual([]);
  });

  it('follows what the guest has programmed, and leaves out who is no bus master', () => {
    rig.run('guest-iommu-enable', { mode: 'legacy' });
    rig.run('guest-dma-map', { device: 'nic0', iova: GIB, address: target, size: 2n * PAGE, permissions: ['read'] });
    expect(reverse(target + PAGE).users).toEqual([
      { device: 'nic0', iova: GIB + PAGE, size: PAGE, permissions: ['read'] },
    ]);
    const everybody = rig.run('iommu-reverse-translate', { address: target, space: 'guest' }).users;
    expect(everybody.map(({ device }) => device)).toContain('nic0');
    const { bdf } = rig.run('query-iommus', {}).iommus[0]!.devices.find(({ device }) => device === 'nic0')!;
    expect(rig.run('iommu-reverse-translate', { address: target, space: 'guest', device: bdf }).users).toHaveLength(1);
    rig.machine.findPciDevice('nic0').writeConfig(4, 2, 0);
    expect(reverse(target).users).toEqual([]);
  });

  it('agrees with iommu-translate on whatever tables', () => {
    bindProcess();
    const leaf = fc.tuple(
      fc.integer({ min: 0, max: 20 }),
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(0n, 1n, 3n, 5n, 7n),
    );
    fc.assert(
      fc.property(fc.array(leaf, { maxLength: 12 }), (leaves) => {
        rig.poke(0x10_5000n, ...Array.from({ length: 32 }, () => 0n));
        for (const [index, frame, bits] of leaves) {
          rig.poke(0x10_5000n + 8n * BigInt(index), (target + BigInt(frame) * PAGE) | bits);
        }
        for (let frame = 0n; frame < 4n; frame++) {
          const wanted: bigint[] = [];
          for (let page = 0n; page < 32n; page++) {
            const answer = rig.run('iommu-translate', { device: 'nic0', address: page * PAGE, pasid: 1 });
            if (answer.result === 'translated' && answer.address === target + frame * PAGE) wanted.push(page * PAGE);
          }
          const found = reverse(target + frame * PAGE).users.filter(({ pasid }) => pasid === 1);
          expect(found.map(({ iova }) => iova)).toEqual(wanted);
        }
      }),
      { numRuns: 40, seed: 4 },
    );
  });

  it('ends on tables that lead back to themselves, and says that there may be more', () => {
    bindProcess();
    const table = 0x10_2000n;
    for (let index = 0n; index < 512n; index++) rig.poke(table + 8n * index, table | 7n);
    const found = reverse(table, 'guest', 50);
    expect(found.users).toHaveLength(50);
    expect(found.complete).toBe(false);
    expect(reverse(target)).toMatchObject({ complete: true, users: [{ iova: target }] });
    const start = performance.now();
    expect(reverse(table, 'guest', 10_000).complete).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('ends on a million PASIDs that share their tables', () => {
    const [table, top] = [0x30_0000n, 0x30_1000n];
    rig.poke(directory, ...Array.from({ length: 0x4000 }, () => table | 1n));
    for (let entry = 0n; entry < 64n; entry++) rig.poke(table + 64n * entry, 0x41n, 5n, top);
    rig.run('iommu-bind-pasid-table', { device: 'nic0', address: directory });
    const start = performance.now();
    for (const space of ['guest', 'host'] as const) expect(reverse(target, space).complete).toBe(false);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('by contract iommufd, through what is attached', () => {
    rig.run('object-add', { 'qom-type': 'iommufd', id: 'fd0' });
    rig.run('device_del', { id: 'nic0' });
    rig.run('device_add', { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0', iommufd: 'fd0' });
    bindProcess();
    rig.poke(0x10_5080n, target | 7n);
    const there = rig.run('iommu-translate', { device: 'nic0', address: 0x1_0000n, pasid: 1, via: 'host' });
    if (there.result !== 'translated') throw new Error('faulted');
    const ways = reverse(there.address, 'host').users.map(({ pasid, iova }) => [pasid, iova]);
    expect(ways).toEqual([
      [undefined, target],
      [1, 0x1_0000n],
    ]);
  });

  it('refuses addresses that no table leads to, and devices that are not assigned', () => {
    expect(rig.refusal('iommu-reverse-translate', { address: 1n << 52n, space: 'guest' })).toContain(
      'is above 0xfffffffffffff',
    );
    rig.run('device_add', { driver: 'edu', id: 'edu0' });
    expect(rig.refusal('iommu-reverse-translate', { address: 0n, space: 'host', device: 'edu0' })).toContain(
      "Device 'edu0' is emulated",
    );
    expect(rig.refusal('iommu-reverse-translate', { address: 0n, space: 'guest', limit: 0 })).toContain('limit');
    expect(rig.refusal('iommu-reverse-translate', { address: 0n, space: 'guest', device: 'x' })).toContain('not found');
  });
});
