import type { AddressSpace } from '../../memory/address-space.ts';
import type { PciBus } from '../../pci/bus.ts';
import type { EndpointSpace } from './endpoint-space.ts';

/** The spaces of a unit, by place, by address space and by the number of the endpoint. */
export class SpaceList {
  readonly #places = new Map<PciBus, Map<number, EndpointSpace>>();
  readonly #byAddressSpace = new Map<AddressSpace, EndpointSpace>();

  /** By bus number, as software programmed it, and function. */
  all(): EndpointSpace[] {
    return [...this.#byAddressSpace.values()].sort((a, b) => a.endpoint - b.endpoint);
  }

  get size(): number {
    return this.#byAddressSpace.size;
  }

  at(bus: PciBus, devfn: number): EndpointSpace | undefined {
    return this.#places.get(bus)?.get(devfn);
  }

  behind(addressSpace: AddressSpace): EndpointSpace | null {
    return this.#byAddressSpace.get(addressSpace) ?? null;
  }

  /** Buses that software has not numbered share number 0: the one that came first has the endpoint. */
  of(endpoint: number): EndpointSpace | null {
    for (const space of this.#byAddressSpace.values()) if (space.endpoint === endpoint) return space;
    return null;
  }

  add(space: EndpointSpace): void {
    const { bus, devfn, addressSpace } = space;
    let functions = this.#places.get(bus);
    if (functions === undefined) this.#places.set(bus, (functions = new Map<number, EndpointSpace>()));
    functions.set(devfn, space);
    this.#byAddressSpace.set(addressSpace, space);
  }
}
