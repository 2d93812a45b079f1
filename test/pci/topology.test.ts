import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBdf } from '../../src/core/bdf.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { PciBridge } from '../../src/pci/bridge.ts';
import type { PciBus } from '../../src/pci/bus.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { buses, devices, findBusByNumber, findByBdf, firstFreePort, numberBuses } from '../../src/pci/topology.ts';
import { removeDevice } from '../../src/qom/device-add.ts';
import { createPciWorld } from './support.ts';

/** The device as the bridge that it is. */
function bridgeOf(device: PciDevice | null): PciBridge {
  if (!(device instanceof PciBridge)) throw new Error(`${device?.label ?? 'nothing'} is no bridge`);
  return device;
}

describe('root ports', () => {
  it('have a bus of their own name', () => {
    const { cold, bus } = createPciWorld();
    const port = bridgeOf(cold('pcie-root-port', { id: 'rp1', chassis: 1 }));
    expect(buses(bus).map(({ busName }) => busName)).toEqual(['pcie.0', 'rp1']);
    expect(port.secondaryBus.path).toBe('/machine/peripheral/rp1/rp1');
    expect(port.secondaryBus.above).toBe(bus);
  });

  it('without an id have a bus that is numbered', () => {
    const { cold, bus } = createPciWorld();
    cold('pcie-root-port', { chassis: 1 });
    const second = cold('pcie-root-port', { chassis: 2 });
    expect(buses(bus).map(({ busName }) => busName)).toEqual(['pcie.0', 'pcie.0', 'pcie.1']);
    const state = bus.save();
    removeDevice(second);
    expect(cold('pcie-root-port', { chassis: 2 }).childBuses[0]!.busName).toBe('pcie.2');
    bus.restore(state);
    expect(bus.automaticName()).toBe('pcie.2');
  });

  it('differ in chassis or slot', () => {
    const { cold } = createPciWorld();
    cold('pcie-root-port', { id: 'a' });
    expect(() => cold('pcie-root-port', { id: 'b' })).toThrow("Can't add chassis slot, error -16");
    cold('pcie-root-port', { id: 'b', slot: 1 });
    cold('pcie-root-port', { id: 'c', chassis: 1, slot: 1 });
    expect(() => cold('pcie-root-port', { id: 'd', chassis: 1, slot: 1 })).toThrow('error -16');
  });

  it('are looked for in the order of their slots', () => {
    const { cold, hot, bus } = createPciWorld();
    cold('pcie-root-port', { id: 'late', chassis: 1, addr: '5' });
    cold('pcie-root-port', { id: 'early', chassis: 2, addr: '4' });
    cold('pcie-root-port', { id: 'fixed', chassis: 3, addr: '3', hotplug: false });
    expect(firstFreePort(bus)?.busName).toBe('early');
    const card = hot('card', { bus: 'early' });
    expect(firstFreePort(bus)?.busName).toBe('late');
    hot('card', { bus: 'late' });
    expect(firstFreePort(bus)).toBeNull();
    removeDevice(card);
    expect(firstFreePort(bus)?.busName).toBe('early');
  });
});

describe('bus numbers', () => {
  it('are 0 until someone gives them', () => {
    const { cold, bus } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1, addr: '3' });
    const card = cold('card', { bus: 'rp1', id: 'c' });
    expect(card.bdf()).toEqual({ segment: 0, bus: 0, device: 0, function: 0 });
    expect(findByBdf(bus, parseBdf('00:00.0')!)).toBeNull();
    expect(findBusByNumber(bus, 0)).toBe(bus);
  });

  it('count depth first, in the order of the slots', () => {
    const { cold, bus } = createPciWorld();
    cold('pcie-root-port', { id: 'b', chassis: 2, addr: '4' });
    cold('pcie-root-port', { id: 'a', chassis: 1, addr: '3' });
    cold('pcie-root-port', { id: 'a1', chassis: 3, bus: 'a' });
    const inner = cold('card', { bus: 'a1', addr: '2' });
    const other = cold('card', { bus: 'b' });
    expect(numberBuses(bus)).toBe(3);
    expect(buses(bus).map(({ busName, number }) => [busName, number])).toEqual([
      ['pcie.0', 0],
      ['a', 1],
      ['a1', 2],
      ['b', 3],
    ]);
    const a = bridgeOf(bus.deviceAt(0x18));
    expect([a.primary, a.secondary, a.subordinate]).toEqual([0, 1, 2]);
    expect(inner.requesterId()).toBe(0x0210);
    expect(findByBdf(bus, parseBdf('02:02.0')!)).toBe(inner);
    expect(findByBdf(bus, parseBdf('03:00.0')!)).toBe(other);
    expect(findByBdf(bus, parseBdf('04:00.0')!)).toBeNull();
    expect(findByBdf(bus, parseBdf('0001:03:00.0')!)).toBeNull();
    expect(devices(bus).map(({ label }) => label)).toEqual(['a', 'b', 'a1', inner.path, other.path]);
  });

  it('are saved and restored', () => {
    const { cold, bus } = createPciWorld();
    const port = bridgeOf(cold('pcie-root-port', { id: 'rp1', chassis: 1 }));
    numberBuses(bus);
    const state = port.save();
    port.setBusNumbers({ primary: 0, secondary: 9, subordinate: 9 });
    expect(port.secondaryBus.number).toBe(9);
    port.restore(state);
    expect([port.primary, port.secondary, port.subordinate]).toEqual([0, 1, 1]);
  });

  it('are unique and nested for any tree of ports', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 12 }), (parents) => {
        const { cold, bus } = createPciWorld();
        const names = ['pcie.0'];
        for (const [index, parent] of parents.entries()) {
          const id = `p${index}`;
          cold('pcie-root-port', { id, chassis: index, bus: names[parent % names.length] });
          names.push(id);
        }
        expect(numberBuses(bus)).toBe(parents.length);
        const numbers = buses(bus).map(({ number }) => number);
        expect(numbers).toEqual(numbers.map((_, index) => index));
        for (const { port } of buses(bus)) {
          if (port === null) continue;
          const below = buses(port.secondaryBus).map(({ number }) => number);
          expect([Math.min(...below), Math.max(...below)]).toEqual([port.secondary, port.subordinate]);
          expect(port.primary).toBe(port.bus.number);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the IOMMU in front of a bus', () => {
  it('is that of the nearest bus above, and is asked about the bus of the function', () => {
    const { cold, bus, memory, topology } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1, addr: '3' });
    const near = cold('card', { addr: '5' });
    const far = cold('card', { bus: 'rp1' });
    expect([near.addressSpace, far.addressSpace]).toEqual([memory, memory]);

    const behind = topology.createAddressSpace('card', MemoryRegion.container(topology, 'behind', 1n << 64n));
    const asked: [PciBus, number][] = [];
    bus.iommuOps = {
      getAddressSpace(of, devfn) {
        asked.push([of, devfn]);
        return behind;
      },
    };
    expect([near.addressSpace, far.addressSpace]).toEqual([behind, behind]);
    expect(asked).toEqual([
      [bus, 0x28],
      [far.bus, 0],
    ]);

    far.bus.iommuOps = { getAddressSpace: () => memory };
    expect(far.bus.effectiveIommuOps()).toBe(far.bus.iommuOps);
    expect(far.addressSpace).toBe(memory);
    expect(near.addressSpace).toBe(behind);
  });
});
