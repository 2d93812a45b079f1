import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.ts';
import { CONTRACTS, ContractGuest, dataPage, DIRECTORY, IOVA, ROOTS, SPARE_DIRECTORY } from './contract-guest.ts';
import { refusal } from './rig.ts';

const [A, B] = ROOTS as [bigint, bigint];
const STALE = 'HOST_STALE_TRANSLATION';

describe.each(CONTRACTS)('by contract %s the device', (contract) => {
  const guest = (): ContractGuest => {
    const made = new ContractGuest(contract);
    made.entry(5, A);
    made.map(A, 0, 1);
    return made;
  };

  it('is shown with its contract', () => {
    const { rig } = guest();
    expect(rig.vfio.containers()).toMatchObject([
      contract === 'iommufd' ? { contract, iommufd: 'iommufd0' } : { contract },
    ]);
    expect('iommufd' in rig.vfio.containers()[0]!).toBe(contract === 'iommufd');
  });

  it('sees nothing by PASID before a bind, and the guest-physical memory without PASID always', () => {
    const made = guest();
    expect(made.sees(5)).toBe('fault');
    expect(made.sees(undefined, 3, dataPage(0))).toBe(3);
    made.bind();
    expect(made.sees(undefined, 3, dataPage(0))).toBe(3);
    expect(made.sees(5)).toBe(1);
    made.unbind();
    expect(made.sees(5)).toBe('fault');
    expect(made.sees(undefined, 3, dataPage(0))).toBe(3);
  });

  it('sees through every PASID that is present at the bind, and faults on the others', () => {
    const made = guest();
    made.entry(0, B, { domainId: 2 });
    made.map(B, 0, 2);
    made.entry(7, 0n, { type: 4n });
    made.entry(8, A, { type: 3n });
    made.bind();
    expect([0, 5, 6, 8].map((pasid) => made.sees(pasid))).toEqual([2, 1, 'fault', 'fault']);
    expect(made.sees(7, 4, dataPage(0))).toBe(4);
  });

  it('sees a PASID that came, changed or went once the PASID cache and the IOTLB have been flushed', () => {
    const made = guest();
    made.bind();
    made.map(B, 0, 2);
    expect(made.sees(5)).toBe(1);
    made.entry(6, B);
    made.flushPasids({ granularity: 'pasid', pasid: 6, domainId: 1 });
    expect(made.sees(6)).toBe(2);
    made.entry(5, B);
    made.flushPasids({ granularity: 'pasid', pasid: 5, domainId: 1 });
    made.flush({ granularity: 'pasid', pasid: 5, domainId: 1 });
    expect(made.sees(5)).toBe(2);
    made.clear(5);
    made.flushPasids({ granularity: 'domain', domainId: 1 });
    made.flush({ granularity: 'domain', domainId: 1 });
    expect(made.sees(5)).toBe('fault');
    expect(made.sees(6)).toBe(2);
    expect(made.take(STALE)).toEqual([]);
  });

  it('sees the old page until the IOTLB is flushed, and the model says which flush is missing', () => {
    const made = guest();
    made.map(A, 1, 3);
    made.bind();
    expect([made.sees(5), made.sees(5, 1)]).toEqual([1, 3]);
    made.map(A, 0, 2);
    expect(made.sees(5)).toBe(1);
    expect(made.take(STALE)).toMatchObject([
      { data: { cache: 'iotlb', missing: { granularity: 'page', pasid: 5, 'domain-id': 1, address: IOVA } } },
    ]);
    expect(made.flush({ granularity: 'page', pasid: 5, address: IOVA, size: 4096n })).toMatchObject({ dropped: 1 });
    expect([made.sees(5), made.sees(5, 1)]).toEqual([2, 3]);
    expect(made.take(STALE)).toEqual([]);
  });

  it('sees by the old PASID entry until the PASID cache is flushed, and the model says so', () => {
    const made = guest();
    made.map(B, 0, 2);
    made.bind();
    expect(made.sees(5)).toBe(1);
    made.entry(5, B, { domainId: 9 });
    expect(made.sees(5)).toBe(1);
    expect(made.take(STALE)).toMatchObject([
      { data: { cache: 'pasid', missing: { granularity: 'pasid', pasid: 5, 'domain-id': 1 } } },
    ]);
    made.flushPasids({ granularity: 'pasid', pasid: 5, domainId: 1 });
    expect(made.sees(5)).toBe(2);
    expect(made.take(STALE)).toEqual([]);
  });

  it('keeps what it saw when another table is refused', () => {
    const made = guest();
    made.bind();
    expect(refusal(() => made.bind(0xf000_0000n))).toMatch(/nothing is mapped at 0xf0000000/);
    expect(made.sees(5)).toBe(1);
    expect(made.object.binding?.address).toBe(DIRECTORY);
  });

  it('sees through another table once that is bound', () => {
    const made = guest();
    made.entry(6, A);
    made.bind();
    made.entry(5, B, { directory: SPARE_DIRECTORY });
    made.map(B, 0, 2);
    expect([made.sees(5), made.sees(6)]).toEqual([1, 1]);
    made.bind(SPARE_DIRECTORY);
    expect([made.sees(5), made.sees(6)]).toEqual([2, 'fault']);
    expect(made.take(STALE)).toEqual([]);
  });

  it('leaves nothing behind', () => {
    const made = guest();
    made.bind();
    made.sees(5);
    made.device.release();
    expect(made.rig.host.describe()).toMatchObject({ 'page-tables': [] });
    expect(made.rig.host.iotlbEntries()).toEqual([]);
    expect(made.object.registrations()).toEqual([]);
  });

  it('sees the same after its state was saved and restored', () => {
    const made = guest();
    made.entry(6, B, { domainId: 2 });
    made.map(B, 0, 2);
    made.bind();
    made.sees(5);
    const [host, object] = structuredClone([made.rig.host.save(), made.object.save()]);
    const shown = made.rig.host.describe();
    made.clear(5);
    made.flushPasids();
    made.unbind();
    made.rig.host.restore(host);
    made.object.restore(object);
    made.entry(5, A);
    expect(made.rig.host.describe()).toEqual(shown);
    expect([made.sees(5), made.sees(6)]).toEqual([1, 2]);
    made.map(A, 0, 4);
    expect(made.flush({ granularity: 'pasid', pasid: 5 }).dropped).toBe(1);
    expect(made.sees(5)).toBe(4);
    made.clear(6);
    made.flushPasids();
    expect(made.sees(6)).toBe('fault');
  });
});

describe('both contracts', () => {
  /** What a guest that flushes as it should does, by the numbers of a seed; and what its device sees after each step. */
  const play = (guest: ContractGuest, seed: number): unknown[] => {
    const random = new SeededRandom(seed);
    const pasids = [0, 5, 6, 70];
    const domains = new Map<number, number>();
    const seen: unknown[] = [];
    guest.bind();
    for (let step = 0; step < 60; step++) {
      const pasid = pasids[random.below(4)]!;
      const root = ROOTS[random.below(3)]!;
      const old = domains.get(pasid) ?? null;
      switch (random.below(5)) {
        case 0: {
          const domainId = 1 + random.below(3);
          const type = random.below(6) === 0 ? 4n : 1n;
          guest.entry(pasid, root, { domainId, type });
          domains.set(pasid, domainId);
          for (const one of new Set([old ?? domainId, domainId])) {
            guest.flushPasids({ granularity: 'pasid', pasid, domainId: one });
            guest.flush({ granularity: 'pasid', pasid, domainId: one });
          }
          break;
        }
        case 1:
          if (old === null) break;
          guest.clear(pasid);
          domains.delete(pasid);
          if (random.below(2) === 0) guest.flushPasids({ granularity: 'domain', domainId: old });
          else guest.flushPasids();
          guest.flush({ granularity: 'domain', domainId: old });
          break;
        case 2: {
          const index = random.below(4);
          guest.map(root, index, random.below(4) === 0 ? null : random.below(16));
          for (const [one, domainId] of domains) {
            const address = IOVA + 0x1000n * BigInt(index);
            guest.flush({ granularity: 'page', pasid: one, domainId, address, size: 4096n });
          }
          break;
        }
        case 3:
          guest.bind();
          break;
        default:
          guest.flush({ granularity: 'global' });
      }
      seen.push(pasids.flatMap((one) => [0, 1, 2, 3].map((index) => guest.sees(one, index))));
    }
    return seen;
  };

  it('show a device the same memory, whatever a guest does that flushes as it should', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (seed) => {
        const guests = CONTRACTS.map((contract) => new ContractGuest(contract));
        const [one, other] = guests.map((guest) => play(guest, seed));
        expect(other).toEqual(one);
        for (const guest of guests) expect(guest.take(STALE)).toEqual([]);
      }),
      { numRuns: 25, seed: 4 },
    );
  });
});
