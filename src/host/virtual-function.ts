import { type Bdf, formatBdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import type { HostFunctionOptions } from './options.ts';

/** What a virtual function takes from the physical one that it belongs to. */
export interface PhysicalFunction {
  /** The long form of its address. */
  readonly name: string;
  readonly pasidBits: number;
  readonly pageRequests: boolean;
  /** Null, or it is a virtual function itself. */
  readonly physicalFunction: Bdf | null;
}

/**
 * The options of a function with what it has from its physical function: a virtual one has no PASID and page request
 * capabilities of its own but uses those (PCI Express Base 5.0, sections 7.8.8 and 10.5.2), of which it can be told to
 * use less. `find` gives the host's functions by address.
 * @throws CommandError when there is no such physical function, or more is asked than it has
 */
export function withPhysicalFunction(
  options: HostFunctionOptions,
  find: (bdf: Bdf) => PhysicalFunction | null,
): HostFunctionOptions {
  if (options.physicalFunction === undefined) return options;
  const name = formatBdf(options.bdf);
  const physical = find(options.physicalFunction);
  if (physical === null || physical.physicalFunction !== null) {
    throw new CommandError(
      `Host function ${name} cannot be a virtual function of ${formatBdf(options.physicalFunction)}: the host has no ` +
        'physical function there; add that one first',
    );
  }
  const { pasidBits = physical.pasidBits, pageRequests = physical.pageRequests } = options;
  if (pasidBits > physical.pasidBits) {
    throw new CommandError(
      `Virtual function ${name} cannot have ${pasidBits} PASID bits: it uses those of ${physical.name}, which has ` +
        `${physical.pasidBits}; give pasid-bits=${physical.pasidBits} or less`,
    );
  }
  if (pageRequests && !physical.pageRequests) {
    throw new CommandError(
      `Virtual function ${name} cannot have pri=on: it asks for pages through ${physical.name}, which has pri=off`,
    );
  }
  return { ...options, pasidBits, pageRequests };
}

/** @throws CommandError when one of `functions` is a virtual function of one that is not among them */
export function checkPhysicalFunctions(functions: readonly HostFunctionOptions[]): void {
  const present = new Set(functions.map(({ bdf }) => formatBdf(bdf)));
  for (const { bdf, physicalFunction } of functions) {
    if (physicalFunction === undefined || present.has(formatBdf(physicalFunction))) continue;
    throw new CommandError(
      `Host function ${formatBdf(physicalFunction)} has the virtual function ${formatBdf(bdf)}: remove that first`,
    );
  }
}
