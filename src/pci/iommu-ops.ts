import type { AddressSpace } from '../memory/address-space.ts';
import type { HostIommuDevice } from '../memory/host-device.ts';
import type { PciBus } from './bus.ts';

/**
 * What an IOMMU says to the bus in front of which it stands. The bus and devfn are those of the function that asks,
 * also when the operations hang on a bus further up.
 */
export interface PciIommuOps {
  /** The address space that the function's DMA goes through; the same object on every call. */
  getAddressSpace(bus: PciBus, devfn: number): AddressSpace;
  /** A host function stands behind this one. Throws CommandError when the IOMMU cannot live with what the host has. */
  attachHostDevice?(bus: PciBus, devfn: number, device: HostIommuDevice): void;
  detachHostDevice?(bus: PciBus, devfn: number): void;
}
