import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignResources } from '../../src/pci/firmware.ts';
import { describePci, type PciDeviceInfo } from '../../src/pci/query.ts';
import { devices } from '../../src/pci/topology.ts';
import { MachineRig } from '../machine/support.ts';
import { createPciWorld } from './support.ts';

const RESOURCES = { memory: { base: 0xc000_0000n, last: 0xfebf_ffffn }, io: { base: 0x1000n, last: 0xffffn } };

interface Placed {
  readonly kind: string;
  readonly first: bigint;
  readonly last: bigint;
}

function flatten(list: readonly PciDeviceInfo[]): PciDeviceInfo[] {
  return list.flatMap((device) => [device, ...flatten(device.pci_bridge?.devices ?? [])]);
}

function placed(device: PciDeviceInfo): Placed[] {
  return device.regions.map(({ type, address, size }) => ({
    kind: type,
    first: address,
    last: address + size - 1n,
  }));
}

describe('firmware', () => {
  it('gives every BAR a place of its own, inside the windows above it, for any tree', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 20 }), fc.boolean()), { maxLength: 10 }), (parts) => {
        const { cold, bus } = createPciWorld();
        const names = ['pcie.0'];
        parts.forEach(([parent, bridge], index) => {
          const where = names[parent % names.length]!;
          if (!bridge) {
            cold('card', { bus: where });
            return;
          }
          cold('pcie-root-port', { id: `p${index}`, chassis: index, bus: where });
          names.push(`p${index}`);
        });
        assignResources(bus, RESOURCES);
        const all = flatten(describePci(bus)[0]!.devices);
        expect(all.length).toBe(devices(bus).length);
        const bars = all.flatMap(placed);
        for (const [index, bar] of bars.entries()) {
          expect(bar.first % (bar.last - bar.first + 1n)).toBe(0n);
          const { base, last } = bar.kind === 'io' ? RESOURCES.io : RESOURCES.memory;
          expect(bar.first >= base && bar.last <= last).toBe(true);
          const others = bars.slice(index + 1).filter(({ kind }) => kind === bar.kind);
          expect(others.every(({ first, last: end }) => end < bar.first || first > bar.last)).toBe(true);
        }
        for (const { pci_bridge: bridge } of all) {
          for (const { kind, first, last } of flatten(bridge?.devices ?? []).flatMap(placed)) {
            const window = kind === 'io' ? bridge!.bus.io_range : bridge!.bus.memory_range;
            expect(window.base <= first && last <= window.limit).toBe(true);
          }
        }
        expect(devices(bus).every(({ busMasterEnabled }) => busMasterEnabled)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('leaves a BAR for which there is no room where it was', () => {
    const { cold, bus } = createPciWorld();
    cold('card', { id: 'a' });
    assignResources(bus, { memory: { base: 0xc000_0000n, last: 0xc000_ffffn }, io: { base: 0xc000n, last: 0xc00fn } });
    expect(describePci(bus)[0]!.devices[0]!.regions.map(({ address }) => address)).toEqual([-1n, -1n, 0xc000_0000n]);
  });
});

describe('machine viommu', () => {
  it('places what is hot-added in the window of its port, beside what is there', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu', id: 'a', bus: 'rp0', addr: '0', multifunction: 'on' });
    const address = (id: string): bigint | null => {
      const device = rig.machine.findPciDevice(id);
      return device.registers.bars.addressOf(device.identity.bars![0]!);
    };
    const window = describePci(rig.machine.rootBus!)[0]!.devices.find(({ qdev_id }) => qdev_id === 'rp0')!.pci_bridge!;
    expect(address('a')).toBe(window.bus.memory_range.base);
    expect(rig.machine.findPciDevice('a').busMasterEnabled).toBe(true);
    const before = address('a');
    rig.machine.operations.run(() => rig.machine.reset());
    expect(address('a')).toBe(before);
    rig.remove('a');
    expect(rig.machine.memory.flatView.ranges.some(({ region }) => region.name === 'edu-mmio')).toBe(false);
  });

  it('has a bare q35 leave everything at 0', () => {
    const rig = new MachineRig({ type: 'q35', devices: [{ values: { driver: 'edu', id: 'e' } }] });
    const edu = rig.machine.findPciDevice('e');
    expect([edu.busMasterEnabled, edu.readConfig(4, 2), edu.readConfig(0x10, 4)]).toEqual([false, 0, 0]);
  });
});
