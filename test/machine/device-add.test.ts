import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';

interface Step {
  op: string;
  send?: string;
  recv?: { return?: unknown; error?: { class: string; desc: string } }[];
}

/** The commands of a recording of QEMU, with its answers. */
function recorded(name: string): { execute: string; arguments: Record<string, unknown>; answer: string }[] {
  const url = new URL(`../conformance/transcripts/${name}.json`, import.meta.url);
  const { steps } = JSON.parse(readFileSync(url, 'utf8')) as { steps: Step[] };
  return steps.flatMap(({ send, recv }) => {
    const request =
      send?.startsWith('{') === true ? (JSON.parse(send) as { execute: string; arguments?: object }) : null;
    const reply = recv?.find((message) => 'return' in message || 'error' in message);
    if (request === null || reply === undefined) return [];
    const { error } = reply;
    const answer =
      error === undefined ? '{}' : error.class === 'GenericError' ? error.desc : `${error.class}: ${error.desc}`;
    return [{ execute: request.execute, arguments: { ...request.arguments }, answer }];
  });
}

/** What the recording did with devices that only QEMU has. */
const ELSEWHERE = /virtio|e1000|isa-serial|nvme|ivshmem|usb-|scsi-|pc-dimm|cpu|qemu-xhci|virtserialport/;

const plugged = (driver: string, more: Record<string, string> = {}) => ({ values: { driver, ...more } });

describe('device_add and device_del as QEMU recorded them', () => {
  it('on a q35 with a vIOMMU and two root ports', () => {
    const rig = new MachineRig({
      type: 'q35',
      memory: 64n << 20n,
      startPaused: true,
      noDefaults: true,
      objects: [{ values: { 'qom-type': 'memory-backend-ram', id: 'mb0', size: '1M' } }],
      devices: [
        plugged('intel-iommu', { intremap: 'off', 'caching-mode': 'on' }),
        plugged('pcie-root-port', { id: 'rp1', chassis: '1', addr: '03.0', multifunction: 'on' }),
        plugged('pcie-root-port', { id: 'rp2', chassis: '2', addr: '03.1' }),
        plugged('edu', { id: 'edu0', addr: '04.0' }),
      ],
    });
    let compared = 0;
    for (const { execute, arguments: values, answer } of recorded('device-add')) {
      if (ELSEWHERE.test(JSON.stringify(values)) || 'force' in values || answer === 'Boot CPU is unpluggable') continue;
      if (execute === 'device_add') {
        expect([values, rig.add(values)]).toEqual([values, answer]);
        compared += 1;
      } else if (execute === 'device_del' && typeof values['id'] === 'string') {
        expect([values, rig.remove(values['id'])]).toEqual([values, answer]);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(55);
  });

  it('on a q35 without vIOMMU', () => {
    const rig = new MachineRig({
      type: 'q35',
      devices: [plugged('pcie-root-port', { id: 'rp1', chassis: '1' })],
    });
    const commands = recorded('device-add-no-iommu').filter(({ execute, arguments: values }) => {
      return execute === 'device_add' && !ELSEWHERE.test(JSON.stringify(values));
    });
    expect(commands.map(({ arguments: values }) => rig.add(values))).toEqual(commands.map(({ answer }) => answer));
    expect(commands.length).toBe(2);
  });
});

describe('device_add', () => {
  it('checks driver, bus, hotplugging, id, properties and the device itself, in that order', () => {
    const rig = new MachineRig({ type: 'q35', devices: [plugged('pcie-root-port', { id: 'rp1' })] });
    const wrong = { driver: 'nope', bus: 'nope', id: 'rp1', nope: 1 };
    const answers = [
      wrong,
      { ...wrong, driver: 'vfio-pci' },
      { ...wrong, driver: 'vfio-pci', bus: 'pcie.0' },
      { ...wrong, driver: 'vfio-pci', bus: 'rp1' },
      { ...wrong, driver: 'vfio-pci', bus: 'rp1', id: 'v' },
      { driver: 'vfio-pci', bus: 'rp1', id: 'v' },
    ].map((values) => rig.add(values));
    expect(answers).toEqual([
      "'nope' is not a valid device model name",
      "Bus 'nope' not found",
      "Bus 'pcie.0' does not support hotplugging",
      "Duplicate device ID 'rp1'",
      "Property 'vfio-pci.nope' not found",
      'No provided host device',
    ]);
  });

  it('takes host functions as sysfs names them', () => {
    const rig = new MachineRig();
    expect(rig.add({ driver: 'vfio-pci', sysfsdev: '/sys/bus/pci/devices/0000:3b:00.0' })).toBe('{}');
    expect(rig.add({ driver: 'vfio-pci', sysfsdev: '/sys/bus/pci/devices/0000:00:00.0' })).toBe(
      'vfio 0000:00:00.0: no iommu_group found: No such file or directory',
    );
    expect(rig.machine.vfio.devices.map(({ name }) => name)).toEqual(['/machine/peripheral-anon/device[1]']);
  });

  it('refuses a host function twice, and an iommufd that is not there', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    expect(rig.add({ driver: 'vfio-pci', id: 'nic1', host: '3b:00.0' })).toBe(
      'vfio 0000:3b:00.0: device is already attached',
    );
    expect(rig.add({ driver: 'vfio-pci', id: 'nic1', host: '3b:00.1', iommufd: 'iommufd0' })).toBe(
      "DeviceNotFound: Device 'iommufd0' not found",
    );
  });

  it('asks the vIOMMU whether it can serve a host function', () => {
    const rig = new MachineRig({ noDefaults: true, devices: [plugged('intel-iommu')] });
    expect(rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' })).toBe(
      'vfio 0000:3b:00.0: Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
    );
  });

  it('takes properties in JSON and as texts', () => {
    const rig = new MachineRig();
    expect(rig.add({ driver: 'pci-testdev', id: 't0', membar: '1M' })).toBe('{}');
    expect(rig.add({ driver: 'pci-testdev', id: 't1', membar: 4096 })).toBe('{}');
    expect(rig.add({ driver: 'pci-testdev', membar: 'zz' })).toBe("Parameter 'membar' expects size");
    expect(rig.add({ driver: 'edu', dma_mask: 'x' })).toBe("Parameter 'dma_mask' expects integer");
    expect(rig.machine.tree.peripheral.child('t0')?.get('membar')).toBe(1048576n);
    expect(rig.machine.tree.peripheral.child('t1')?.get('membar')).toBe(4096n);
  });
});

describe('finding a device', () => {
  const rig = new MachineRig({ devices: [plugged('edu', { id: 'e0' }), plugged('edu')] });

  it.each(['e0', '/machine/peripheral/e0', '00:01.0', '0000:00:01.0'])('%s is the device with an id', (text) => {
    expect(rig.machine.findPciDevice(text).label).toBe('e0');
  });

  it.each([
    ['00:1f.2', '/machine/unattached/device[15]'],
    ['/machine/q35/mch', '/machine/q35/mch'],
    ['00:02.0', '/machine/peripheral-anon/device[1]'],
    ['rp0', 'rp0'],
  ])('%s is %s', (text, label) => {
    expect(rig.machine.findPciDevice(text).label).toBe(label);
  });

  it.each(['nope', '', '00:1e.0', '0001:00:01.0', '/machine', '/machine/peripheral-anon/device[0]', 'ff:00.0'])(
    "'%s' is none",
    (text) => {
      expect(rig.command(() => rig.machine.findPciDevice(text))).toBe(`DeviceNotFound: Device '${text}' not found`);
    },
  );

  it('finds units by id and path', () => {
    const path = '/machine/peripheral-anon/device[0]';
    expect(rig.machine.findUnit(path)).toBe(rig.machine.units[0]);
    expect(rig.command(() => rig.machine.findUnit('e0'))).toBe("DeviceNotFound: Device 'e0' not found");
    expect(rig.machine.spaceOf(rig.machine.findPciDevice('e0'))?.unit).toBe(rig.machine.units[0]);
  });
});
