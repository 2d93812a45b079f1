import { AddressSpaceDmaPath, type DmaPath } from '../memory/dma.ts';
import { PciDevice } from '../pci/device.ts';
import { VfioPciDevice } from './vfio-pci.ts';

/**
 * The way of a device's DMA: an assigned function's goes through the host's IOMMU, every other one's through the
 * address space that the device sees.
 */
export function dmaPathOf(device: PciDevice): DmaPath {
  if (device instanceof VfioPciDevice) return device.dmaPath;
  return new AddressSpaceDmaPath(device.addressSpace, { attributes: { requester: device.requesterId() } });
}
