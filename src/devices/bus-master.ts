import { AddressSpaceDmaPath, type DmaPath, type DmaRequest, type DmaResult } from '../memory/dma.ts';
import { PciDevice } from '../pci/device.ts';
import { DmaAgent } from './dma-agent.ts';
import type { DmaDevice } from './dma-device.ts';
import { VfioPciDevice } from './vfio-pci.ts';
import { VhostAgent } from './vhost-agent.ts';

/**
 * The way of a device's DMA: an assigned function's goes through the host's IOMMU, every other one's through the
 * address space that the device sees.
 */
export function dmaPathOf(device: DmaDevice): DmaPath {
  if (!(device instanceof PciDevice)) return device.dmaPath;
  return new BusMasterPath(device, pathBehind(device));
}

/** Nothing passes while the function's command register does not let it be a bus master. */
class BusMasterPath implements DmaPath {
  readonly #device: PciDevice;
  readonly #path: DmaPath;

  constructor(device: PciDevice, path: DmaPath) {
    this.#device = device;
    this.#path = path;
  }

  move(request: DmaRequest): DmaResult {
    if (this.#device.busMasterEnabled) return this.#path.move(request);
    return {
      kind: 'fault',
      sentence:
        `Device '${this.#device.label}' is no bus master: set bit 2 of its command register (offset 4 of configuration ` +
        'space), as the firmware of machine viommu does',
      reason: 'no-bus-master',
    };
  }
}

function pathBehind(device: PciDevice): DmaPath {
  if (device instanceof VfioPciDevice || device instanceof DmaAgent || device instanceof VhostAgent)
    return device.dmaPath;
  return new AddressSpaceDmaPath(device.addressSpace, { attributes: { requester: device.requesterId() } });
}
