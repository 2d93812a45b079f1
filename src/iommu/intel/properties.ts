import { CommandError } from '../../core/errors.ts';

/** What the user chose for an `intel-iommu`, checked and with everything automatic decided. */
export interface IntelProperties {
  /** Width of the addresses that are translated; 39 or 48. */
  readonly awBits: number;
  /** The guest has to invalidate after adding entries too, so that they can be shadowed. */
  readonly cachingMode: boolean;
  readonly scalableMode: boolean;
  /** First-stage tables instead of second-stage ones in scalable mode. */
  readonly firstStage: boolean;
  /** Pages of 1 GiB in the first stage are offered. */
  readonly firstStage1G: boolean;
  /** 0 to 20; 0 without PASID. */
  readonly pasidBits: number;
  /** Page requests. */
  readonly svm: boolean;
  readonly deviceIotlb: boolean;
  readonly snoopControl: boolean;
  readonly dmaTranslation: boolean;
  readonly staleTm: boolean;
  readonly interruptRemapping: boolean;
  readonly extendedInterruptMode: boolean;
  /** Extended root and context entries, as of revision 2 of the specification; not with scalable mode. */
  readonly ecs: boolean;
  /** The specification's reading where QEMU 11.1.3 departs from it. */
  readonly strictSpec: boolean;
}

/** A property as the command line, `device-list-properties` and the object tree know it. */
export interface IntelPropertyDefinition {
  readonly name: string;
  readonly kind: 'bool' | 'uint8' | 'on-off-auto';
  readonly default: boolean | number | string;
  readonly description: string;
  /** The property that this is an older spelling of. */
  readonly aliasOf?: string;
}

/** QEMU 11.1.3's properties, two of our own (`ecs`, `strict-spec`), then the spellings of versions from 7.2 on. */
export const INTEL_IOMMU_PROPERTIES: readonly IntelPropertyDefinition[] = [
  { name: 'aw-bits', kind: 'uint8', default: 48, description: 'width of translated addresses: 39 or 48 bits' },
  { name: 'caching-mode', kind: 'bool', default: false, description: 'the guest invalidates after mapping too' },
  { name: 'scalable-mode', kind: 'bool', default: false, description: 'scalable mode with PASID tables' },
  { name: 'fsts', kind: 'bool', default: false, description: 'first-stage tables in scalable mode' },
  { name: 'fs1gp', kind: 'bool', default: true, description: '1 GiB pages in the first stage' },
  { name: 'pasid-bits', kind: 'uint8', default: 0, description: 'width of PASIDs, 0 to 20; 0: no PASID' },
  { name: 'svm', kind: 'bool', default: false, description: 'shared virtual memory: page requests' },
  { name: 'device-iotlb', kind: 'bool', default: false, description: 'devices may cache translations (ATS)' },
  { name: 'snoop-control', kind: 'bool', default: false, description: 'snoop bit in second-stage entries' },
  { name: 'dma-translation', kind: 'bool', default: true, description: 'DMA remapping is offered' },
  { name: 'stale-tm', kind: 'bool', default: false, description: 'the transient-mapping bit is accepted' },
  { name: 'intremap', kind: 'on-off-auto', default: 'auto', description: 'interrupt remapping' },
  { name: 'eim', kind: 'on-off-auto', default: 'auto', description: 'extended interrupt mode' },
  { name: 'ecs', kind: 'bool', default: false, description: 'extended root and context entries' },
  {
    name: 'strict-spec',
    kind: 'bool',
    default: false,
    description: "the specification's reading where QEMU 11.1.3 departs from it",
  },
  {
    name: 'x-scalable-mode',
    kind: 'bool',
    default: false,
    description: 'older spelling of scalable-mode',
    aliasOf: 'scalable-mode',
  },
  { name: 'flts', kind: 'bool', default: false, description: 'older spelling of fsts', aliasOf: 'fsts' },
  { name: 'x-flts', kind: 'bool', default: false, description: 'older spelling of fsts', aliasOf: 'fsts' },
  {
    name: 'x-pasid-mode',
    kind: 'bool',
    default: false,
    description: 'older spelling of pasid-bits=8',
    aliasOf: 'pasid-bits',
  },
  { name: 'pt', kind: 'bool', default: true, description: 'pass-through, which is always on' },
  { name: 'dma-drain', kind: 'bool', default: true, description: 'draining of requests, which is always on' },
];

const MAX_PASID_BITS = 20;
/** The width that `x-pasid-mode` stood for. */
const PASID_MODE_BITS = 8;

type Value = boolean | number | string;

/**
 * Settles the properties from those that were given, by their names on the command line; of two spellings the later
 * one holds.
 * @throws CommandError for combinations that the unit cannot offer, as QEMU says it when it realizes the device
 */
export function resolveIntelProperties(given: Readonly<Record<string, Value | undefined>>): IntelProperties {
  const values = new Map<string, Value>(INTEL_IOMMU_PROPERTIES.map((property) => [property.name, property.default]));
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const definition = INTEL_IOMMU_PROPERTIES.find((property) => property.name === name);
    if (definition === undefined) throw new Error(`intel-iommu has no property '${name}'`);
    const settled = name === 'x-pasid-mode' ? (value === true ? PASID_MODE_BITS : 0) : value;
    values.set(definition.aliasOf ?? name, settled);
  }
  if (values.get('ecs') === true && given['pasid-bits'] === undefined && given['x-pasid-mode'] === undefined) {
    values.set('pasid-bits', MAX_PASID_BITS);
  }
  const is = (name: string): boolean => values.get(name) === true;
  const interruptRemapping = values.get('intremap') !== 'off';
  const properties: IntelProperties = {
    awBits: Number(values.get('aw-bits')),
    cachingMode: is('caching-mode'),
    scalableMode: is('scalable-mode'),
    firstStage: is('fsts'),
    firstStage1G: is('fs1gp'),
    pasidBits: Number(values.get('pasid-bits')),
    svm: is('svm'),
    deviceIotlb: is('device-iotlb'),
    snoopControl: is('snoop-control'),
    dmaTranslation: is('dma-translation'),
    staleTm: is('stale-tm'),
    interruptRemapping,
    extendedInterruptMode: values.get('eim') === 'on' || (values.get('eim') === 'auto' && interruptRemapping),
    ecs: is('ecs'),
    strictSpec: is('strict-spec'),
  };
  check(properties);
  for (const name of ['pt', 'dma-drain']) {
    if (!is(name)) throw new CommandError(`intel-iommu offers no ${name}=off; leave the property out`);
  }
  return properties;
}

function check(properties: IntelProperties): void {
  const { awBits, deviceIotlb, dmaTranslation, ecs, firstStage, pasidBits, scalableMode, svm } = properties;
  const refuse = (condition: boolean, sentence: string): void => {
    if (condition) throw new CommandError(sentence);
  };
  refuse(
    properties.extendedInterruptMode && !properties.interruptRemapping,
    'eim=on cannot be selected without intremap=on',
  );
  refuse(firstStage && !scalableMode, 'fsts is only available in scalable mode');
  refuse(
    !firstStage && awBits !== 39 && awBits !== 48,
    `${scalableMode ? 'Scalable mode(fsts=off)' : 'Legacy mode'}: supported values for aw-bits are: 39, 48`,
  );
  refuse(firstStage && awBits !== 48, 'Scalable mode(fsts=on): supported value for aw-bits is: 48');
  refuse(ecs && scalableMode, 'ecs=on and scalable-mode=on exclude each other; leave one of them out');
  refuse(pasidBits > 0 && !scalableMode && !ecs, 'Need to set scalable mode for PASID');
  refuse(
    pasidBits > MAX_PASID_BITS,
    `pasid-bits=${pasidBits} is more than PASIDs have; it must be between 0 and ${MAX_PASID_BITS}`,
  );
  refuse(svm && !deviceIotlb, 'Need to set device IOTLB for svm');
  refuse(svm && !firstStage, 'Need to set fsts for svm');
  refuse(svm && !dmaTranslation, 'Need to set dma-translation for svm');
  refuse(svm && pasidBits === 0, 'Need to set PASID support for svm');
}
