import { CommandError } from '../core/errors.ts';
import { type PropertyKind, string } from '../qom/kinds.ts';
import { objectProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';
import { inUse, UserObject } from './user-object.ts';

/**
 * A file descriptor of /dev/iommu, as a management tool hands it over: by number, or over the monitor by a name that
 * `getfd` gave it. The modelled host has no such files: a number is taken and changes nothing, a name is unknown.
 */
const fileDescriptor: PropertyKind<string | null> = {
  ...string,
  parseText: (text) => descriptor(text, `Invalid file descriptor number '${text}'`),
  parseJson(value, place) {
    const text = string.parseJson(value, place) ?? '';
    const unknown = /^[0-9]/.test(text) ? `Invalid file descriptor number '${text}'` : null;
    return descriptor(text, unknown ?? `File descriptor named '${text}' has not been found`);
  },
};

function descriptor(text: string, refusal: string): string {
  const number = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (number <= 0x7fff_ffff) return text;
  throw new CommandError(`Could not parse remote object fd ${text}:${refusal}`);
}

export const iommufdProperties = {
  fd: objectProperty('fd', fileDescriptor, null, {
    description: 'File descriptor of /dev/iommu; without one the object opens that itself',
    get: (object) => {
      throw new CommandError(`Property '${object.type.name}.fd' is not readable`);
    },
  }),
} as const;

/** A user context of the host's iommufd: devices that name it are attached by contract iommufd. */
export class IommufdObject extends UserObject {
  readonly #context: DeviceContext;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  /** Nothing is opened before the first device comes. */
  complete(): void {}

  dispose(): void {
    if (this.#context.vfio.containers().some(({ iommufd }) => iommufd === this.name)) throw inUse(this);
  }
}
