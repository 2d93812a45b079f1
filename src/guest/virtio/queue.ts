import type { Snapshottable } from '../../trace/snapshot.ts';
import { PAGE, type Processor } from '../processor.ts';

/** Pages that a queue of 256 descriptors takes: its descriptors, the available and the used ring, a page each. */
export const QUEUE_PAGES = 3;
const SIZE = 256;
const Flag = { next: 1, write: 2 } as const;

export interface GuestQueueState {
  available: number;
  used: number;
}

/** A buffer of guest RAM. */
export interface GuestBuffer {
  readonly address: bigint;
  /** In bytes. */
  readonly length: number;
}

/** Where the device finds the three parts of a ring. */
export interface QueueAreas {
  readonly address: bigint;
  readonly driverArea: bigint;
  readonly deviceArea: bigint;
}

/** The driver's side of a split ring (Virtio 1.2, section 2.7), each request of at most two descriptors. */
export class GuestQueue implements QueueAreas, Snapshottable<GuestQueueState> {
  readonly address: bigint;
  readonly #processor: Processor;
  #available = 0;
  #used = 0;

  /** @param address of its pages, which hold zeros */
  constructor(processor: Processor, address: bigint) {
    this.#processor = processor;
    this.address = address;
  }

  get driverArea(): bigint {
    return this.address + PAGE;
  }

  get deviceArea(): bigint {
    return this.address + 2n * PAGE;
  }

  /**
   * Makes a request available, by descriptors 2 * slot and, where it has both kinds of buffer, the next. The device
   * hears of it by a notification.
   * @param slot 0 to 127; no request that is under way has it
   * @param buffers what the device reads, and what it fills; one of them at least
   */
  offer(slot: number, { out, into }: { out?: GuestBuffer; into?: GuestBuffer }): void {
    const head = 2 * slot;
    if (out !== undefined && into !== undefined) {
      this.#describe(head, out, Flag.next, head + 1);
      this.#describe(head + 1, into, Flag.write, 0);
    } else if (out !== undefined) this.#describe(head, out, 0, 0);
    else if (into !== undefined) this.#describe(head, into, Flag.write, 0);
    this.#store16(this.driverArea + 4n + 2n * BigInt(this.#available % SIZE), head);
    this.#available = (this.#available + 1) & 0xffff;
    this.#store16(this.driverArea + 2n, this.#available);
  }

  /** The next request that the device has given back: its slot and how many bytes it wrote; null: none. */
  take(): { slot: number; written: number } | null {
    if (this.#load16(this.deviceArea + 2n) === this.#used) return null;
    const bytes = new Uint8Array(8);
    this.#processor.load(this.deviceArea + 4n + 8n * BigInt(this.#used % SIZE), bytes);
    const view = new DataView(bytes.buffer);
    this.#used = (this.#used + 1) & 0xffff;
    return { slot: view.getUint32(0, true) >>> 1, written: view.getUint32(4, true) };
  }

  save(): GuestQueueState {
    return { available: this.#available, used: this.#used };
  }

  restore({ available, used }: GuestQueueState): void {
    this.#available = available;
    this.#used = used;
  }

  #describe(index: number, { address, length }: GuestBuffer, flags: number, next: number): void {
    const rest = BigInt(length) | (BigInt(flags) << 32n) | (BigInt(next) << 48n);
    this.#processor.store64(this.address + 16n * BigInt(index), address, rest);
  }

  #load16(address: bigint): number {
    const bytes = new Uint8Array(2);
    this.#processor.load(address, bytes);
    return bytes[0]! | (bytes[1]! << 8);
  }

  #store16(address: bigint, value: number): void {
    this.#processor.store(address, Uint8Array.of(value & 0xff, value >>> 8));
  }
}
