import type { MmioOperations } from '../memory/mmio.ts';
import { type PciBar, PciDevice, type PciIdentity } from '../pci/device.ts';
import { size } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';

export const pciTestdevProperties = {
  /** Size of an extra memory BAR, in bytes; 0: none. */
  membar: deviceProperty('membar', size, 0n),
} as const;

/** QEMU's test device as far as its BARs: what is written there is dropped, what is read is zeros. */
export class PciTestdev extends PciDevice {
  get identity(): PciIdentity {
    const extra = Number(this.value(pciTestdevProperties.membar));
    return {
      vendor: 0x1b36,
      device: 0x0005,
      classCode: 0x00ff,
      bars: [
        { index: 0, kind: 'memory', size: 0x1000, name: 'pci-testdev-mmio' },
        { index: 1, kind: 'io', size: 0x100, name: 'pci-testdev-portio' },
        ...(extra === 0 ? [] : [extraBar(extra)]),
      ],
    };
  }

  protected override barOperations({ index }: PciBar): MmioOperations | null {
    return index === 2 ? null : { read: () => 0n, write: () => {} };
  }
}

/** A size is as large as the next power of two. */
function extraBar(bytes: number): PciBar {
  const rounded = 2 ** Math.ceil(Math.log2(Math.max(bytes, 16)));
  return { index: 2, kind: 'memory', size: rounded, wide: true, prefetch: true, name: 'pci-testdev-membar' };
}
