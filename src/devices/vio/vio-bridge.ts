import type { SpaprTceUnit } from '../../iommu/spapr/unit.ts';
import { Device } from '../../qom/device.ts';
import type { TypeRegistry } from '../../qom/type-registry.ts';
import { VioBus } from './vio-bus.ts';
import { VioDmaAgent } from './vio-dma-agent.ts';
import { vioDeviceProperties } from './vio-device.ts';

/** Registers the bus of VIO devices, and the devices. */
export function registerVioTypes(types: TypeRegistry): void {
  types.add({ name: 'spapr-vio-bus', parent: 'bus' });
  types.add({ name: 'spapr-vio-bridge', parent: 'sys-bus-device', create: (type) => new Device(type) });
  types.add({
    name: 'vio-spapr-device',
    parent: 'device',
    abstract: true,
    busType: 'spapr-vio-bus',
    properties: Object.values(vioDeviceProperties),
  });
  types.add({
    name: 'vio-dma-agent',
    parent: 'vio-spapr-device',
    description: 'DMA on command through a TCE table, without PCI',
    create: (type) => new VioDmaAgent(type),
  });
}

/** The bridge device of a machine with its bus, spapr-vio; the caller puts it into the tree and realizes it. */
export function createVioBridge(types: TypeRegistry, unit: SpaprTceUnit): Device {
  const bridge = types.require('spapr-vio-bridge').create();
  if (!(bridge instanceof Device)) throw new Error('spapr-vio-bridge makes no device');
  new VioBus(types.require('spapr-vio-bus'), { owner: bridge, unit });
  return bridge;
}
