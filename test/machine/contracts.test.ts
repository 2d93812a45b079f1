import { describe, expect, it } from 'vitest';
import type { MachineConfig } from '../../src/machine/create.ts';
import { MachineRig } from './support.ts';

const UNIT = { driver: 'intel-iommu', 'caching-mode': 'on' };
const nic0 = { driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' };

function rigOf(unit: Record<string, string>, host: Record<string, string> = {}): MachineRig {
  const config: MachineConfig = {
    noDefaults: true,
    memory: 1n << 24n,
    objects: [
      { values: { 'qom-type': 'host-iommu', id: 'host0', ...host } },
      { values: { 'qom-type': 'iommufd', id: 'fd0' } },
    ],
    devices: [{ values: { ...UNIT, ...unit } }],
  };
  return new MachineRig(config);
}

const failures = (rig: MachineRig): string[] =>
  rig.model.flatMap((event) =>
    event.name === 'MODEL_CHECK_FAILED' ? [`${event.data.check}: ${event.data.desc}`] : [],
  );

describe('a vIOMMU that promises more than the host has', () => {
  const scalable = { 'scalable-mode': 'on' };
  it.each([
    [
      { ...scalable, 'pasid-bits': '20' },
      { 'pasid-bits': '16' },
      'PASID bits size 20 > host IOMMU PASID bits size 16: give the vIOMMU pasid-bits=16',
    ],
    [
      { ...scalable, fsts: 'on' },
      { nesting: 'off' },
      'The vIOMMU has fsts=on, and the host IOMMU nesting=off: give the vIOMMU fsts=off',
    ],
    [
      { ...scalable, fsts: 'on' },
      { 'page-sizes': '4K:2M' },
      'First stage 1GB large page is unsupported by host IOMMU, whose largest page has 2048 KiB: give the vIOMMU fs1gp=off',
    ],
    [
      { ...scalable, fsts: 'on', 'pasid-bits': '20', 'device-iotlb': 'on', svm: 'on' },
      { 'page-requests': 'off' },
      'The vIOMMU has svm=on, and the host IOMMU page-requests=off: give the vIOMMU svm=off',
    ],
    [
      { 'device-iotlb': 'on' },
      { ats: 'off' },
      'The vIOMMU has device-iotlb=on, and the host IOMMU ats=off: give the vIOMMU device-iotlb=off',
    ],
    [
      { 'snoop-control': 'on' },
      { coherency: 'off' },
      'The vIOMMU has snoop-control=on, and the host IOMMU coherency=off: give the vIOMMU snoop-control=off',
    ],
  ])(
    '%o before %o: contract iommufd refuses, pasid-table lets it pass and the check says so',
    (unit, host, sentence) => {
      const rig = rigOf(unit, host);
      expect(rig.add({ ...nic0, iommufd: 'fd0' })).toBe(`vfio 0000:3b:00.0: ${sentence}`);
      expect(failures(rig)).toEqual([]);
      expect(rig.machine.vfio.containers()).toEqual([]);
      expect(rig.add(nic0)).toBe('{}');
      expect(failures(rig)).toEqual([`host-capabilities: ${sentence}`]);
    },
  );

  it.each([
    ['40', 'aw-bits 48 > host aw-bits 40: give the vIOMMU aw-bits=39'],
    ['32', 'aw-bits 48 > host aw-bits 32: start with a host-iommu that has address-bits=39'],
  ])('an address width of the host of %s bits is refused by either contract', (bits, sentence) => {
    const rig = rigOf({}, { 'address-bits': bits });
    expect(rig.add(nic0)).toBe(`vfio 0000:3b:00.0: ${sentence}`);
    expect(rig.add({ ...nic0, iommufd: 'fd0' })).toBe(`vfio 0000:3b:00.0: ${sentence}`);
  });

  it('is no matter when the host has as much, nor without a vIOMMU', () => {
    const rig = rigOf({ 'scalable-mode': 'on', 'pasid-bits': '16' }, { 'pasid-bits': '16' });
    expect(rig.add({ ...nic0, iommufd: 'fd0' })).toBe('{}');
    expect(failures(rig)).toEqual([]);
  });

  it('cannot be migrated when the host does not track what was written', () => {
    const rig = rigOf({}, { 'dirty-tracking': 'off' });
    expect(rig.add({ ...nic0, 'x-enable-migration': 'on' })).toBe(
      "Property 'vfio-pci.x-enable-migration' cannot be 'on': nobody knows which pages host function 0000:3b:00.0 has " +
        'written; that takes dirty-tracking=on of the host-iommu',
    );
    expect(rig.add(nic0)).toBe('{}');
    expect(rigOf({}).add({ ...nic0, 'x-enable-migration': 'on' })).toBe('{}');
  });

  it('is not told while the check is off', () => {
    const rig = rigOf({ 'scalable-mode': 'on', 'pasid-bits': '20' }, { 'pasid-bits': '16' });
    rig.machine.trace.checks.set('host-capabilities', { enabled: false });
    expect(rig.add(nic0)).toBe('{}');
    expect(failures(rig)).toEqual([]);
  });
});

describe('the object iommufd', () => {
  const objectAdd = (rig: MachineRig, values: Record<string, unknown>): string =>
    rig.command(() => rig.machine.objectAdd({ 'qom-type': 'iommufd', ...values }));

  it('makes one container for each object and address space', () => {
    const rig = new MachineRig({ noDefaults: true, memory: 1n << 24n });
    for (const id of ['one', 'two']) expect(objectAdd(rig, { id })).toBe('{}');
    rig.add({ ...nic0, iommufd: 'one' });
    rig.add({ ...nic0, id: 'nic1', host: '3b:00.1', iommufd: 'one' });
    rig.add({ ...nic0, id: 'nic2', host: '5e:00.0', iommufd: 'two' });
    expect(rig.machine.vfio.containers()).toMatchObject([
      { contract: 'iommufd', iommufd: 'one', groups: [{ devices: ['nic0'] }, { devices: ['nic1'] }] },
      { contract: 'iommufd', iommufd: 'two', groups: [{ devices: ['nic2'] }] },
    ]);
  });

  it('stays as long as a device names it', () => {
    const rig = rigOf({});
    rig.add({ ...nic0, iommufd: 'fd0' });
    const remove = (): string => rig.command(() => rig.machine.objectDelete('fd0'));
    expect(remove()).toBe("object 'fd0' is in use, can not be deleted");
    rig.remove('nic0');
    expect(remove()).toBe('{}');
    expect(rig.add({ ...nic0, iommufd: 'fd0' })).toBe("DeviceNotFound: Device 'fd0' not found");
  });

  it('takes a descriptor by number, and refuses what is none, as QEMU does', () => {
    const rig = rigOf({});
    expect(objectAdd(rig, { id: 'a', fd: '22' })).toBe('{}');
    expect(objectAdd(rig, { id: 'b', fd: '22x' })).toBe(
      "Could not parse remote object fd 22x:Invalid file descriptor number '22x'",
    );
    expect(objectAdd(rig, { id: 'b', fd: 'iommu' })).toBe(
      "Could not parse remote object fd iommu:File descriptor named 'iommu' has not been found",
    );
    expect(objectAdd(rig, { id: 'b', fd: 22 })).toBe("Invalid parameter type for 'fd', expected: string");
    expect(rig.command(() => rig.machine.tree.root.child('objects')?.child('a')?.get('fd'))).toBe(
      "Property 'iommufd.fd' is not readable",
    );
  });

  it('is the only kind of object that a vfio-pci can name there', () => {
    const rig = rigOf({});
    expect(rig.add({ ...nic0, iommufd: 'host0' })).toBe("Invalid parameter type for 'iommufd', expected: iommufd");
    expect(rig.add({ ...nic0, iommufd: '' })).toBe('{}');
    expect(rig.machine.vfio.containers()).toMatchObject([{ contract: 'pasid-table' }]);
  });
});
