import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { ControlInstructions } from '../../iommu/s390/control-instructions.ts';
import { Operation } from '../../iommu/s390/control-instructions.ts';
import { EMPTY_BLOCK, encodeBlock, FibControl } from '../../iommu/s390/information-block.ts';
import type { LoadStoreInstructions } from '../../iommu/s390/load-store.ts';
import { ClpResponse, type LogicalProcessor } from '../../iommu/s390/logical-processor.ts';
import type { Outcome } from '../../iommu/s390/outcome.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { GuestDriver, GuestMapping, GuestMode, GuestUnmapping } from '../guest-driver.ts';
import { PAGE, Processor } from '../processor.ts';
import { checkTableRange, defaultTableRange, type TableRange } from '../table-pages.ts';
import { TableBlocks, type TableBlocksState } from './table-blocks.ts';
import { TranslationTables } from './translation-tables.ts';

/** The instructions and services that are about PCI functions. */
export interface ZpciServices {
  readonly control: ControlInstructions;
  readonly loadStore: LoadStoreInstructions;
  readonly logicalProcessor: LogicalProcessor;
}

/** A function that the driver has enabled. */
interface Driven {
  readonly handle: number;
  readonly tables: TranslationTables;
}

interface Running {
  readonly blocks: TableBlocks;
  /** Where the operand of MPCIFC lies. */
  readonly block: bigint;
  readonly functions: Map<number, Driven>;
}

export interface ZpciGuestDriverState {
  range: TableRange | null;
  running: {
    blocks: TableBlocksState;
    block: bigint;
    functions: { fid: number; handle: number; root: bigint }[];
  } | null;
}

/** PCI command register in configuration space, and what has the function decode its BARs and be a bus master. */
const COMMAND = { space: 15, offset: 4n, length: 2 } as const;
/** Memory and bus master; registers are little-endian, the processor is not. */
const MEMORY_AND_MASTER = 0x0600n;
/** Region-third table, translation on. */
const ANCHOR_FLAGS = 0x804n;
/** The last address that the tables map: they span 42 bits. */
const LAST_ADDRESS = (1n << 42n) - 1n;
const NO_PASIDS = 'zPCI functions make no requests with PASID; leave pasid out, and use guest-dma-map';

/**
 * A guest's driver for the functions of s390: it enables each by CLP, registers a region table of its own by MPCIFC, and
 * refreshes by RPCIT what it has mapped or unmapped. Functions are known by their id (FID).
 */
export class ZpciGuestDriver implements GuestDriver, Snapshottable<ZpciGuestDriverState> {
  readonly #processor: Processor;
  readonly #services: ZpciServices;
  #range: TableRange | null = null;
  #running: Running | null = null;

  constructor(options: { memory: AddressSpace; services: ZpciServices }) {
    this.#processor = new Processor(options.memory);
    this.#services = options.services;
  }

  get mode(): GuestMode | null {
    return this.#running === null ? null : 'other';
  }

  /** Every function that is configured gets tables that map nothing. One that comes later gets them when it is mapped. */
  enable(mode: GuestMode, tables?: TableRange): TableRange {
    if (mode !== 'other') throw new CommandError(`The unit has no ${mode} mode: s390 has one only, other`);
    if (this.#running !== null) throw new CommandError('The unit is enabled already; use system_reset first');
    const functions = this.#services.logicalProcessor.list().filter(({ configured }) => configured);
    for (const { fid, handle } of functions) this.#checkUnused(fid, handle);
    const range = tables ?? defaultTableRange(this.#processor);
    checkTableRange(this.#processor, range, this.#range);
    const blocks = new TableBlocks(this.#processor, range);
    blocks.require(functions.length, 1, 'Enabling the functions');
    this.#range = range;
    const running = { blocks, block: blocks.takeSmall(0n), functions: new Map<number, Driven>() };
    this.#running = running;
    for (const { fid, handle } of functions) this.#start(running, fid, handle);
    return range;
  }

  /** @throws CommandError when it cannot be mapped whole; nothing has changed then */
  map(mapping: GuestMapping): void {
    const { sourceId: fid, iova, address, size, permissions } = mapping;
    const running = this.#ready();
    this.#checkRange(mapping);
    if (address % PAGE !== 0n || address === 0n) {
      throw new CommandError(`Parameter 'address' ${hex(address)} is not a multiple of ${PAGE} above 0`);
    }
    if (permissions.includes('execute')) throw new CommandError('zPCI knows no right to execute; leave execute out');
    if (!permissions.includes('read'))
      throw new CommandError('zPCI pages always permit reads; add read to permissions');
    const present = running.functions.get(fid);
    const needed = present?.tables.tablesFor(iova, size) ?? tablesOfNew(iova, size);
    running.blocks.require(needed.segment + (present === undefined ? 1 : 0), needed.page, 'The mapping');
    const { handle, tables } = present ?? this.#start(running, fid, this.#handleOf(fid));
    tables.map(iova, address, size, permissions.includes('write'));
    const outcome = this.#refresh(handle, iova, size);
    if (outcome.cc === 0) return;
    tables.unmap(iova, size);
    this.#refresh(handle, iova, size);
    throw refusal('RPCIT', outcome);
  }

  /** @throws CommandError unless all of the range is mapped; nothing has changed then */
  unmap(unmapping: GuestUnmapping): void {
    const { sourceId: fid, iova, size, flush } = unmapping;
    const running = this.#ready();
    this.#checkRange(unmapping);
    const driven = running.functions.get(fid);
    if (driven === undefined) throw new CommandError(`${hex(iova)} is not mapped: nothing is, for this device`);
    driven.tables.checkMapped(iova, size);
    driven.tables.unmap(iova, size);
    if (!flush) return;
    const outcome = this.#refresh(driven.handle, iova, size);
    if (outcome.cc !== 0) throw refusal('RPCIT', outcome);
  }

  bindPageTable(): void {
    throw new CommandError(NO_PASIDS);
  }

  unbindPageTable(): void {
    throw new CommandError(NO_PASIDS);
  }

  reset(): void {
    this.#running = null;
  }

  save(): ZpciGuestDriverState {
    const running = this.#running;
    return {
      range: this.#range,
      running: running && {
        blocks: running.blocks.save(),
        block: running.block,
        functions: [...running.functions].map(([fid, { handle, tables }]) => ({ fid, handle, root: tables.root })),
      },
    };
  }

  restore({ range, running }: ZpciGuestDriverState): void {
    this.#range = range;
    this.#running = null;
    if (running === null || range === null) return;
    const blocks = new TableBlocks(this.#processor, range);
    blocks.restore(running.blocks);
    const functions = running.functions.map(({ fid, handle, root }): [number, Driven] => [
      fid,
      { handle, tables: new TranslationTables(this.#processor, blocks, root) },
    ]);
    this.#running = { blocks, block: running.block, functions: new Map(functions) };
  }

  #ready(): Running {
    if (this.#running === null)
      throw new CommandError('The guest has not enabled the unit; use guest-iommu-enable first');
    return this.#running;
  }

  #handleOf(fid: number): number {
    const found = this.#services.logicalProcessor.list().find((one) => one.fid === fid);
    if (found?.configured !== true) throw new CommandError(`The function ${fid} is not configured`);
    this.#checkUnused(fid, found.handle);
    return found.handle;
  }

  /** @throws CommandError when somebody else has registered something for it */
  #checkUnused(fid: number, handle: number): void {
    const { block } = this.#services.control.store({ handle, dmaSpace: 0, operation: 0 });
    if (((block?.controls ?? 0) & FibControl.enabled) === 0) return;
    throw new CommandError(`The function ${fid} is in use by somebody else; use system_reset first`);
  }

  /** Enables a function, with tables that map nothing. */
  #start({ blocks, block, functions }: Running, fid: number, disabled: number): Driven {
    const { response, handle = 0 } = this.#services.logicalProcessor.set(disabled, 'enable', 1);
    if (response !== ClpResponse.done) throw new CommandError(`CLP did not enable function ${fid}: ${hex(response)}`);
    const description = this.#services.logicalProcessor.query(handle).function!;
    const tables = new TranslationTables(this.#processor, blocks, null);
    const base = description['start-dma'];
    const limit = description['end-dma'] < LAST_ADDRESS ? description['end-dma'] : LAST_ADDRESS;
    this.#processor.store(block, encodeBlock({ ...EMPTY_BLOCK, base, limit, anchor: tables.root | ANCHOR_FLAGS }));
    const operands = { handle, dmaSpace: 0, operation: Operation.registerTranslation };
    const outcome = this.#services.control.modifyFrom(operands, block);
    if (outcome.cc !== 0) throw refusal('MPCIFC', outcome);
    this.#services.loadStore.store({ handle, ...COMMAND }, MEMORY_AND_MASTER);
    const driven = { handle, tables };
    functions.set(fid, driven);
    return driven;
  }

  #refresh(handle: number, iova: bigint, size: bigint): Outcome {
    return this.#services.control.refresh(handle, 2, iova, size);
  }

  #checkRange({ sourceId, iova, size, pasid }: { sourceId: number; iova: bigint; size: bigint; pasid?: number }): void {
    if (pasid !== undefined) throw new CommandError(NO_PASIDS);
    if (size === 0n || size % PAGE !== 0n) {
      throw new CommandError(`Parameter 'size' is ${size}; it must be a multiple of ${PAGE}, and not 0`);
    }
    if (iova % PAGE !== 0n) throw new CommandError(`Parameter 'iova' ${hex(iova)} is not a multiple of ${PAGE}`);
    const handle = this.#services.logicalProcessor.list().find(({ fid }) => fid === sourceId)?.handle ?? 0;
    const first = this.#services.logicalProcessor.query(handle).function?.['start-dma'] ?? 0n;
    if (iova < first || iova + size - 1n > LAST_ADDRESS) {
      throw new CommandError(
        `${size} bytes at ${hex(iova)} are not all in ${hex(first)} to ${hex(LAST_ADDRESS)}, the DMA addresses of the function`,
      );
    }
  }
}

/** How many segment tables and page tables a range takes where there are none. */
function tablesOfNew(iova: bigint, size: bigint): { segment: number; page: number } {
  const last = iova + size - 1n;
  const count = (shift: bigint): number => Number((last >> shift) - (iova >> shift)) + 1;
  return { segment: count(31n), page: count(20n) };
}

function refusal(instruction: string, { cc, status, exception }: Outcome): CommandError {
  if (exception !== undefined)
    return new CommandError(`${instruction} met a program interruption: ${exception} exception`);
  const why = status === undefined ? '' : `, status ${status}`;
  return new CommandError(
    `${instruction} ended with condition code ${cc ?? 0}${why}; guest-zpci tells and changes the function's state`,
  );
}
