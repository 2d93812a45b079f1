/**
 * What a driver for Intel VT-d knows of the registers: offsets in bytes from the unit's base, and bits. Written from
 * the specification and not shared with the unit, so that neither hides a mistake of the other.
 */
export const REGISTER = {
  version: 0x00n,
  capability: 0x08n,
  extendedCapability: 0x10n,
  globalCommand: 0x18n,
  globalStatus: 0x1cn,
  rootTable: 0x20n,
  contextCommand: 0x28n,
  faultStatus: 0x34n,
  queueHead: 0x80n,
  queueTail: 0x88n,
  queueAddress: 0x90n,
  pageQueueHead: 0xc0n,
  pageQueueTail: 0xc8n,
  pageQueueAddress: 0xd0n,
} as const;

/** Bits of the global command and status registers, alike in both. */
export const GLOBAL = {
  translationEnable: 0x8000_0000,
  setRootTable: 0x4000_0000,
  queueEnable: 0x0400_0000,
} as const;

/** Invalidation queue error, in the fault status register. */
export const QUEUE_ERROR = 1 << 4;

/** What the unit offers, as its capability registers say. */
export class Capabilities {
  readonly #capability: bigint;
  readonly #extended: bigint;

  constructor(capability: bigint, extended: bigint) {
    this.#capability = capability;
    this.#extended = extended;
  }

  get cachingMode(): boolean {
    return this.#bit(7);
  }

  /** Levels of second-stage tables that it walks, the most first; none when it translates no DMA. */
  get secondStageLevels(): readonly number[] {
    return [4, 3].filter((levels) => this.#bit(8 + levels - 2));
  }

  /** Bits of an address that it translates. */
  get addressWidth(): number {
    return Number((this.#capability >> 16n) & 0x3fn) + 1;
  }

  /** The highest level whose entries may map a page in the second stage. */
  get secondStageLeafLevels(): number {
    return this.#bit(35) && this.#bit(34) ? 3 : this.#bit(34) ? 2 : 1;
  }

  get firstStageLeafLevels(): number {
    return this.#bit(56) ? 3 : 2;
  }

  get pageSelective(): boolean {
    return this.#bit(39);
  }

  /** Largest number of pages that one page-selective invalidation covers, as a power of two. */
  get largestAddressMask(): number {
    return Number((this.#capability >> 48n) & 0x3fn);
  }

  /** Setting the root table flushes the caches by itself. */
  get flushesOnRoot(): boolean {
    return this.#bit(63);
  }

  get queuedInvalidation(): boolean {
    return this.#extendedBit(1);
  }

  get passThrough(): boolean {
    return this.#extendedBit(6);
  }

  get deviceIotlb(): boolean {
    return this.#extendedBit(2);
  }

  get pageRequests(): boolean {
    return this.#extendedBit(29);
  }

  /** Extended contexts, as of 2017. */
  get extendedContexts(): boolean {
    return this.#extendedBit(24);
  }

  get scalableMode(): boolean {
    return this.#extendedBit(43);
  }

  get secondStage(): boolean {
    return this.#extendedBit(46);
  }

  get firstStage(): boolean {
    return this.#extendedBit(47);
  }

  /** 0 without PASID. */
  get pasidBits(): number {
    return this.#extendedBit(40) ? Number((this.#extended >> 35n) & 0x1fn) + 1 : 0;
  }

  #bit(position: number): boolean {
    return ((this.#capability >> BigInt(position)) & 1n) === 1n;
  }

  #extendedBit(position: number): boolean {
    return ((this.#extended >> BigInt(position)) & 1n) === 1n;
  }
}
