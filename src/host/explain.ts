import { PAGE_SHIFT } from '../core/address.ts';
import { explainPages, explainPasid } from '../iommu/intel/explain.ts';
import { TranslationType } from '../iommu/intel/tables.ts';
import { PasidEntryReader } from '../iommu/intel/walk.ts';
import type { TranslationStep } from '../iommu/unit.ts';
import { type FirstStageTable, FirstStageWalker } from '../iommu/walk/first-stage.ts';
import type { Access } from '../memory/access.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import { GUEST_ADDRESS_BITS, StageTableMemory } from './nested-walk.ts';
import type { HostPageTable } from './page-table.ts';
import type { PasidEntry } from './pasid-entry.ts';

const SHIFT = BigInt(PAGE_SHIFT);
const NESTED = 'VT-d 3.8';

/**
 * What the host meets on the way of a request, by the tables as they are, whatever is cached: the guest's entries as
 * they stand in its memory, and the range of the second stage that the way ends in, which has no words of its own.
 */
export class HostExplanation {
  readonly #tables: StageTableMemory;
  readonly #pasids = new PasidEntryReader({
    types: [TranslationType.firstStage, TranslationType.passThrough],
    fiveLevels: true,
  });
  readonly #first = new FirstStageWalker({ addressWidth: GUEST_ADDRESS_BITS });

  constructor(memory: HostMemory) {
    this.#tables = new StageTableMemory(memory, true);
  }

  /** From the PASID on; it ends where the request does. */
  steps(source: HostFunction, address: bigint, access: Access, pasid?: number): TranslationStep[] {
    const { capabilities, nested, table } = source;
    const page = Number(address >> SHIFT);
    if (table === null) return [];
    if (pasid === undefined) return mapping(table, page);
    if (nested === null || pasid >= 2 ** capabilities.pasidBits) return [];
    this.#tables.stage = nested.stage;
    if (nested.attached !== null) {
      const entry = nested.attached.get(pasid);
      return entry === undefined
        ? []
        : [attached(entry), ...this.#through(entry.firstStage, nested.stage, page, access)];
    }
    const pasids = this.#pasids;
    const found = pasids.read(this.#tables, nested.table, pasid);
    const steps = explainPasid(pasids, pasid, nested.table.format === 'vtd-ecs', 'first');
    if (!found) return steps;
    const firstStage = pasids.type === TranslationType.passThrough ? null : pasids.firstStage;
    return [...steps, ...this.#through(firstStage, nested.stage, page, access)];
  }

  #through(firstStage: FirstStageTable | null, stage: HostPageTable, page: number, access: Access): TranslationStep[] {
    if (firstStage === null) return mapping(stage, page);
    const first = this.#first;
    const found = first.walk(this.#tables, firstStage, page, access);
    const steps = explainPages(this.#tables, first, false, firstStage.levels);
    return found ? [...steps, ...mapping(stage, first.frame)] : steps;
  }
}

/** What the host itself has for a PASID, by contract iommufd. */
function attached({ pasid, nestedTable, domainId, firstStage }: PasidEntry): TranslationStep {
  const fields = [
    { name: 'page-table', value: BigInt(nestedTable) },
    { name: 'domain-id', value: BigInt(domainId) },
    ...(firstStage === null
      ? []
      : [
          { name: 'address', value: BigInt(firstStage.address) },
          { name: 'levels', value: BigInt(firstStage.levels) },
        ]),
  ];
  return { stage: 'first', structure: 'attached-pasid', index: pasid, address: 0n, raw: [], fields, spec: NESTED };
}

/** The range that holds a guest-physical (or shadowed) page; none where that is not mapped. */
function mapping(stage: HostPageTable, page: number): TranslationStep[] {
  if (!stage.lookup(page)) return [];
  const { start, end } = stage.range;
  const fields = [
    { name: 'host-physical', value: BigInt(stage.frame - (page - start)) << SHIFT },
    { name: 'size', value: BigInt(end - start) << SHIFT },
    { name: 'readonly', value: stage.readonly ? 1n : 0n },
  ];
  const address = BigInt(start) << SHIFT;
  return [{ stage: 'second', structure: 'host-mapping', index: stage.id, address, raw: [], fields, spec: NESTED }];
}
