import { str } from '../qom/kinds.ts';
import { readonlyProperty } from '../qom/property.ts';
import type { TypeDefinition, TypeRegistry } from '../qom/type-registry.ts';
import { formatDevfn } from './address.ts';
import { PciDevice } from './device.ts';
import { pciProperties } from './properties.ts';
import { PciePciBridge, pciePciBridgeProperties } from './pcie-pci-bridge.ts';
import { regionType } from './region-object.ts';
import { PciRootPort, rootPortProperties } from './root-port.ts';

/** The address in the notation of the command line. */
const legacyAddress = readonlyProperty('legacy-addr', str, (object) =>
  object instanceof PciDevice && object.devfn >= 0 ? formatDevfn(object.devfn) : null,
);

/** By the class that has them. */
const port = rootPortProperties;

const definitions: readonly TypeDefinition[] = [
  regionType,
  { name: 'conventional-pci-device', parent: 'interface', abstract: true },
  { name: 'pci-express-device', parent: 'interface', abstract: true },
  { name: 'PCI', parent: 'bus' },
  { name: 'PCIE', parent: 'PCI' },
  {
    name: 'pci-device',
    parent: 'device',
    abstract: true,
    busType: 'PCI',
    properties: [...Object.values(pciProperties), legacyAddress],
    treeOrder: [
      ...['addr', 'romfile', 'romsize', 'rombar', 'multifunction', 'x-pcie-lnksta-dllla', 'x-pcie-extcap-init'],
      ...['failover_pair_id', 'acpi-index'],
    ],
  },
  { name: 'base-pci-bridge', parent: 'pci-device', abstract: true },
  { name: 'pcie-port', parent: 'base-pci-bridge', abstract: true, properties: [port.port, port.errorLogs] },
  {
    name: 'pcie-slot',
    parent: 'pcie-port',
    abstract: true,
    interfaces: ['hotplug-handler'],
    properties: [port.hotplug, port.nativeHotplug, port.slot, port.chassis],
    treeOrder: ['chassis', 'slot', 'hotplug', 'x-native-hotplug'],
  },
  {
    name: 'pcie-root-port-base',
    parent: 'pcie-slot',
    abstract: true,
    interfaces: ['pci-express-device'],
    properties: [port.powerController, port.disableAcs],
  },
  {
    name: 'pcie-root-port',
    parent: 'pcie-root-port-base',
    description: 'PCI Express Root Port',
    properties: Object.values(port).slice(8),
    treeOrder: [
      ...['x-migrate-msix', 'bus-reserve', 'io-reserve', 'mem-reserve', 'pref32-reserve', 'pref64-reserve'],
      ...['x-speed', 'x-width'],
    ],
    create: (type) => new PciRootPort(type),
  },
  {
    name: 'pcie-pci-bridge',
    parent: 'base-pci-bridge',
    interfaces: ['pci-express-device', 'hotplug-handler'],
    properties: Object.values(pciePciBridgeProperties),
    create: (type) => new PciePciBridge(type),
  },
];

/** Adds the buses, the bases of all PCI devices and the bridges. */
export function registerPciTypes(types: TypeRegistry): void {
  for (const definition of definitions) types.add(definition);
}
