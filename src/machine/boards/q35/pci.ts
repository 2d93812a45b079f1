import { devfnOf } from '../../../core/bdf.ts';
import { Q35_FUNCTIONS } from '../../../devices/q35-functions.ts';
import { formatDevfn } from '../../../pci/address.ts';
import { PciBus } from '../../../pci/bus.ts';
import type { PciDecodes } from '../../../pci/decodes.ts';
import { assignResources, type PciResources } from '../../../pci/firmware.ts';
import { Register } from '../../../pci/registers.ts';
import { pciProperties } from '../../../pci/properties.ts';
import { Device } from '../../../qom/device.ts';
import { addDevice } from '../../../qom/device-add.ts';
import type { DeviceAddContext } from '../../../qom/device-add.ts';
import type { TypeRegistry } from '../../../qom/type-registry.ts';
import type { BoardParts } from '../board.ts';
import { splitRam } from '../ram.ts';
import {
  hostBridgeProperties,
  hostBridgeTreeOrder,
  q35HostProperties,
  q35HostReadings,
  q35HostTreeOrder,
  Q35PciHost,
} from './pci-host.ts';

/** The slot of the first built-in root port; the low slots stay free for the user. */
const FIRST_PORT_SLOT = 0x10;
/** Chassis numbers that users, who count from 1 (or leave 0), do not take. */
const FIRST_PORT_CHASSIS = 0xf0;

/** Registers the host bridge of the q35 board, and the interrupt controller that only a board could bring along. */
export function registerBoardTypes(types: TypeRegistry): void {
  types.add({ name: 'pci-host-bridge', parent: 'sys-bus-device', abstract: true });
  types.add({
    name: 'pcie-host-bridge',
    parent: 'pci-host-bridge',
    abstract: true,
    properties: hostBridgeProperties,
    treeOrder: hostBridgeTreeOrder,
  });
  types.add({
    name: 'q35-pcihost',
    parent: 'pcie-host-bridge',
    properties: q35HostProperties,
    instanceProperties: q35HostReadings,
    treeOrder: q35HostTreeOrder,
    create: (type) => new Q35PciHost(type),
  });
  types.add({ name: 'ioapic', parent: 'sys-bus-device', create: (type) => new Device(type) });
}

/** The host bridge with bus pcie.0, and the functions that are always on it. */
export function buildPci({ types, tree, memory, memorySize }: BoardParts, decodes: PciDecodes): PciBus {
  const host = createDevice(types, 'q35-pcihost');
  tree.machine.addChild('q35', host);
  if (!(host instanceof Q35PciHost)) throw new Error('the host bridge is of another type');
  host.layout = { ...splitRam(memorySize), pci: decodes.memory };
  const bus = new PciBus(types.require('PCIE'), 'pcie.0', { owner: host, memory, decodes });
  host.realize(tree.systemBus);
  for (const { driver, slot, function: fn, multifunction, place } of Q35_FUNCTIONS) {
    const device = createDevice(types, driver);
    device.assign(pciProperties.addr, devfnOf(slot, fn));
    device.assign(pciProperties.multifunction, multifunction);
    (place.parent === 'q35' ? host : tree.unattached).addChild(place.name, device);
    device.realize(bus);
  }
  return bus;
}

/** Root ports rp0, rp1, … in a slot each. */
export function addRootPorts(context: DeviceAddContext, count: number): void {
  for (let port = 0; port < count; port += 1) {
    const values = {
      driver: 'pcie-root-port',
      id: `rp${port}`,
      bus: 'pcie.0',
      addr: formatDevfn(devfnOf(FIRST_PORT_SLOT + port, 0)),
      port: String(FIRST_PORT_SLOT + port),
      chassis: String(FIRST_PORT_CHASSIS + port),
    };
    addDevice(context, values, { hotplug: false });
  }
}

/** What firmware gives out on a q35: below the I/O APIC, above the configuration space that it maps. */
const RESOURCES: PciResources = {
  memory: { base: 0xc000_0000n, last: 0xfebf_ffffn },
  io: { base: 0x1000n, last: 0xffffn },
};

/** Memory-mapped configuration space: the register of the host bridge, and what firmware writes there. */
const PCIEXBAR = 0x60;
const PCIEXBAR_ON = 0xb000_0001;

/**
 * Numbers the buses for hot-plugging by ACPI, as a PC does once at its start: those that take devices at run time, each
 * before the ones below it, the newest first. Guests know them by these numbers.
 */
export function numberHotplugBuses(root: PciBus): void {
  let next = 0;
  const visit = (bus: PciBus): void => {
    if (bus.hotpluggable) {
      const number = next;
      next += 1;
      bus.addReading('acpi-pcihp-bsel', 'uint32', () => number);
    }
    for (const device of bus.devices.toReversed()) {
      for (const below of device.childBuses.toReversed()) if (below instanceof PciBus) visit(below);
    }
  };
  visit(root);
}

/** What firmware does with PCI at each start. */
export function bootPci(root: PciBus): void {
  const hostBridge = root.deviceAt(0);
  if (hostBridge?.readConfig(Register.vendor, 2) === 0x8086) hostBridge.writeConfig(PCIEXBAR, 4, PCIEXBAR_ON);
  assignResources(root, RESOURCES);
}

function createDevice(types: TypeRegistry, name: string): Device {
  const device = types.require(name).create();
  if (!(device instanceof Device)) throw new Error(`Type ${name} makes no device`);
  return device;
}
