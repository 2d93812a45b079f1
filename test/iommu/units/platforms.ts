/** The five platforms: how a machine with each starts, and what its guest may ask of it. */
import type { GuestMode } from '../../../src/guest/guest-driver.ts';
import { AMD_FEATURES } from '../../../src/iommu/amd/features.ts';
import type { UnitFeatures } from '../../../src/iommu/features.ts';
import { INTEL_FEATURES } from '../../../src/iommu/intel/features.ts';
import { ZPCI_FEATURES } from '../../../src/iommu/s390/features.ts';
import { SPAPR_FEATURES } from '../../../src/iommu/spapr/features.ts';
import { VIRTIO_FEATURES } from '../../../src/iommu/virtio/features.ts';
import type { MachineConfig } from '../../../src/machine/create.ts';

export interface Platform {
  readonly kind: string;
  readonly features: UnitFeatures;
  readonly machine: string;
  /** The unit is made by `-device`, with properties; null: the board brings it along. */
  readonly driver: string | null;
  readonly mode: GuestMode;
  /** First address that the tests map: a multiple of 2 MiB that all functions can use. */
  readonly base: bigint;
  /** What is added to a guest-physical address to reach it in bypass. */
  readonly direct: bigint;
  /** The emulated device: one that has mappings of its own. */
  readonly agent: Readonly<Record<string, string>>;
}

const PC = { machine: 'viommu', base: 0x4000_0000n, direct: 0n, agent: { driver: 'dma-agent' } } as const;

export const PLATFORMS: readonly Platform[] = [
  { ...PC, kind: 'intel-iommu', features: INTEL_FEATURES, driver: 'intel-iommu', mode: 'legacy' },
  { ...PC, kind: 'amd-iommu', features: AMD_FEATURES, driver: 'amd-iommu', mode: 'other' },
  { ...PC, kind: 'virtio-iommu-pci', features: VIRTIO_FEATURES, driver: 'virtio-iommu-pci', mode: 'other' },
  {
    kind: 'spapr-tce',
    features: SPAPR_FEATURES,
    machine: 'pseries',
    driver: null,
    mode: 'other',
    base: 0x40_0000n,
    direct: 0n,
    // Functions of PCI share the windows of their host bridge.
    agent: { driver: 'vio-dma-agent' },
  },
  {
    kind: 's390-pci-iommu',
    features: ZPCI_FEATURES,
    machine: 's390-ccw-virtio',
    driver: null,
    mode: 'other',
    base: 0x1_4000_0000n,
    direct: 0x1_0000_0000n,
    agent: { driver: 'dma-agent' },
  },
];

/** `a=on,b=20` as device options. */
export function propertiesOf(text: string): Record<string, string> {
  return Object.fromEntries(text === '' ? [] : text.split(',').map((one) => one.split('=') as [string, string]));
}

/** A machine with the unit, an emulated device `agent0` and an assigned one, `nic0`. */
export function configOf(
  platform: Platform,
  properties: string,
  agent: Readonly<Record<string, string>> = {},
): MachineConfig {
  const { driver, machine } = platform;
  return {
    type: machine,
    memory: 0x400_0000n,
    devices: [
      ...(driver === null ? [] : [{ values: { driver, ...propertiesOf(properties) } }]),
      { values: { id: 'agent0', ...platform.agent, ...agent } },
      { values: { id: 'nic0', driver: 'vfio-pci', host: '0000:3b:00.0' } },
    ],
  };
}
