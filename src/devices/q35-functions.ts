import { PciDevice, type PciIdentity } from '../pci/device.ts';
import type { QomType } from '../qom/type-registry.ts';

/** A function that is soldered to the q35 board. It answers nothing and can issue DMA. */
export interface Q35Function {
  readonly driver: string;
  readonly slot: number;
  readonly function: number;
  readonly multifunction: boolean;
  readonly identity: PciIdentity;
  /** Where QEMU's q35 has it under /machine, so that a script finds it by the same path. */
  readonly place: { readonly parent: 'q35' | 'unattached'; readonly name: string };
  /** Whether `-device` can make another one. */
  readonly pluggable: boolean;
}

export const Q35_FUNCTIONS: readonly Q35Function[] = [
  {
    driver: 'mch',
    slot: 0,
    function: 0,
    multifunction: false,
    identity: { vendor: 0x8086, device: 0x29c0, classCode: 0x0600 },
    place: { parent: 'q35', name: 'mch' },
    pluggable: false,
  },
  {
    driver: 'ICH9-LPC',
    slot: 0x1f,
    function: 0,
    multifunction: true,
    identity: { vendor: 0x8086, device: 0x2918, classCode: 0x0601 },
    place: { parent: 'unattached', name: 'device[2]' },
    pluggable: false,
  },
  {
    driver: 'ich9-ahci',
    slot: 0x1f,
    function: 2,
    multifunction: true,
    identity: {
      vendor: 0x8086,
      device: 0x2922,
      classCode: 0x0106,
      interruptPin: 1,
      bars: [
        { index: 4, kind: 'io', size: 32 },
        { index: 5, kind: 'memory', size: 0x1000 },
      ],
    },
    place: { parent: 'unattached', name: 'device[15]' },
    pluggable: true,
  },
  {
    driver: 'ICH9-SMB',
    slot: 0x1f,
    function: 3,
    multifunction: true,
    identity: {
      vendor: 0x8086,
      device: 0x2930,
      classCode: 0x0c05,
      interruptPin: 1,
      bars: [{ index: 4, kind: 'io', size: 64 }],
    },
    place: { parent: 'unattached', name: 'device[16]' },
    pluggable: false,
  },
];

export class Q35FixedFunction extends PciDevice {
  readonly identity: PciIdentity;

  constructor(type: QomType, identity: PciIdentity) {
    super(type);
    this.identity = identity;
  }
}
