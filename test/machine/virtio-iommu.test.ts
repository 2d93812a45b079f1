import { describe, expect, it } from 'vitest';
import type { GuestDriver } from '../../src/guest/guest-driver.ts';
import { MachineRig } from './support.ts';

const MIB = 1n << 20n;

function started(): { rig: MachineRig; driver: GuestDriver } {
  const rig = new MachineRig({
    memory: 64n * MIB,
    devices: [
      { values: { driver: 'virtio-iommu-pci', id: 'v0' } },
      { values: { driver: 'edu', id: 'edu0', addr: '0x5' } },
    ],
  });
  return { rig, driver: rig.machine.guests.driverOf(rig.machine.units[0]!) };
}

describe('virtio-iommu-pci', () => {
  it('enable, map, DMA, unmap without and with a flush, fault', () => {
    const { rig, driver } = started();
    const { machine } = rig;
    const edu = machine.findPciDevice('edu0');
    const sourceId = edu.requesterId();
    const read = (address: bigint): string => {
      const bytes = new Uint8Array(4);
      const { error } = edu.dmaRead(address, bytes);
      return error === null
        ? Buffer.from(bytes).toString()
        : error.kind === 'fault'
          ? error.fault.sentence
          : error.kind;
    };
    machine.memory.write(0x20_0000n, Buffer.from('data'));
    expect(rig.command(() => driver.enable('other'))).toBe('{}');
    expect(machine.units[0]!.mode).toBe('other');
    expect(read(0x20_0000n)).toContain('never attached');
    const mapping = {
      sourceId,
      iova: 0x4000_0000n,
      address: 0x20_0000n,
      size: 0x2000n,
      permissions: ['read'] as const,
    };
    expect(rig.command(() => driver.map(mapping))).toBe('{}');
    expect(read(0x4000_0000n)).toBe('data');
    expect(rig.command(() => driver.unmap({ sourceId, iova: 0x4000_0000n, size: 0x1000n, flush: true }))).toContain(
      'as a whole',
    );
    expect(rig.command(() => driver.unmap({ sourceId, iova: 0x4000_0000n, size: 0x2000n, flush: false }))).toBe('{}');
    expect(read(0x4000_0000n)).toBe('data');
    expect(rig.command(() => driver.map({ ...mapping, iova: 0x5000_0000n }))).toBe('{}');
    expect(read(0x4000_0000n)).toContain('does not map it (fault 0x2)');
    expect(read(0x5000_0000n)).toBe('data');
    expect(rig.model.filter(({ name }) => name === 'IOMMU_FAULT')).toHaveLength(2);
  });
});
