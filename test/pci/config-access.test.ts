/** What software does to configuration space, by ports and by memory, and what follows. */
import { describe, expect, it } from 'vitest';
import { Ports } from '../machine/ports.ts';
import { MachineRig } from '../machine/support.ts';

function q35(...devices: Record<string, string>[]): { rig: MachineRig; ports: Ports } {
  const rig = new MachineRig({ type: 'q35', devices: devices.map((values) => ({ values })) });
  return { rig, ports: new Ports(rig.machine) };
}

const TESTDEV = { driver: 'pci-testdev', id: 'td', addr: '4', membar: '1M' };

/** `start region` of what shows in a range of the system memory or of the ports. */
function shown({ rig }: { rig: MachineRig }, space: 'memory' | 'io', name: string): string[] {
  return rig.machine[space].flatView.ranges
    .filter(({ region }) => region.name.startsWith(name))
    .map(({ start, last, region }) => `${start.toString(16)}-${last.toString(16)} ${region.name}`);
}

describe('the configuration ports', () => {
  it('answer with ones where nobody is, or while the address register is off', () => {
    const { ports } = q35();
    expect(ports.readConfig(0, 0x20, 0)).toBe(0xffff_ffff);
    expect(ports.readConfig(1, 0, 0)).toBe(0xffff_ffff);
    expect(ports.readConfig(0, 0, 0)).toBe(0x29c0_8086);
    ports.out(0xcf8, 4, 0);
    expect(ports.in(0xcfc, 4)).toBe(0xffff_ffff);
  });

  it('take the address in one piece, and data in any', () => {
    const { ports } = q35();
    ports.out(0xcf8, 4, 0x8000_0000);
    ports.out(0xcf8, 2, 0x1234);
    expect(ports.in(0xcf8, 4)).toBe(0x8000_0000);
    expect([ports.in(0xcfc, 1), ports.in(0xcfd, 1), ports.in(0xcfe, 2)]).toEqual([0x86, 0x80, 0x29c0]);
  });

  it('are reset with the machine', () => {
    const { rig, ports } = q35(TESTDEV);
    ports.setUp(0x20, 0xe000_0000);
    ports.writeConfig(0, 0x20, 0x3c, 1, 11);
    rig.machine.operations.run(() => rig.machine.reset());
    expect(ports.in(0xcf8, 4)).toBe(0);
    expect([ports.readConfig(0, 0x20, 4), ports.readConfig(0, 0x20, 0x10), ports.readConfig(0, 0x20, 0x3c)]).toEqual([
      0, 0, 0,
    ]);
    expect(shown({ rig }, 'memory', 'pci-testdev')).toEqual([]);
  });
});

describe('memory-mapped configuration space', () => {
  it('lies where the host bridge says, in three sizes', () => {
    const world = q35();
    const { ports } = world;
    expect(shown(world, 'memory', 'pcie-mmcfg')).toEqual([]);
    const seen = [0xb000_0001, 0xb000_0003, 0xb400_0005, 0xb000_0007, 0xb000_0000].map((value) => {
      ports.writeConfig(0, 0, 0x60, 4, value);
      return shown(world, 'memory', 'pcie-mmcfg').join();
    });
    expect(seen).toEqual([
      'b0000000-bfffffff pcie-mmcfg-mmio',
      'b0000000-b7ffffff pcie-mmcfg-mmio',
      'b4000000-b7ffffff pcie-mmcfg-mmio',
      '',
      '',
    ]);
  });

  it('reaches 4096 bytes of a function, and writes have their effects', () => {
    const world = q35({ driver: 'pcie-root-port', id: 'rp1', addr: '5', chassis: '1' }, TESTDEV);
    const { ports } = world;
    ports.writeConfig(0, 0, 0x60, 4, 0xb000_0001);
    expect(ports.read(0xb000_0000 + (0x28 << 12) + 0x100, 4)).toBe(0x1482_0001n);
    expect(ports.read(0xb000_0000 + (0x20 << 12) + 0x100, 4)).toBe(0xffff_ffffn);
    expect(ports.read(0xb000_0000 + (0x21 << 12), 4)).toBe(0xffff_ffffn);
    ports.write(0xb000_0000 + (0x20 << 12) + 0x10, 4, 0xe000_0000);
    ports.write(0xb000_0000 + (0x20 << 12) + 0x04, 2, 2);
    expect(shown(world, 'memory', 'pci-testdev-mmio')).toEqual(['e0000000-e0000fff pci-testdev-mmio']);
  });
});

describe('base address registers', () => {
  it('tell their size, and show their region while the function decodes', () => {
    const world = q35(TESTDEV);
    const { ports } = world;
    const size = (register: number): number => {
      ports.writeConfig(0, 0x20, register, 4, 0xffff_ffff);
      return ports.readConfig(0, 0x20, register);
    };
    expect([size(0x10), size(0x14), size(0x18), size(0x1c)]).toEqual([
      0xffff_f000, 0xffff_ff01, 0xfff0_000c, 0xffff_ffff,
    ]);
    ports.writeConfig(0, 0x20, 0x14, 4, 0xc000);
    ports.writeConfig(0, 0x20, 0x10, 4, 0xe000_0000);
    expect([shown(world, 'memory', 'pci-testdev'), shown(world, 'io', 'pci-testdev')]).toEqual([[], []]);
    ports.writeConfig(0, 0x20, 0x04, 2, 1);
    expect(shown(world, 'io', 'pci-testdev')).toEqual(['c000-c0ff pci-testdev-portio']);
    ports.writeConfig(0, 0x20, 0x04, 2, 2);
    expect(shown(world, 'memory', 'pci-testdev')).toEqual(['e0000000-e0000fff pci-testdev-mmio']);
    expect(shown(world, 'io', 'pci-testdev')).toEqual([]);
    ports.writeConfig(0, 0x20, 0x11, 1, 0x10);
    expect(shown(world, 'memory', 'pci-testdev')).toEqual(['e0001000-e0001fff pci-testdev-mmio']);
  });

  it.each([
    [0x10, 0, 'address 0 is none'],
    [0x10, 0xffff_f000, 'the last page of 4 GiB would wrap'],
  ])('at 0x%x do not decode 0x%x: %s', (register, value) => {
    const world = q35(TESTDEV);
    world.ports.writeConfig(0, 0x20, register, 4, value);
    world.ports.writeConfig(0, 0x20, 4, 2, 2);
    expect(shown(world, 'memory', 'pci-testdev-mmio')).toEqual([]);
  });

  it('of 64 bits decode above 4 GiB', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'vfio-pci', id: 'nic0', host: '3b:00.0' });
    const device = rig.machine.findPciDevice('nic0');
    device.writeConfig(0x14, 4, 0x8);
    device.writeConfig(0x10, 4, 0x1234_0000);
    expect(device.registers.bars.addressOf(device.identity.bars![0]!)).toBe(0x8_1234_0000n);
  });
});

describe('bridges', () => {
  const port = { driver: 'pcie-root-port', id: 'rp1', addr: '5', chassis: '1' };
  const below = { driver: 'pcie-pci-bridge', id: 'br1', bus: 'rp1' };
  const edu = { driver: 'edu', id: 'e', bus: 'br1', addr: '2' };

  it('lead configuration accesses by their bus numbers', () => {
    const { ports } = q35(port, below, edu);
    expect(ports.readConfig(1, 0, 0)).toBe(0xffff_ffff);
    ports.writeConfig(0, 0x28, 0x18, 4, 0x0002_0100);
    expect(ports.readConfig(1, 0, 0)).toBe(0x000e_1b36);
    expect(ports.readConfig(2, 0x10, 0)).toBe(0xffff_ffff);
    ports.writeConfig(1, 0, 0x18, 4, 0x0002_0201);
    expect(ports.readConfig(2, 0x10, 0)).toBe(0x11e8_1234);
    ports.writeConfig(0, 0x28, 0x1a, 1, 1);
    expect(ports.readConfig(2, 0x10, 0)).toBe(0xffff_ffff);
    ports.writeConfig(0, 0x28, 0x1a, 1, 2);
    ports.writeConfig(0, 0x28, 0x3e, 2, 0x40);
    expect(ports.readConfig(2, 0x10, 0)).toBe(0xffff_ffff);
  });

  it('forward memory through their windows alone', () => {
    const world = q35(port, below, edu);
    const { ports } = world;
    ports.writeConfig(0, 0x28, 0x18, 4, 0x0002_0100);
    ports.writeConfig(1, 0, 0x18, 4, 0x0002_0201);
    ports.writeConfig(2, 0x10, 0x10, 4, 0xe010_0000);
    ports.writeConfig(2, 0x10, 0x04, 2, 6);
    expect(shown(world, 'memory', 'edu')).toEqual([]);
    ports.writeConfig(1, 0, 0x20, 4, 0xe010_e010);
    ports.writeConfig(1, 0, 0x04, 2, 6);
    expect(shown(world, 'memory', 'edu')).toEqual([]);
    ports.writeConfig(0, 0x28, 0x20, 4, 0xe010_e000);
    ports.writeConfig(0, 0x28, 0x04, 2, 6);
    expect(shown(world, 'memory', 'edu')).toEqual(['e0100000-e01fffff edu-mmio']);
    expect(ports.read(0xe010_0000, 4)).toBe(0x010000edn);
    ports.writeConfig(0, 0x28, 0x22, 2, 0xe000);
    expect(shown(world, 'memory', 'edu')).toEqual([]);
  });

  it('to conventional PCI make requests in the name of their own bus', () => {
    const { rig, ports } = q35(port, below, edu);
    const device = rig.machine.findPciDevice('e');
    expect(device.requesterId()).toBe(0);
    ports.writeConfig(0, 0x28, 0x18, 4, 0x0002_0100);
    ports.writeConfig(1, 0, 0x18, 4, 0x0002_0201);
    expect(device.requesterId()).toBe(0x0200);
    expect(device.bus.aliasOf(device.devfn)).toEqual({ bus: device.bus, devfn: 0 });
    expect(rig.machine.findPciDevice('br1').requesterId()).toBe(0x0100);
  });

  it('share one address space among what is behind them', () => {
    const { rig } = q35({ driver: 'intel-iommu' }, port, below, edu, { ...edu, id: 'f', addr: '3' });
    const { machine } = rig;
    expect(machine.findPciDevice('e').addressSpace).toBe(machine.findPciDevice('f').addressSpace);
    expect(machine.findPciDevice('e').addressSpace).not.toBe(machine.findPciDevice('br1').addressSpace);
  });

  it('turn interrupt pins by the slot', () => {
    const { rig } = q35(port, below, edu);
    const lines: number[] = [];
    rig.machine.interruptLines.watch((line) => lines.push(line));
    rig.machine.findPciDevice('e').setInterruptLevel(true);
    // INTA# of slot 2 is INTC# behind slot 0 of rp1, and of slot 5 of the root bus PIRQ (5 + 2) mod 4 + E.
    expect(lines).toEqual([16 + 4 + 3]);
  });

  it('reset what is behind them', () => {
    const { rig, ports } = q35(port, { ...edu, bus: 'rp1', addr: '0' });
    ports.writeConfig(0, 0x28, 0x18, 4, 0x0001_0100);
    ports.writeConfig(1, 0, 0x04, 2, 6);
    ports.writeConfig(0, 0x28, 0x3e, 2, 0x40);
    ports.writeConfig(0, 0x28, 0x3e, 2, 0);
    expect(ports.readConfig(1, 0, 0x04, 2)).toBe(0);
    expect(rig.machine.findPciDevice('e').busMasterEnabled).toBe(false);
  });
});
