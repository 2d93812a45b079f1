import { describe, expect, it } from 'vitest';
import type { Gpa } from '../../../src/core/address.ts';
import { RecordingListener } from '../support.ts';
import { withDevice } from './rig.ts';
import { spaceAt } from '../space-at.ts';

describe('looking an address up', () => {
  const bound = (format: 'vtd-scalable' | 'vtd-ecs', address = 0x10_0000n) => {
    const all = withDevice();
    all.space.iommuObject.register(new RecordingListener('vfio'), ['bind', 'unbind']);
    all.space.iommuObject.bind({ address: address as Gpa, size: 0x1000n, format }, 'command');
    const put = (at: number, word: bigint) => {
      all.block.writeU32(at, Number(word & 0xffff_ffffn));
      all.block.writeU32(at + 4, Number(word >> 32n));
    };
    // PASID 5: page tables at 0x200000, which map 0x40_0000_0000 to the 2 MiB from 0xa00000, for reading.
    put(0x10_0000 + 8 * 5, 0x20_0001n);
    if (format === 'vtd-scalable') {
      put(0x10_0000, 0x11_0001n);
      put(0x11_0000 + 64 * 5, 0x41n);
      put(0x11_0000 + 64 * 5 + 16, 0x20_0000n);
      put(0x11_0000 + 64 * 6, 0x101n);
    }
    put(0x20_0000, 0x20_1007n);
    put(0x20_1000 + 8 * 256, 0x20_2007n);
    put(0x20_2000, 0xa0_0085n);
    const look = (address: bigint, access: 'read' | 'write' | 'execute', pasid?: number) =>
      all.unit.translate(spaceAt(all.unit, all.bus, all.device.devfn), {
        address,
        access,
        ...(pasid !== undefined && { pasid }),
      });
    return { ...all, look };
  };

  it('without PASID gives the address itself while remapping is off, whatever is shown', () => {
    const { unit, bus, device } = withDevice();
    const request = { address: 0xffff_ffff_ffff_f123n, access: 'write' } as const;
    for (const mode of ['bypass', 'translate'] as const) {
      unit.setBypass(spaceAt(unit, bus, device.devfn), mode);
      expect(unit.translate(spaceAt(unit, bus, device.devfn), request)).toEqual({
        result: 'translated',
        address: 0xffff_ffff_ffff_f123n,
        size: 4096n,
        permissions: ['read', 'write'],
        source: 'bypass',
      });
    }
    const executed = unit.translate(spaceAt(unit, bus, device.devfn), { ...request, access: 'execute' });
    expect(executed).toMatchObject({ permissions: ['read', 'write', 'execute'] });
  });

  it('with PASID needs a bound table', () => {
    const { unit, bus, device } = withDevice();
    expect(unit.translate(spaceAt(unit, bus, device.devfn), { address: 0x1000n, access: 'read', pasid: 5 })).toEqual({
      result: 'fault',
      code: 0,
      reason: 'no-pasid-table',
      desc: 'The read at address 0x1000 with PASID 5 faulted: no PASID table is bound for the device',
    });
  });

  it.each(['vtd-scalable', 'vtd-ecs'] as const)('goes through the bound table: %s', (format) => {
    const { look, block } = bound(format);
    const before = structuredClone(block.save());
    expect(look(0x40_0012_3456n, 'read', 5)).toEqual({
      result: 'translated',
      address: 0xb2_3456n,
      size: 0x20_0000n,
      permissions: ['read', 'execute'],
      source: 'walk',
    });
    expect(look(0x40_0012_3456n, 'write', 5)).toEqual({
      result: 'fault',
      code: 0x85,
      reason: 'first-stage-write-not-permitted',
      desc:
        'The write at address 0x4000123456 with PASID 5 faulted: the first stage does not permit writes (fault 0x85);' +
        ' the entry is at 0x202000',
    });
    expect(look(0x1000n, 'read', 5)).toMatchObject({ code: 0x71, reason: 'first-stage-not-present' });
    expect(look(0x8000_0000_0000n, 'read', 5)).toMatchObject({ code: 0x80, reason: 'address-not-canonical' });
    expect(look(0n, 'read', 9)).toMatchObject({ code: 0x59, reason: 'pasid-entry-not-present' });
    expect(look(0n, 'read', 0xf_ffff)).toMatchObject({ code: 0x46, reason: 'pasid-out-of-range' });
    expect(block.save()).toEqual(before);
  });

  it('passes through where the PASID entry says so', () => {
    expect(bound('vtd-scalable').look(0x1234n, 'read', 6)).toMatchObject({ address: 0x1234n, source: 'bypass' });
  });
});
