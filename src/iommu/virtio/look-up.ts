import { ADDRESS_LAST, ADDRESS_SPACE_SIZE, hex, PAGE_SHIFT } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { permissionNames, Permission } from '../../memory/access.ts';
import type { RegionMapping } from '../../memory/iommu-region.ts';
import { translationFault } from '../faults.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import type {
  Mapping,
  MappingPage,
  MappingQuery,
  TranslationRequest,
  TranslationStep,
  UnitTranslation,
} from '../unit.ts';
import type { EndpointSpace } from './endpoint-space.ts';
import { iommuFault } from './faults.ts';
import type { IoMapping } from './mapping-table.ts';
import { type Judgement, permissionsOf, type Translation } from './translation.ts';

const DEFAULT_BUDGET = 200_000;
/** Beyond so many mappings they are not read at once. */
const MOST_LISTED = 100_000;
const SPEC = 'Virtio 1.2, section';

/** Answers questions about translations and leaves no trace: reports no fault. */
export class LookUp {
  readonly #translation: Translation;

  constructor(translation: Translation) {
    this.#translation = translation;
  }

  /** Where a request leads. One with PASID has no way: there are none. */
  translate(space: EndpointSpace, request: TranslationRequest): UnitTranslation {
    const { address, access, pasid, explain } = request;
    if (pasid !== undefined) {
      const { code = 0, reason = '', sentence } = translationFault(0, access, address, pasid);
      return { result: 'fault', code, reason, desc: sentence, ...(explain === true && { steps: [] }) };
    }
    const judgement: Judgement = space.bypass
      ? { kind: 'identity', why: 'bypass' }
      : this.#translation.judge(space, address, access);
    const answer = this.#answer(judgement, request);
    return explain === true ? { ...answer, steps: this.#explain(space, judgement) } : answer;
  }

  /**
   * What an endpoint reaches by its domain, neighbours as one; nothing while everything passes.
   * @throws CommandError when a PASID is asked for
   */
  mappings(space: EndpointSpace, { pasid, start = 0n, limit, budget = DEFAULT_BUDGET }: MappingQuery): MappingPage {
    const domain = this.#translation.domainOf(space);
    if (pasid !== undefined) {
      throw new CommandError(`There are no mappings of PASID ${pasid}: a virtio-iommu has no PASIDs`);
    }
    if (space.bypass || domain === null || domain.bypass) return { mappings: [] };
    const mappings: Mapping[] = [];
    let left = budget;
    const first = start - (start % this.#translation.properties.granule);
    for (const mapping of this.#translation.reachable(domain, first, ADDRESS_LAST)) {
      const previous = mappings.at(-1);
      if (left <= 0 || (mappings.length >= limit && !(previous && continues(previous, mapping)))) {
        return { mappings, next: mapping.start };
      }
      left -= 1;
      if (previous !== undefined && continues(previous, mapping)) {
        mappings[mappings.length - 1] = { ...previous, size: previous.size + sizeOf(mapping) };
        continue;
      }
      mappings.push({
        iova: mapping.start,
        address: mapping.physical,
        size: sizeOf(mapping),
        permissions: permissionNames(permissionsOf(mapping)),
        'page-size': this.#translation.properties.granule,
      });
    }
    return { mappings };
  }

  reverse(space: EndpointSpace, search: ReverseSearch): Reach[] {
    const domain = this.#translation.domainOf(space);
    const passes = domain === null ? this.#translation.bypass : domain.bypass;
    if (space.bypass || passes) {
      return search.direct(search.page, PAGE_SHIFT, Permission.readWrite, undefined);
    }
    if (domain === null) return [];
    const found: Reach[] = [];
    const wanted = BigInt(search.page) << BigInt(PAGE_SHIFT);
    for (const mapping of this.#translation.reachable(domain, 0n, ADDRESS_LAST)) {
      if (!search.mayRead()) break;
      const { start, physical } = mapping;
      if (wanted < physical || wanted >= physical + sizeOf(mapping)) continue;
      const page = Number((start + (wanted - physical)) >> BigInt(PAGE_SHIFT));
      found.push(...search.direct(page, PAGE_SHIFT, permissionsOf(mapping), undefined));
    }
    return found;
  }

  /** What a domain maps in a range, for notifiers that compare; null where that is too much to read at once. */
  regionMappings(space: EndpointSpace, first: bigint, last: bigint): RegionMapping[] | null {
    const domain = this.#translation.domainOf(space);
    if (domain === null || domain.bypass) return [];
    const found: RegionMapping[] = [];
    for (const mapping of this.#translation.reachable(domain, first, last)) {
      if (found.length >= MOST_LISTED) return null;
      found.push({
        iova: mapping.start,
        address: mapping.physical,
        size: sizeOf(mapping),
        pageSize: this.#translation.properties.granule,
        writable: (permissionsOf(mapping) & Permission.write) !== 0,
      });
    }
    return found;
  }

  #answer(judgement: Judgement, { address, access }: TranslationRequest): UnitTranslation {
    const size = this.#translation.properties.granule;
    switch (judgement.kind) {
      case 'identity':
        return { result: 'translated', address, size, permissions: ['read', 'write'], source: 'bypass' };
      case 'mapped': {
        const permissions = permissionNames(permissionsOf(judgement.mapping));
        return { result: 'translated', address: judgement.address, size, permissions, source: 'walk' };
      }
      case 'fault': {
        const { code = 0, reason = '', sentence } = iommuFault(judgement.name, access, address);
        const { mapping } = judgement;
        const where = mapping === undefined ? '' : `; it maps ${hex(mapping.start)} to ${hex(mapping.last)}`;
        return { result: 'fault', code, reason, desc: `${sentence}${where}` };
      }
    }
  }

  /** What requests have made lies in the device, not in guest memory: the steps have no words. */
  #explain(space: EndpointSpace, judgement: Judgement): TranslationStep[] {
    const { domains } = this.#translation;
    const domain = domains.of(space.endpoint);
    const common = { stage: 'second' as const, raw: [] };
    const steps: TranslationStep[] = [];
    if (domain === undefined) return steps;
    steps.push({
      ...common,
      structure: 'endpoint',
      index: space.endpoint,
      address: 0n,
      fields: domain === null ? [] : [field('domain', domain.id), field('bypass', domain.bypass ? 1 : 0)],
      spec: `${SPEC} 5.13.6.3`,
    });
    if (judgement.kind === 'identity' || domain === null) return steps;
    const { mapping } = judgement;
    if (mapping === undefined) return steps;
    steps.push({
      ...common,
      structure: 'mapping',
      index: domain.mappings.indexIn(mapping.start, mapping.last),
      address: mapping.start,
      fields: [
        field('virt_start', mapping.start),
        field('virt_end', mapping.last),
        field('phys_start', mapping.physical),
        field('flags', mapping.flags),
      ],
      spec: `${SPEC} 5.13.6.5`,
    });
    return steps;
  }
}

function field(name: string, value: bigint | number): { name: string; value: bigint } {
  return { name, value: BigInt(value) };
}

function sizeOf({ start, last }: IoMapping): bigint {
  return last - start + 1n;
}

function continues(previous: Mapping, mapping: IoMapping): boolean {
  return (
    previous.iova + previous.size === mapping.start &&
    previous.address + previous.size === mapping.physical &&
    previous.size + sizeOf(mapping) < ADDRESS_SPACE_SIZE &&
    previous.permissions.join() === permissionNames(permissionsOf(mapping)).join()
  );
}
