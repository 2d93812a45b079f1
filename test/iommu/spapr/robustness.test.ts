import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hypercall } from '../../../src/iommu/spapr/hypercalls.ts';
import { RtasToken } from '../../../src/iommu/spapr/rtas.ts';
import { BUID, PCI_LIOBN, recording, rig, VIO_REG } from './rig.ts';

const word = fc.oneof(
  fc.constantFrom(0n, PCI_LIOBN, PCI_LIOBN + 1n, BigInt(VIO_REG), 0x1000n, 0x3fff_f000n, 0x800_0000_0000_0000n),
  fc.bigInt(0n, 0x2000n),
  fc.bigInt(0n, (1n << 64n) - 1n),
);
const half = fc.oneof(
  fc.constantFrom(0, 1, 12, 16, 24, 34, Number(BUID >> 32n), Number(BUID & 0xffff_ffffn), Number(PCI_LIOBN), VIO_REG),
  fc.nat(0xffff_ffff),
);

describe('a guest', () => {
  it('cannot end the daemon by any hypercall or RTAS call, and gets a status each time', () => {
    const hypercall = fc.tuple(
      fc.oneof(fc.constantFrom(...Object.values(Hypercall)), fc.nat(0xffff)),
      fc.array(word, { maxLength: 9 }),
    );
    const rtas = fc.tuple(
      fc.oneof(fc.constantFrom(...Object.values(RtasToken)), fc.nat(0xffff_ffff)),
      fc.array(half, { maxLength: 6 }),
      fc.nat(7),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(hypercall, rtas), { maxLength: 25 }), (calls) => {
        const all = rig();
        recording(all.vio.regions[0]!);
        for (const [number, args, returns] of calls) {
          const { status } =
            returns === undefined
              ? all.call(number, ...(args as bigint[]))
              : all.rtas(number, args as number[], returns);
          expect([0, -2, -4]).toContain(status);
        }
        for (const space of all.unit.deviceSpaces()) {
          for (const { window } of space.openWindows())
            expect(window.table.mapped).toBe([...window.table.mappedIn()].length);
          all.unit.mappings(space, { limit: 10 });
        }
      }),
      { numRuns: 150 },
    );
  });

  it('can fill the largest window by one hypercall, in no time to speak of', () => {
    const { call, rtas, unit } = rig();
    const bridge = [0, Number(BUID >> 32n), Number(BUID & 0xffff_ffffn)];
    expect(rtas(RtasToken.createDmaWindow, [...bridge, 12, 32], 4).values[0]).toBe(0);
    const start = performance.now();
    expect(call(Hypercall.stuffTce, PCI_LIOBN + 1n, 0x800_0000_0000_0000n, 3n, 0x10_0000n).status).toBe(0);
    expect(unit.windows()[1]!.mapped).toBe(0x10_0000);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
