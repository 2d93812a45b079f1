import { hex } from '../core/address.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { type DescriptorChain, QueueError, readChain } from './descriptor-chain.ts';
import { Feature, NO_VECTOR } from './features.ts';
import type { QueueMemory } from './queue-memory.ts';

/** The largest ring that a driver can ask for, as in QEMU. */
const LARGEST = 1024;
/** In the flags of the available ring: the driver wants no interrupts. Counts without event indexes only. */
const NO_INTERRUPT = 1;
/** Flags 2, index 2 in front of the entries of either ring. */
const RING_HEADER = 4;
const AVAILABLE_ENTRY = 2;
const USED_ENTRY = 8;

export interface VirtQueueState {
  size: number;
  enabled: boolean;
  vector: number;
  descriptors: bigint;
  driver: bigint;
  device: bigint;
  lastAvailable: number;
  used: number;
  signalled: number | null;
}

export interface VirtQueueParts {
  readonly index: number;
  /** How many descriptors it has from each reset on. */
  readonly maxSize: number;
  memory(): QueueMemory;
  /** Whether a feature was negotiated. */
  has(feature: number): boolean;
  /** Interrupts the driver for this queue. */
  interrupt(): void;
}

/**
 * The device's side of one split ring (Virtio 1.2, section 2.7). All that it knows of the rings it reads when it needs
 * it: the driver's words count at the moment at which the device looks.
 */
export class VirtQueue implements Snapshottable<VirtQueueState> {
  readonly index: number;
  readonly maxSize: number;
  enabled = false;
  /** Of MSI-X; 0xffff: none. */
  vector: number = NO_VECTOR;
  /** Guest addresses of the descriptor table, the available ring and the used ring. */
  descriptors = 0n;
  driver = 0n;
  device = 0n;
  readonly #parts: VirtQueueParts;
  #size: number;
  /** The next entry of the available ring to take, modulo 2^16. */
  #lastAvailable = 0;
  /** The next entry of the used ring to fill, modulo 2^16. */
  #used = 0;
  /** Where the used index stood when it was last decided whether to interrupt; null: never. */
  #signalled: number | null = null;

  constructor(parts: VirtQueueParts) {
    this.#parts = parts;
    this.index = parts.index;
    this.maxSize = parts.maxSize;
    this.#size = parts.maxSize;
  }

  /** In descriptors. A ring has no power of two only where the driver asked for one, as in QEMU. */
  get size(): number {
    return this.#size;
  }

  /** 1 to 1024; anything else is not taken. */
  set size(size: number) {
    if (size >= 1 && size <= LARGEST) this.#size = size;
  }

  /** The driver has set the queue up. */
  get ready(): boolean {
    return this.enabled && this.descriptors !== 0n;
  }

  /**
   * Takes the next request that the driver has made available; null: there is none.
   * @throws QueueError when the driver broke the rules, or the memory of the rings does not answer
   */
  pop(): DescriptorChain | null {
    if (!this.ready) return null;
    const available = this.#read16(this.driver + 2n, 'The index of the available ring');
    const waiting = (available - this.#lastAvailable) & 0xffff;
    if (waiting === 0) return null;
    if (waiting > this.#size) {
      throw new QueueError(`Guest moved available index from ${this.#lastAvailable} to ${available}`);
    }
    const place = BigInt(RING_HEADER + AVAILABLE_ENTRY * (this.#lastAvailable % this.#size));
    const head = this.#read16(this.driver + place, 'The available ring');
    if (head >= this.#size) throw new QueueError(`Guest says index ${head} is available`);
    this.#lastAvailable = (this.#lastAvailable + 1) & 0xffff;
    if (this.#parts.has(Feature.eventIndex)) this.#askForNotification();
    return readChain(this.#memory, { address: this.descriptors, size: this.#size }, head);
  }

  /** Gives the chain that was popped last back unserved: it is popped again. */
  unpop(): void {
    this.#lastAvailable = (this.#lastAvailable - 1) & 0xffff;
  }

  /**
   * Gives a chain back; `written` is how many bytes of its writable part were filled.
   * @throws QueueError when the memory of the used ring does not answer
   */
  push(chain: DescriptorChain, written: number): void {
    const bytes = new Uint8Array(USED_ENTRY);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, chain.head, true);
    view.setUint32(4, written, true);
    const place = BigInt(RING_HEADER + USED_ENTRY * (this.#used % this.#size));
    this.#write(this.device + place, bytes);
    this.#used = (this.#used + 1) & 0xffff;
    this.#write(this.device + 2n, word(this.#used));
  }

  /** Interrupts the driver for what was pushed since the last call, unless it asked not to be. */
  signal(): void {
    if (this.#wantsInterrupt()) this.#parts.interrupt();
  }

  /** As before the driver set it up. */
  reset(): void {
    this.enabled = false;
    this.vector = NO_VECTOR;
    this.descriptors = 0n;
    this.driver = 0n;
    this.device = 0n;
    this.#size = this.maxSize;
    this.#lastAvailable = 0;
    this.#used = 0;
    this.#signalled = null;
  }

  save(): VirtQueueState {
    const { size, enabled, vector, descriptors, driver, device } = this;
    const [lastAvailable, used, signalled] = [this.#lastAvailable, this.#used, this.#signalled];
    return { size, enabled, vector, descriptors, driver, device, lastAvailable, used, signalled };
  }

  restore(state: VirtQueueState): void {
    this.#size = state.size;
    this.enabled = state.enabled;
    this.vector = state.vector;
    this.descriptors = state.descriptors;
    this.driver = state.driver;
    this.device = state.device;
    this.#lastAvailable = state.lastAvailable;
    this.#used = state.used;
    this.#signalled = state.signalled;
  }

  get #memory(): QueueMemory {
    return this.#parts.memory();
  }

  #wantsInterrupt(): boolean {
    if (!this.#parts.has(Feature.eventIndex)) {
      return (this.#read16(this.driver, 'The flags of the available ring') & NO_INTERRUPT) === 0;
    }
    const before = this.#signalled;
    const now = this.#used;
    this.#signalled = now;
    if (before === null) return true;
    const place = BigInt(RING_HEADER + AVAILABLE_ENTRY * this.#size);
    const event = this.#read16(this.driver + place, 'The event index of the available ring');
    // Section 2.7.7.2: the index that the driver waits for is among those that were passed since.
    return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
  }

  /** Says that the driver shall notify for the very next request. */
  #askForNotification(): void {
    const place = BigInt(RING_HEADER + USED_ENTRY * this.#size);
    this.#write(this.device + place, word(this.#lastAvailable));
  }

  #read16(address: bigint, what: string): number {
    const bytes = new Uint8Array(2);
    if (!this.#memory.read(BigInt.asUintN(64, address), bytes)) {
      throw new QueueError(`${what} of queue ${this.index} at ${hex(address)} cannot be read`);
    }
    return bytes[0]! | (bytes[1]! << 8);
  }

  #write(address: bigint, bytes: Uint8Array): void {
    if (this.#memory.write(BigInt.asUintN(64, address), bytes)) return;
    throw new QueueError(`The used ring of queue ${this.index} at ${hex(address)} cannot be written`);
  }
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >>> 8);
}
