import { PciDevice, type PciIdentity, type PciRegister } from '../pci/device.ts';
import type { QomType } from '../qom/type-registry.ts';
import { mchIdentity } from './mch.ts';

/** The routing of the interrupt pins, registers 60h to 63h and 68h to 6bh: none is routed to the 8259. */
const pinRouting = (offset: number): PciRegister => ({ offset, size: 4, value: 0x8080_8080, writable: 0xffff_ffff });

/** A function that is soldered to the q35 board: its configuration space is there, and it can issue DMA. */
export interface Q35Function {
  readonly driver: string;
  readonly aliases?: readonly string[];
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
    identity: mchIdentity,
    place: { parent: 'q35', name: 'mch' },
    pluggable: false,
  },
  {
    driver: 'ICH9-LPC',
    slot: 0x1f,
    function: 0,
    multifunction: true,
    identity: {
      vendor: 0x8086,
      device: 0x2918,
      classCode: 0x0601,
      revision: 2,
      registers: [{ offset: 0x40, size: 4, value: 1, writable: 0xff87 }, pinRouting(0x60), pinRouting(0x68)],
    },
    place: { parent: 'unattached', name: 'device[2]' },
    pluggable: false,
  },
  {
    driver: 'ich9-ahci',
    aliases: ['ahci'],
    slot: 0x1f,
    function: 2,
    multifunction: true,
    identity: {
      vendor: 0x8086,
      device: 0x2922,
      classCode: 0x0106,
      programmingInterface: 1,
      revision: 2,
      interruptPin: 1,
      bars: [
        { index: 4, kind: 'io', size: 32, name: 'ahci-idp' },
        { index: 5, kind: 'memory', size: 0x1000, name: 'ahci' },
      ],
      capabilities: [
        { kind: 'msi', at: 0x80, vectors: 1, wide: true },
        { kind: 'plain', at: 0xa8, id: 0x12, bytes: '1000 48000000' },
      ],
      // The mapping of ports: AHCI mode.
      registers: [{ offset: 0x90, size: 1, value: 0x40, writable: 0xff }],
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
      revision: 2,
      interruptPin: 1,
      bars: [{ index: 4, kind: 'io', size: 64, name: 'pm-smbus' }],
      registers: [{ offset: 0x40, size: 1, value: 0, writable: 0xf7 }],
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
