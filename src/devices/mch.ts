import { MemoryRegion } from '../memory/region.ts';
import { reaches } from '../pci/config-space.ts';
import { ecamOperations } from '../pci/config-access.ts';
import { PciDevice, type PciDeviceState, type PciIdentity } from '../pci/device.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';

/** The register that says where memory-mapped configuration space lies (Intel 3 Series datasheet, section 5.1.13). */
const PCIEXBAR = 0x60;
const PCIEXBAR_ENABLE = 1;
const PCIEXBAR_DEFAULT = 0xb000_0000;
/** SMRAM, extended SMRAM control, and the registers behind them. */
const SMRAM = 0x9d;
const SMRAM_DEFAULT = 0x02;
const EXTENDED_SMRAM = 0x9e;
const EXTENDED_SMRAM_DEFAULT = 0x38;
/** Extended TSEG size in MiB: ones ask for it. */
const EXTENDED_TSEG = 0x50;
const EXTENDED_TSEG_MIB = 16;

const MIB = 0x10_0000n;
/** By bits 2:1 of the register. The fourth is reserved; QEMU maps nothing then. */
const ECAM_SIZES = [256n * MIB, 128n * MIB, 64n * MIB, null] as const;
/** Addresses have 36 bits. */
const ADDRESS_BITS = (1n << 36n) - 1n;

export const mchIdentity: PciIdentity = {
  vendor: 0x8086,
  device: 0x29c0,
  classCode: 0x0600,
  registers: [
    { offset: EXTENDED_TSEG, size: 2, value: EXTENDED_TSEG_MIB },
    { offset: PCIEXBAR, size: 4, value: PCIEXBAR_DEFAULT, writable: 0xffff_ffff },
    { offset: PCIEXBAR + 4, size: 4, value: 0, writable: 0xffff_ffff },
    { offset: SMRAM, size: 1, value: SMRAM_DEFAULT, writable: 0x78 },
    { offset: EXTENDED_SMRAM, size: 1, value: EXTENDED_SMRAM_DEFAULT, writable: 0x87, clear: 0x40 },
  ],
};

/** The memory controller hub of q35: function 0 of the root bus, which decodes memory-mapped configuration space. */
export class MemoryControllerHub extends PciDevice {
  readonly identity = mchIdentity;
  readonly #context: DeviceContext;
  #ecam: MemoryRegion | null = null;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  /** Where memory-mapped configuration space shows; null while it does not. */
  get ecam(): MemoryRegion | null {
    return this.#ecam;
  }

  override restore(state: PciDeviceState): void {
    super.restore(state);
    this.#mapEcam();
  }

  protected override onConfigWritten(offset: number, size: number): void {
    super.onConfigWritten(offset, size);
    if (reaches(offset, size, PCIEXBAR, 8)) this.#mapEcam();
  }

  protected override onReset(): void {
    super.onReset();
    this.#mapEcam();
  }

  #mapEcam(): void {
    const { topology, memory } = this.#context;
    const register = (BigInt(this.readConfig(PCIEXBAR + 4, 4)) << 32n) | BigInt(this.readConfig(PCIEXBAR, 4));
    const size = ECAM_SIZES[Number((register >> 1n) & 3n)] ?? null;
    topology.transaction(() => {
      if (this.#ecam !== null) memory.root.removeSubregion(this.#ecam);
      this.#ecam = null;
      if (size === null || (register & BigInt(PCIEXBAR_ENABLE)) === 0n) return;
      const region = MemoryRegion.mmio(topology, 'pcie-mmcfg-mmio', size, ecamOperations(this.bus));
      region.owner = { kind: 'dev', path: this.bus.owner?.path ?? this.path };
      memory.root.addSubregion(register & ADDRESS_BITS & ~(size - 1n), region);
      this.#ecam = region;
    });
  }
}
