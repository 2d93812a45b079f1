import { describe, expect, it } from 'vitest';
import { qomSet } from '../../src/qom/commands.ts';
import { MachineRig } from './support.ts';

function rigWith(): {
  rig: MachineRig;
  add: (values: Record<string, unknown>) => string;
  remove: (id: string) => string;
} {
  const rig = new MachineRig();
  return {
    rig,
    add: (values) => rig.command(() => rig.machine.objectAdd(values)),
    remove: (id) => rig.command(() => rig.machine.objectDelete(id)),
  };
}

describe('object-add and object-del as QEMU answers', () => {
  it('for RAM', () => {
    const { add, remove } = rigWith();
    const ram = (more: Record<string, unknown>): string => add({ 'qom-type': 'memory-backend-ram', ...more });
    expect(add({ id: 'a' })).toBe("Parameter 'qom-type' is missing");
    expect(add({ 'qom-type': 1, id: 'a' })).toBe("Invalid parameter type for 'qom-type', expected: string");
    expect(add({ 'qom-type': 'nope', id: 'a' })).toBe("Parameter 'qom-type' does not accept value 'nope'");
    expect(add({ 'qom-type': 'edu', id: 'a' })).toBe("Parameter 'qom-type' does not accept value 'edu'");
    expect(ram({ size: 4096 })).toBe("Parameter 'id' is missing");
    expect(ram({ id: 'a' })).toBe("Parameter 'size' is missing");
    expect(ram({ id: 'a', size: '1M' })).toBe("Parameter 'size' expects uint64");
    expect(ram({ id: '9', size: 4096 })).toBe("Parameter 'id' expects an identifier");
    expect(ram({ id: 'a', size: 4096, nope: 1 })).toBe("Parameter 'nope' is unexpected");
    expect(ram({ id: 'a', size: 0 })).toBe("property 'size' of memory-backend-ram doesn't take value '0'");
    const limit = 1n << 44n;
    for (const size of [limit + 1n, 1n << 53n, 1n << 60n]) {
      expect(ram({ id: 'a', size })).toBe("cannot set up guest memory 'a': Cannot allocate memory");
    }
    expect(ram({ id: 'a', size: limit })).toBe('{}');
    expect(remove('a')).toBe('{}');
    expect(remove('a')).toBe("object 'a' not found");
    expect(ram({ id: 'a', size: 4096 })).toBe('{}');
    expect(ram({ id: 'a', size: 4096 })).toBe("attempt to add duplicate property 'a' to object (type 'container')");
    expect(remove('a')).toBe('{}');
    expect(remove('a')).toBe("object 'a' not found");
    expect(ram({ id: 'a', size: 4096, 'prealloc-threads': 0 })).toBe(
      "property 'prealloc-threads' of memory-backend-ram doesn't take value '0'",
    );
    expect(ram({ id: 'a', size: 4096, prealloc: true, reserve: false })).toBe(
      "'prealloc=on' and 'reserve=off' are incompatible",
    );
    expect(ram({ id: 'a', size: 4096, policy: 'bind' })).toBe('host-nodes must be set for policy bind');
    expect(ram({ id: 'a', size: 4096, policy: 'bind', 'host-nodes': [200] })).toBe('Invalid host-nodes value: 200');
    for (const node of [-1, 70_000]) {
      expect(ram({ id: 'a', size: 4096, 'host-nodes': [node] })).toBe("Parameter 'null' expects uint16_t");
    }
    expect(ram({ id: 'a', size: 4096, 'host-nodes': '0' })).toBe(
      "Invalid parameter type for 'host-nodes', expected: array",
    );
    expect(ram({ id: 'a', size: 4096, 'host-nodes': ['x'] })).toBe("Parameter 'host-nodes[0]' expects uint64");
    expect(ram({ id: 'a', size: 4096, 'prealloc-context': 'nope' })).toBe("DeviceNotFound: Device 'nope' not found");
    expect(ram({ id: 'a', size: 4096, 'prealloc-context': 'pc.ram' })).toBe(
      "Invalid parameter type for 'prealloc-context', expected: thread-context",
    );
    expect(remove('pc.ram')).toBe("object 'pc.ram' is in use, can not be deleted");
  });

  it('and keeps what RAM was made from', () => {
    const { rig, add } = rigWith();
    expect(add({ 'qom-type': 'memory-backend-ram', id: 'a', size: 4096, share: true })).toBe('{}');
    const ram = rig.machine.tree.objects.child('a')!;
    expect(() => ram.setJson('size', 8192)).toThrow('cannot change property size of memory-backend-ram ');
    expect(() => ram.setJson('share', false)).toThrow('cannot change property value');
    expect(() => ram.setJson('reserve', false)).toThrow('cannot change property value');
    ram.setJson('merge', false);
    expect([ram.get('size'), ram.get('share'), ram.get('merge')]).toEqual([4096n, true, false]);
  });

  it('takes sizes with units on the command line', () => {
    const objects = [{ values: { 'qom-type': 'memory-backend-ram', id: 'mb0', size: '1M' } }];
    const rig = new MachineRig({ objects });
    expect(rig.machine.tree.objects.child('mb0')?.get('size')).toBe(1048576n);
  });
});

describe('a host function of one’s own', () => {
  it('can be assigned, and goes when no device uses it', () => {
    const { rig, add, remove } = rigWith();
    const values = { 'qom-type': 'host-function', id: 'hf0', bdf: '0000:81:00.0', group: 40, 'pasid-bits': 8 };
    expect(add(values)).toBe('{}');
    expect(rig.add({ driver: 'vfio-pci', id: 'nic0', host: '81:00.0' })).toBe('{}');
    expect(rig.machine.describeVfio()[0]?.groups).toEqual([{ id: 40, devices: ['nic0'] }]);
    expect(remove('hf0')).toContain("is used by device 'nic0'");
    expect(rig.machine.tree.objects.child('hf0')).not.toBeNull();
    rig.remove('nic0');
    expect(remove('hf0')).toBe('{}');
    expect(rig.add({ driver: 'vfio-pci', host: '81:00.0' })).toContain('no such host device');
  });

  it('without group cannot', () => {
    const { rig, add } = rigWith();
    expect(add({ 'qom-type': 'host-function', id: 'hf0', bdf: '81:00.0' })).toBe('{}');
    expect(rig.add({ driver: 'vfio-pci', host: '81:00.0' })).toBe(
      'vfio 0000:81:00.0: no iommu_group found: No such file or directory',
    );
  });

  it('is refused for a bad or taken address, and leaves nothing', () => {
    const { rig, add } = rigWith();
    const before = rig.machine.host.describe();
    expect(add({ 'qom-type': 'host-function', id: 'hf0' })).toBe("Parameter 'bdf' is missing");
    expect(add({ 'qom-type': 'host-function', id: 'hf0', bdf: 'zz' })).toBe(
      "Property 'host-function.bdf' doesn't take value 'zz'",
    );
    expect(add({ 'qom-type': 'host-function', id: 'hf0', bdf: '3b:00.0' })).toContain('0000:3b:00.0 already');
    expect(add({ 'qom-type': 'host-function', id: 'hf0', bdf: '81:00.0', 'pasid-bits': 21 })).toContain("'pasid-bits'");
    expect(rig.machine.tree.objects.child('hf0')).toBeNull();
    expect(rig.machine.host.describe()).toEqual(before);
  });
});

describe('the host IOMMU', () => {
  it('is set by one object, before devices use it, and set back by its removal', () => {
    const { rig, add, remove } = rigWith();
    const before = rig.machine.host.describe();
    expect(add({ 'qom-type': 'host-iommu', id: 'h0', 'pasid-bits': 8, nesting: false, 'page-sizes': '4K:2M' })).toBe(
      '{}',
    );
    expect(rig.machine.host.describe().capabilities).toMatchObject({
      'pasid-bits': 8,
      nesting: false,
      'page-sizes': [4096n, 0x20_0000n],
    });
    expect(add({ 'qom-type': 'host-iommu', id: 'h1' })).toBe(
      "The host has one IOMMU, set by object 'h0'; delete that object first",
    );
    expect(remove('h0')).toBe('{}');
    expect(rig.machine.host.describe()).toEqual(before);
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    expect(add({ 'qom-type': 'host-iommu', id: 'h0' })).toContain('in use by nic0');
    expect(rig.machine.tree.objects.child('h0')).toBeNull();
  });

  it('can be described on the command line', () => {
    const values = { 'qom-type': 'host-iommu', id: 'h0', 'address-bits': '52', formats: 'vtd-ecs', ats: 'off' };
    const rig = new MachineRig({ objects: [{ values }] });
    expect(rig.machine.host.describe().capabilities).toMatchObject({
      'address-bits': 52,
      formats: ['vtd-ecs'],
      ats: false,
    });
  });
});

describe('memory-backend-file', () => {
  it('refuses a device that cannot be mapped, and leaves nothing behind', () => {
    const { add, remove } = rigWith();
    expect(add({ 'qom-type': 'memory-backend-file', id: 'f', 'mem-path': '/dev/null', size: 4096 })).toBe(
      'unable to map backing store for guest RAM: No such device',
    );
    expect(remove('f')).toBe("object 'f' not found");
  });
});

describe('qom-set as QEMU refuses it', () => {
  const { rig, add } = rigWith();
  add({ 'qom-type': 'iothread', id: 'io' });

  it.each([
    ['/objects/io', 'thread-pool-min', 100n, 'bad thread-pool-min/thread-pool-max values'],
    ['/objects/io', 'thread-pool-max', 0n, 'bad thread-pool-min/thread-pool-max values'],
    ['/objects/io', 'thread-pool-max', 10n, '{}'],
    ['/machine', 'phandle-start', '4', "Invalid parameter type for 'phandle-start', expected: integer"],
    ['/machine', 'phandle-start', -1n, '{}'],
    [
      '/machine',
      'max-ram-below-4g',
      8n << 30n,
      "Machine option 'max-ram-below-4g=8589934592' expects size less than or equal to 4G",
    ],
    ['/machine', 'max-ram-below-4g', 1n << 30n, '{}'],
    ['/machine', 'smbios-entry-point-type', 'zz', "Parameter 'smbios-entry-point-type' does not accept value 'zz'"],
    ['/machine', 'smbios-entry-point-type', '64', '{}'],
    [
      '/machine',
      'max-fw-size',
      100n << 20n,
      'User specified max allowed firmware size 104857600 is greater than 16MiB. If combined firwmare size exceeds ' +
        '16MiB the system may not boot, or experience intermittentstability issues.',
    ],
    ['/machine', 'x-oem-id', 'toolong', 'User specified x-oem-id value is bigger than 6 bytes in size'],
    ['/machine', 'x-oem-table-id', 'muchtoolong', 'User specified x-oem-table-id value is bigger than 8 bytes in size'],
  ])('%s %s %s', (path, property, value, answer) => {
    expect(rig.command(() => qomSet(rig.machine.qom, path, property, value))).toBe(answer);
  });
});
