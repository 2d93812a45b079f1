import type { Snapshottable } from '../../trace/snapshot.ts';
import { type IoMapping, MappingTable } from './mapping-table.ts';

/** Endpoints that share an address space (Virtio 1.2, section 5.13.6.3). */
export interface Domain {
  readonly id: number;
  /** Everything passes untranslated; it has no mappings. */
  readonly bypass: boolean;
  readonly mappings: MappingTable;
}

export interface DomainsState {
  domains: { id: number; bypass: boolean; mappings: IoMapping[] }[];
  /** Null: known, but attached to none. */
  endpoints: { endpoint: number; domain: number | null }[];
}

/** How many mappings all domains of a device have at most: one attach tells VFIO of all that a domain has. */
export const MOST_MAPPINGS = 2 ** 16;

/** Which endpoint is attached to which domain. Both come with an attach; a domain goes with its last endpoint. */
export class Domains implements Snapshottable<DomainsState> {
  readonly #domains = new Map<number, Domain>();
  readonly #endpoints = new Map<number, Domain | null>();

  /** The domain of an endpoint; null: attached to none; undefined: the endpoint was never attached, or was detached. */
  of(endpoint: number): Domain | null | undefined {
    return this.#endpoints.get(endpoint);
  }

  find(id: number): Domain | undefined {
    return this.#domains.get(id);
  }

  /** By ascending number. */
  endpointsOf(domain: Domain): number[] {
    return [...this.#endpoints]
      .filter(([, attached]) => attached === domain)
      .map(([endpoint]) => endpoint)
      .sort((a, b) => a - b);
  }

  /** By ascending number. */
  endpoints(): number[] {
    return [...this.#endpoints.keys()].sort((a, b) => a - b);
  }

  /** No further mapping can be kept. */
  get full(): boolean {
    let sum = 0;
    for (const { mappings } of this.#domains.values()) sum += mappings.size;
    return sum >= MOST_MAPPINGS;
  }

  /** The domain with that id, made where there is none; null: there is one that passes, or translates, otherwise. */
  provide(id: number, bypass: boolean): Domain | null {
    const found = this.#domains.get(id);
    if (found !== undefined) return found.bypass === bypass ? found : null;
    const domain = { id, bypass, mappings: new MappingTable() };
    this.#domains.set(id, domain);
    return domain;
  }

  /** The endpoint must be attached to no domain. */
  attach(endpoint: number, domain: Domain | null): void {
    this.#endpoints.set(endpoint, domain);
  }

  /** Leaves the endpoint without domain, and known; its domain goes when nobody else is attached. */
  detach(endpoint: number): void {
    const domain = this.#endpoints.get(endpoint);
    this.#endpoints.set(endpoint, null);
    if (domain != null && this.endpointsOf(domain).length === 0) this.#domains.delete(domain.id);
  }

  /** The endpoint is as if it had never been attached. */
  forget(endpoint: number): void {
    this.detach(endpoint);
    this.#endpoints.delete(endpoint);
  }

  save(): DomainsState {
    return {
      domains: [...this.#domains.values()].map(({ id, bypass, mappings }) => ({
        id,
        bypass,
        mappings: mappings.save(),
      })),
      endpoints: [...this.#endpoints].map(([endpoint, domain]) => ({ endpoint, domain: domain?.id ?? null })),
    };
  }

  restore({ domains, endpoints }: DomainsState): void {
    this.#domains.clear();
    this.#endpoints.clear();
    for (const { id, bypass, mappings } of domains) this.provide(id, bypass)!.mappings.restore(mappings);
    for (const { endpoint, domain } of endpoints) {
      this.#endpoints.set(endpoint, domain === null ? null : this.#domains.get(domain)!);
    }
  }
}
