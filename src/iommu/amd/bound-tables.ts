import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { permissionNames } from '../../memory/access.ts';
import type { PasidTable } from '../../memory/iommu-object.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import { stepOf } from '../entry-layout.ts';
import { translationFault } from '../faults.ts';
import { firstStageTables } from '../first-stage-tables.ts';
import { listMappings } from '../list-mappings.ts';
import type { Reach, ReverseSearch } from '../reverse-search.ts';
import type { MappingPage, TranslationRequest, TranslationStep, UnitTranslation } from '../unit.ts';
import { FirstStageWalker } from '../walk/first-stage.ts';
import { Gcr3Reader, validPasids } from './gcr3.ts';
import { GCR3_ENTRY, GUEST_PAGE_TABLE_ENTRY } from './tables.ts';

const PAGE_MASK = 0xfffn;

/** Looks at GCR3 tables that are bound for devices, and at the guests' page tables behind them. */
export class BoundTables {
  readonly #memory: TableMemory;
  readonly #pasids = new Gcr3Reader();
  readonly #walker = new FirstStageWalker({ addressWidth: 52 });

  constructor(memory: TableMemory) {
    this.#memory = memory;
  }

  translate(table: PasidTable, request: TranslationRequest, pasid: number): UnitTranslation {
    const answer = this.#translate(table, request, pasid);
    return request.explain === true ? { ...answer, steps: this.#explain() } : answer;
  }

  /** @throws CommandError when the PASID has no page tables */
  mappings(table: PasidTable, pasid: number, page: { start: bigint; limit: number; budget: number }): MappingPage {
    if (!this.#pasids.read(this.#memory, table, pasid)) {
      const { sentence } = translationFault(this.#pasids.code, 'none', page.start, pasid);
      throw new CommandError(`There are no tables to list: ${sentence}`);
    }
    const tables = firstStageTables(this.#memory, this.#pasids.firstStage, this.#walker, true);
    return listMappings(tables, page.start, page.limit, page.budget);
  }

  reverse(table: PasidTable, search: ReverseSearch): Reach[] {
    const memory = this.#memory;
    const walker = this.#walker;
    const found: Reach[] = [];
    for (const pasid of [...validPasids(memory, table, search.mayRead)]) {
      if (!this.#pasids.read(memory, table, pasid)) continue;
      const firstStage = { ...this.#pasids.firstStage };
      const tables = firstStageTables(memory, firstStage, walker, true);
      const confirm = (page: number): typeof walker | null =>
        walker.walk(memory, firstStage, page, 'none') ? walker : null;
      found.push(...search.through(tables, confirm, pasid));
    }
    return found;
  }

  #translate(table: PasidTable, { address, access }: TranslationRequest, pasid: number): UnitTranslation {
    const walker = this.#walker;
    const refuse = (code: number, entry: number): UnitTranslation => {
      const { code: number = 0, reason = '', sentence } = translationFault(code, access, address, pasid);
      return { result: 'fault', code: number, reason, desc: `${sentence}; the entry is at ${hex(entry)}` };
    };
    walker.steps = 0;
    if (!this.#pasids.read(this.#memory, table, pasid)) return refuse(this.#pasids.code, this.#pasids.entry);
    if (!walker.walk(this.#memory, this.#pasids.firstStage, Number(address >> 12n), access)) {
      return refuse(walker.code, walker.entry);
    }
    return {
      result: 'translated',
      address: (BigInt(walker.frame) << 12n) | (address & PAGE_MASK),
      size: 1n << BigInt(walker.shift),
      permissions: permissionNames(walker.permissions),
      source: 'walk',
    };
  }

  /** The entries that the last translation met. */
  #explain(): TranslationStep[] {
    const { steps, stepAddress, stepLow, stepHigh } = this.#pasids;
    const explained: TranslationStep[] = [];
    for (let step = 0; step < steps; step++) {
      const index = (stepAddress[step]! % 0x1000) / 8;
      const words = Uint32Array.of(stepLow[step]!, stepHigh[step]!);
      explained.push(stepOf('first', GCR3_ENTRY, index, stepAddress[step]!, words));
    }
    for (let step = 0; step < this.#walker.steps; step++) {
      const address = this.#walker.stepAddress[step]!;
      this.#memory.read(address);
      const words = Uint32Array.of(this.#memory.low, this.#memory.high);
      const level = this.#pasids.firstStage.levels - step;
      explained.push({ ...stepOf('first', GUEST_PAGE_TABLE_ENTRY, (address % 0x1000) / 8, address, words), level });
    }
    return explained;
  }
}
