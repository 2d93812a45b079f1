import type { DescriptorChain } from '../../src/virtio/descriptor-chain.ts';
import type { QueueMemory } from '../../src/virtio/queue-memory.ts';
import { Feature } from '../../src/virtio/features.ts';
import { VirtQueue } from '../../src/virtio/virtqueue.ts';

const TABLE = 0x1000;
const DRIVER = 0x2000;
export const DEVICE = 0x3000;
export const INDIRECT = 0x4000;

export interface Descriptor {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  readonly next?: number;
}

/** 64 KiB of guest RAM with one ring in it, and the device's side of that ring. */
export class Ring {
  readonly ram = new Uint8Array(0x1_0000);
  readonly queue: VirtQueue;
  interrupts = 0;
  readonly #view = new DataView(this.ram.buffer);
  #available = 0;

  constructor(size = 8, features: readonly number[] = [Feature.version1]) {
    const inside = (address: bigint, length: number): boolean => address + BigInt(length) <= 0x1_0000n;
    const memory: QueueMemory = {
      read: (address, into) => {
        if (!inside(address, into.length)) return false;
        into.set(this.ram.subarray(Number(address), Number(address) + into.length));
        return true;
      },
      write: (address, bytes) => {
        if (!inside(address, bytes.length)) return false;
        this.ram.set(bytes, Number(address));
        return true;
      },
    };
    this.queue = new VirtQueue({
      index: 0,
      maxSize: size,
      memory: () => memory,
      has: (feature) => features.includes(feature),
      interrupt: () => (this.interrupts += 1),
    });
    this.queue.descriptors = BigInt(TABLE);
    this.queue.driver = BigInt(DRIVER);
    this.queue.device = BigInt(DEVICE);
    this.queue.enabled = true;
  }

  describe(index: number, descriptor: Descriptor, table = TABLE): void {
    const at = table + 16 * index;
    this.#view.setBigUint64(at, BigInt(descriptor.address), true);
    this.#view.setUint32(at + 8, descriptor.length, true);
    this.#view.setUint16(at + 12, descriptor.flags, true);
    this.#view.setUint16(at + 14, descriptor.next ?? 0, true);
  }

  offer(head: number): void {
    this.#view.setUint16(DRIVER + 4 + 2 * (this.#available % this.queue.size), head, true);
    this.#available = (this.#available + 1) & 0xffff;
    this.#view.setUint16(DRIVER + 2, this.#available, true);
  }

  /** What the driver puts into the flags of the available ring. */
  set driverFlags(flags: number) {
    this.#view.setUint16(DRIVER, flags, true);
  }

  set usedEvent(index: number) {
    this.#view.setUint16(DRIVER + 4 + 2 * this.queue.size, index, true);
  }

  get availableEvent(): number {
    return this.#view.getUint16(DEVICE + 4 + 8 * this.queue.size, true);
  }

  get usedIndex(): number {
    return this.#view.getUint16(DEVICE + 2, true);
  }

  used(index: number): [head: number, written: number] {
    const at = DEVICE + 4 + 8 * (index % this.queue.size);
    return [this.#view.getUint32(at, true), this.#view.getUint32(at + 4, true)];
  }

  /** Serves what is available: each chain gives back as many bytes as it can. */
  serve(): number[] {
    const heads: number[] = [];
    for (let chain: DescriptorChain | null; (chain = this.queue.pop()) !== null; ) {
      heads.push(chain.head);
      this.queue.push(chain, chain.writableLength);
      this.queue.signal();
    }
    return heads;
  }
}
