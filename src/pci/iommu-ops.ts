import type { AddressSpace } from '../memory/address-space.ts';
import type { DeviceTlbFlush, GuestCapabilities, HostIommuDevice } from '../memory/host-device.ts';
import type { PageRequest, PageRequestOutcome, PageResponder } from '../memory/page-request.ts';
import type { AtsEntry, AtsRequest } from './ats.ts';
import type { PciBus } from './bus.ts';
import type { PciDevice } from './device.ts';

/**
 * What an IOMMU says to the bus in front of which it stands. The bus and devfn are those of the function that asks,
 * also when the operations hang on a bus further up.
 */
export interface PciIommuOps {
  /** The address space that the function's DMA goes through; the same object on every call. */
  getAddressSpace(bus: PciBus, devfn: number): AddressSpace;
  /** Where the requests of a function with that PASID go; absent where the IOMMU knows no PASIDs. */
  getPasidAddressSpace?(bus: PciBus, devfn: number, pasid: number): AddressSpace;
  /** A function's translation request (PCIe ATS): one entry for each page of the range; absent without ATS. */
  atsTranslate?(bus: PciBus, devfn: number, request: AtsRequest): AtsEntry[];
  /**
   * An invalidation of what a function keeps itself, as the guest's descriptor for it; carried out on return. Absent
   * without ATS.
   * @returns how many entries a host function behind it dropped
   */
  flushDeviceIotlb?(bus: PciBus, devfn: number, flush: DeviceTlbFlush): number;
  /** A host function stands behind this one. Throws CommandError when the IOMMU cannot live with what the host has. */
  attachHostDevice?(bus: PciBus, devfn: number, device: HostIommuDevice): void;
  detachHostDevice?(bus: PciBus, devfn: number, device: HostIommuDevice): void;
  /** What it offers beyond mappings; absent where that is nothing. */
  readonly guestCapabilities?: GuestCapabilities;
  /** The guest has enabled page requests of the function; asking leaves no trace. */
  takesPageRequests?(bus: PciBus, devfn: number): boolean;
  /**
   * Puts a function's page request before the guest; absent where the IOMMU takes none.
   * @param responder who is told the guest's answer, and that there is room again after an overflow
   */
  requestPage?(bus: PciBus, devfn: number, request: PageRequest, responder: PageResponder): PageRequestOutcome;
  /** A function was realized on the bus. @throws CommandError to refuse it; it is taken back then */
  plugged?(device: PciDevice): void;
  /** A function that was plugged goes; it is still on the bus. */
  unplugged?(device: PciDevice): void;
}
