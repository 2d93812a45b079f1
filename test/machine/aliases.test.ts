import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';
import { spaceAt } from '../iommu/space-at.ts';

const IOVA = 0x1_0000n;

/** A translated vfio-pci and an edu behind one bridge of conventional PCI. */
function rig() {
  const devices = [
    { values: { driver: 'intel-iommu', id: 'unit0', 'caching-mode': true } },
    { values: { driver: 'pcie-pci-bridge', id: 'bridge0', bus: 'rp0' } },
    { values: { driver: 'vfio-pci', id: 'nic0', host: '3b:00.0', bus: 'bridge0', addr: '2' } },
    { values: { driver: 'edu', id: 'edu0', bus: 'bridge0', addr: '3' } },
  ];
  const all = new MachineRig({ devices });
  const { machine } = all;
  const unit = machine.units[0]!;
  const driver = machine.guests.driverOf(unit);
  const sourceId = machine.findPciDevice('nic0').requesterId();
  all.command(() => driver.enable('legacy', { address: 0x100_0000n, size: 0x20_0000n }));
  all.command(() =>
    driver.map({ sourceId, iova: IOVA, address: 0x20_0000n, size: 0x1000n, permissions: ['read', 'write'] }),
  );
  const edu = machine.findPciDevice('edu0');
  const answer = (address: bigint) => unit.translate(spaceAt(unit, edu.bus, edu.devfn), { address, access: 'read' });
  return { all, machine, unit, edu, answer };
}

describe('devices behind a bridge of conventional PCI', () => {
  it('share one address space, in which each of them is looked up, listed and switched', () => {
    const { all, machine, unit, edu, answer } = rig();
    expect(answer(IOVA)).toMatchObject({ result: 'translated', address: 0x20_0000n, source: 'walk' });
    expect(unit.mappings(spaceAt(unit, edu.bus, edu.devfn), { limit: 5 }).mappings).toHaveLength(1);
    const rows = unit.describe().devices.filter(({ device }) => device === 'nic0' || device === 'edu0');
    expect(rows.map(({ device, bdf, bypass }) => [device, bdf, bypass])).toEqual([
      ['nic0', '0000:02:02.0', false],
      ['edu0', '0000:02:03.0', false],
    ]);
    all.model.splice(0);
    expect(all.command(() => unit.setBypass(spaceAt(unit, edu.bus, edu.devfn), 'bypass'))).toBe('{}');
    expect(all.model.filter(({ name }) => name === 'IOMMU_REGION_SWITCHED').map(({ data }) => data)).toMatchObject([
      { iommu: 'unit0', device: 'nic0', bypass: true },
    ]);
    expect(answer(0x9_0000n)).toMatchObject({ result: 'translated', source: 'bypass' });
    expect(edu.bus.addressSpaceOf(edu.devfn)).toBe(machine.findPciDevice('nic0').bus.addressSpaceOf(0x10));
  });

  it('keep what is shown when one of them is unplugged, and go back with the last', () => {
    const { all, machine, unit, edu } = rig();
    const shared = edu.bus.addressSpaceOf(edu.devfn);
    const shown = () => unit.deviceSpaces().find(({ addressSpace }) => addressSpace === shared)!;
    all.command(() => unit.setBypass(spaceAt(unit, edu.bus, edu.devfn), 'bypass'));
    expect(all.remove('nic0')).toBe('{}');
    expect(machine.describeVfio()).toEqual([]);
    expect(shown().bypass).toBe(true);
    expect(all.remove('edu0')).toBe('{}');
    expect(shown().bypass).toBe(false);
  });
});
