import { hex, PAGE_SHIFT } from '../../core/address.ts';
import { Permission, permissionNames, permits } from '../../memory/access.ts';
import { decodeEntry } from '../entry-layout.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import type {
  Mapping,
  MappingPage,
  MappingQuery,
  TranslationRequest,
  TranslationStep,
  UnitTranslation,
} from '../unit.ts';
import { missingRight, type TceFaultName, tceFault } from './faults.ts';
import type { OpenWindow, TceSpace } from './space.ts';
import { pageOf, permissionsOf, TCE_LAYOUT } from './tce.ts';

const DEFAULT_BUDGET = 200_000;

type Answer = Extract<UnitTranslation, { result: 'translated' }> | Extract<UnitTranslation, { result: 'fault' }>;

/** Answers questions about translations and leaves no trace. */
export class LookUp {
  translate(space: TceSpace, request: TranslationRequest): UnitTranslation {
    const found = space.bypass ? null : this.#windowAt(space, request.address);
    const answer = this.#answer(space, found, request);
    return request.explain === true ? { ...answer, steps: stepsOf(space, found, request.address) } : answer;
  }

  /** What the windows map, neighbours as one; nothing while everything passes. */
  mappings(space: TceSpace, { pasid, start = 0n, limit, budget = DEFAULT_BUDGET }: MappingQuery): MappingPage {
    if (pasid !== undefined || space.bypass) return { mappings: [] };
    const mappings: Mapping[] = [];
    let left = budget;
    for (const mapping of mappedPages(space, start)) {
      if (left-- <= 0) return { mappings, next: mapping.iova };
      const last = mappings.at(-1);
      if (last !== undefined && continues(last, mapping)) {
        mappings[mappings.length - 1] = { ...last, size: last.size + mapping.size };
      } else if (mappings.length >= limit) {
        return { mappings, next: mapping.iova };
      } else {
        mappings.push(mapping);
      }
    }
    return { mappings };
  }

  reverse(space: TceSpace, search: ReverseSearch): Reach[] {
    if (space.bypass) return search.direct(search.page, PAGE_SHIFT, Permission.readWrite, undefined);
    const wanted = BigInt(search.page) << BigInt(PAGE_SHIFT);
    const found: Reach[] = [];
    for (const { window, geometry } of space.openWindows()) {
      const { busOffset, pageShift } = geometry;
      for (const { index, tce } of window.table.mappedIn()) {
        if (!search.mayRead()) return found;
        if (pageOf(tce, pageShift) !== pageOf(wanted, pageShift)) continue;
        const iova = busOffset + (BigInt(index) << BigInt(pageShift)) + (wanted - pageOf(wanted, pageShift));
        const page = Number(iova >> BigInt(PAGE_SHIFT));
        found.push(...search.direct(page, pageShift, permissionsOf(tce), undefined));
      }
    }
    return found;
  }

  #answer(space: TceSpace, found: OpenWindow | null, { address, access, pasid }: TranslationRequest): Answer {
    const fault = (reason: TceFaultName): Answer => {
      const { code, sentence } = tceFault(reason, access, address);
      const where = found === null ? '' : `; LIOBN ${hex(found.window.liobn)}`;
      return { result: 'fault', code, reason, desc: `${sentence}${where}` };
    };
    if (pasid !== undefined) return fault('pasid-not-supported');
    if (space.bypass) {
      const size = 1n << BigInt(PAGE_SHIFT);
      return { result: 'translated', address, size, permissions: ['read', 'write'], source: 'bypass' };
    }
    if (found === null) return fault('outside-dma-windows');
    const { pageShift } = found.geometry;
    const tce = found.window.table.get(found.window.table.indexOf(address)!);
    const permissions = permissionsOf(tce);
    const asked = access === 'execute' ? 'read' : access;
    // A lookup without use wants to know where it leads: nowhere, without any right.
    if (permissions === 0 || !permits(permissions, asked)) return fault(missingRight(permissions, asked));
    const size = 1n << BigInt(pageShift);
    return {
      result: 'translated',
      address: pageOf(tce, pageShift) | (address & (size - 1n)),
      size,
      permissions: permissionNames(permissions),
      source: 'walk',
    };
  }

  #windowAt(space: TceSpace, address: bigint): OpenWindow | null {
    return space.openWindows().find(({ window }) => window.table.indexOf(address) !== null) ?? null;
  }
}

/** The window and the TCE of an address. They lie in the hypervisor: neither has words in guest memory. */
function stepsOf(space: TceSpace, found: OpenWindow | null, address: bigint): TranslationStep[] {
  if (found === null) return [];
  const { window, geometry } = found;
  const fields = {
    liobn: BigInt(window.liobn),
    'bus-offset': geometry.busOffset,
    'page-shift': BigInt(geometry.pageShift),
    tces: BigInt(geometry.entries),
  };
  const index = window.table.indexOf(address)!;
  const tce = window.table.get(index);
  const words = Uint32Array.of(Number(tce & 0xffff_ffffn), Number(tce >> 32n));
  return [
    {
      stage: 'second',
      structure: 'dma-window',
      index: space.windows.indexOf(window),
      address: geometry.busOffset,
      raw: [],
      fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
      spec: 'LoPAPR: ibm,dma-window',
    },
    {
      stage: 'second',
      structure: TCE_LAYOUT.structure,
      level: 1,
      index,
      address: geometry.busOffset + (BigInt(index) << BigInt(geometry.pageShift)),
      raw: [],
      fields: decodeEntry(TCE_LAYOUT, words),
      spec: TCE_LAYOUT.spec,
    },
  ];
}

/** Page by page, from that of address `start` on. */
function* mappedPages(space: TceSpace, start: bigint): Generator<Mapping> {
  for (const { window, geometry } of space.openWindows()) {
    const { busOffset, entries, pageShift } = geometry;
    const size = 1n << BigInt(pageShift);
    if (start >= busOffset + size * BigInt(entries)) continue;
    const first = start <= busOffset ? 0 : window.table.indexOf(start)!;
    for (const { index, tce } of window.table.mappedIn(first)) {
      yield {
        iova: busOffset + size * BigInt(index),
        address: pageOf(tce, pageShift),
        size,
        permissions: permissionNames(permissionsOf(tce)),
        'page-size': size,
      };
    }
  }
}

function continues(before: Mapping, next: Mapping): boolean {
  return (
    before.iova + before.size === next.iova &&
    before.address + before.size === next.address &&
    before['page-size'] === next['page-size'] &&
    before.permissions.join() === next.permissions.join()
  );
}
