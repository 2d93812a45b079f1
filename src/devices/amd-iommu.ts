import { CommandError } from '../core/errors.ts';
import { AMD_IOMMU_PROPERTIES, resolveAmdProperties } from '../iommu/amd/properties.ts';
import { AmdIommuUnit } from '../iommu/amd/unit.ts';
import type { PciBus } from '../pci/bus.ts';
import { Device } from '../qom/device.ts';
import { bool, onOffAuto, type PropertyKind, str, uint8 } from '../qom/kinds.ts';
import { deviceProperty, type Property } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import { AmdviPciDevice } from './amdvi-pci.ts';
import type { DeviceContext } from './context.ts';
import { rootBusForUnit } from './unit-place.ts';

const KINDS = { bool, uint8, str, 'on-off-auto': onOffAuto } as const;

export const amdIommuProperties: readonly Property<unknown>[] = AMD_IOMMU_PROPERTIES.map((definition) =>
  deviceProperty(definition.name, KINDS[definition.kind] as PropertyKind<unknown>, definition.default, {
    description: definition.description,
  }),
);

/** AMD's IOMMU as a device: it takes over the address spaces of the root bus and of all buses below. */
export class AmdIommuDevice extends Device {
  readonly #context: DeviceContext;
  readonly #pciType: () => QomType;

  /** @param pciType the type of the function that the unit makes where the user has not */
  constructor(type: QomType, context: DeviceContext, pciType: () => QomType) {
    super(type);
    this.#context = context;
    this.#pciType = pciType;
  }

  protected override onRealize(): void {
    super.onRealize();
    const { memory, host, events, checks, faults, points, units } = this.#context;
    const rootBus = rootBusForUnit(this.#context, this.type.name);
    const given = Object.fromEntries(
      amdIommuProperties.map((property) => [property.name, this.value(property) as boolean | number | string]),
    );
    const properties = resolveAmdProperties(given);
    const pci = this.#function(rootBus, String(given['pci-id']));
    const unit = new AmdIommuUnit({
      id: this.id,
      qomPath: this.path,
      properties,
      systemMemory: memory,
      function: pci,
      events,
      points,
      checks,
      faults,
    });
    host.adoptPlatform(['amd-gcr3']);
    units.add(unit);
    rootBus.iommuOps = unit;
    // What was left to the unit (`auto`) reads as what it has become.
    const remapping = this.type.property('intremap');
    if (remapping !== null) this.assign<unknown>(remapping, properties.interruptRemapping ? 'on' : 'off');
  }

  /** Every address space of the machine hangs on the unit. @throws CommandError always */
  protected override onUnrealize(): void {
    throw new CommandError(`Device '${this.label}' cannot go: the address spaces of all PCI devices hang on it`);
  }

  /** The function that the user has made for the unit, or else one in the first free slot. */
  #function(rootBus: PciBus, id: string): AmdviPciDevice {
    if (id !== '') {
      const found = rootBus.functions().find((device) => device.id === id);
      if (found === undefined) throw new CommandError(`Cannot find PCI device '${id}'`);
      if (!(found instanceof AmdviPciDevice)) throw new CommandError(`Device '${id}' must be an AMDVI-PCI device type`);
      return found;
    }
    const made = this.#pciType().create();
    if (!(made instanceof AmdviPciDevice)) throw new Error(`${this.type.name} needs a function of its own`);
    this.addChild('pci', made);
    made.realize(rootBus);
    return made;
  }
}
