import { PciDevice, type PciIdentity } from '../pci/device.ts';
import { Register } from '../pci/registers.ts';

const SIGNALLED_TARGET_ABORT = 0x0800;

/**
 * The PCI function of AMD's IOMMU (AMD-Vi, section 3.2). Its capability block says where the registers lie, that new
 * mappings are invalidated as well (NpCache), and how wide addresses are. QEMU has a second, empty MSI capability and
 * a HyperTransport one before the MSI capability that works.
 */
const IDENTITY: PciIdentity = {
  vendor: 0x1022,
  device: 0x1419,
  classCode: 0x0806,
  capabilities: [
    { kind: 'plain', at: 0x40, id: 0x0f, bytes: '031f 0000d8fe 00000000 000000ff 002e1800 00000000' },
    { kind: 'plain', at: 0x58, id: 0x05, bytes: '0000' },
    { kind: 'plain', at: 0x5c, id: 0x08, bytes: '0000' },
    { kind: 'msi', at: 0x60, vectors: 1, wide: true },
  ],
};

export class AmdviPciDevice extends PciDevice {
  readonly identity = IDENTITY;

  /** Sends the unit's message, where software has enabled MSI. */
  interrupt(): void {
    if (this.registers.msiEnabled) this.notifyMsi(0);
  }

  /** Sets a bit of the status register, which software clears. */
  signalTargetAbort(): void {
    const { config } = this.registers;
    config.set(Register.status, 2, config.read(Register.status, 2) | SIGNALLED_TARGET_ABORT);
  }
}
