import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { PAGE, type Processor } from './processor.ts';
import { GLOBAL, QUEUE_ERROR, REGISTER } from './registers.ts';

/** VT-d 6.5.2: type in bits 3:0 of the first word, granularity in bits 5:4. */
const TYPE = { context: 1n, iotlb: 2n, deviceIotlb: 3n, wait: 5n, pasidIotlb: 6n, pasidCache: 7n, pasidDevice: 8n };
const STATUS_WRITE = 1n << 5n;
/** What a wait descriptor has written when it is reached. */
const DONE = 2;
/** The words of a descriptor that are not 0, low first. */
export type Descriptor = readonly bigint[];

/** Power of two of pages, from `address` on, which is aligned to it. */
export interface PageBlock {
  readonly address: bigint;
  readonly addressMask: number;
}

/** All addresses. */
export const EVERYTHING: PageBlock = { address: 0n, addressMask: 52 };

const block = ({ address, addressMask }: PageBlock, leafOnly: boolean): bigint =>
  address | BigInt(addressMask) | (leafOnly ? 1n << 6n : 0n);

/** With S the number of low bits that are set in the page number tells the size: none 8 KiB, one 16 KiB and so on. */
const deviceBlock = ({ address, addressMask }: PageBlock, size: bigint): bigint =>
  addressMask === 0 ? address : address | (((1n << BigInt(addressMask - 1)) - 1n) << 12n) | size;

/** Descriptors by what they flush. */
export const descriptors = {
  contextGlobal: (): Descriptor => [TYPE.context | (1n << 4n)],
  contextDevice: (domainId: number, sourceId: number): Descriptor => [
    TYPE.context | (3n << 4n) | (BigInt(domainId) << 16n) | (BigInt(sourceId) << 32n),
  ],
  iotlbGlobal: (): Descriptor => [TYPE.iotlb | (1n << 4n)],
  iotlbDomain: (domainId: number): Descriptor => [TYPE.iotlb | (2n << 4n) | (BigInt(domainId) << 16n)],
  iotlbPages: (domainId: number, pages: PageBlock, leafOnly: boolean): Descriptor => [
    TYPE.iotlb | (3n << 4n) | (BigInt(domainId) << 16n),
    block(pages, leafOnly),
  ],
  pasidCacheGlobal: (): Descriptor => [TYPE.pasidCache | (3n << 4n)],
  pasidCache: (domainId: number, pasid: number): Descriptor => [
    TYPE.pasidCache | (1n << 4n) | (BigInt(domainId) << 16n) | (BigInt(pasid) << 32n),
  ],
  pasidIotlb: (domainId: number, pasid: number): Descriptor => [
    TYPE.pasidIotlb | (2n << 4n) | (BigInt(domainId) << 16n) | (BigInt(pasid) << 32n),
  ],
  pasidIotlbPages: (domainId: number, pasid: number, pages: PageBlock, leafOnly: boolean): Descriptor => [
    TYPE.pasidIotlb | (3n << 4n) | (BigInt(domainId) << 16n) | (BigInt(pasid) << 32n),
    block(pages, leafOnly),
  ],
  /** What a device holds of its own, for requests without PASID. */
  deviceIotlb: (sourceId: number, pages: PageBlock): Descriptor => [
    TYPE.deviceIotlb | (BigInt(sourceId) << 32n),
    deviceBlock(pages, 1n),
  ],
  /** What a device holds of its own for a PASID. */
  pasidDeviceIotlb: (sourceId: number, pasid: number, pages: PageBlock): Descriptor => [
    TYPE.pasidDevice | (BigInt(sourceId) << 16n) | (BigInt(pasid) << 32n),
    deviceBlock(pages, 1n << 11n),
  ],
};

export interface InvalidationQueueState {
  address: bigint;
  status: bigint;
  wide: boolean;
  tail: number;
}

const ENTRIES = 256;

/** The driver's end of the invalidation queue: a ring of 256 descriptors of 16 or 32 bytes. */
export class InvalidationQueue implements Snapshottable<InvalidationQueueState> {
  readonly #processor: Processor;
  readonly #registers: bigint;
  /** Where the ring lies. */
  #address: bigint;
  /** The word that wait descriptors write. */
  #status: bigint;
  /** Descriptors of 32 bytes. */
  #wide: boolean;
  /** Index of the next free place. */
  #tail = 0;

  /** @param place two pages for a wide ring, one for the other; and a word for the wait descriptors */
  constructor(processor: Processor, registers: bigint, place: { address: bigint; status: bigint; wide: boolean }) {
    this.#processor = processor;
    this.#registers = registers;
    this.#address = place.address;
    this.#status = place.status;
    this.#wide = place.wide;
  }

  /** How many pages a ring takes. */
  static pages(wide: boolean): number {
    return (ENTRIES * (wide ? 32 : 16)) / Number(PAGE);
  }

  /** Tells the unit where the ring lies. It is empty, and not yet enabled. */
  announce(): void {
    this.#tail = 0;
    this.#processor.store64(this.#registers + REGISTER.queueTail, 0n);
    // Size 2^(QS+8) descriptors of 16 bytes, or 2^(QS+7) of 32 with DW, bit 11.
    const shape = this.#wide ? (1n << 11n) | 1n : 0n;
    this.#processor.store64(this.#registers + REGISTER.queueAddress, this.#address | shape);
  }

  /**
   * Submits descriptors and a wait descriptor behind them, and waits for that.
   * @throws CommandError when the unit does not come to it
   */
  submit(...wanted: readonly Descriptor[]): void {
    if (wanted.length === 0) return;
    const processor = this.#processor;
    // Asked each time: whoever else has put descriptors into the queue is not overwritten.
    this.#tail = Number(processor.load64(this.#registers + REGISTER.queueTail) / this.#entrySize);
    processor.store32(this.#status, 0);
    for (const descriptor of wanted) this.#put(descriptor);
    this.#put([TYPE.wait | STATUS_WRITE | (BigInt(DONE) << 32n), this.#status]);
    const tail = BigInt(this.#tail) * this.#entrySize;
    processor.store64(this.#registers + REGISTER.queueTail, tail);
    if (processor.load32(this.#status) === DONE) return;
    const head = processor.load64(this.#registers + REGISTER.queueHead);
    const stopped = (processor.load32(this.#registers + REGISTER.faultStatus) & QUEUE_ERROR) !== 0;
    throw new CommandError(
      `The unit did not complete an invalidation: its queue stands at ${hex(head)} of ${hex(tail)}` +
        (stopped ? ', stopped by an error (FSTS.IQE); clear it, or use system_reset' : '; is it enabled?'),
    );
  }

  /** @throws CommandError when the unit would not process descriptors, because the queue is off or in error */
  requireRunning(): void {
    const enabled = this.#processor.load32(this.#registers + REGISTER.globalStatus) & GLOBAL.queueEnable;
    const stopped = this.#processor.load32(this.#registers + REGISTER.faultStatus) & QUEUE_ERROR;
    if (enabled === 0)
      throw new CommandError('The invalidation queue of the unit was disabled behind the guest driver');
    if (stopped !== 0) {
      throw new CommandError('The invalidation queue of the unit is stopped by an error (FSTS.IQE); clear it first');
    }
  }

  save(): InvalidationQueueState {
    return { address: this.#address, status: this.#status, wide: this.#wide, tail: this.#tail };
  }

  restore(state: InvalidationQueueState): void {
    this.#address = state.address;
    this.#status = state.status;
    this.#wide = state.wide;
    this.#tail = state.tail;
  }

  get #entrySize(): bigint {
    return this.#wide ? 32n : 16n;
  }

  #put(descriptor: Descriptor): void {
    const words = Array.from({ length: this.#wide ? 4 : 2 }, (_, index) => descriptor[index] ?? 0n);
    this.#processor.store64(this.#address + BigInt(this.#tail) * this.#entrySize, ...words);
    this.#tail = (this.#tail + 1) % ENTRIES;
  }
}

/** The smallest aligned power of two of pages around a range. */
export function blockAround(iova: bigint, size: bigint): PageBlock {
  const last = iova + size - 1n;
  let addressMask = 0;
  while (iova >> BigInt(12 + addressMask) !== last >> BigInt(12 + addressMask)) addressMask += 1;
  return { address: (iova >> BigInt(12 + addressMask)) << BigInt(12 + addressMask), addressMask };
}
