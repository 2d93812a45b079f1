import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';
import { spaceAt } from '../iommu/space-at.ts';

const q35 = { type: 'q35', devices: [{ values: { driver: 'pcie-root-port', id: 'rp1' } }] };

describe('unplug on machine viommu', () => {
  it('is acknowledged at once: the event follows the reply', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu', id: 'e0' });
    rig.take();
    expect(rig.remove('e0')).toBe('{}');
    expect(rig.take()).toEqual(['reply {}', 'DEVICE_DELETED {"device":"e0","path":"/machine/peripheral/e0"}']);
    expect(rig.remove('e0')).toBe("DeviceNotFound: Device 'e0' not found");
  });

  it('works by path; a device without id is told by path alone', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu' });
    rig.take();
    rig.remove('/machine/peripheral-anon/device[1]');
    expect(rig.take()[1]).toBe('DEVICE_DELETED {"path":"/machine/peripheral-anon/device[1]"}');
  });

  it('puts the slot back to what the registers say, which is nobody’s switch', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu', id: 'e0', bus: 'rp0' });
    const { bus, devfn } = rig.machine.findPciDevice('e0');
    rig.machine.units[0]!.setBypass(spaceAt(rig.machine.units[0]!, bus, devfn), 'translate');
    expect(rig.model.map(({ name }) => name)).toEqual(['IOMMU_REGION_SWITCHED']);
    rig.remove('e0');
    rig.add({ driver: 'edu', id: 'e1', bus: 'rp0' });
    expect(rig.model).toHaveLength(1);
    expect(rig.machine.units[0]!.describe().devices.at(-1)).toMatchObject({ device: 'e1', bypass: true });
  });

  it('refuses what sits on the root bus, or is no device', () => {
    const rig = new MachineRig({ devices: [{ values: { driver: 'edu', id: 'e0' } }] });
    expect(['rp0', 'e0', '/machine/q35/mch'].map((id) => rig.remove(id))).toEqual(
      Array(3).fill("Bus 'pcie.0' does not support hotplugging"),
    );
    expect(rig.remove('/machine')).toBe('/machine is not a hotpluggable device');
    expect(rig.remove('/objects/pc.ram')).toBe('/objects/pc.ram is not a hotpluggable device');
  });

  it('can be left to a guest', () => {
    const rig = new MachineRig({ properties: { 'unplug-ack': 'guest' } });
    rig.add({ driver: 'edu', id: 'e0' });
    rig.take();
    rig.remove('e0');
    expect(rig.take()).toEqual(['reply {}']);
  });
});

describe('a reset ejects what waits for a guest', () => {
  const port = (id: string, chassis: number, addr: number): { values: Record<string, unknown> } => ({
    values: { driver: 'pcie-root-port', id, chassis, addr },
  });
  const edu = (id: string, bus: string, addr?: string): Record<string, unknown> => ({
    driver: 'edu',
    id,
    bus,
    ...(addr === undefined ? {} : { addr }),
  });

  // Orders and whole slots as QEMU 7.2.22 gave them to the same requests.
  it.each<[string, Record<string, unknown>[], string[], string[]]>([
    [
      'the newest port first',
      [edu('x', 'A', '0'), edu('y', 'B', '0'), edu('z', 'C', '0')],
      ['y', 'x', 'z'],
      ['z', 'y', 'x'],
    ],
    ['slot by slot', [edu('x', 'A'), edu('y', 'A'), edu('z', 'A')], ['z', 'x'], ['x', 'z']],
    ['a slot whole', [edu('x', 'A', '0.1'), { ...edu('y', 'A', '0.0'), multifunction: 'on' }], ['x'], ['y', 'x']],
    ['a function that is alone', [edu('x', 'A', '0.1')], ['x'], ['x']],
  ])('%s', (_, added, removed, deleted) => {
    const rig = new MachineRig({ type: 'q35', devices: [port('A', 1, 7), port('B', 2, 5), port('C', 3, 6)] });
    for (const values of added) expect(rig.add(values)).toBe('{}');
    for (const id of removed) expect(rig.remove(id)).toBe('{}');
    rig.take();
    rig.command((afterReply) => rig.machine.reset(afterReply));
    const lines = rig.take().filter((line) => line.startsWith('DEVICE_DELETED'));
    expect(lines).toEqual(deleted.map((id) => `DEVICE_DELETED {"device":"${id}","path":"/machine/peripheral/${id}"}`));
    expect(rig.machine.hotplug.pending).toEqual([]);
  });

  it('and the number of a device without id is not given again', () => {
    const rig = new MachineRig({ type: 'q35', devices: [port('A', 1, 7)] });
    rig.add({ driver: 'edu', bus: 'A' });
    rig.remove('/machine/peripheral-anon/device[0]');
    rig.command((afterReply) => rig.machine.reset(afterReply));
    rig.add({ driver: 'edu', bus: 'A', nope: 1 });
    rig.add({ driver: 'edu', bus: 'A' });
    expect(rig.remove('/machine/peripheral-anon/device[1]')).toBe('{}');
  });
});

describe('unplug of a bridge', () => {
  const deleted = (id: string): string => `DEVICE_DELETED {"device":"${id}","path":"/machine/peripheral/${id}"}`;

  it('takes along what sits behind it, deepest first', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'pcie-root-port', id: 'deep', bus: 'rp0', chassis: 9 });
    rig.add({ driver: 'vfio-pci', id: 'nic0', bus: 'deep', host: '0000:3b:00.0' });
    rig.take();
    expect(rig.remove('deep')).toBe('{}');
    expect(rig.take()).toEqual(['reply {}', deleted('nic0'), deleted('deep')]);
    expect(rig.machine.describeVfio()).toEqual([]);
  });

  it('ends with the reset, too, where a guest was asked, and tells each device once', () => {
    const rig = new MachineRig(q35);
    rig.add({ driver: 'pcie-root-port', id: 'deep', bus: 'rp1', chassis: 9 });
    rig.add({ driver: 'edu', id: 'e0', bus: 'deep' });
    rig.remove('deep');
    rig.remove('e0');
    rig.take();
    expect(rig.command((afterReply) => rig.machine.reset(afterReply))).toBe('{}');
    expect(rig.take().slice(-2)).toEqual([deleted('e0'), deleted('deep')]);
    expect(rig.remove('deep')).toBe("DeviceNotFound: Device 'deep' not found");
  });
});

describe('unplug on machine q35', () => {
  it('waits for a guest, and ends with a reset, behind its reply', () => {
    const rig = new MachineRig(q35);
    rig.add({ driver: 'pci-testdev', id: 't2', bus: 'rp1' });
    expect(rig.remove('t2')).toBe('{}');
    expect(rig.remove('t2')).toBe('Device t2 is already in the process of unplug');
    expect(rig.remove('/machine/peripheral/t2')).toBe(
      'Device /machine/peripheral/t2 is already in the process of unplug',
    );
    expect(rig.machine.findPciDevice('t2').realized).toBe(true);
    expect(rig.add({ driver: 'edu', id: 't2', bus: 'rp1' })).toBe("Duplicate device ID 't2'");
    rig.take();
    rig.command((afterReply) => rig.machine.reset(afterReply));
    expect(rig.take()).toEqual([
      'RESET {"guest":false,"reason":"host-qmp-system-reset"}',
      'reply {}',
      'DEVICE_DELETED {"device":"t2","path":"/machine/peripheral/t2"}',
    ]);
    expect(rig.command(() => rig.machine.findPciDevice('t2'))).toBe("DeviceNotFound: Device 't2' not found");
  });

  it('can be acknowledged at once', () => {
    const rig = new MachineRig({ ...q35, properties: { 'unplug-ack': 'at-once' } });
    rig.add({ driver: 'pci-testdev', id: 't2', bus: 'rp1' });
    rig.take();
    rig.remove('t2');
    expect(rig.take()).toEqual(['reply {}', 'DEVICE_DELETED {"device":"t2","path":"/machine/peripheral/t2"}']);
  });

  it('is remembered over save and restore', () => {
    const rig = new MachineRig(q35);
    rig.add({ driver: 'pci-testdev', id: 't2', bus: 'rp1' });
    const idle = rig.machine.hotplug.save();
    rig.remove('t2');
    const pending = rig.machine.hotplug.save();
    rig.machine.hotplug.restore(idle);
    expect(rig.machine.hotplug.pending).toEqual([]);
    rig.machine.hotplug.restore(pending);
    expect(rig.machine.hotplug.save()).toEqual({ pending: ['/machine/peripheral/t2'], anonymous: 0 });
  });

  it('refuses hotplug below a port with hotplug=off', () => {
    const rig = new MachineRig({
      type: 'q35',
      devices: [{ values: { driver: 'pcie-root-port', id: 'rp2', hotplug: 'off' } }],
    });
    expect(rig.add({ driver: 'edu', bus: 'rp2' })).toBe("Bus 'rp2' does not support hotplugging");
  });
});

describe('a vfio-pci device that leaves', () => {
  it('leaves no mapping, listener, binding or page table', () => {
    const rig = new MachineRig();
    const before = rig.machine.host.describe();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const { addressSpace } = rig.machine.findPciDevice('nic0');
    addressSpace.iommuObject()!.bind({ address: 0x1000n as never, size: 0x1000n, format: 'vtd-scalable' }, 'command');
    rig.model.length = 0;
    rig.remove('nic0');
    expect(rig.model.map(({ name }) => name)).toEqual([
      'IOMMU_PASID_TABLE_UNBOUND',
      'VFIO_DMA_UNMAPPED',
      'VFIO_DMA_UNMAPPED',
    ]);
    expect(rig.machine.describeVfio()).toEqual([]);
    expect(rig.machine.notifiers()).toEqual([]);
    expect(addressSpace.listeners).toEqual([]);
    expect(addressSpace.iommuObject()!.binding).toBeNull();
    expect(rig.machine.host.describe()).toEqual(before);
    expect(rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' })).toBe('{}');
  });

  it('in the middle of a transfer leaves neither that nor what it had cached, and gives its memory back', () => {
    const rig = new MachineRig();
    const { machine } = rig;
    const before = machine.host.describe();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const device = machine.findPciDevice('nic0');
    const done = machine.dmas.run({ device, write: true, address: 0x1000n, data: Uint8Array.of(1) });
    expect(done).not.toBeInstanceOf(Promise);
    expect(machine.host.iotlbEntries('nic0').length).toBeGreaterThan(0);
    const late: (() => void)[] = [];
    const order = { device, write: false, address: 0x2000n, data: new Uint8Array(8) };
    machine.operations.run(() => machine.dmas.start(order, 'hex', (action) => late.push(action)));
    expect(machine.dmas.pending()).toHaveLength(1);
    rig.model.length = 0;
    rig.remove('nic0');
    expect(rig.model[0]).toMatchObject({
      name: 'DMA_COMPLETED',
      data: { device: 'nic0', status: 'error', desc: expect.stringContaining("Device 'nic0' was unplugged") as string },
    });
    for (const action of late) action();
    expect(rig.model.filter(({ name }) => name === 'DMA_COMPLETED')).toHaveLength(1);
    expect(machine.dmas.pending()).toEqual([]);
    expect(machine.host.iotlbEntries()).toEqual([]);
    expect(machine.describeVfio()).toEqual([]);
    expect(machine.host.describe()['page-tables']).toEqual(before['page-tables']);
  });

  it('hands its slot on as the unit has it', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const { bus, devfn } = rig.machine.findPciDevice('nic0');
    rig.machine.units[0]!.setBypass(spaceAt(rig.machine.units[0]!, bus, devfn), 'translate');
    // One for each part of the IOMMU region that shows: the interrupt range lies between them.
    expect(rig.machine.notifiers().map(({ kind, start, last }) => [kind, start, last])).toEqual([
      ['region', 0n, 0xfedf_ffffn],
      ['region', 0xfef0_0000n, 0xffff_ffff_ffff_ffffn],
      ['object', undefined, undefined],
    ]);
    rig.remove('nic0');
    rig.add({ driver: 'vfio-pci', id: 'nic1', host: '3b:00.0', bus: bus.busName });
    expect(rig.machine.notifiers().map(({ kind }) => kind)).toEqual(['object']);
  });
});

describe('a bridge that was there from the start', () => {
  it('stays at a reset, with what is behind it, and its unplug stays pending', () => {
    const rig = new MachineRig({
      ...q35,
      devices: [...q35.devices, { values: { driver: 'pcie-pci-bridge', id: 'br', bus: 'rp1' } }],
    });
    rig.add({ driver: 'edu', id: 'e0', bus: 'br', addr: '3' });
    expect(rig.remove('br')).toBe('{}');
    rig.take();
    rig.command((afterReply) => rig.machine.reset(afterReply));
    expect(rig.take().filter((text) => text.startsWith('DEVICE_DELETED'))).toEqual([]);
    expect(rig.remove('br')).toBe('Device br is already in the process of unplug');
    expect(rig.machine.findDevice('e0').id).toBe('e0');
  });
});

describe('several faults in one device_add', () => {
  it('are told in the order of the dictionary of QEMU', () => {
    const rig = new MachineRig();
    expect(rig.add({ driver: 'edu', foo: 'x', bar: 'y' })).toBe("Property 'edu.bar' not found");
    expect(rig.add({ driver: 'edu', addr: '20', 'acpi-index': -1 })).toBe("Parameter 'acpi-index' expects uint32_t");
  });
});
