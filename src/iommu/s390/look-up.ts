import { PAGE_SHIFT, PAGE_SIZE } from '../../core/address.ts';
import { Permission, permissionNames } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { stepOf } from '../entry-layout.ts';
import { listMappings } from '../list-mappings.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import type {
  MappingPage,
  MappingQuery,
  TranslationRequest,
  TranslationStep,
  UnitIotlbEntry,
  UnitTranslation,
} from '../unit.ts';
import { ErrorCode, errorFault, rightFor } from './errors.ts';
import type { FunctionIommu } from './function-iommu.ts';
import type { RefreshedPage } from './refreshed-pages.ts';
import { EntryBit, FIRST_DMA_ADDRESS, FRAME_ENTRY, Level, PAGE_ENTRY, REGION_ENTRY, SEGMENT_ENTRY } from './tables.ts';
import { type TranslationAnchor, ZpciWalker } from './walk.ts';

const DEFAULT_BUDGET = 200_000;
const PAGE_MASK = BigInt(PAGE_SIZE - 1);

type Answer = Extract<UnitTranslation, { result: string }>;

/** Answers questions about translations and leaves no trace: reports no error, refreshes nothing. */
export class LookUp {
  readonly #memory: TableMemory;
  readonly #memorySize: bigint;
  readonly #walker = new ZpciWalker();

  /** @param memorySize what a direct mapping reaches, in bytes */
  constructor(memory: TableMemory, memorySize: bigint) {
    this.#memory = memory;
    this.#memorySize = memorySize;
  }

  /** Where a request would lead: by the refreshed pages, whatever the tables say now. */
  translate(iommu: FunctionIommu, request: TranslationRequest): UnitTranslation {
    if (request.pasid !== undefined) return withPasid(request);
    const answer = iommu.space.bypass ? this.#direct(request) : this.#refreshed(iommu, request);
    if (request.explain !== true) return answer;
    return { ...answer, steps: iommu.space.bypass ? [] : this.#explain(iommu, request.address) };
  }

  /** What the tables map in the registered range. */
  mappings(iommu: FunctionIommu, { pasid, start = 0n, limit, budget = DEFAULT_BUDGET }: MappingQuery): MappingPage {
    const tables = iommu.listed();
    const { registration } = iommu;
    if (
      pasid !== undefined ||
      tables === null ||
      registration === null ||
      iommu.space.bypass ||
      start > registration.limit
    ) {
      return { mappings: [] };
    }
    const first = start > registration.base ? start : registration.base;
    return listMappings(tables, first, limit, budget, registration.limit);
  }

  reverse(iommu: FunctionIommu, search: ReverseSearch): Reach[] {
    const { registration } = iommu;
    if (iommu.space.bypass) {
      if (BigInt(search.page) << BigInt(PAGE_SHIFT) >= this.#memorySize) return [];
      const page = search.page + Number(FIRST_DMA_ADDRESS >> BigInt(PAGE_SHIFT));
      return search.direct(page, PAGE_SHIFT, Permission.readWrite, undefined);
    }
    const { tables } = iommu;
    const listed = iommu.listed();
    if (tables === null || listed === null || registration === null) return [];
    const first = Number(registration.base >> BigInt(PAGE_SHIFT));
    const last = Number(registration.limit >> BigInt(PAGE_SHIFT));
    const confirm = (page: number): { frame: number; shift: number; permissions: number } | null => {
      if (page < first || page > last) return null;
      return this.#walks(tables, page) ? this.#walker : null;
    };
    return search.through(listed, confirm, undefined);
  }

  /** The refreshed pages of one function, and whether the tables say something else by now. */
  iotlbEntries(iommu: FunctionIommu, domainId: number): UnitIotlbEntry[] {
    const { tables } = iommu;
    const device = iommu.space.deviceName;
    return iommu.pages.all().map((page) => ({
      device,
      'domain-id': domainId,
      iova: BigInt(page.page) << BigInt(PAGE_SHIFT),
      address: BigInt(page.frame) << BigInt(PAGE_SHIFT),
      size: BigInt(PAGE_SIZE),
      permissions: permissionNames(page.permissions),
      stage: 'second' as const,
      level: Level.page,
      stale: tables === null || this.#isStale(tables, page),
    }));
  }

  #isStale(tables: TranslationAnchor, { page, frame, permissions }: RefreshedPage): boolean {
    const walker = this.#walker;
    return !this.#walks(tables, page) || walker.frame !== frame || walker.permissions !== permissions;
  }

  /** The tables map the page. */
  #walks(tables: TranslationAnchor, page: number): boolean {
    return this.#walker.walk(this.#memory, tables, page) && this.#walker.permissions !== Permission.none;
  }

  #direct({ address, access }: TranslationRequest): Answer {
    const target = address - FIRST_DMA_ADDRESS;
    if (target < 0n || target >= this.#memorySize) return fault(ErrorCode.outOfRange, access, address);
    const permissions = permissionNames(Permission.readWrite);
    return { result: 'translated', address: target, size: PAGE_MASK + 1n, permissions, source: 'bypass' };
  }

  #refreshed(iommu: FunctionIommu, { address, access }: TranslationRequest): Answer {
    const { owner, registration, tables } = iommu;
    if (owner === null || registration === null || tables === null || !owner.takesRequests) {
      return fault(ErrorCode.none, access, address);
    }
    if (address < registration.base || address > registration.limit) {
      return fault(ErrorCode.outOfRange, access, address);
    }
    const page = Number(address >> BigInt(PAGE_SHIFT));
    const found = iommu.pages.find(page);
    const right = access === 'none' ? Permission.readWrite : rightFor(access);
    if (found === null || (found.permissions & right) === 0) {
      const isMapped = this.#walks(tables, page) && (this.#walker.permissions & right) !== 0;
      return fault(
        ErrorCode.protection,
        access,
        address,
        isMapped ? '; the tables do, but no RPCIT has read them' : '',
      );
    }
    return {
      result: 'translated',
      address: (BigInt(found.frame) << BigInt(PAGE_SHIFT)) | (address & PAGE_MASK),
      size: PAGE_MASK + 1n,
      permissions: permissionNames(found.permissions),
      source: 'iotlb',
    };
  }

  /** By the tables as they are, whatever was refreshed. */
  #explain(iommu: FunctionIommu, address: bigint): TranslationStep[] {
    const { tables } = iommu;
    if (tables === null) return [];
    const walker = this.#walker;
    walker.walk(this.#memory, tables, Number(address >> BigInt(PAGE_SHIFT)));
    const steps: TranslationStep[] = [];
    for (let step = 0; step < walker.steps; step++) {
      const level = Level.region - step;
      const words = Uint32Array.of(walker.stepLow[step]!, walker.stepHigh[step]!);
      const isFrame = (words[0]! & EntryBit.frame) !== 0;
      const layout =
        level === Level.region
          ? REGION_ENTRY
          : level === Level.page
            ? PAGE_ENTRY
            : isFrame
              ? FRAME_ENTRY
              : SEGMENT_ENTRY;
      const at = walker.stepAddress[step]!;
      const index = (at - tableOf(walker, tables, step)) / 8;
      steps.push({ ...stepOf('second', layout, index, at, words), level });
    }
    return steps;
  }
}

/** Where the table of a step begins. */
function tableOf({ stepLow, stepHigh }: ZpciWalker, tables: TranslationAnchor, step: number): number {
  if (step === 0) return tables.origin;
  const mask = step === 1 ? 0xffff_c000 : 0xffff_f800;
  return stepHigh[step - 1]! * 2 ** 32 + ((stepLow[step - 1]! & mask) >>> 0);
}

function fault(number: number, access: TranslationRequest['access'], address: bigint, detail = ''): Answer {
  const { code = 0, reason = '', sentence } = errorFault(number, access, address, detail);
  return { result: 'fault', code, reason, desc: sentence };
}

/** There are none: zPCI knows no PASIDs. */
function withPasid({ access, address, pasid = 0, explain }: TranslationRequest): UnitTranslation {
  const { sentence } = errorFault(ErrorCode.none, access, address, `: it makes no requests with PASID ${pasid}`);
  return {
    result: 'fault',
    code: ErrorCode.none,
    reason: 'pasid-not-supported',
    desc: sentence,
    ...(explain === true && { steps: [] }),
  };
}
