import { describe, expect, it } from 'vitest';
import { BUILT_IN_FUNCTIONS } from '../../src/host/options.ts';
import { refusal, VfioRig } from './rig.ts';

describe('naming a host function', () => {
  const rig = new VfioRig({ unit: false });

  it.each([
    [{}, 'No provided host device'],
    [{ host: 'bogus' }, "Property 'vfio-pci.host' doesn't take value 'bogus'"],
    [
      { host: '0000:ff:1f.7' },
      'vfio /sys/bus/pci/devices/0000:ff:1f.7: no such host device: No such file or directory',
    ],
    [{ host: 'ff:1f.7' }, 'vfio /sys/bus/pci/devices/0000:ff:1f.7: no such host device: No such file or directory'],
    [{ host: '0000:00:00.0' }, 'vfio 0000:00:00.0: no iommu_group found: No such file or directory'],
    [{ sysfsdev: '/sys/nope' }, 'vfio /sys/nope: no such host device: No such file or directory'],
    [{ host: '0000:3b:00.0', sysfsdev: '/sys/nope' }, 'vfio /sys/nope: no such host device: No such file or directory'],
    [
      { sysfsdev: '/sys/bus/pci/devices/3b:00.0' },
      'vfio /sys/bus/pci/devices/3b:00.0: no such host device: No such file or directory',
    ],
  ])('%j is refused: %s', (address, sentence) => {
    expect(refusal(() => rig.attach('nic0', 0, address))).toBe(sentence);
  });

  it('by its path in sysfs works as by its address', () => {
    const device = rig.attach('nic0', 0, { sysfsdev: '/sys/bus/pci/devices/0000:5e:00.0' });
    expect(device.function.name).toBe('0000:5e:00.0');
    expect(device.group).toBe(3);
    device.release();
  });
});

describe('functions and groups', () => {
  const twoOfAGroup = [...BUILT_IN_FUNCTIONS, { bdf: { segment: 0, bus: 0x3b, device: 0, function: 2 }, group: 1 }];

  it('a function is attached once', () => {
    const rig = new VfioRig({ unit: true });
    rig.attach('nic0', 0, '0000:3b:00.0');
    const before = rig.describe();
    expect(refusal(() => rig.attach('nic1', 8, '0000:3b:00.0'))).toBe('vfio 0000:3b:00.0: device is already attached');
    expect(rig.describe()).toEqual(before);
  });

  it('a group is in one address space', () => {
    const rig = new VfioRig({ unit: true, host: { functions: twoOfAGroup } });
    const first = rig.attach('nic0', 0, '0000:3b:00.0');
    const before = rig.describe();
    expect(refusal(() => rig.attach('nic1', 8, '0000:3b:00.2'))).toBe(
      'vfio 0000:3b:00.2: group 1 used in multiple address spaces',
    );
    expect(rig.describe()).toEqual(before);
    first.release();
    expect(rig.attach('nic1', 8, '0000:3b:00.2').container.id).toBe(1);
  });

  it('two functions of a group share a container where they share the address space', () => {
    const rig = new VfioRig({ unit: false, host: { functions: twoOfAGroup } });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.attach('nic1', 8, '0000:3b:00.2');
    expect(rig.vfio.containers()).toMatchObject([{ id: 0, groups: [{ id: 1, devices: ['nic0', 'nic1'] }] }]);
  });

  it('a group has one contract', () => {
    const rig = new VfioRig({ unit: false, host: { functions: twoOfAGroup } });
    rig.attach('nic0', 0, '0000:3b:00.0');
    const other = {
      name: 'nic1',
      address: { host: '0000:3b:00.2' },
      bus: rig.bus,
      devfn: 8,
      iommufd: 'iommufd0',
    } as const;
    expect(refusal(() => rig.vfio.attach(other))).toBe(
      "vfio 0000:3b:00.2: group 1 is used without iommufd by device 'nic0'; attach all functions of a group in the " +
        'same way',
    );
  });

  it('behind an IOMMU each device has a container of its own', () => {
    const rig = new VfioRig({ unit: true });
    rig.attach('nic0', 0, '0000:3b:00.0');
    rig.attach('nic1', 8, '0000:3b:00.1');
    expect(rig.vfio.containers()).toMatchObject([
      { id: 0, groups: [{ id: 1, devices: ['nic0'] }], listeners: [{ device: 'nic0', kind: 'object' }] },
      { id: 1, groups: [{ id: 2, devices: ['nic1'] }], listeners: [{ device: 'nic1', kind: 'object' }] },
    ]);
    expect(rig.unit!.attached).toEqual(['0 0000:3b:00.0', '8 0000:3b:00.1']);
  });

  it('the IOMMU can refuse what the host is', () => {
    const rig = new VfioRig({ unit: true });
    const before = rig.describe();
    rig.unit!.refusal = 'the host is too narrow';
    expect(refusal(() => rig.attach('nic0', 0, '0000:3b:00.0'))).toBe('vfio 0000:3b:00.0: the host is too narrow');
    rig.unit!.refusal = null;
    expect(rig.describe()).toEqual(before);
  });
});
