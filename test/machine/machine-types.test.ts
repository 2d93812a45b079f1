import { describe, expect, it } from 'vitest';
import { formatBdf } from '../../src/core/bdf.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { machineTypes } from '../../src/machine/types.ts';
import { MachineRig, startError } from './support.ts';

const GIB = 1n << 30n;
const MIB = 1n << 20n;

const where = (machine: Machine): string[] =>
  machine.devices().map((device) => `${formatBdf(device.bdf())} ${device.driver} ${device.label}`);

const ram = (machine: Machine): string[] =>
  machine.memory.flatView.ranges
    .filter(({ kind }) => kind === 'ram')
    .map(({ start, last, region, offsetInRegion }) => {
      return `${start.toString(16)}-${last.toString(16)} ${region.name}@${offsetInRegion.toString(16)}`;
    });

const fixedFunctions = [
  '0000:00:00.0 mch /machine/q35/mch',
  '0000:00:1f.0 ICH9-LPC /machine/unattached/device[2]',
  '0000:00:1f.2 ich9-ahci /machine/unattached/device[15]',
  '0000:00:1f.3 ICH9-SMB /machine/unattached/device[16]',
];
const ports = [0, 1, 2, 3, 4, 5, 6, 7].map((port) => `0000:00:1${port}.0 pcie-root-port rp${port}`);

describe('machine viommu', () => {
  it('is the default: 4 GiB, a vIOMMU, eight free root ports', () => {
    const { machine } = new MachineRig();
    expect(machine.type.name).toBe('viommu');
    expect(machine.memorySummary()).toEqual({ 'base-memory': 4n * GIB, 'plugged-memory': 0n });
    expect(where(machine)).toEqual([fixedFunctions[0], ...ports, ...fixedFunctions.slice(1)]);
    expect(machine.units.map(({ kind }) => kind)).toEqual(['intel-iommu']);
    expect(machine.units[0]!.describe().capabilities).toMatchObject({ 'caching-mode': true, 'pasid-bits': 20 });
  });

  it('keeps its ports under -nodefaults, and nothing else', () => {
    const { machine } = new MachineRig({ noDefaults: true });
    expect(where(machine)).toEqual([fixedFunctions[0], ...ports, ...fixedFunctions.slice(1)]);
    expect(machine.units).toEqual([]);
    expect(machine.memorySize).toBe(128n * MIB);
  });

  it('leaves its vIOMMU out for one that is asked for', () => {
    const { machine } = new MachineRig({ devices: [{ values: { driver: 'intel-iommu', id: 'mine' } }] });
    expect(machine.units.map(({ name }) => name)).toEqual(['mine']);
  });

  it('numbers its buses, at the start and at each reset', () => {
    const { machine } = new MachineRig();
    const numbers = (): number[] =>
      machine
        .rootBus!.functions()
        .flatMap((one) => one.childBuses.map((bus) => ('number' in bus ? Number(bus.number) : -1)));
    expect(numbers()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    machine.reset();
    expect(numbers()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('gives a hot-added device without bus the first free port', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu', id: 'e0' });
    rig.add({ driver: 'pci-testdev', id: 't0', bus: 'rp2' });
    rig.add({ driver: 'edu', id: 'e1' });
    rig.add({ driver: 'edu', id: 'e2' });
    const at = (id: string): string => formatBdf(rig.machine.findPciDevice(id).bdf());
    expect(['e0', 't0', 'e1', 'e2'].map(at)).toEqual(['0000:01:00.0', '0000:03:00.0', '0000:02:00.0', '0000:04:00.0']);
    for (const id of ['e3', 'e4', 'e5', 'e6']) expect(rig.add({ driver: 'edu', id })).toBe('{}');
    expect(rig.add({ driver: 'edu', id: 'e7' })).toBe(
      'No root port is free for the device: remove one with device_del, or start with more pcie-root-port devices',
    );
    rig.remove('e1');
    rig.add({ driver: 'edu', id: 'e7' });
    expect(at('e7')).toBe('0000:02:00.0');
  });

  it('puts a device of the command line on the root bus', () => {
    const { machine } = new MachineRig({ devices: [{ values: { driver: 'edu', id: 'e0' } }] });
    expect(formatBdf(machine.findPciDevice('e0').bdf())).toBe('0000:00:01.0');
  });

  it('realizes a vIOMMU before the devices that were written in front of it', () => {
    const { machine } = new MachineRig({
      noDefaults: true,
      devices: [
        { values: { driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' } },
        { values: { driver: 'intel-iommu', 'caching-mode': 'on' } },
      ],
    });
    expect(machine.notifiers()).toMatchObject([{ device: 'nic0', kind: 'object' }]);
  });
});

describe('machine q35', () => {
  it.each(['q35', 'pc-q35-7.2'])('is bare as %s', (type) => {
    const { machine } = new MachineRig({ type });
    expect(machine.type.qomType).toBe('pc-q35-7.2-machine');
    expect(where(machine)).toEqual(fixedFunctions);
    expect(machine.units).toEqual([]);
  });

  it('leaves all bus numbers at 0', () => {
    const { machine } = new MachineRig({
      type: 'q35',
      devices: [
        { values: { driver: 'pcie-root-port', id: 'rp1' } },
        { values: { driver: 'edu', id: 'e0', bus: 'rp1' } },
      ],
    });
    expect(formatBdf(machine.findPciDevice('e0').bdf())).toBe('0000:00:00.0');
    expect(machine.findPciDevice('00:00.0').driver).toBe('mch');
  });

  it.each([
    [128n * MIB, ['0-7ffffff pc.ram@0']],
    [2816n * MIB - 4096n, ['0-afffefff pc.ram@0']],
    [2816n * MIB, ['0-7fffffff pc.ram@0', '100000000-12fffffff pc.ram@80000000']],
    [2817n * MIB, ['0-7fffffff pc.ram@0', '100000000-1300fffff pc.ram@80000000']],
    [4n * GIB, ['0-7fffffff pc.ram@0', '100000000-17fffffff pc.ram@80000000']],
  ])('lays %d bytes of RAM out as QEMU does', (memory, expected) => {
    expect(ram(new MachineRig({ type: 'q35', memory }).machine)).toEqual(expected);
  });
});

describe('machine none', () => {
  it('has neither bus nor RAM', () => {
    const rig = new MachineRig({ type: 'none' });
    expect(rig.machine.rootBus).toBeNull();
    expect(rig.machine.devices()).toEqual([]);
    expect(ram(rig.machine)).toEqual([]);
    expect(rig.machine.memorySummary()['base-memory']).toBe(0n);
    expect(rig.add({ driver: 'pci-testdev' })).toBe("No 'PCI' bus found for device 'pci-testdev'");
    expect(rig.add({ driver: 'edu', bus: 'pcie.0' })).toBe("Bus 'pcie.0' not found");
    expect(rig.add({ driver: 'intel-iommu' })).toBe("Parameter 'driver' expects a pluggable device type");
  });
});

describe('the command line', () => {
  it.each([
    ['nope', "'nope' is not a valid device model name"],
    ['edu,addr=zz', "Property 'edu.addr' doesn't take value 'zz'"],
    ['edu,nope=1', "Property 'edu.nope' not found"],
    ['edu,bus=nope', "Bus 'nope' not found"],
    [
      'vfio-pci,host=0000:ff:1f.7',
      'vfio /sys/bus/pci/devices/0000:ff:1f.7: no such host device: No such file or directory',
    ],
    [
      'vfio-pci',
      'No provided host device\nUse -device vfio-pci,host=DDDD:BB:DD.F or -device vfio-pci,sysfsdev=PATH_TO_DEVICE',
    ],
    ['vfio-pci,host=zz', "Property 'vfio-pci.host' doesn't take value 'zz'"],
    [
      'edu,id=1a',
      "Parameter 'id' expects an identifier\n" +
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
    ],
    ['edu,addr=1f.0', 'PCI: slot 31 function 0 not available for edu, in use by ICH9-LPC,id=(null)'],
    ['intel-iommu,caching-mode=x', "Parameter 'caching-mode' expects 'on' or 'off'"],
  ])('-device %s is refused with its text', (text, sentence) => {
    const [driver, ...pairs] = text.split(',');
    const values = Object.fromEntries([['driver', driver], ...pairs.map((pair) => pair.split('='))]) as object;
    const option = `-device ${text}`;
    expect(startError({ type: 'q35', devices: [{ values: values as never, option }] })).toBe(`${option}: ${sentence}`);
  });

  it('refuses a second device of one id, and a second vIOMMU', () => {
    const twice = (values: Record<string, string>, option: string) =>
      startError({ type: 'q35', devices: [{ values }, { values, option }] });
    expect(twice({ driver: 'edu', id: 'a' }, '-device edu,id=a')).toBe("-device edu,id=a: Duplicate ID 'a' for device");
    expect(twice({ driver: 'intel-iommu' }, '-device intel-iommu')).toBe(
      '-device intel-iommu: QEMU does not support multiple vIOMMUs for x86 yet.',
    );
  });

  it('refuses an unknown machine, object and machine property', () => {
    expect(startError({ type: 'nope' })).toBe('unsupported machine type\nUse -machine help to list supported machines');
    expect(startError({ objects: [{ values: { 'qom-type': 'nope', id: 'x' }, option: '-object nope,id=x' }] })).toBe(
      "-object nope,id=x: Parameter 'qom-type' does not accept value 'nope'",
    );
    expect(startError({ type: 'q35', properties: { nope: '1' }, option: '-M q35,nope=1' })).toBe(
      "-M q35,nope=1: Property 'pc-q35-7.2-machine.nope' not found",
    );
  });

  it('refuses a vIOMMU on a machine without PCI', () => {
    expect(startError({ type: 'none', devices: [{ values: { driver: 'intel-iommu' } }] })).toBe(
      'intel-iommu needs a machine with PCI; choose -M viommu or q35',
    );
  });

  it.each(['intel-iommu', 'amd-iommu', 'virtio-iommu-pci'])('refuses %s on a machine with another vIOMMU', (driver) => {
    const refusal = (type: string) => startError({ type, devices: [{ values: { driver } }] });
    const sentence = (kind: string) =>
      `${driver} is for machines without vIOMMU, and this one always has ${kind}; choose -M viommu or q35`;
    expect(refusal('pseries')).toBe(sentence('spapr-tce'));
    expect(refusal('s390-ccw-virtio')).toBe(sentence('s390-pci-iommu'));
  });

  it('names every machine once', () => {
    expect(machineTypes().map(({ name, alias, isDefault }) => [name, alias, isDefault])).toEqual([
      ['viommu', undefined, true],
      ['pc-q35-7.2', 'q35', false],
      ['pseries-7.2', 'pseries', false],
      ['s390-ccw-virtio-7.2', 's390-ccw-virtio', false],
      ['none', undefined, false],
    ]);
  });
});
