import { PciDevice, type PciIdentity } from '../pci/device.ts';
import { size } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';

export const pciTestdevProperties = {
  /** Size of an extra memory BAR, in bytes; 0: none. */
  membar: deviceProperty('membar', size, 0n),
} as const;

/** QEMU's test device: a function that is only there. */
export class PciTestdev extends PciDevice {
  readonly identity: PciIdentity = {
    vendor: 0x1b36,
    device: 0x0005,
    classCode: 0x00ff,
    bars: [
      { index: 0, kind: 'memory', size: 0x1000 },
      { index: 1, kind: 'io', size: 0x100 },
    ],
  };
}
