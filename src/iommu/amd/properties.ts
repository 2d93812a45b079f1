import { CommandError } from '../../core/errors.ts';

/** What the user chose for an `amd-iommu`. */
export interface AmdProperties {
  /** Emulated and assigned devices are translated at all, once the guest has had their entry invalidated. */
  readonly dmaRemap: boolean;
  /** The guest is told of host page tables; without, one that names a page table is illegal. */
  readonly dmaTranslation: boolean;
  /** Interrupt remapping. */
  readonly interruptRemapping: boolean;
  /** Interrupts for x2APIC destinations. */
  readonly extendedInterrupts: boolean;
  readonly deviceIotlb: boolean;
  /** 0 to 20; 0: the guest's first stage is not taken, as by QEMU. */
  readonly pasidBits: number;
}

/** A property as the command line, `device-list-properties` and the object tree know it. */
export interface AmdPropertyDefinition {
  readonly name: string;
  readonly kind: 'bool' | 'uint8' | 'on-off-auto' | 'str';
  readonly default: boolean | number | string;
  readonly description: string;
}

/** QEMU 11.1.3's properties, and `pasid-bits` of our own. */
export const AMD_IOMMU_PROPERTIES: readonly AmdPropertyDefinition[] = [
  { name: 'dma-remap', kind: 'bool', default: false, description: 'devices can be translated' },
  { name: 'xtsup', kind: 'bool', default: false, description: 'interrupts for x2APIC destinations' },
  { name: 'pci-id', kind: 'str', default: '', description: 'the AMDVI-PCI device that is the function of the unit' },
  { name: 'intremap', kind: 'on-off-auto', default: 'auto', description: 'interrupt remapping' },
  { name: 'device-iotlb', kind: 'bool', default: false, description: 'devices may cache translations (ATS)' },
  { name: 'dma-translation', kind: 'bool', default: true, description: 'DMA remapping is offered' },
  { name: 'pt', kind: 'bool', default: true, description: 'pass-through, which is always on' },
  { name: 'pasid-bits', kind: 'uint8', default: 0, description: 'width of PASIDs, 0 to 20; 0: no PASID' },
];

const MAX_PASID_BITS = 20;

/**
 * Settles the properties from those that were given, by their names on the command line.
 * @throws CommandError for what the unit cannot offer
 */
export function resolveAmdProperties(
  given: Readonly<Record<string, boolean | number | string | undefined>>,
): AmdProperties {
  const value = (name: string): boolean | number | string => {
    const definition = AMD_IOMMU_PROPERTIES.find((property) => property.name === name);
    if (definition === undefined) throw new Error(`amd-iommu has no property '${name}'`);
    return given[name] ?? definition.default;
  };
  const is = (name: string): boolean => value(name) === true;
  const pasidBits = Number(value('pasid-bits'));
  if (pasidBits > MAX_PASID_BITS) {
    throw new CommandError(
      `pasid-bits=${pasidBits} is more than PASIDs have; it must be between 0 and ${MAX_PASID_BITS}`,
    );
  }
  return {
    dmaRemap: is('dma-remap'),
    dmaTranslation: is('dma-translation'),
    interruptRemapping: value('intremap') !== 'off',
    extendedInterrupts: is('xtsup'),
    deviceIotlb: is('device-iotlb'),
    pasidBits,
  };
}
