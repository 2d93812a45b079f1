import { type Availability, type FeatureName, FEATURES, type UnitFeatures } from '../../src/iommu/features.ts';
import { AMD_FEATURES } from '../../src/iommu/amd/features.ts';
import { INTEL_FEATURES } from '../../src/iommu/intel/features.ts';
import { ZPCI_FEATURES } from '../../src/iommu/s390/features.ts';
import { SPAPR_FEATURES } from '../../src/iommu/spapr/features.ts';
import { VIRTIO_FEATURES } from '../../src/iommu/virtio/features.ts';

interface Column {
  readonly kind: string;
  /** How a machine comes to have one. */
  readonly made: string;
  readonly features: UnitFeatures;
}

const COLUMNS: readonly Column[] = [
  { kind: 'intel-iommu', made: '`-device intel-iommu`', features: INTEL_FEATURES },
  { kind: 'amd-iommu', made: '`-device amd-iommu`', features: AMD_FEATURES },
  { kind: 'virtio-iommu-pci', made: '`-device virtio-iommu-pci`', features: VIRTIO_FEATURES },
  { kind: 'spapr-tce', made: '`-M pseries`', features: SPAPR_FEATURES },
  { kind: 's390-pci-iommu', made: '`-M s390-ccw-virtio`', features: ZPCI_FEATURES },
];

const INTRODUCTION = `# vIOMMUs and what they can do

Made from \`src/iommu/*/features.ts\` by \`npm run generate\`. A cell names the properties that the unit needs for it, for
instance \`-device intel-iommu,caching-mode=on\`; "no" means that whoever asks is refused, with a sentence. Each cell is
tried by \`test/iommu/units/features.test.ts\`: with these properties, and without each of them.

What is not listed every unit has: bypass by command (\`iommu-set-bypass\`), an IOMMU object that is found through the
address space in bypass or not, replay to notifiers, \`IOMMU_FAULT\`, \`IOMMU_MAPPED\` and \`IOMMU_UNMAPPED\`,
\`iommu-translate\` with \`explain\`, \`query-iommu-mappings\`, \`iommu-reverse-translate\`, \`query-iommus\`, assigned devices
that VFIO shadows, vhost, the built-in guest, save and restore. One suite of properties holds all of them to that:
\`test/iommu/units/properties.test.ts\`.
`;

/** docs/units.md: what units of each kind can do. */
export function emitUnits(): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const names = Object.keys(FEATURES) as FeatureName[];
  return [
    INTRODUCTION,
    row(['', ...COLUMNS.map(({ kind }) => kind)]),
    row(['---', ...COLUMNS.map(() => '---')]),
    row(['made by', ...COLUMNS.map(({ made }) => made)]),
    ...names.map((name) => row([name, ...COLUMNS.map(({ features }) => cellOf(features[name]))])),
    '',
    ...names.map((name) => `- **${name}**: ${FEATURES[name]}`),
    '',
  ].join('\n');
}

function cellOf(availability: Availability): string {
  if (typeof availability === 'string') return `\`${availability}\``;
  return availability ? 'yes' : 'no';
}
