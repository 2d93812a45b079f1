import { PciDevice, type PciIdentity } from '../pci/device.ts';
import { uint64 } from '../qom/kinds.ts';
import { objectProperty } from '../qom/property.ts';

export const eduProperties = {
  /** The addresses that the device's own DMA engine can issue. */
  dmaMask: objectProperty('dma_mask', uint64, 0x0fff_ffffn),
} as const;

/**
 * QEMU's educational device as a bus master: an emulated function whose DMA goes through its address space. Nothing
 * listens behind it, so a PASID table cannot be bound for it.
 */
export class EduDevice extends PciDevice {
  readonly identity: PciIdentity = {
    vendor: 0x1234,
    device: 0x11e8,
    classCode: 0x00ff,
    interruptPin: 1,
    bars: [{ index: 0, kind: 'memory', size: 0x10_0000 }],
  };
}
