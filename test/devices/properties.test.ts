import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { deviceListProperties, qomGet, qomListTypes, qomSet } from '../../src/qom/commands.ts';
import { MachineRig } from '../machine/support.ts';

interface Listed {
  name: string;
  type: string;
  'default-value'?: unknown;
  description?: string;
}

/** What QEMU 7.2 lists for a device type. */
function recorded(typename: string): Listed[] {
  const url = new URL('../conformance/transcripts/qom.json', import.meta.url);
  const { steps } = JSON.parse(readFileSync(url, 'utf8')) as {
    steps: { send?: string; recv?: { return?: Listed[] }[] }[];
  };
  const step = steps.find(
    ({ send }) => send?.includes('device-list-properties') === true && send.includes(`"${typename}"`),
  );
  return step?.recv?.[0]?.return ?? [];
}

const plain = (list: readonly unknown[]): unknown[] =>
  (list as Listed[])
    .map(({ name, type, ...rest }) => {
      const value = rest['default-value'];
      // The largest 64-bit defaults lose their last digits in the reader of the recording.
      return { name, type, value: typeof value === 'bigint' ? Number(value) : value };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));

describe('the properties of devices', () => {
  const { machine } = new MachineRig();

  it.each(['edu', 'pci-testdev', 'pcie-root-port'])('of %s are those of QEMU 7.2', (typename) => {
    expect(recorded(typename).length).toBeGreaterThan(8);
    expect(plain(deviceListProperties(machine.types, typename))).toEqual(plain(recorded(typename)));
  });

  it('of vfio-pci are those of QEMU 7.2, iommufd and our own', () => {
    const ours = deviceListProperties(machine.types, 'vfio-pci').filter(
      ({ name }) => !['iommufd', 'ats', 'pri', 'shared'].includes(name),
    );
    expect(plain(ours)).toEqual(plain(recorded('vfio-pci')));
  });

  it('of intel-iommu take older spellings', () => {
    const old = { driver: 'intel-iommu', id: 'u', 'x-scalable-mode': 'on', 'x-pasid-mode': 'on', 'caching-mode': 'on' };
    const { machine: other } = new MachineRig({ noDefaults: true, devices: [{ values: old }] });
    expect(other.units[0]!.describe().capabilities).toMatchObject({ 'pasid-bits': 8, 'caching-mode': true });
    expect(qomGet(other.qom, 'u', 'x-scalable-mode')).toBe(true);
    expect(qomGet(other.qom, 'u', 'aw-bits')).toBe(48);
  });

  it('of a function can be read', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    expect(qomGet(rig.machine.qom, 'nic0', 'host')).toBe('0000:3b:00.0');
    expect(qomGet(rig.machine.qom, 'nic0', 'parent_bus')).toBe('/machine/peripheral/rp0/rp0');
    expect(qomGet(rig.machine.qom, '/machine', 'unplug-ack')).toBe('at-once');
    expect(qomGet(rig.machine.qom, '/machine', 'memory')).toEqual({ size: 4n << 30n });
  });
});

describe('types', () => {
  const { machine } = new MachineRig({ noDefaults: true });

  it('are listed by what they implement', () => {
    const names = (name: string): string[] =>
      qomListTypes(machine.types, { implements: name, abstract: false }).map((type) => type.name);
    expect(names('user-creatable').sort()).toEqual([
      ...['host-function', 'host-iommu', 'iommufd', 'iothread', 'memory-backend-file', 'memory-backend-memfd'],
      ...['memory-backend-ram', 'thread-context'],
    ]);
    expect(names('x86-iommu').sort()).toEqual(['amd-iommu', 'intel-iommu']);
    expect(names('machine').sort()).toEqual([
      'none-machine',
      'pc-q35-7.2-machine',
      'pseries-7.2-machine',
      's390-ccw-virtio-7.2-machine',
      'viommu-machine',
    ]);
    expect(names('pci-device')).toEqual(expect.arrayContaining(['vfio-pci', 'edu', 'pci-testdev', 'mch', 'ich9-ahci']));
  });

  it.each([
    ['vfio-pci-nohotplug', "Parameter 'driver' expects a pluggable device type"],
    ['mch', "Parameter 'driver' expects a pluggable device type"],
    ['q35-pcihost', "Parameter 'driver' expects a pluggable device type"],
    ['x86-iommu', "Parameter 'driver' expects a non-abstract device type"],
    ['memory-backend-ram', "'memory-backend-ram' is not a valid device model name"],
    ['viommu-machine', "'viommu-machine' is not a valid device model name"],
  ])('%s cannot be hot-added', (driver, sentence) => {
    expect(new MachineRig({ noDefaults: true }).add({ driver })).toBe(sentence);
  });
});

describe('realized, written from outside', () => {
  function set(rig: MachineRig, path: string, value: boolean): string {
    return rig.command(() => qomSet(rig.machine.qom, path, 'realized', value));
  }

  it('takes a host function out and in again', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const vfio = rig.machine.describeVfio();
    expect(set(rig, 'nic0', false)).toBe('{}');
    expect(rig.machine.describeVfio()).toEqual([]);
    expect(rig.command(() => rig.machine.findPciDevice('nic0'))).toBe(
      "Device 'nic0' is not realized: set its property 'realized' to true first",
    );
    expect(set(rig, 'nic0', true)).toBe('{}');
    expect(rig.machine.describeVfio()).toEqual(vfio.map((container) => ({ ...container, id: 1 })));
    set(rig, 'nic0', false);
    expect(rig.remove('nic0')).toBe('{}');
    expect(rig.machine.tree.peripheral.child('nic0')).toBeNull();
  });

  it('never takes the vIOMMU out', () => {
    const rig = new MachineRig({ devices: [{ values: { driver: 'intel-iommu', id: 'iommu0' } }] });
    expect(set(rig, 'iommu0', false)).toBe(
      "Device 'iommu0' cannot go: the address spaces of all PCI devices hang on it",
    );
    expect(rig.machine.units.length).toBe(1);
  });

  it('is refused by the fields of a realized device', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    expect(() => qomSet(rig.machine.qom, 'nic0', 'host', '3b:00.1')).toThrow(CommandError);
    expect(qomGet(rig.machine.qom, 'nic0', 'host')).toBe('0000:3b:00.0');
  });
});
