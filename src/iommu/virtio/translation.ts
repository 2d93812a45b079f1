import { ADDRESS_LAST, ADDRESS_SPACE_SIZE } from '../../core/address.ts';
import { type Access, Permission, type Permissions } from '../../memory/access.ts';
import type { Domain, Domains } from './domains.ts';
import type { EndpointSpace } from './endpoint-space.ts';
import type { IommuFaultName } from './faults.ts';
import { type IoMapping, isEmpty } from './mapping-table.ts';
import { MapFlag } from './protocol.ts';
import type { VirtioIommuProperties } from './properties.ts';
import type { ReservedRegion } from './reserved-regions.ts';

/** What the unit says to one address of an endpoint. */
export type Judgement =
  /** It passes as it is. */
  | { readonly kind: 'identity'; readonly why: 'bypass' | 'msi' }
  | {
      readonly kind: 'mapped';
      readonly mapping: IoMapping;
      /** Guest-physical, of that very byte. */
      readonly address: bigint;
    }
  | { readonly kind: 'fault'; readonly name: IommuFaultName; readonly mapping?: IoMapping };

/** Rights of a mapping. */
export function permissionsOf({ flags }: IoMapping): Permissions {
  const read = (flags & MapFlag.read) !== 0 ? Permission.read : Permission.none;
  return read | ((flags & MapFlag.write) !== 0 ? Permission.write : Permission.none);
}

/** Decides by domains, reserved regions and the global bypass alone where an address leads; nothing is recorded. */
export class Translation {
  /** What is attached to no domain passes. */
  bypass: boolean;
  readonly domains: Domains;
  readonly properties: VirtioIommuProperties;

  constructor(domains: Domains, properties: VirtioIommuProperties) {
    this.domains = domains;
    this.properties = properties;
    this.bypass = properties.bootBypass;
  }

  /** Null: attached to none. */
  domainOf(space: EndpointSpace): Domain | null {
    return this.domains.of(space.endpoint) ?? null;
  }

  /** The endpoint is shown plain memory. */
  bypasses(space: EndpointSpace): boolean {
    return this.domainOf(space)?.bypass ?? this.bypass;
  }

  /** Of the endpoint: the unit's, then those of the host behind it. */
  regionsOf(space: EndpointSpace): readonly ReservedRegion[] {
    return [...this.properties.reservedRegions, ...space.hostRegions];
  }

  /** In QEMU's order: an endpoint that nobody knows, reserved regions, domain, mapping. */
  judge(space: EndpointSpace, address: bigint, access: Access): Judgement {
    const domain = this.domains.of(space.endpoint);
    if (domain === undefined) {
      return this.bypass ? { kind: 'identity', why: 'bypass' } : { kind: 'fault', name: 'unknown-endpoint' };
    }
    const region = this.regionsOf(space).find(({ start, last }) => address >= start && address <= last);
    if (region !== undefined) {
      return region.kind === 'msi' ? { kind: 'identity', why: 'msi' } : { kind: 'fault', name: 'reserved-region' };
    }
    if (domain === null) {
      return this.bypass ? { kind: 'identity', why: 'bypass' } : { kind: 'fault', name: 'endpoint-not-attached' };
    }
    if (domain.bypass) return { kind: 'identity', why: 'bypass' };
    return judgeMapping(domain, address, access);
  }

  /**
   * The parts of a domain's mappings from `first` to `last` (inclusive) that devices reach, by ascending address; one of
   * all addresses in two halves, so that every size has 64 bits.
   */
  *reachable({ mappings }: Domain, first: bigint, last: bigint): Generator<IoMapping> {
    for (const mapping of mappings.from(first)) {
      if (mapping.start > last) return;
      if (isEmpty(mapping) || permissionsOf(mapping) === Permission.none) continue;
      const start = mapping.start > first ? mapping.start : first;
      const end = mapping.last < last ? mapping.last : last;
      const half = start + ADDRESS_SPACE_SIZE / 2n;
      const whole = end - start === ADDRESS_LAST;
      if (whole) yield partOf(mapping, start, half - 1n);
      yield partOf(mapping, whole ? half : start, end);
    }
  }
}

function partOf(mapping: IoMapping, start: bigint, last: bigint): IoMapping {
  const physical = BigInt.asUintN(64, mapping.physical + (start - mapping.start));
  return { ...mapping, start, last, physical };
}

/** QEMU looks for a mapping of the address or of the one behind it: the byte in front of a mapping meets that, too. */
function judgeMapping({ mappings }: Domain, address: bigint, access: Access): Judgement {
  const mapping = mappings.find(address) ?? mappings.find(address + 1n);
  if (mapping === null) return { kind: 'fault', name: 'not-mapped' };
  const rights = permissionsOf(mapping);
  if ((access === 'read' || access === 'execute') && (rights & Permission.read) === 0) {
    return { kind: 'fault', name: 'read-not-permitted', mapping };
  }
  if (access === 'write' && (rights & Permission.write) === 0) {
    return { kind: 'fault', name: 'write-not-permitted', mapping };
  }
  return { kind: 'mapped', mapping, address: BigInt.asUintN(64, mapping.physical + (address - mapping.start)) };
}
