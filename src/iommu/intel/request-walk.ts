import { type Access, Permission, type Permissions } from '../../memory/access.ts';
import type { TableMemory } from '../../memory/table-memory.ts';
import type { TracePoints } from '../../trace/points/table.ts';
import { NO_PASID, type Stage } from '../iotlb.ts';
import { FirstStageWalker } from '../walk/first-stage.ts';
import { QEMU_11_1_3, SPECIFICATION } from '../walk/reading.ts';
import { type SecondStageTable, SecondStageWalker } from '../walk/second-stage.ts';
import {
  ContextReader,
  type ContextWords,
  describeSecondStage,
  directoryOf,
  domainIdOf,
  faultsDisabled,
  passesThrough,
  pasidTableOf,
} from './context-lookup.ts';
import type { RootTable } from './invalidation.ts';
import type { IntelProperties } from './properties.ts';
import { fieldOf } from '../entry-layout.ts';
import { SCALABLE_CONTEXT_ENTRY, TranslationType } from './tables.ts';
import { PasidEntryReader } from './walk.ts';

/** The interrupt range as page numbers, both inclusive. */
const FIRST_INTERRUPT_PAGE = 0xfee00;
const LAST_INTERRUPT_PAGE = 0xfeeff;
/** How many 4 KiB pages make a page of level 1, 2 and 3. */
const PAGES_OF_LEVEL = [0, 1, 0x200, 0x4_0000] as const;

/**
 * The way of one request through the tables: context entry, PASID entry, page tables, and the check of where it comes
 * out. It reads through one table memory (one that writes nothing for those who only look), and knows no cache but the
 * context entry that it is given. Its fields hold the outcome of the last request.
 */
export class RequestWalk {
  /** 0, or the fault reason. */
  code = 0;
  /** FPD of what was in force when the request ended. */
  faultsDisabled = false;
  /** The entry in force; valid after {@link resolve}. */
  context: ContextWords;
  /** The request is not translated. */
  passThrough = false;
  domainId = 0;
  /** What the IOTLB tags it with. */
  pasid = NO_PASID;
  stage: Stage = 'second';
  level = 0;
  frame = 0;
  shift = 12;
  permissions: Permissions = Permission.none;
  /** A first-stage leaf is marked dirty; second-stage ones have no such mark. */
  dirty = true;
  readonly memory: TableMemory;
  readonly contexts: ContextReader;
  readonly pasids: PasidEntryReader;
  readonly first: FirstStageWalker;
  readonly second: SecondStageWalker;
  readonly secondStage: SecondStageTable = { address: 0, levels: 4 };
  /** PASID structures were read for this request. */
  pasidRead = false;
  readonly #properties: IntelProperties;

  constructor(properties: IntelProperties, memory: TableMemory, points: TracePoints) {
    const { awBits, deviceIotlb, firstStage, firstStage1G, scalableMode, snoopControl, staleTm, strictSpec } =
      properties;
    const reading = strictSpec ? SPECIFICATION : QEMU_11_1_3;
    this.#properties = properties;
    this.memory = memory;
    this.contexts = new ContextReader({ addressWidth: awBits, deviceIotlb, points });
    this.context = this.contexts;
    this.pasids = new PasidEntryReader({
      types: [firstStage ? TranslationType.firstStage : TranslationType.secondStage, TranslationType.passThrough],
      fiveLevels: strictSpec,
      secondStageWidths: awBits >= 48 ? [1, 2] : [1],
      addressWidth: awBits,
      reading,
    });
    // QEMU takes pages of 1 GiB whether or not it offers them.
    this.first = new FirstStageWalker({ addressWidth: awBits, oneGiB: firstStage1G || !strictSpec, reading });
    this.second = new SecondStageWalker({
      addressWidth: awBits,
      snoopControl: scalableMode || snoopControl,
      transientMapping: deviceIotlb && staleTm,
    });
  }

  /**
   * Finds out what is to be done with requests of a source-id; `pasid` is {@link NO_PASID} for one without.
   * With `cached`, the context entry is that one, and of the PASID structures only what the request needs is read.
   *
   * Order of the checks: context entry; in scalable mode the PASID entry of requests without PASID, which must be valid
   * whatever PASID the request has; then the request's own.
   */
  resolve(root: RootTable, source: number, pasid: number, cached: ContextWords | null): boolean {
    this.code = 0;
    this.passThrough = false;
    this.pasidRead = false;
    this.pasid = pasid;
    if (cached === null) {
      const { contexts } = this;
      this.context = contexts;
      if (!contexts.read(this.memory, root, source)) return this.#fail(contexts.code, contexts.faultsDisabled);
    } else {
      this.context = cached;
    }
    this.faultsDisabled = faultsDisabled(this.context);
    switch (this.context.mode) {
      case 'legacy':
        return pasid === NO_PASID ? this.#resolveContext() : this.#fail(0x31, this.faultsDisabled);
      case 'ecs':
        return pasid === NO_PASID ? this.#resolveContext() : this.#resolveExtended(pasid);
      case 'scalable':
        return this.#resolveScalable(pasid, cached !== null);
    }
  }

  /** Walks the tables that {@link resolve} found. @returns true when `frame`, `shift` and `permissions` are valid */
  walk(page: number, access: Access, privileged = false): boolean {
    if (this.stage === 'first') {
      const { first } = this;
      if (!first.walk(this.memory, this.pasids.firstStage, page, access, privileged)) {
        this.level = first.level;
        return this.#fail(first.code, this.faultsDisabled);
      }
      this.#take(first);
      this.dirty = first.dirty;
    } else {
      const { second } = this;
      if (!second.walk(this.memory, this.secondStage, page, access)) {
        this.level = second.level;
        return this.#fail(second.code, this.faultsDisabled);
      }
      this.#take(second);
      this.dirty = true;
    }
    return this.#reachesInterrupts() ? this.#fail(this.#interruptCode(), this.faultsDisabled) : true;
  }

  /** The PASID that stands for requests without one: QEMU takes 0 whatever the context entry says. */
  ridPasidOf(context: ContextWords): number {
    return this.#properties.strictSpec ? fieldOf(SCALABLE_CONTEXT_ENTRY, context.words, 'RID_PASID') : 0;
  }

  #resolveContext(): boolean {
    const { context } = this;
    this.stage = 'second';
    this.domainId = domainIdOf(context);
    this.passThrough = passesThrough(context);
    describeSecondStage(context, this.secondStage);
    return true;
  }

  /** Extended mode: the unit has no first stage for emulated devices, so that a valid entry asks for too much. */
  #resolveExtended(pasid: number): boolean {
    const found = pasidTableOf(this.context);
    if (found === null) return this.#fail(0xd, this.faultsDisabled);
    const table = { address: BigInt(found.address), size: BigInt(found.size), format: found.format };
    this.pasidRead = true;
    const valid = this.pasids.read(this.memory, table as Parameters<PasidEntryReader['read']>[1], pasid);
    return this.#fail(valid ? 0x5b : this.pasids.code, this.faultsDisabled);
  }

  #resolveScalable(asked: number, cached: boolean): boolean {
    const { pasids } = this;
    const rid = this.ridPasidOf(this.context);
    const pasid = asked === NO_PASID ? rid : asked;
    this.pasid = pasid;
    this.pasidRead = true;
    if (!cached && !this.#readPasid(rid)) return this.#fail(pasids.code, this.faultsDisabled);
    if ((cached || pasid !== rid) && !this.#readPasid(pasid)) {
      // With the context entry cached, QEMU takes an entry of which only the present bit is missing.
      const tolerated = cached && pasid === rid && pasids.code === 0x59 && !this.#properties.strictSpec;
      if (!tolerated) return this.#fail(pasids.code, this.faultsDisabled || pasids.faultsDisabled);
    }
    if (pasids.faultsDisabled) this.faultsDisabled = true;
    this.domainId = pasids.domainId;
    this.stage = this.#properties.firstStage ? 'first' : 'second';
    this.passThrough = pasids.type === TranslationType.passThrough && pasids.code === 0;
    this.secondStage.address = pasids.secondStage;
    this.secondStage.levels = pasids.addressWidthCode === 1 ? 3 : 4;
    return true;
  }

  /** QEMU takes every directory for one of full size. */
  #readPasid(pasid: number): boolean {
    const { context, memory, pasids } = this;
    if (!this.#properties.strictSpec) return pasids.readFrom(memory, directoryOf(context), pasid);
    const found = pasidTableOf(context)!;
    const table = { address: BigInt(found.address), size: BigInt(found.size), format: found.format };
    return pasids.read(memory, table as Parameters<PasidEntryReader['read']>[1], pasid);
  }

  #take(walker: FirstStageWalker | SecondStageWalker): void {
    this.level = walker.level;
    this.frame = walker.frame;
    this.shift = walker.shift;
    this.permissions = walker.permissions;
  }

  /** In QEMU's reading a large page that only touches the range is refused as a whole. */
  #reachesInterrupts(): boolean {
    const { frame } = this;
    if (this.#properties.strictSpec) return frame >= FIRST_INTERRUPT_PAGE && frame <= LAST_INTERRUPT_PAGE;
    const pages = PAGES_OF_LEVEL[this.level as 1 | 2 | 3];
    const first = frame - (frame % pages);
    return first <= LAST_INTERRUPT_PAGE && first + pages > FIRST_INTERRUPT_PAGE;
  }

  /** QEMU goes by the unit's property, the specification by the mode of the root table. */
  #interruptCode(): number {
    const { scalableMode, strictSpec } = this.#properties;
    return (strictSpec ? this.context.mode === 'scalable' : scalableMode) ? 0x87 : 0xe;
  }

  #fail(code: number, disabled: boolean): false {
    this.code = code;
    this.faultsDisabled = disabled;
    return false;
  }
}
