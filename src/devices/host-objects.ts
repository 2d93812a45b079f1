import { formatBdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import { parseHostFunctionOptions, parseHostIommuOptions } from '../host/options.ts';
import { bool, hostPciAddress, type PropertyKind, str, uint32, uint8 } from '../qom/kinds.ts';
import { objectProperty, type Property } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';
import { UserObject } from './user-object.ts';

/** A property without a value until it is given: what is not given keeps the host's own default. */
function optional<Value>(name: string, kind: PropertyKind<Value>, description: string): Property<Value | null> {
  const nullable: PropertyKind<Value | null> = {
    ...kind,
    encode: (value) => (value === null ? null : kind.encode(value)),
  };
  return objectProperty<Value | null>(name, nullable, null, { description });
}

export const hostIommuProperties: readonly Property<unknown>[] = [
  optional('address-bits', uint8, 'Width of a second-stage input address'),
  optional('page-sizes', str, 'Page sizes, separated by colons (4K:2M:1G)'),
  optional('pasid-bits', uint8, 'Width of a PASID'),
  optional('nesting', bool, 'Whether a guest first stage can be nested'),
  optional('formats', str, 'Formats of guest PASID tables, separated by colons (vtd-scalable:vtd-ecs:amd-gcr3)'),
  optional('ats', bool, 'Whether devices may cache translations'),
  optional('page-requests', bool, 'Whether devices may ask for pages'),
  optional('dirty-tracking', bool, 'Whether second-stage entries note which pages were written'),
  optional('coherency', bool, 'Whether walks and writes of devices snoop the caches of processors'),
  optional('errata-772415', bool, 'Whether nesting over read-only second-stage mappings is forbidden'),
  optional('max-page-tables', uint32, 'How many nested page tables, one for each PASID, there can be'),
  optional('iotlb-size', uint32, 'Entries of the IOTLB'),
  optional('pasid-cache-size', uint32, 'Entries of the PASID cache'),
  optional('context-cache-size', uint32, 'Entries of the context cache'),
  optional('ats-cache-size', uint32, "Entries of each function's own cache of translations (ATS)"),
  optional('seed', uint32, 'Seed of the replacement in the caches'),
  optional('built-in-functions', bool, 'Whether the host has functions beside those that are declared'),
];

const bdf = objectProperty('bdf', hostPciAddress, null, {
  description: 'Address of the function on the host, example: 0000:3b:00.0',
});

export const hostFunctionProperties: readonly Property<unknown>[] = [
  bdf,
  optional('group', uint32, 'IOMMU group; without one the function cannot be assigned'),
  optional('pasid-bits', uint8, 'Width of a PASID'),
  optional('ats', bool, 'Whether the function may cache translations'),
  optional('pri', bool, 'Whether the function may ask for pages'),
  optional('pf', str, 'Address of the physical function that it is a virtual one of'),
];

type OptionValue = string | number | boolean | bigint;

function given(object: UserObject, properties: readonly Property<unknown>[]): Record<string, OptionValue> {
  const values: Record<string, OptionValue> = {};
  for (const property of properties) {
    if (property === bdf) continue;
    const value = object.value(property) as OptionValue | null;
    if (value !== null) values[property.name] = value;
  }
  return values;
}

/** What the modelled host's IOMMU can do. There is one, so the second object of this type is refused. */
export class HostIommuObject extends UserObject {
  readonly #context: DeviceContext;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  complete(): void {
    const other = this.parent?.children().find((child) => child !== this && child instanceof HostIommuObject);
    if (other !== undefined) {
      throw new CommandError(`The host has one IOMMU, set by object '${other.name}'; delete that object first`);
    }
    this.#context.host.configure(parseHostIommuOptions(given(this, hostIommuProperties)));
  }

  dispose(): void {
    this.#context.host.configure({});
  }
}

/** One more function of the modelled host. */
export class HostFunctionObject extends UserObject {
  override readonly required = ['bdf'];
  readonly #context: DeviceContext;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  complete(): void {
    const address = this.value(bdf);
    if (address === null) throw new CommandError("Parameter 'bdf' is missing");
    const options = parseHostFunctionOptions({ ...given(this, hostFunctionProperties), bdf: formatBdf(address) });
    this.#context.host.addFunction(options);
  }

  dispose(): void {
    const address = this.value(bdf);
    if (address !== null) this.#context.host.removeFunction(address);
  }
}
