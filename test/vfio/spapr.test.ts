/** An assigned device behind DMA windows: the host's map follows the TCE tables, page by page. */
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
