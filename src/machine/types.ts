import { CommandError } from '../core/errors.ts';
import type { HostOptions } from '../host/host.ts';
import type { BoardName } from './boards/boards.ts';

const MIB = 1n << 20n;

/** How an unplug ends: acknowledged by the modelled guest at once, or left to a guest, and without one to a reset. */
export type UnplugAcknowledgement = 'at-once' | 'guest';

/** A machine as `-M` names it. */
export interface MachineType {
  readonly name: string;
  readonly alias?: string;
  readonly qomType: string;
  readonly description: string;
  readonly isDefault: boolean;
  readonly cpuMax: number;
  /** What the machine has from the start. */
  readonly board: BoardName;
  readonly unplugAck: UnplugAcknowledgement;
  /** In bytes, by whether -nodefaults was given. */
  readonly memory: { readonly defaults: bigint; readonly noDefaults: bigint };
  /** The object that holds the RAM, below /objects. */
  readonly ramId: string;
  /** Hot-pluggable root ports that are part of the board; a hot-add without `bus` takes the first free one. */
  readonly rootPorts: number;
  /** Bus numbers are programmed as firmware would; without, all secondary buses stay at number 0. */
  readonly numbersBuses: boolean;
  /** The vIOMMU that the machine has when none is asked for, unless -nodefaults was given. */
  readonly defaultIommu: Readonly<Record<string, string>> | null;
  /** What lies beneath, where that is not the host's default. */
  readonly host?: HostOptions;
}

const viommu: MachineType = {
  name: 'viommu',
  qomType: 'viommu-machine',
  description: 'Q35 with free root ports, a scalable-mode vIOMMU and a guest that acknowledges unplugs',
  isDefault: true,
  cpuMax: 1,
  board: 'q35',
  unplugAck: 'at-once',
  ramId: 'pc.ram',
  memory: { defaults: 4096n * MIB, noDefaults: 128n * MIB },
  rootPorts: 8,
  numbersBuses: true,
  defaultIommu: { driver: 'intel-iommu', 'scalable-mode': 'on', 'caching-mode': 'on', 'pasid-bits': '20' },
};

const q35: MachineType = {
  name: 'pc-q35-7.2',
  alias: 'q35',
  qomType: 'pc-q35-7.2-machine',
  description: 'Standard PC (Q35 + ICH9, 2009)',
  isDefault: false,
  cpuMax: 288,
  board: 'q35',
  unplugAck: 'guest',
  ramId: 'pc.ram',
  memory: { defaults: 128n * MIB, noDefaults: 128n * MIB },
  rootPorts: 0,
  numbersBuses: false,
  defaultIommu: null,
};

const s390: MachineType = {
  name: 's390-ccw-virtio-7.2',
  alias: 's390-ccw-virtio',
  qomType: 's390-ccw-virtio-7.2-machine',
  description: 'Virtual s390x machine (version 7.2)',
  isDefault: false,
  cpuMax: 248,
  board: 's390',
  unplugAck: 'at-once',
  ramId: 's390.ram',
  memory: { defaults: 128n * MIB, noDefaults: 128n * MIB },
  rootPorts: 0,
  numbersBuses: false,
  defaultIommu: null,
};

const pseries: MachineType = {
  name: 'pseries-7.2',
  alias: 'pseries',
  qomType: 'pseries-7.2-machine',
  description: 'pSeries Logical Partition (PAPR compliant)',
  isDefault: false,
  cpuMax: 0x7fff_ffff,
  board: 'pseries',
  unplugAck: 'at-once',
  ramId: 'ppc_spapr.ram',
  memory: { defaults: 512n * MIB, noDefaults: 512n * MIB },
  rootPorts: 0,
  numbersBuses: true,
  defaultIommu: null,
  // Its DMA windows lie up to 2^59 and above.
  host: { iommu: { addressBits: 64 } },
};

const none: MachineType = {
  name: 'none',
  qomType: 'none-machine',
  description: 'empty machine',
  isDefault: false,
  cpuMax: 1,
  board: 'none',
  unplugAck: 'guest',
  ramId: 'ram',
  memory: { defaults: 0n, noDefaults: 0n },
  rootPorts: 0,
  numbersBuses: false,
  defaultIommu: null,
};

const TYPES: readonly MachineType[] = [viommu, q35, pseries, s390, none];

export function machineTypes(): readonly MachineType[] {
  return TYPES;
}

/** @throws CommandError for a name that is neither a machine's nor its alias */
export function findMachineType(name: string): MachineType {
  const found = TYPES.find((type) => type.name === name || type.alias === name);
  if (found === undefined) {
    throw new CommandError('unsupported machine type\nUse -machine help to list supported machines');
  }
  return found;
}
