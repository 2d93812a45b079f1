import { type Access, Permission, type Permissions } from '../memory/access.ts';
import type { RamBlock } from '../memory/ram-block.ts';
import type { TableMemory } from '../memory/table-memory.ts';
import { type FirstStageTable, FirstStageWalker, MAX_LEVELS } from '../iommu/walk/first-stage.ts';
import type { TableEntry } from '../iommu/iotlb.ts';
import type { HostMemory } from './memory.ts';
import type { HostPageTable } from './page-table.ts';

const PAGE = 4096;
/** Guest-physical addresses have at most 52 bits; which of them lead anywhere is for the second stage to say. */
export const GUEST_ADDRESS_BITS = 52;

/**
 * Accessed (5), dirty (6) and extended-accessed (10) in the low half of an entry: walks set them, and no cached
 * translation disagrees with a table over them.
 */
export const MARKS = 0x460;

/** Why a translation ended without a page. */
export type WalkStage = 'first' | 'second';

/**
 * Guest memory as a walk of the host sees it: every guest-physical address goes through the second stage first. A
 * look-only one answers alike and writes nothing.
 */
export class StageTableMemory implements TableMemory {
  low = 0;
  high = 0;
  /** What the addresses go through. */
  stage: HostPageTable | null = null;
  readonly #memory: HostMemory;
  readonly #lookOnly: boolean;
  /** Of the address that was found last, in its block. */
  #offset = 0;
  // The mapped range that the latest address was found in: tables lie together, so it is nearly always the next one's.
  #start = 0;
  #end = 0;
  #block: RamBlock | null = null;
  /** Offset of the range's first byte, in the block. */
  #base = 0;
  #isReadonly = false;
  #foundIn: HostPageTable | null = null;
  #stageChanges = 0;
  #memoryChanges = 0;

  constructor(memory: HostMemory, lookOnly: boolean) {
    this.#memory = memory;
    this.#lookOnly = lookOnly;
  }

  read(address: number): boolean {
    const block = this.#blockAt(address);
    if (block === null) return false;
    block.entry(this.#offset);
    this.low = block.low;
    this.high = block.high;
    return true;
  }

  setBits(address: number, bits: number): boolean {
    const block = this.#blockAt(address);
    if (block === null || this.#isReadonly) return false;
    if (!this.#lookOnly) block.orLow(this.#offset, bits);
    return true;
  }

  /** Records writes to the page of a table entry from now on. */
  watch(address: number): void {
    this.#blockAt(address)?.watch(this.#offset);
  }

  /** The operation that last wrote a watched entry; 0 when none has since the watch began. */
  lastWrite(address: number): number {
    return this.#blockAt(address)?.lastWrite(this.#offset) ?? 0;
  }

  /** The RAM behind a guest-physical address; its offset in there is kept until the next call. */
  #blockAt(address: number): RamBlock | null {
    const { stage } = this;
    if (stage === null) return null;
    if (
      address < this.#start ||
      address >= this.#end ||
      stage !== this.#foundIn ||
      stage.changes !== this.#stageChanges ||
      this.#memory.changes !== this.#memoryChanges
    ) {
      if (!this.#find(stage, address)) return null;
    }
    this.#offset = this.#base + (address - this.#start);
    return this.#block;
  }

  /** Remembers the range that holds an address; a mapped range lies in one block as a whole. */
  #find(stage: HostPageTable, address: number): boolean {
    const page = Math.floor(address / PAGE);
    if (!stage.lookup(page)) return false;
    const { start, end } = stage.range;
    const host = (stage.frame - (page - start)) * PAGE;
    this.#isReadonly = stage.readonly;
    this.#block = this.#memory.blockAt(host);
    this.#base = this.#memory.offsetOf(host);
    this.#start = start * PAGE;
    this.#end = end * PAGE;
    this.#foundIn = stage;
    this.#stageChanges = stage.changes;
    this.#memoryChanges = this.#memory.changes;
    return true;
  }
}

/**
 * Translation as the host IOMMU does it: a first stage of the guest whose every table address, and at last the page
 * itself, goes through the host's second stage (VT-d, section 3.8); or the second stage alone. One walker serves many
 * walks: its fields hold the outcome of the last one, and a walk allocates nothing.
 */
export class NestedWalker {
  readonly tables: StageTableMemory;
  /** 0, or the fault reason that ended the walk. */
  code = 0;
  /** Where it ended. */
  stage: WalkStage = 'second';
  /** Level of the entry that was used or that faulted; 1 is the lowest. */
  level = 0;
  /** Number of the guest-physical 4 KiB page behind the page asked for. */
  guestPage = 0;
  /** Number of the host-physical 4 KiB frame behind it. */
  frame = 0;
  /** Binary logarithm of the page that translates, in bytes: the smaller of both stages. */
  shift = 12;
  permissions: Permissions = Permission.none;
  /** A write through this translation needs no more marking in the tables. */
  dirty = true;
  readonly #first = new FirstStageWalker({ addressWidth: GUEST_ADDRESS_BITS });
  readonly #addressPages: number;

  /** @param addressBits width of a second-stage input address */
  constructor(memory: HostMemory, addressBits: number, lookOnly: boolean) {
    this.tables = new StageTableMemory(memory, lookOnly);
    this.#addressPages = 2 ** (addressBits - 12);
  }

  /** The second stage alone: 0x04, 0x05 or 0x06 when it gives no such right. */
  second(stage: HostPageTable, page: number, access: Access): boolean {
    this.stage = 'second';
    this.dirty = true;
    this.guestPage = page;
    if (!stage.lookup(page)) {
      this.level = 1;
      return this.#fail(page >= this.#addressPages ? 0x04 : access === 'write' ? 0x05 : 0x06);
    }
    this.frame = stage.frame;
    this.shift = stage.pageShift;
    this.level = (this.shift - 3) / 9;
    this.permissions = stage.readonly ? RIGHTS & ~Permission.write : RIGHTS;
    return access === 'write' && stage.readonly ? this.#fail(0x05) : this.#succeed();
  }

  /**
   * The guest's first stage at `table` over `stage`. Faults of the first stage as its walker gives them; 0x74 to 0x77
   * and 0x79 where the second stage has no such page or right.
   */
  nested(stage: HostPageTable, table: FirstStageTable, page: number, access: Access): boolean {
    const first = this.#first;
    this.tables.stage = stage;
    const found = first.walk(this.tables, table, page, access);
    this.level = first.level;
    this.stage = 'first';
    if (!found) return this.#failNested(first.code);
    this.guestPage = first.frame;
    this.stage = 'second';
    if (!stage.lookup(first.frame)) return this.#fail(first.frame >= this.#addressPages ? 0x74 : 0x79);
    this.frame = stage.frame;
    const readonly = stage.readonly;
    this.permissions = readonly ? first.permissions & ~Permission.write : first.permissions;
    if (readonly && access === 'write') return this.#fail(0x79);
    this.shift = first.shift === 12 ? 12 : Math.min(first.shift, stage.pageShift);
    this.dirty = first.dirty;
    return this.#succeed();
  }

  /** The table entries that the last nested walk read, from the top table down. */
  entriesRead(): TableEntry[] {
    const { steps, stepAddress, stepLow, stepHigh } = this.#first;
    const entries: TableEntry[] = [];
    for (let step = 0; step < steps && step < MAX_LEVELS; step++) {
      entries.push({ address: stepAddress[step]!, low: stepLow[step]!, high: stepHigh[step]! });
    }
    return entries;
  }

  #succeed(): boolean {
    this.code = 0;
    return true;
  }

  #fail(code: number): boolean {
    this.code = code;
    return false;
  }

  /** A table that the second stage does not show is its fault, not the first stage's. */
  #failNested(code: number): boolean {
    if (code !== 0x70 && code !== 0x73 && code !== 0x91) return this.#fail(code);
    this.stage = 'second';
    return this.#fail(code === 0x73 ? 0x75 : code === 0x70 ? 0x76 : 0x77);
  }
}

/** What the second stage can give. */
export const RIGHTS = Permission.read | Permission.write | Permission.execute;
