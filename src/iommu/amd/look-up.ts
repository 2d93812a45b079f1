import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { Permission, permissionNames, type Permissions, permits } from '../../memory/access.ts';
import { translationFault } from '../faults.ts';
import { isInterrupt } from '../interrupt-messages.ts';
import { type IotlbEntry, NO_PASID } from '../iotlb.ts';
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
import { BoundTables } from './bound-tables.ts';
import { listedTables } from './decoders.ts';
import { explainEntry, explainPages } from './explain.ts';
import { amdFault, amdTranslationFault, EventCode } from './faults.ts';
import type { Remapping, TranslatedSpace } from './remapping.ts';
import { MODE_NONE } from './tables.ts';

const PAGE_SHIFT = 12;
const PAGE_MASK = 0xfffn;
const DEFAULT_BUDGET = 200_000;

/** Answers questions about translations and leaves no trace: fills no cache, reports no event. */
export class LookUp {
  readonly #remapping: Remapping;
  readonly #bound: BoundTables;

  constructor(remapping: Remapping) {
    this.#remapping = remapping;
    this.#bound = new BoundTables(remapping.memory);
  }

  /** Where a request of a device leads. One with PASID goes by the table that is bound for the device, or not at all. */
  translate(target: TranslatedSpace, request: TranslationRequest): UnitTranslation {
    const { pasid, explain } = request;
    if (pasid !== undefined) {
      const { binding } = target.space.iommuObject;
      return binding === null ? noPasidTable(request) : this.#bound.translate(binding, request, pasid);
    }
    const answer = this.#translate(target, request);
    return explain === true ? { ...answer, steps: this.#explain(target, request) } : answer;
  }

  /** @throws CommandError when the entry that leads to the tables is no use */
  mappings(target: TranslatedSpace, query: MappingQuery): MappingPage {
    const { pasid, start = 0n, limit, budget = DEFAULT_BUDGET } = query;
    const { space } = target;
    if (pasid !== undefined) {
      const { binding } = space.iommuObject;
      if (binding === null) throw new CommandError(`There are no tables to list: no PASID table is bound`);
      return this.#bound.mappings(binding, pasid, { start, limit, budget });
    }
    const { enabled, entry, memory } = this.#remapping;
    if (!enabled || space.bypass) return { mappings: [] };
    const legal = this.#remapping.read(space.deviceId);
    if (!legal || (entry.valid && !entry.translationValid)) throw notListed(legal ? 0 : entry.code, start);
    const { tables } = this.#remapping;
    return tables === null ? { mappings: [] } : listMappings(listedTables(memory, tables), start, limit, budget);
  }

  /** By the tables as they are: without PASID, then with those of a bound table. */
  reverse(target: TranslatedSpace, search: ReverseSearch): Reach[] {
    const { binding } = target.space.iommuObject;
    const found = this.#reverse(target, search);
    return binding === null ? found : [...found, ...this.#bound.reverse(binding, search)];
  }

  iotlbEntries(): UnitIotlbEntry[] {
    const devices = new Map(this.#remapping.spaces().map(({ space }) => [space.deviceId, space.deviceName]));
    return this.#remapping.iotlb.entries().map((entry) => ({
      device: devices.get(entry.table) ?? hex(entry.table),
      'domain-id': entry.domainId,
      iova: BigInt(entry.page) << 12n,
      address: BigInt(entry.frame) << 12n,
      size: 1n << BigInt(entry.shift),
      permissions: permissionNames(entry.permissions),
      stage: entry.stage,
      level: entry.level,
      stale: this.#isStale(entry),
    }));
  }

  #reverse({ space }: TranslatedSpace, search: ReverseSearch): Reach[] {
    const { enabled, entry, memory, walker } = this.#remapping;
    const direct = (permissions: Permissions): Reach[] =>
      search.direct(search.page, PAGE_SHIFT, permissions, undefined);
    if (!enabled || space.bypass) return direct(Permission.readWrite);
    if (!this.#remapping.read(space.deviceId)) return [];
    if (!entry.valid) return direct(Permission.readWrite);
    const { tables } = this.#remapping;
    if (tables === null) return entry.translationValid && entry.mode === MODE_NONE ? direct(entry.rights) : [];
    if (tables.rights === Permission.none) return [];
    const confirm = (page: number): typeof walker | null => (walker.walk(memory, tables, page, 'none') ? walker : null);
    return search.through(listedTables(memory, tables), confirm, undefined);
  }

  #isStale({ table, page, frame, permissions, pageShift }: IotlbEntry): boolean {
    const { entry, memory, walker } = this.#remapping;
    if (!this.#remapping.enabled || !this.#remapping.read(table) || !entry.valid) return true;
    const { tables } = this.#remapping;
    if (tables === null) return entry.mode !== MODE_NONE || frame !== page || permissions !== entry.rights;
    if (!walker.walk(memory, tables, page, 'none')) return true;
    return walker.frame !== frame || walker.permissions !== permissions || walker.shift !== pageShift;
  }

  #translate({ space }: TranslatedSpace, request: TranslationRequest): UnitTranslation {
    const { address, access } = request;
    const remapping = this.#remapping;
    if (!remapping.enabled || space.bypass) return identity(request, Permission.readWrite);
    if (isInterrupt(address)) return identity(request, Permission.write);
    const { entry, iotlb, memory, walker } = remapping;
    const page = Number(address >> 12n);
    const hit = iotlb.peek(space.deviceId, 0, NO_PASID, page);
    if (hit !== null) {
      if (!permits(hit.permissions, asked(access))) {
        const refused = fault(EventCode.pageFault, request);
        return { ...refused, desc: `${refused.desc}; a cached translation says so, and nothing is recorded` };
      }
      return translated(address, hit.frame, hit.pageShift ?? PAGE_SHIFT, hit.permissions, 'iotlb');
    }
    if (!remapping.read(space.deviceId)) return fault(entry.code, request, entry.address);
    if (!entry.valid) return identity(request, Permission.readWrite);
    const { tables } = remapping;
    if (tables === null) {
      if (!entry.translationValid || entry.mode !== MODE_NONE) return fault(0, request, entry.address);
      return identity(request, entry.rights);
    }
    if (!walker.walk(memory, tables, page, access)) {
      return fault(EventCode.pageFault, request, walker.steps === 0 ? undefined : walker.entry);
    }
    return translated(address, walker.frame, walker.shift, walker.permissions, 'walk');
  }

  /** By the tables as they are, whatever is cached. */
  #explain({ space }: TranslatedSpace, { access, address }: TranslationRequest): TranslationStep[] {
    const remapping = this.#remapping;
    if (!remapping.enabled || isInterrupt(address)) return [];
    if (!remapping.read(space.deviceId) && remapping.entry.code === EventCode.deviceTableHardwareError) return [];
    const entry = explainEntry(remapping, space.deviceId);
    const tables = remapping.entry.code === 0 ? remapping.tables : null;
    if (tables === null) return [entry];
    remapping.walker.walk(remapping.memory, tables, Number(address >> 12n), access);
    return [entry, ...explainPages(remapping)];
  }
}

/** A fetch of instructions needs the right to read. */
function asked(access: TranslationRequest['access']): TranslationRequest['access'] {
  return access === 'execute' ? 'read' : access;
}

/** Nothing is translated. */
function identity(request: TranslationRequest, permissions: Permissions): UnitTranslation {
  if (!permits(permissions, asked(request.access))) return fault(EventCode.pageFault, request);
  return translated(request.address, Number(request.address >> 12n), PAGE_SHIFT, permissions, 'bypass');
}

function translated(
  address: bigint,
  frame: number,
  shift: number,
  permissions: Permissions,
  source: 'iotlb' | 'walk' | 'bypass',
): UnitTranslation {
  return {
    result: 'translated',
    address: (BigInt(frame) << 12n) | (address & PAGE_MASK),
    size: 1n << BigInt(shift),
    permissions: permissionNames(permissions),
    source,
  };
}

function fault(
  code: number,
  { access, address }: TranslationRequest,
  entry?: number,
): Extract<UnitTranslation, { result: 'fault' }> {
  const { sentence } = amdTranslationFault(code, access, address);
  const where = entry === undefined ? '' : `; the entry is at ${hex(entry)}`;
  return { result: 'fault', code, reason: amdFault(code).reason, desc: `${sentence}${where}` };
}

function noPasidTable({ access, address, pasid }: TranslationRequest): UnitTranslation {
  const { code = 0, reason = '', sentence } = translationFault(0, access, address, pasid);
  return { result: 'fault', code, reason, desc: sentence };
}

function notListed(code: number, address: bigint): CommandError {
  const { sentence } = amdTranslationFault(code, 'none', address);
  return new CommandError(`There are no tables to list: ${sentence}`);
}
