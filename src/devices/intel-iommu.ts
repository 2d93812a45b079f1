import { CommandError } from '../core/errors.ts';
import { INTEL_IOMMU_PROPERTIES, resolveIntelProperties } from '../iommu/intel/properties.ts';
import { IntelIommuUnit } from '../iommu/intel/unit.ts';
import { Device } from '../qom/device.ts';
import { bool, onOffAuto, type PropertyKind, uint32, uint8 } from '../qom/kinds.ts';
import { deviceProperty, type Property } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';
import { rootBusForUnit } from './unit-place.ts';

type Setting = boolean | number | string;

const kinds = { bool, uint8, 'on-off-auto': onOffAuto } as const;

/** A property whose value stays undefined until it is given: the unit tells a default from a wish. */
function setting(definition: (typeof INTEL_IOMMU_PROPERTIES)[number]): Property<unknown> {
  const kind: PropertyKind<never> = kinds[definition.kind] as PropertyKind<never>;
  const shown = definition.default as never;
  const unset: PropertyKind<Setting | undefined> = {
    type: kind.type,
    ...(kind.description !== undefined && { description: kind.description }),
    showDefault: kind.showDefault,
    parseText: (text, place) => kind.parseText(text, place),
    parseJson: (value, place) => kind.parseJson(value, place),
    encode: (value) => kind.encode((value ?? shown) as never),
  };
  return deviceProperty(definition.name, unset, undefined, { description: definition.description });
}

const settings: readonly Property<unknown>[] = INTEL_IOMMU_PROPERTIES.map(setting);
/** QEMU takes them, too; here the version register and `eim=auto` are as they are. */
const withoutEffect: readonly Property<unknown>[] = [
  deviceProperty('version', uint32, 0, { description: 'taken without effect' }),
  deviceProperty('x-buggy-eim', bool, false, { description: 'taken without effect' }),
];

/** In the order of QEMU's listings: of any vIOMMU of the architecture, and of this one. */
const commonNames = ['pt', 'device-iotlb', 'intremap'];
const ownNames = [
  ...['x-scalable-mode', 'dma-translation', 'caching-mode', 'aw-bits', 'eim'],
  ...['version', 'x-buggy-eim', 'x-pasid-mode', 'dma-drain'],
  'snoop-control',
];

/** The order of `info qtree`, as far as QEMU has them. */
export const intelIommuTreeOrder = [
  ...[
    'version',
    'eim',
    'x-buggy-eim',
    'aw-bits',
    'caching-mode',
    'x-scalable-mode',
    'snoop-control',
    'x-pasid-mode',
    'dma-drain',
  ],
  'dma-translation',
];

const named = (names: readonly string[]): Property<unknown>[] =>
  names.flatMap((name) => [...settings, ...withoutEffect].find((property) => property.name === name) ?? []);

export const x86IommuProperties: readonly Property<unknown>[] = named(commonNames);

/** Those that QEMU has first, then the unit's others. */
export const intelIommuProperties: readonly Property<unknown>[] = [
  ...named(ownNames),
  ...settings.filter(({ name }) => !commonNames.includes(name) && !ownNames.includes(name)),
];

/** The VT-d unit as a device: it takes over the address spaces of the root bus and of all buses below. */
export class IntelIommuDevice extends Device {
  readonly #context: DeviceContext;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  protected override onRealize(): void {
    super.onRealize();
    const { memory, events, checks, faults, points, units, vfio } = this.#context;
    const rootBus = rootBusForUnit(this.#context, this.type.name);
    const properties = resolveIntelProperties(this.#given());
    const unit = new IntelIommuUnit({
      id: this.id,
      qomPath: this.path,
      properties,
      systemMemory: memory,
      events,
      checks,
      faults,
      points,
      onEnabled: (on) => vfio.checkLayout(on ? 'switch-on of translation' : 'switch-off of translation'),
    });
    units.add(unit);
    rootBus.iommuOps = unit;
    this.#settle('intremap', properties.interruptRemapping);
    this.#settle('eim', properties.extendedInterruptMode);
  }

  /** Every address space of the machine hangs on the unit. @throws CommandError always */
  protected override onUnrealize(): void {
    throw new CommandError(`Device '${this.label}' cannot go: the address spaces of all PCI devices hang on it`);
  }

  /** What was left to the unit (`auto`) reads as what it has become. */
  #settle(name: string, on: boolean): void {
    const property = this.type.property(name);
    if (property !== null) this.assign<unknown>(property, on ? 'on' : 'off');
  }

  #given(): Record<string, Setting> {
    const given: Record<string, Setting> = {};
    for (const property of settings) {
      const value = this.value(property) as Setting | undefined;
      if (value !== undefined) given[property.name] = value;
    }
    return given;
  }
}
