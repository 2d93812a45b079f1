/** An assigned device behind DMA windows: the host's map follows the TCE tables, page by page. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_WINDOWS } from '../../src/iommu/spapr/host-bridge.ts';
import { Hypercall } from '../../src/iommu/spapr/hypercalls.ts';
import { SpaprTceUnit } from '../../src/iommu/spapr/unit.ts';
import { VfioRig } from './rig.ts';

const LIOBN = 0x8000_0000n;
const DYNAMIC = 0x800_0000_0000_0000n;
const { putTce, stuffTce } = Hypercall;

function tceRig() {
  const rig = new VfioRig({ unit: false, host: { iommu: { addressBits: 64 } } });
  const { memory, operations, trace } = rig;
  const unit = new SpaprTceUnit({ qomPath: '/machine/spapr-tce', systemMemory: memory, ...trace.parts });
  const place = { name: 'pci@0', requesters: [{ label: 'nic0', location: '0000:00:00.0' }], requesterOf: () => null };
  rig.bus.iommuOps = unit.addHostBridge({ index: 0, place, windows: DEFAULT_WINDOWS });
  const call = (number: number, ...args: bigint[]) => operations.run(() => unit.hypercalls.call(number, args)).status;
  const violations = () => trace.checks.list().filter(({ violations: count }) => count > 0);
  const bridge = unit.bridges[0]!;
  const run = (body: () => unknown) => void operations.run(body);
  return { rig, unit, bridge, call, violations, run };
}

describe('an assigned device behind TCE tables', () => {
  it('has what the tables map, from the moment that it comes', () => {
    const { call, rig, unit, violations } = tceRig();
    expect(call(stuffTce, LIOBN, 0x1000n, 0x5003n, 2n)).toBe(0);
    rig.attach('nic0', 0, '0000:3b:00.0');
    expect(rig.changes()).toEqual(['map 0 0x1000+0x1000 to low@0x5000', 'map 0 0x2000+0x1000 to low@0x5000']);
    expect(unit.windows()[0]!['need-vfio']).toBe(true);
    call(putTce, LIOBN, 0x8000n, 0x9001n);
    expect(rig.changes()).toEqual(['map 0 0x8000+0x1000 to low@0x9000 ro']);
    call(stuffTce, LIOBN, 0n, 0n, 0x100n);
    expect(rig.changes()).toEqual(['unmap 0 0x1000+0x2000', 'unmap 0 0x8000+0x1000']);
    expect(violations()).toEqual([]);
    rig.vfio.devices[0]!.release();
    expect(unit.windows()[0]!['need-vfio']).toBe(false);
  });

  it('follows by contract iommufd, too', () => {
    const { call, rig, violations } = tceRig();
    rig.attach('nic0', 0, '0000:3b:00.0', 'iommufd0');
    call(putTce, LIOBN, 0x8000n, 0x9003n);
    call(putTce, LIOBN, 0x8000n, 0n);
    expect(rig.changes()).toEqual(['map 0 0x8000+0x1000 to low@0x9000', 'unmap 0 0x8000+0x1000']);
    expect(violations()).toEqual([]);
  });

  it('has a page exchanged where a valid TCE is overwritten', () => {
    const { call, rig, violations } = tceRig();
    rig.attach('nic0', 0, '0000:3b:00.0');
    call(putTce, LIOBN, 0x8000n, 0x9003n);
    call(putTce, LIOBN, 0x8000n, 0xa001n);
    call(putTce, LIOBN, 0x8000n, 0xa001n);
    expect(rig.changes()).toEqual([
      'map 0 0x8000+0x1000 to low@0x9000',
      'unmap 0 0x8000+0x1000',
      'map 0 0x8000+0x1000 to low@0xa000 ro',
      'unmap 0 0x8000+0x1000',
      'map 0 0x8000+0x1000 to low@0xa000 ro',
    ]);
    expect(violations()).toEqual([]);
  });

  it('is told where a TCE leads to no RAM, and nothing is wrong with taking that away', () => {
    const { call, rig, violations } = tceRig();
    rig.attach('nic0', 0, '0000:3b:00.0');
    call(putTce, LIOBN, 0x8000n, 0xff_ffff_f003n);
    const [told] = rig.log.splice(0);
    expect(told).toMatchObject({ name: 'IOMMU_MAPPED', data: { listeners: [{ status: 'error' }] } });
    call(putTce, LIOBN, 0x8000n, 0x9003n);
    expect(rig.changes()).toEqual(['map 0 0x8000+0x1000 to low@0x9000']);
    call(putTce, LIOBN, 0x8000n, 0xff_ffff_f003n);
    call(putTce, LIOBN, 0x8000n, 0n);
    expect(rig.changes()).toEqual(['unmap 0 0x8000+0x1000']);
    expect(violations()).toEqual([]);
  });

  it('follows windows that come and go, passing by, and a reset', () => {
    const { bridge, call, rig, run, unit, violations } = tceRig();
    rig.attach('nic0', 0, '0000:3b:00.0');
    call(putTce, LIOBN, 0x8000n, 0x9003n);
    run(() => bridge.create(16, 24));
    call(putTce, LIOBN + 1n, DYNAMIC + 0x1_0000n, 0x2_0003n);
    expect(rig.changes()).toEqual([
      'map 0 0x8000+0x1000 to low@0x9000',
      'map 0 0x800000000010000+0x10000 to low@0x20000',
    ]);
    rig.memory.write(0x2_0010n, Uint8Array.of(1, 2));
    const bytes = new Uint8Array(2);
    const request = { address: DYNAMIC + 0x1_0010n, write: false, bytes };
    expect(rig.vfio.devices[0]!.dmaPath.move(request)).toEqual({ kind: 'moved' });
    expect([...bytes]).toEqual([1, 2]);
    const [space] = unit.deviceSpaces();
    run(() => unit.setBypass(space!, 'bypass'));
    expect(rig.changes().slice(0, 2)).toEqual(['unmap 0 0x8000+0x1000', 'unmap 0 0x800000000010000+0x10000']);
    run(() => unit.setBypass(space!, 'auto'));
    expect(rig.changes().slice(-2)).toEqual([
      'map 0 0x8000+0x1000 to low@0x9000',
      'map 0 0x800000000010000+0x10000 to low@0x20000',
    ]);
    run(() => unit.reset());
    expect(rig.changes().sort()).toEqual(['unmap 0 0x8000+0x1000', 'unmap 0 0x800000000010000+0x10000'].sort());
    expect(violations()).toEqual([]);
  });
});

describe('after any calls of a guest', () => {
  const liobn = fc.constantFrom(LIOBN, LIOBN + 1n, 0x55n);
  const address = fc
    .tuple(fc.constantFrom(0n, 0x3fff_8000n, DYNAMIC), fc.bigInt(0n, 15n))
    .map(([base, page]) => base + 0x1000n * page);
  const tce = fc
    .tuple(fc.constantFrom(0x1_0000n, 0x2_0000n, 0x3_1000n, 0xff_ffff_0000n), fc.bigInt(0n, 3n))
    .map(([page, rights]) => page | rights);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constant('put' as const), liobn, address, tce) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('stuff' as const), liobn, address, tce, fc.bigInt(0n, 20n)) },
    fc.tuple(fc.constant('create' as const), fc.constantFrom(12, 16), fc.constantFrom(16, 18, 24)),
    fc.tuple(fc.constant('close' as const), fc.nat(1)),
    fc.tuple(fc.constant('bypass' as const), fc.boolean()),
    fc.constant(['reset'] as const),
  );

  it('the host maps what the tables map, and no check fails', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { bridge, call, rig, run, unit, violations } = tceRig();
        rig.attach('nic0', 0, '0000:3b:00.0');
        const { container, dmaPath } = rig.vfio.devices[0]!;
        const { space } = bridge;
        const take = (one: (typeof steps)[number]): void => {
          if (one[0] === 'put') call(putTce, one[1], one[2], one[3]);
          else if (one[0] === 'stuff') call(stuffTce, one[1], one[2], one[3], one[4]);
          else if (one[0] === 'create') run(() => bridge.create(one[1], one[2]));
          else if (one[0] === 'close') run(() => space.windows[one[1]]!.close());
          else if (one[0] === 'bypass') run(() => unit.setBypass(space, one[1] ? 'bypass' : 'auto'));
          else run(() => unit.reset());
        };
        for (const one of steps) {
          take(one);
          expect(container.layoutFault()).toBeNull();
        }
        expect(violations()).toEqual([]);
        for (const base of [0n, 0x3fff_8000n, DYNAMIC]) {
          for (let page = 0n; page < 16n; page += 1n) {
            const at = base + 0x1000n * page;
            // The host gives every mapping the right to read.
            const answer = unit.translate(space, { address: at, access: 'none' });
            const reaches = answer.result === 'translated' && answer.address < 0x100_0000n;
            const { kind } = dmaPath.move({ address: at, write: false, bytes: new Uint8Array(4) });
            expect([at, kind]).toEqual([at, reaches ? 'moved' : 'fault']);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
