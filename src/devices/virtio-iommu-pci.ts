import { CommandError } from '../core/errors.ts';
import { GRANULES, resolveVirtioIommuProperties } from '../iommu/virtio/properties.ts';
import { IOMMU_DEVICE_ID } from '../iommu/virtio/protocol.ts';
import type { ReservedRegion } from '../iommu/virtio/reserved-regions.ts';
import { VirtioIommuUnit, type VirtioIommuUnitState } from '../iommu/virtio/unit.ts';
import { PciPlace } from '../iommu/place.ts';
import { bool, enumeration, link, type PropertyKind, type PropertyPlace, uint8 } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { OfferedFeatures, VirtioDevice, VirtioTransport } from '../virtio/device.ts';
import { VirtioPciDevice, type VirtioPciState } from '../virtio/pci-transport.ts';
import type { DeviceContext } from './context.ts';
import { rootBusForUnit } from './unit-place.ts';

const KINDS = ['reserved', 'msi'] as const;

function parseRegion(text: string, place: PropertyPlace): ReservedRegion {
  const match = /^(0x[0-9a-f]{1,16}):(0x[0-9a-f]{1,16}):([01])$/i.exec(text);
  if (match === null) {
    throw new CommandError(
      `Parameter '${place.name}' expects LOW:HIGH:TYPE, hexadecimal addresses and type 0 (reserved) or 1 (MSI)`,
    );
  }
  const [start, last] = [BigInt(match[1]!), BigInt(match[2]!)];
  if (start > last) throw new CommandError(`Parameter '${place.name}': the last address is below the first`);
  return { start, last, kind: KINDS[Number(match[3])]! };
}

/** A list of regions: texts with a `+` between two, JSON arrays of texts. Null: as a PC has them. */
const reservedRegions: PropertyKind<readonly ReservedRegion[] | null> = {
  type: 'list',
  showDefault: false,
  parseText: (text, place) => (text === '' ? [] : text.split('+').map((part) => parseRegion(part, place))),
  parseJson(value, place) {
    if (!Array.isArray(value)) throw new CommandError(`Invalid parameter type for '${place.name}', expected: array`);
    return value.map((part) => parseRegion(String(part), place));
  },
  encode: (value) =>
    (value ?? [])
      .map(({ start, last, kind }) => `0x${start.toString(16)}:0x${last.toString(16)}:${KINDS.indexOf(kind)}`)
      .join('+'),
};

export const virtioIommuProperties = {
  bootBypass: deviceProperty('boot-bypass', bool, true),
  granule: deviceProperty('granule', enumeration('GranuleMode', GRANULES), 'host'),
  awBits: deviceProperty('aw-bits', uint8, 64),
  reservedRegions: deviceProperty('reserved-regions', reservedRegions, null),
  primaryBus: deviceProperty('primary-bus', link('PCI'), null),
} as const;

/** An unclassified device, as QEMU has it. */
const CLASS_CODE = 0x00ff;

export interface VirtioIommuPciState extends VirtioPciState {
  unit: VirtioIommuUnitState;
}

/** The virtio-iommu as a PCI function: it takes over the address spaces of the root bus and of all buses below. */
export class VirtioIommuPciDevice extends VirtioPciDevice {
  protected readonly virtioId = IOMMU_DEVICE_ID;
  readonly #context: DeviceContext;
  #unit: VirtioIommuUnit | null = null;

  constructor(type: QomType, context: DeviceContext) {
    super(type, { classCode: CLASS_CODE, vectors: 0, memory: context.memory });
    this.#context = context;
  }

  protected override createVirtio(transport: VirtioTransport, offered: OfferedFeatures): VirtioDevice {
    const { memory, events, checks, faults, points } = this.#context;
    this.#unit = new VirtioIommuUnit({
      id: this.id,
      qomPath: this.path,
      properties: this.#resolved(),
      systemMemory: memory,
      place: () => new PciPlace(this.bus, this.devfn),
      events,
      points,
      checks,
      faults,
    });
    return this.#unit.createDevice(transport, offered);
  }

  override save(): VirtioIommuPciState {
    return { ...super.save(), unit: this.#madeUnit.save() };
  }

  override restore(state: VirtioIommuPciState): void {
    super.restore(state);
    this.#madeUnit.restore(state.unit);
  }

  protected override onRealize(): void {
    const { units } = this.#context;
    const rootBus = rootBusForUnit(this.#context, this.type.name);
    const primary = this.value(virtioIommuProperties.primaryBus) ?? rootBus;
    if (this.bus !== rootBus) throw new CommandError('virtio-iommu-pci must be plugged on the root bus');
    if (primary !== rootBus) throw new CommandError("Property 'virtio-iommu-pci.primary-bus' must name the root bus");
    this.#resolved();
    super.onRealize();
    units.add(this.#madeUnit);
    rootBus.iommuOps = this.#madeUnit;
  }

  /** Every address space of the machine hangs on the unit. @throws CommandError always */
  protected override onUnrealize(): void {
    throw new CommandError(`Device '${this.label}' cannot go: the address spaces of all PCI devices hang on it`);
  }

  get #madeUnit(): VirtioIommuUnit {
    if (this.#unit === null) throw new Error(`${this.label} is not realized`);
    return this.#unit;
  }

  #resolved(): ReturnType<typeof resolveVirtioIommuProperties> {
    return resolveVirtioIommuProperties({
      bootBypass: this.value(virtioIommuProperties.bootBypass),
      granule: this.value(virtioIommuProperties.granule),
      awBits: this.value(virtioIommuProperties.awBits),
      reservedRegions: this.value(virtioIommuProperties.reservedRegions),
    });
  }
}
