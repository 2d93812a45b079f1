import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { type Access, Permission, permissionNames, type Permissions, permits } from '../../memory/access.ts';
import type { PasidTable } from '../../memory/iommu-object.ts';
import { translationFault } from '../faults.ts';
import { type IotlbEntry, NO_PASID } from '../iotlb.ts';
import type { ListedTables } from '../listed-tables.ts';
import type { MappingPage, MappingQuery, TranslationRequest, UnitIotlbEntry, UnitTranslation } from '../unit.ts';
import { FirstStageWalker } from '../walk/first-stage.ts';
import { isInterrupt } from '../interrupt-messages.ts';
import { explainPages, explainPasid, explainRequest } from './explain.ts';
import { firstStageTables } from '../first-stage-tables.ts';
import { secondStageTables } from './listed-tables.ts';
import { listMappings } from '../list-mappings.ts';
import type { Remapping, TranslatedSpace } from './remapping.ts';
import type { RequestWalk } from './request-walk.ts';
import { TranslationType } from './tables.ts';
import { PasidEntryReader } from './walk.ts';

const PAGE_MASK = 0xfffn;
const DEFAULT_BUDGET = 200_000;

type Answer =
  | Omit<Extract<UnitTranslation, { result: 'translated' }>, 'steps'>
  | Omit<Extract<UnitTranslation, { result: 'fault' }>, 'steps'>;

/** Answers questions about translations and leaves no trace: fills no cache, sets no bit, records no fault. */
export class LookUp {
  readonly #remapping: Remapping;
  /** A bound table is nested by the host: any first-stage table of the specification. */
  readonly #pasids = new PasidEntryReader({
    types: [TranslationType.firstStage, TranslationType.passThrough],
    fiveLevels: true,
  });
  /** Guest-physical addresses have at most 52 bits; which lead anywhere is for memory to say. */
  readonly #walker = new FirstStageWalker({ addressWidth: 52 });

  constructor(remapping: Remapping) {
    this.#remapping = remapping;
  }

  /**
   * Where a request of a device leads. One with PASID goes by the table that is bound for the device, or else by what
   * the unit's registers say; with remapping off and nothing bound it has no way at all, since a process address must
   * never pass as a physical one.
   */
  translate(target: TranslatedSpace, request: TranslationRequest): UnitTranslation {
    const { address, access, pasid, explain } = request;
    const { binding } = target.space.iommuObject;
    if (pasid !== undefined && binding !== null) return this.#translateBound(binding, request, pasid);
    if (pasid !== undefined && !this.#remapping.enabled) return fault(0, request);
    const around = !this.#remapping.enabled || (pasid === undefined && (target.space.bypass || isInterrupt(address)));
    const answer = around ? identity(address, access) : this.#translate(target, request);
    return explain === true ? { ...answer, steps: this.#explain(target, request) } : answer;
  }

  /** @throws CommandError when the entries that lead to the tables fault */
  mappings(target: TranslatedSpace, query: MappingQuery): MappingPage {
    const { pasid, start = 0n, limit, budget = DEFAULT_BUDGET } = query;
    const { binding } = target.space.iommuObject;
    const { enabled, look, root } = this.#remapping;
    if (pasid !== undefined && binding !== null) {
      const pasids = this.#pasids;
      if (!pasids.read(look.memory, binding, pasid)) throw notListed(pasids.code, start, pasid);
      if (pasids.type === TranslationType.passThrough) return { mappings: [] };
      return listMappings(firstStageTables(look.memory, pasids.firstStage, this.#walker, true), start, limit, budget);
    }
    if (!enabled || (pasid === undefined && target.space.bypass)) return { mappings: [] };
    if (!look.resolve(root, target.space.sourceId, pasid ?? NO_PASID, null)) throw notListed(look.code, start, pasid);
    if (look.passThrough) return { mappings: [] };
    return listMappings(this.#tablesOf(look), start, limit, budget);
  }

  /** The tables that `look` found last. */
  #tablesOf(look: RequestWalk): ListedTables {
    const { awBits, strictSpec } = this.#remapping.properties;
    return look.stage === 'first'
      ? firstStageTables(look.memory, look.pasids.firstStage, look.first, strictSpec)
      : secondStageTables(look.memory, look.secondStage, look.second, awBits);
  }

  iotlbEntries(): UnitIotlbEntry[] {
    const spaces = new Map(this.#remapping.spaces().map(({ space }) => [space.sourceId, space.deviceName]));
    return this.#remapping.iotlb.entries().map((entry) => ({
      device: spaces.get(entry.table) ?? hex(entry.table),
      'domain-id': entry.domainId,
      ...(entry.pasid !== NO_PASID && { pasid: entry.pasid }),
      iova: BigInt(entry.page) << 12n,
      address: BigInt(entry.frame) << 12n,
      size: 1n << BigInt(entry.shift),
      permissions: permissionNames(entry.permissions),
      stage: entry.stage,
      level: entry.level,
      stale: this.#isStale(entry),
    }));
  }

  #isStale(entry: IotlbEntry): boolean {
    const { enabled, look, root } = this.#remapping;
    if (!enabled || !look.resolve(root, entry.table, entry.pasid, null) || look.passThrough) return true;
    if (!look.walk(entry.page, 'none')) return true;
    const frame = entry.shift === look.shift ? look.frame : -1;
    return frame !== entry.frame || look.permissions !== entry.permissions;
  }

  #translate(target: TranslatedSpace, request: TranslationRequest): Answer {
    const { contexts, iotlb, look, root } = this.#remapping;
    const { address, access, pasid = NO_PASID } = request;
    const { space } = target;
    const own = space.pasid === (request.pasid ?? null) ? target : this.#remapping.find(space.bus, space.devfn, pasid);
    const page = Number(address >> 12n);
    const rid = pasid === NO_PASID && root.mode === 'scalable' ? target.context.ridPasid : pasid;
    const hit = iotlb.peek(space.sourceId, 0, rid, page);
    if (hit !== null) return this.#cached(hit, request);
    const cached = own === undefined ? null : contexts.peek(own.context);
    if (!look.resolve(root, space.sourceId, pasid, cached)) return fault(look.code, request, lastEntry(look, false));
    if (look.passThrough) return identity(address, access);
    if (!look.walk(page, access)) return fault(look.code, request, lastEntry(look, true));
    return translated(address, look, 'walk');
  }

  /** A hit is not judged again: a right that it lacks makes the access fail, and no fault is recorded. */
  #cached(entry: IotlbEntry, request: TranslationRequest): Answer {
    const { address, access } = request;
    const asked = access === 'execute' && !this.#remapping.properties.strictSpec ? 'read' : access;
    if (permits(entry.permissions, asked)) {
      const frame = entry.frame + (Number(address >> 12n) - entry.page);
      return translated(address, { ...entry, frame }, 'iotlb');
    }
    const [read, write] = entry.stage === 'first' ? [0x71, 0x85] : [6, 5];
    const refused = fault(access === 'write' ? write : read, request);
    return { ...refused, desc: `${refused.desc}; a cached translation says so, and nothing is recorded` };
  }

  /** By the tables as they are, whatever is cached. */
  #explain(target: TranslatedSpace, request: TranslationRequest): ReturnType<typeof explainRequest> {
    const { enabled, look, root } = this.#remapping;
    if (!enabled) return [];
    const { sourceId } = target.space;
    const resolved = look.resolve(root, sourceId, request.pasid ?? NO_PASID, null);
    const walked = resolved && !look.passThrough;
    if (walked) look.walk(Number(request.address >> 12n), request.access);
    return explainRequest(look, sourceId, Math.max(look.pasid, 0), walked);
  }

  #translateBound(table: PasidTable, request: TranslationRequest, pasid: number): UnitTranslation {
    const { address, access, explain } = request;
    const { memory } = this.#remapping.look;
    const pasids = this.#pasids;
    const walker = this.#walker;
    const found = pasids.read(memory, table, pasid);
    const walks = found && pasids.type !== TranslationType.passThrough;
    const walked = walks && walker.walk(memory, pasids.firstStage, Number(address >> 12n), access);
    const answer = !found
      ? fault(pasids.code, request, pasids.entry)
      : !walks
        ? identity(address, access)
        : walked
          ? translated(address, walker, 'walk')
          : fault(walker.code, request, walker.steps === 0 ? undefined : walker.entry);
    if (explain !== true) return answer;
    const steps = [
      ...explainPasid(pasids, pasid, table.format === 'vtd-ecs', 'first'),
      ...(walks ? explainPages(memory, walker, false, pasids.firstStage.levels) : []),
    ];
    return { ...answer, steps };
  }
}

/** Nothing is translated. The right to execute is granted only to who asks for it, as ATS has it. */
function identity(address: bigint, access: Access): Answer {
  const execute = access === 'execute' ? Permission.execute : Permission.none;
  return {
    result: 'translated',
    address,
    size: PAGE_MASK + 1n,
    permissions: permissionNames(Permission.readWrite | execute),
    source: 'bypass',
  };
}

function translated(
  address: bigint,
  found: { frame: number; shift: number; permissions: Permissions },
  source: 'iotlb' | 'walk',
): Answer {
  return {
    result: 'translated',
    address: (BigInt(found.frame) << 12n) | (address & PAGE_MASK),
    size: 1n << BigInt(found.shift),
    permissions: permissionNames(found.permissions),
    source,
  };
}

function fault(number: number, request: TranslationRequest, entry?: number): Extract<Answer, { result: 'fault' }> {
  const { code = 0, reason = '', sentence } = translationFault(number, request.access, request.address, request.pasid);
  const where = entry === undefined ? '' : `; the entry is at ${hex(entry)}`;
  return { result: 'fault', code, reason, desc: `${sentence}${where}` };
}

/** The entry that a look ended at; undefined when the address alone was to blame. */
function lastEntry(look: RequestWalk, walked: boolean): number | undefined {
  if (walked) {
    const walker = look.stage === 'first' ? look.first : look.second;
    return walker.steps === 0 && look.code !== 3 && look.code !== 0x73 ? undefined : walker.entry;
  }
  if (look.pasidRead) return look.pasids.entry;
  const { contexts } = look;
  return contexts.rootRead && contexts.code !== 1 && contexts.code !== 0xa
    ? contexts.contextAddress
    : contexts.rootAddress;
}

function notListed(code: number, address: bigint, pasid: number | undefined): CommandError {
  const { sentence } = translationFault(code, 'none', address, pasid);
  return new CommandError(`There are no tables to list: ${sentence}`);
}
