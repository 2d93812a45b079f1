import { OperationCounter } from '../../src/core/operation.ts';
import type { AddressSpace } from '../../src/memory/address-space.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MemoryTopology } from '../../src/memory/topology.ts';
import { PciBus } from '../../src/pci/bus.ts';
import { PciDevice, type PciIdentity } from '../../src/pci/device.ts';
import { registerPciTypes } from '../../src/pci/types.ts';
import { Bus } from '../../src/qom/bus.ts';
import { Device } from '../../src/qom/device.ts';
import { addDevice, type DeviceAddContext } from '../../src/qom/device-add.ts';
import type { QomObject } from '../../src/qom/object.ts';
import { container, createTree } from '../../src/qom/tree.ts';
import { TypeRegistry } from '../../src/qom/type-registry.ts';

/** A function of the tests, which may refuse to be realized. */
export class Card extends PciDevice {
  readonly identity: PciIdentity = {
    vendor: 0x1234,
    device: 0x11e8,
    classCode: 0x00ff,
    revision: 0x10,
    interruptPin: 1,
    bars: [
      { index: 0, kind: 'memory', size: 1 << 20 },
      { index: 1, kind: 'io', size: 256 },
      { index: 4, kind: 'memory', size: 16384, prefetch: true, wide: true },
    ],
  };
  refusal: Error | null = null;

  protected override onRealize(): void {
    super.onRealize();
    if (this.refusal !== null) throw this.refusal;
  }
}

export interface PciWorld extends DeviceAddContext {
  readonly root: QomObject;
  readonly memory: AddressSpace;
  readonly topology: MemoryTopology;
  readonly bus: PciBus;
  /** As on the command line: `edu,id=x` in pieces. */
  readonly cold: (driver: string, values?: Readonly<Record<string, unknown>>) => PciDevice;
  /** As by device_add. */
  readonly hot: (driver: string, values?: Readonly<Record<string, unknown>>) => PciDevice;
}

/** A tree with a host bridge, `pcie.0` and the driver `card`. */
export function createPciWorld(): PciWorld {
  const types = new TypeRegistry();
  registerPciTypes(types);
  types.add({ name: 'card', parent: 'pci-device', create: (type) => new Card(type) });
  const topology = new MemoryTopology(new OperationCounter());
  const memory = topology.createAddressSpace('memory', MemoryRegion.container(topology, 'system', 1n << 64n));
  const root = createTree(types);
  const machine = container(types, root, 'machine');
  const systemBus = new Bus(types.require('System'), 'main-system-bus', null);
  machine.addChild('sysbus', systemBus);
  types.add({ name: 'host-bridge', parent: 'sys-bus-device' });
  const bridge = new Device(types.require('host-bridge'));
  machine.addChild('q35', bridge);
  const bus = new PciBus(types.require('PCIE'), 'pcie.0', { owner: bridge, memory });
  bridge.realize(systemBus);
  const context: DeviceAddContext = {
    types,
    systemBus,
    peripheral: container(types, machine, 'peripheral'),
    peripheralAnon: container(types, machine, 'peripheral-anon'),
  };
  const adding =
    (hotplug: boolean) =>
    (driver: string, values: Readonly<Record<string, unknown>> = {}): PciDevice => {
      const device = addDevice(context, { driver, ...values }, { hotplug });
      if (!(device instanceof PciDevice)) throw new Error(`${driver} is no PCI device`);
      return device;
    };
  return { ...context, root, memory, topology, bus, cold: adding(false), hot: adding(true) };
}
