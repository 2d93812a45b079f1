import { hex } from '../core/address.ts';
import type { QueueMemory } from './queue-memory.ts';

/** Bytes of one descriptor: address 8, length 4, flags 2, next 2 (Virtio 1.2, section 2.7.5). */
const DESCRIPTOR_SIZE = 16;

/** How many buffers a chain has at most, as in QEMU: an indirect table can have more descriptors. */
const MOST_SEGMENTS = 1024;

const Flag = { next: 1, write: 2, indirect: 4 } as const;

/** The driver broke the rules of the queue, or the memory of the ring does not answer: the device needs a reset. */
export class QueueError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'QueueError';
  }
}

/** One buffer of a chain; `length` in bytes, never 0. */
export interface Segment {
  readonly address: bigint;
  readonly length: number;
}

/** A request of the driver: buffers that the device reads, then buffers that it writes. */
export class DescriptorChain {
  /** The index of its first descriptor, by which it is given back. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
  readonly #memory: QueueMemory;

  constructor(head: number, segments: { readable: Segment[]; writable: Segment[] }, memory: QueueMemory) {
    this.head = head;
    this.readable = segments.readable;
    this.writable = segments.writable;
    this.#memory = memory;
  }

  /** In bytes. */
  get readableLength(): number {
    return lengthOf(this.readable);
  }

  /** In bytes. */
  get writableLength(): number {
    return lengthOf(this.writable);
  }

  /**
   * `length` bytes of what the driver sends, from `offset` on, or as many as there are; null: memory does not answer.
   * How many there are is the driver's word: 4 GiB a buffer at most, so that a device asks for what it needs.
   */
  read(offset: number, length: number): Uint8Array | null {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.readableLength - offset)));
    const ok = this.#move(this.readable, offset, bytes, (address, part) => this.#memory.read(address, part));
    return ok ? bytes : null;
  }

  /** Puts `bytes` into what the driver is to receive, from `offset` on; false: memory does not answer, or it is too short. */
  write(offset: number, bytes: Uint8Array): boolean {
    if (offset + bytes.length > this.writableLength) return false;
    return this.#move(this.writable, offset, bytes, (address, part) => this.#memory.write(address, part));
  }

  #move(
    segments: readonly Segment[],
    offset: number,
    bytes: Uint8Array,
    move: (address: bigint, part: Uint8Array) => boolean,
  ): boolean {
    let start = 0;
    let ok = true;
    for (const { address, length } of segments) {
      const from = Math.max(offset, start);
      const to = Math.min(offset + bytes.length, start + length);
      if (from < to) {
        const part = bytes.subarray(from - offset, to - offset);
        ok = move(BigInt.asUintN(64, address + BigInt(from - start)), part) && ok;
      }
      start += length;
    }
    return ok;
  }
}

interface Table {
  /** Of the first descriptor. */
  readonly address: bigint;
  /** How many descriptors it has. */
  readonly size: number;
}

interface Descriptor {
  readonly address: bigint;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

/**
 * Reads the chain that begins with descriptor `head` of a table. Only a first descriptor leads to an indirect table, as
 * in QEMU; the flag of a later one is not looked at.
 * @throws QueueError for a chain that the specification does not allow
 */
export function readChain(memory: QueueMemory, ring: Table, head: number): DescriptorChain {
  const first = readDescriptor(memory, ring, head);
  const indirect = (first.flags & Flag.indirect) !== 0;
  if (indirect && (first.length === 0 || first.length % DESCRIPTOR_SIZE !== 0)) {
    throw new QueueError(`Invalid size for indirect buffer table: ${first.length} bytes`);
  }
  const table = indirect ? { address: first.address, size: first.length / DESCRIPTOR_SIZE } : ring;
  const readable: Segment[] = [];
  const writable: Segment[] = [];
  let descriptor = indirect ? readDescriptor(memory, table, 0) : first;
  for (;;) {
    const { address, length, flags, next } = descriptor;
    if (length === 0) throw new QueueError('Zero sized buffers are not allowed');
    const isWritable = (flags & Flag.write) !== 0;
    if (!isWritable && writable.length > 0) throw new QueueError('Incorrect order for descriptors');
    (isWritable ? writable : readable).push({ address, length });
    const count = readable.length + writable.length;
    if (count > table.size) throw new QueueError('Looped descriptor');
    if (count > MOST_SEGMENTS) throw new QueueError(`More than ${MOST_SEGMENTS} descriptors in an indirect table`);
    if ((flags & Flag.next) === 0) break;
    if (next >= table.size) throw new QueueError(`Desc next is ${next}, of ${table.size}`);
    descriptor = readDescriptor(memory, table, next);
  }
  return new DescriptorChain(head, { readable, writable }, memory);
}

function readDescriptor(memory: QueueMemory, { address }: Table, index: number): Descriptor {
  const bytes = new Uint8Array(DESCRIPTOR_SIZE);
  const at = BigInt.asUintN(64, address + BigInt(index * DESCRIPTOR_SIZE));
  if (!memory.read(at, bytes)) throw new QueueError(`Descriptor ${index} at ${hex(at)} cannot be read`);
  const view = new DataView(bytes.buffer);
  return {
    address: view.getBigUint64(0, true),
    length: view.getUint32(8, true),
    flags: view.getUint16(12, true),
    next: view.getUint16(14, true),
  };
}

function lengthOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}
