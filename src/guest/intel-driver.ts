import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { checkBinding, checkRange, checkTarget } from './checks.ts';
import { EcsMode } from './ecs-mode.ts';
import type { GuestDriver, GuestMapping, GuestMode, GuestUnmapping, PageTableBinding } from './guest-driver.ts';
import { blockAround, descriptors, InvalidationQueue, type InvalidationQueueState } from './invalidation-queue.ts';
import { LegacyMode } from './legacy-mode.ts';
import { PageTable } from './page-table.ts';
import { Processor } from './processor.ts';
import { Capabilities, GLOBAL, REGISTER } from './registers.ts';
import { ScalableMode } from './scalable-mode.ts';
import {
  checkTableRange,
  defaultTableRange,
  TablePages,
  type TablePagesState,
  type TableRange,
} from './table-pages.ts';
import type { Domain, IntelMode, ModeParts, TranslationMode, TranslationModeState } from './translation-mode.ts';

interface Running {
  readonly mode: IntelMode;
  readonly pages: TablePages;
  readonly queue: InvalidationQueue;
  readonly tables: TranslationMode;
  readonly capabilities: Capabilities;
}

export interface IntelGuestDriverState {
  /** The range of the latest enabling, also after a reset. */
  range: TableRange | null;
  running: {
    mode: IntelMode;
    pages: TablePagesState;
    queue: InvalidationQueueState;
    tables: TranslationModeState;
    lastDomain: number;
    domains: Domain[];
    bindings: PageTableBinding[];
  } | null;
}

const MODES: Record<IntelMode, new (parts: ModeParts) => TranslationMode> = {
  legacy: LegacyMode,
  scalable: ScalableMode,
  ecs: EcsMode,
};
/** Commands are carried out once and are not kept: setting the root table and the like. */
const KEPT_STATUS = 0x96ff_ffff;
const MOST_DOMAINS = 0xffff;

const key = (sourceId: number, pasid: number | null): string => `${sourceId}/${pasid ?? ''}`;

/**
 * A guest's driver for one Intel unit, as far as the model needs one: it builds tables in guest RAM and programs the
 * unit through its registers, in the order in which a kernel does. It knows the unit by its registers alone. Which
 * functions there are is the caller's to know: the driver takes source-ids.
 */
export class IntelGuestDriver implements GuestDriver, Snapshottable<IntelGuestDriverState> {
  readonly #processor: Processor;
  readonly #registers: bigint;
  #range: TableRange | null = null;
  #running: Running | null = null;
  #lastDomain = 0;
  #domains = new Map<string, Domain>();
  #bindings = new Map<string, PageTableBinding>();

  /** @param options.registers guest-physical address of the unit's registers */
  constructor(options: { memory: AddressSpace; registers: bigint }) {
    this.#processor = new Processor(options.memory);
    this.#registers = options.registers;
  }

  /** Null before the driver has enabled the unit. */
  get mode(): GuestMode | null {
    return this.#running?.mode ?? null;
  }

  /**
   * Sets up the invalidation queue and the root table, and has the unit translate.
   * @returns where the tables lie
   * @throws CommandError when the unit is enabled, lacks the mode, or the range cannot hold tables; nothing has changed
   */
  enable(mode: GuestMode, tables?: TableRange): TableRange {
    if (mode === 'other') throw new CommandError("An intel-iommu has no mode 'other'; choose legacy, scalable or ecs");
    const capabilities = this.#checkEnable(mode);
    const range = tables ?? defaultTableRange(this.#processor);
    checkTableRange(this.#processor, range, this.#range);
    const pages = new TablePages(this.#processor, range);
    const wide = mode === 'scalable';
    const takesPageRequests = mode === 'scalable' && capabilities.pageRequests;
    pages.require(InvalidationQueue.pages(wide) + (takesPageRequests ? 3 : 2), 'Enabling the unit');
    this.#range = range;
    const ring = pages.takeContiguous(InvalidationQueue.pages(wide));
    const place = { address: ring, status: pages.take(), wide };
    const queue = new InvalidationQueue(this.#processor, this.#registers, place);
    const running = this.#assemble(mode, { pages, queue, capabilities }, pages.take());
    queue.announce();
    this.#command(GLOBAL.queueEnable);
    this.#processor.store64(this.#registers + REGISTER.rootTable, running.tables.rootTable);
    this.#command(GLOBAL.setRootTable);
    if (!capabilities.flushesOnRoot) {
      queue.submit(descriptors.contextGlobal());
      if (mode === 'scalable') queue.submit(descriptors.pasidCacheGlobal());
      queue.submit(descriptors.iotlbGlobal());
    }
    this.#command(GLOBAL.translationEnable);
    if (takesPageRequests) this.#announcePageRequests(pages.take());
    this.#forget();
    this.#running = running;
    return range;
  }

  /** Maps a range for a function. @throws CommandError when it cannot be mapped whole; nothing has changed then */
  map(mapping: GuestMapping): void {
    const { sourceId, pasid = null, iova, address, size } = mapping;
    const { capabilities, pages, queue, tables } = this.#ready();
    const shape = tables.shape(pasid);
    checkRange(mapping, shape, capabilities.addressWidth);
    checkTarget(mapping, shape, capabilities.addressWidth);
    if (this.#bindings.has(key(sourceId, pasid))) {
      throw new CommandError(`PASID ${pasid ?? 0} of this device has a page table of its own; unbind that first`);
    }
    let domain = this.#domains.get(key(sourceId, pasid));
    if (domain === undefined) {
      const needed = tables.demand(sourceId, pasid);
      const inTable = PageTable.tablesOfNew(shape, iova, address, size);
      pages.requireContiguous(needed.contiguous, 'The mapping');
      pages.require(needed.contiguous + needed.single + inTable, 'The mapping');
      domain = { id: tables.domainId(sourceId, pasid, () => this.#freshDomain()), sourceId, pasid, root: pages.take() };
      this.#domains.set(key(sourceId, pasid), domain);
      tables.attach(domain);
    } else {
      pages.require(this.#pageTable(domain).tablesFor(iova, address, size), 'The mapping');
    }
    this.#pageTable(domain).map(iova, address, size, new Set(mapping.permissions));
    if (capabilities.cachingMode) queue.submit(...tables.flushOf(domain, blockAround(iova, size), false));
  }

  /** @throws CommandError unless all of the range is mapped by whole pages; nothing has changed then */
  unmap(unmapping: GuestUnmapping): void {
    const { sourceId, pasid = null, iova, size, flush } = unmapping;
    const { capabilities, pages, queue, tables } = this.#ready();
    checkRange(unmapping, tables.shape(pasid), capabilities.addressWidth);
    const domain = this.#domains.get(key(sourceId, pasid));
    if (domain === undefined) throw new CommandError(`${hex(iova)} is not mapped: nothing is, for this device`);
    const table = this.#pageTable(domain);
    table.checkMapped(iova, size);
    const gone = table.unmap(iova, size, !flush);
    if (flush) queue.submit(...tables.flushOf(domain, blockAround(iova, size), gone.length === 0));
    for (const page of gone) pages.give(page);
  }

  /** Gives a function's PASID a page table of the user's. @throws CommandError; nothing has changed then */
  bindPageTable(binding: PageTableBinding): void {
    const { sourceId, pasid } = binding;
    const { pages, tables } = this.#ready();
    checkBinding(this.#processor, binding, pages);
    tables.shape(pasid);
    const bound = this.#bindings.get(key(sourceId, pasid));
    if (bound !== undefined) {
      throw new CommandError(
        `PASID ${pasid} of this device is bound already, to ${hex(bound.pageTable)}; unbind it first`,
      );
    }
    if (this.#domains.has(key(sourceId, pasid))) {
      throw new CommandError(`PASID ${pasid} of this device has mappings of guest-dma-map; choose another PASID`);
    }
    const { single, contiguous } = tables.demand(sourceId, pasid);
    pages.requireContiguous(contiguous, 'The PASID');
    pages.require(contiguous + single, 'The PASID');
    this.#bindings.set(key(sourceId, pasid), binding);
    tables.bind(binding, () => this.#freshDomain());
  }

  /** @throws CommandError when the PASID has no page table; nothing has changed then */
  unbindPageTable({ sourceId, pasid, flush }: { sourceId: number; pasid: number; flush: boolean }): void {
    const { tables } = this.#ready();
    const binding = this.#bindings.get(key(sourceId, pasid));
    if (binding === undefined) throw new CommandError(`PASID ${pasid} of this device has no page table bound`);
    this.#bindings.delete(key(sourceId, pasid));
    tables.unbind(binding, flush);
  }

  /** The machine was reset: the guest starts anew, and knows of nothing but the RAM that it may overwrite. */
  reset(): void {
    this.#running = null;
    this.#forget();
  }

  save(): IntelGuestDriverState {
    if (this.#running === null) return { range: this.#range, running: null };
    const { mode, pages, queue, tables } = this.#running;
    const domains = [...this.#domains.values()];
    const bindings = [...this.#bindings.values()];
    const running = { mode, pages: pages.save(), queue: queue.save(), tables: tables.save() };
    return { range: this.#range, running: { ...running, lastDomain: this.#lastDomain, domains, bindings } };
  }

  restore(state: IntelGuestDriverState): void {
    this.reset();
    this.#range = state.range;
    if (state.running === null || state.range === null) return;
    const { mode, lastDomain, domains, bindings } = state.running;
    const pages = new TablePages(this.#processor, state.range);
    const queue = new InvalidationQueue(this.#processor, this.#registers, state.running.queue);
    queue.restore(state.running.queue);
    pages.restore(state.running.pages);
    const parts = { pages, queue, capabilities: this.#capabilities() };
    this.#running = this.#assemble(mode, parts, state.running.tables.root);
    this.#running.tables.restore(state.running.tables);
    this.#lastDomain = lastDomain;
    this.#domains = new Map(domains.map((domain) => [key(domain.sourceId, domain.pasid), domain]));
    this.#bindings = new Map(bindings.map((binding) => [key(binding.sourceId, binding.pasid), binding]));
  }

  /** @throws CommandError unless the driver has enabled the unit, and nobody has disabled it since */
  #ready(): Running {
    if (this.#running === null) {
      throw new CommandError('The guest driver has not enabled the unit; use guest-iommu-enable first');
    }
    this.#running.queue.requireRunning();
    if ((this.#status() & GLOBAL.translationEnable) === 0) {
      throw new CommandError('Translation was disabled behind the guest driver; use system_reset and enable it again');
    }
    return this.#running;
  }

  #checkEnable(mode: IntelMode): Capabilities {
    if (this.#running !== null) {
      throw new CommandError(`The unit is enabled already, in ${this.#running.mode} mode; use system_reset first`);
    }
    const status = this.#status();
    if ((status & (GLOBAL.translationEnable | GLOBAL.queueEnable)) !== 0) {
      throw new CommandError(`The unit is in use (GSTS ${hex(status)}) by somebody else; use system_reset first`);
    }
    const capabilities = this.#capabilities();
    const refuse = (condition: boolean, sentence: string): void => {
      if (condition) throw new CommandError(sentence);
    };
    refuse(!capabilities.queuedInvalidation, 'The unit offers no queued invalidation');
    refuse(capabilities.secondStageLevels.length === 0, 'The unit translates no DMA (dma-translation=off)');
    refuse(
      mode === 'scalable' && !capabilities.scalableMode,
      'The unit has no scalable mode; start it with scalable-mode=on',
    );
    refuse(mode === 'ecs' && !capabilities.extendedContexts, 'The unit has no extended contexts; start it with ecs=on');
    return capabilities;
  }

  #assemble(mode: IntelMode, parts: Omit<ModeParts, 'processor' | 'root'>, root: bigint): Running {
    const tables = new MODES[mode]({ ...parts, processor: this.#processor, root });
    return { mode, tables, ...parts };
  }

  /** Gives the unit a ring of one page for page requests. Answering them is left to the user. */
  #announcePageRequests(ring: bigint): void {
    this.#processor.store64(this.#registers + REGISTER.pageQueueHead, 0n);
    this.#processor.store64(this.#registers + REGISTER.pageQueueTail, 0n);
    this.#processor.store64(this.#registers + REGISTER.pageQueueAddress, ring);
  }

  #pageTable(domain: Domain): PageTable {
    const { pages, tables } = this.#running!;
    return new PageTable(this.#processor, pages, tables.shape(domain.pasid), domain.root);
  }

  #freshDomain(): number {
    if (this.#lastDomain === MOST_DOMAINS) throw new CommandError(`All ${MOST_DOMAINS} domain-ids are taken`);
    this.#lastDomain += 1;
    return this.#lastDomain;
  }

  #capabilities(): Capabilities {
    const capability = this.#processor.load64(this.#registers + REGISTER.capability);
    return new Capabilities(capability, this.#processor.load64(this.#registers + REGISTER.extendedCapability));
  }

  #status(): number {
    return this.#processor.load32(this.#registers + REGISTER.globalStatus);
  }

  /** Gives one command, keeps what is on, and waits until the status shows it. */
  #command(bit: number): void {
    const kept = this.#status() & KEPT_STATUS;
    this.#processor.store32(this.#registers + REGISTER.globalCommand, (kept | bit) >>> 0);
    const status = this.#status();
    if ((status & bit) === 0) {
      throw new CommandError(`The unit did not carry out command ${hex(bit)}: its status is ${hex(status)}`);
    }
  }

  #forget(): void {
    this.#lastDomain = 0;
    this.#domains.clear();
    this.#bindings.clear();
  }
}
