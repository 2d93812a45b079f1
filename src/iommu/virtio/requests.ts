import { ADDRESS_LAST } from '../../core/address.ts';
import type { Domain } from './domains.ts';
import type { EndpointSpace } from './endpoint-space.ts';
import type { IoMapping } from './mapping-table.ts';
import type { MappingNotifications } from './notifications.ts';
import { ATTACH_BYPASS, type IommuRequest, MapFlag, RequestStatus } from './protocol.ts';
import { probeProperties } from './reserved-regions.ts';
import type { SpaceList } from './space-list.ts';
import type { Translation } from './translation.ts';

const MAP_FLAGS = MapFlag.read | MapFlag.write | MapFlag.mmio;

/** What carrying a request out gave: its status, and for a probe the properties. */
export interface RequestOutcome {
  readonly status: number;
  readonly properties?: Uint8Array;
}

export interface RequestParts {
  readonly translation: Translation;
  readonly spaces: SpaceList;
  readonly notifications: MappingNotifications;
  /** Shows the endpoint what its domain says. @returns whether that brought the IOMMU region, whose notifiers then know */
  follow(space: EndpointSpace): boolean;
}

/** Carries requests out (Virtio 1.2, section 5.13.6.3 to 5.13.6.7), with QEMU's status where a driver breaks the rules. */
export class Requests {
  readonly #parts: RequestParts;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  carryOut(request: IommuRequest): RequestOutcome {
    switch (request.type) {
      case 'attach':
        return { status: this.#attach(request) };
      case 'detach':
        return { status: this.#detach(request) };
      case 'map':
        return { status: this.#map(request) };
      case 'unmap':
        return { status: this.#unmap(request) };
      case 'probe':
        return this.#probe(request.endpoint);
    }
  }

  /** A reset of the device: no endpoint is attached any more, and no domain is left. */
  detachAll(): void {
    const { domains } = this.#parts.translation;
    for (const endpoint of domains.endpoints()) this.#leave(endpoint, true);
  }

  /** An endpoint leaves its domain before it comes to the new one, and stays without when that refuses it. */
  #attach({ domain: id, endpoint, flags }: Extract<IommuRequest, { type: 'attach' }>): number {
    const { translation, spaces, notifications } = this.#parts;
    if ((flags & ~ATTACH_BYPASS) !== 0) return RequestStatus.invalid;
    const space = spaces.of(endpoint);
    if (space === null) return RequestStatus.noEntry;
    this.#leave(endpoint, false);
    const domain = translation.domains.provide(id, (flags & ATTACH_BYPASS) !== 0);
    translation.domains.attach(endpoint, domain);
    if (domain === null) return RequestStatus.invalid;
    if (!this.#parts.follow(space)) {
      for (const mapping of domain.mappings.entries()) notifications.mapped(space, mapping);
    }
    return RequestStatus.ok;
  }

  #detach({ domain: id, endpoint }: Extract<IommuRequest, { type: 'detach' }>): number {
    const domain = this.#parts.translation.domains.of(endpoint);
    if (domain === undefined) return RequestStatus.noEntry;
    if (domain?.id !== id) return RequestStatus.invalid;
    this.#leave(endpoint, true);
    return RequestStatus.ok;
  }

  /** Neither alignment nor the order nor the width of the addresses is looked at, as in QEMU. */
  #map(request: Extract<IommuRequest, { type: 'map' }>): number {
    const { translation, notifications } = this.#parts;
    const { domain: id, start, last, physical, flags } = request;
    if ((flags & ~MAP_FLAGS) !== 0) return RequestStatus.invalid;
    const domain = translation.domains.find(id);
    if (domain === undefined) return RequestStatus.noEntry;
    if (domain.bypass || domain.mappings.indexIn(start, last) >= 0) return RequestStatus.invalid;
    if (translation.domains.full) return RequestStatus.noMemory;
    const mapping: IoMapping = { start, last, physical, flags };
    domain.mappings.add(mapping);
    for (const space of this.#spacesOf(domain)) notifications.mapped(space, mapping);
    return RequestStatus.ok;
  }

  #unmap({ domain: id, start, last }: Extract<IommuRequest, { type: 'unmap' }>): number {
    const { translation, notifications } = this.#parts;
    const domain = translation.domains.find(id);
    if (domain === undefined) return RequestStatus.noEntry;
    if (domain.bypass) return RequestStatus.invalid;
    const { removed, cut } = domain.mappings.removeIn(start, last);
    for (const space of this.#spacesOf(domain)) {
      for (const mapping of removed) notifications.unmapped(space, mapping);
      if (!cut && start <= last) notifications.completed(space, start, last);
    }
    return cut ? RequestStatus.range : RequestStatus.ok;
  }

  #probe(endpoint: number): RequestOutcome {
    const { translation, spaces } = this.#parts;
    const space = spaces.of(endpoint);
    if (space === null) return { status: RequestStatus.noEntry, properties: probeProperties([]) };
    return { status: RequestStatus.ok, properties: probeProperties(translation.regionsOf(space)) };
  }

  /** Takes an endpoint out of its domain, if it is in one. */
  #leave(endpoint: number, forget: boolean): void {
    const { translation, spaces, notifications } = this.#parts;
    const { domains } = translation;
    const domain = domains.of(endpoint) ?? null;
    const space = spaces.of(endpoint);
    if (domain !== null && space !== null) {
      for (const mapping of domain.mappings.entries()) notifications.unmapped(space, mapping);
    }
    if (forget) domains.forget(endpoint);
    else domains.detach(endpoint);
    if (space === null) return;
    this.#parts.follow(space);
    if (domain !== null) notifications.completed(space, 0n, ADDRESS_LAST);
  }

  #spacesOf(domain: Domain): EndpointSpace[] {
    const { translation, spaces } = this.#parts;
    return translation.domains
      .endpointsOf(domain)
      .map((endpoint) => spaces.of(endpoint))
      .filter((space) => space !== null);
  }
}
