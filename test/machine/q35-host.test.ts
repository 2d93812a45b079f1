import { describe, expect, it } from 'vitest';
import { qomGet, qomSet } from '../../src/qom/commands.ts';
import type { MachineConfig } from '../../src/machine/create.ts';
import { MachineRig } from './support.ts';

const plugged = (driver: string, more: Record<string, string> = {}) => ({ values: { driver, ...more } });

/** A machine as QEMU 7.2 was started for the recorded values. */
function q35(config: MachineConfig): MachineRig {
  return new MachineRig({ type: 'q35', startPaused: true, noDefaults: true, ...config });
}

const read = (rig: MachineRig, path: string, name: string): string =>
  `${qomGet(rig.machine.qom, path, name) as string | number | bigint | boolean}`;

describe('the host bridge of q35', () => {
  it.each([
    { memory: 128n << 20n, below: 134217728, above: 0, start: 4294967296, end: 38654705664 },
    { memory: 4n << 30n, below: 2147483648, above: 2147483648, start: 6442450944, end: 40802189312 },
  ])('tells of $memory bytes of RAM what QEMU tells', ({ memory, below, above, start, end }) => {
    const rig = q35({ memory });
    const names = [
      ...['MCFG', 'mcfg_size', 'pci-hole-start', 'pci-hole-end', 'pci-hole64-start', 'pci-hole64-end'],
      ...['pci-hole64-size', 'below-4g-mem-size', 'above-4g-mem-size', 'bypass-iommu', 'x-pci-hole64-fix'],
      ...['short_root_bus', 'x-config-reg-migration-enabled'],
    ];
    expect(names.map((name) => read(rig, '/machine/q35', name))).toEqual([
      ...['18446744073709551615', '0', String(below), '4273995776', String(start), String(end)],
      ...['34359738368', String(below), String(above), 'false', 'true', '0', 'true'],
    ]);
  });

  it('tells where configuration space shows once software has mapped it', () => {
    const rig = q35({});
    const hub = rig.machine.rootBus!.deviceAt(0)!;
    rig.command(() => hub.writeConfig(0x60, 4, 0xe000_0001));
    expect(read(rig, '/machine/q35', 'MCFG')).toBe(String(0xe000_0000));
    expect(read(rig, '/machine/q35', 'mcfg_size')).toBe(String(256 << 20));
  });

  it('moves the 64-bit hole to what bridges forward', () => {
    const rig = q35({ devices: [plugged('pcie-root-port', { id: 'rp', chassis: '1', addr: '3' })] });
    const port = rig.machine.rootBus!.deviceAt(3 << 3)!;
    rig.command(() => {
      for (const [offset, value] of [
        [0x24, 0x1001],
        [0x26, 0x1ff1],
      ] as const)
        port.writeConfig(offset, 2, value);
      for (const offset of [0x28, 0x2c]) port.writeConfig(offset, 4, 0x20);
      port.writeConfig(4, 2, 2);
    });
    expect(read(rig, '/machine/q35', 'pci-hole64-start')).toBe(String(0x20_1000_0000n));
    expect(read(rig, '/machine/q35', 'pci-hole64-end')).toBe(String(0x28_4000_0000n));
  });

  it('takes no value any more', () => {
    const rig = q35({});
    const set = (name: string) => rig.command(() => qomSet(rig.machine.qom, '/machine/q35', name, 1));
    expect(set('pci-hole64-size')).toBe(
      "Attempt to set property 'pci-hole64-size' on anonymous device (type 'q35-pcihost') after it was realized",
    );
    expect(set('pci-hole-start')).toBe("Property 'q35-pcihost.pci-hole-start' is not writable");
  });
});

describe('acpi-pcihp-bsel', () => {
  it('numbers the buses that take devices as QEMU does, once', () => {
    const port = (id: string, chassis: string, more = {}) => plugged('pcie-root-port', { id, chassis, ...more });
    const rig = q35({
      devices: [
        port('b1', '1'),
        port('b0', '2'),
        plugged('pcie-pci-bridge', { id: 'pb', bus: 'b1' }),
        port('b3', '3', { hotplug: 'off' }),
      ],
    });
    const numbers = () =>
      ['b1', 'b0', 'pb'].map((id) => read(rig, `/machine/peripheral/${id}/${id}`, 'acpi-pcihp-bsel'));
    expect(numbers()).toEqual(['1', '0', '2']);
    expect(rig.command(() => rig.machine.reset())).toBe('{}');
    expect(numbers()).toEqual(['1', '0', '2']);
    expect(() => read(rig, '/machine/peripheral/b3/b3', 'acpi-pcihp-bsel')).toThrow(
      "Property 'PCIE.acpi-pcihp-bsel' not found",
    );
    expect(() => read(rig, '/machine/q35/pcie.0', 'acpi-pcihp-bsel')).toThrow('not found');
  });
});

describe('vIOMMUs', () => {
  it('read what auto has become', () => {
    const unit = (driver: string, more = {}): MachineRig => q35({ devices: [plugged(driver, { id: 'u', ...more })] });
    expect(read(unit('intel-iommu'), 'u', 'intremap')).toBe('on');
    expect(read(unit('intel-iommu'), 'u', 'eim')).toBe('on');
    expect(read(unit('intel-iommu', { intremap: 'off', 'x-buggy-eim': 'on' }), 'u', 'eim')).toBe('off');
    expect(read(unit('intel-iommu', { version: '32' }), 'u', 'version')).toBe('32');
    expect(read(unit('amd-iommu'), 'u', 'intremap')).toBe('on');
  });

  it.each([
    ...['intel-iommu', 'amd-iommu', 'ioapic', 'virtio-iommu-pci', 'q35-pcihost', 'mch'].map((driver) => [
      driver,
      "Parameter 'driver' expects a pluggable device type",
    ]),
    ['AMDVI-PCI', "Bus 'pcie.0' does not support hotplugging"],
  ])('and %s cannot come to a running machine', (driver, sentence) => {
    expect(q35({}).add({ driver })).toBe(sentence);
  });
});
