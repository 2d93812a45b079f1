import type { AddressSpace } from '../../memory/address-space.ts';
import type { EventRegisters } from './event-registers.ts';
import type { RegisterFile } from '../register-file.ts';
import { Offset } from './registers.ts';

/** Fields of PRS. */
const PageRequestStatus = { PPR: 1, PRO: 2 } as const;
const ANY_STATUS = PageRequestStatus.PPR | PageRequestStatus.PRO;

const DESCRIPTOR_BYTES = 32;
const SMALLEST_QUEUE = 128;
const DESCRIPTOR_TYPE = 1n;

/** What a descriptor tells software: a page that a device could not translate. */
export interface QueuedPageRequest {
  readonly sourceId: number;
  readonly pasid: number;
  readonly address: bigint;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly privileged: boolean;
  /** Page request group index, 0 to 511. */
  readonly group: number;
  /** LPIG: the last request of its group. */
  readonly last: boolean;
}

/**
 * The page request queue (VT-d, section 7.4 and 7.5): a ring in memory that the unit fills. It offers one with `svm`
 * only. Nothing is stored beside the registers.
 */
export class PageRequestQueue {
  readonly #file: RegisterFile;
  readonly #memory: AddressSpace;
  readonly #event: EventRegisters;
  readonly #addressWidth: number;
  readonly #onRoom: () => void;

  /** `onRoom` is called when software writes PRS and leaves no overflow in it. */
  constructor(options: {
    file: RegisterFile;
    memory: AddressSpace;
    event: EventRegisters;
    addressWidth: number;
    onRoom: () => void;
  }) {
    this.#file = options.file;
    this.#memory = options.memory;
    this.#event = options.event;
    this.#addressWidth = options.addressWidth;
    this.#onRoom = options.onRoom;
  }

  /**
   * Puts a request into the queue and tells software.
   * @returns `overflow` when there was no room, or the entry cannot be written: the device shall ask again
   */
  request(request: QueuedPageRequest): 'queued' | 'overflow' {
    if ((this.#file.get32(Offset.PRS) & PageRequestStatus.PRO) !== 0) return 'overflow';
    const address = this.#file.get64(Offset.PQA);
    const size = (SMALLEST_QUEUE << Number(address & 7n)) * DESCRIPTOR_BYTES;
    const head = Number(this.#file.get64(Offset.PQH)) & (size - 1);
    const tail = Number(this.#file.get64(Offset.PQT)) & (size - 1);
    const next = (tail + DESCRIPTOR_BYTES) & (size - 1);
    const base = BigInt.asUintN(this.#addressWidth, address) & ~0xfffn;
    if (next === head || !this.#memory.write(base + BigInt(tail), descriptorOf(request)).ok) {
      this.#raise(PageRequestStatus.PRO);
      return 'overflow';
    }
    this.#file.set64(Offset.PQT, BigInt(next));
    this.#raise(PageRequestStatus.PPR);
    return 'queued';
  }

  /** Software wrote PRS: a pending event goes when nothing is left to serve, and without PRO requests are taken again. */
  statusWritten(): void {
    const status = this.#file.get32(Offset.PRS);
    if ((status & ANY_STATUS) === 0) this.#event.clearPending();
    if ((status & PageRequestStatus.PRO) === 0) this.#onRoom();
  }

  controlWritten(): void {
    this.#event.controlWritten();
  }

  #raise(bit: number): void {
    const before = this.#file.get32(Offset.PRS);
    this.#file.change32(Offset.PRS, bit, 0);
    if ((before & ANY_STATUS) === 0) this.#event.raise();
  }
}

/** A page request descriptor (VT-d, section 7.4.1.1); its upper half is 0. */
function descriptorOf(request: QueuedPageRequest): Uint8Array {
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  const view = new DataView(bytes.buffer);
  const flag = (set: boolean, bit: bigint): bigint => (set ? 1n << bit : 0n);
  const { sourceId, pasid, address, group, read, write, execute, privileged, last } = request;
  const low = DESCRIPTOR_TYPE | flag(true, 8n) | (BigInt(sourceId) << 16n) | (BigInt(pasid) << 32n);
  view.setBigUint64(0, low | flag(execute, 52n) | flag(privileged, 53n), true);
  const rights = flag(read, 0n) | flag(write, 1n) | flag(last, 2n);
  view.setBigUint64(8, rights | (BigInt(group) << 3n) | (address & ~0xfffn), true);
  return bytes;
}
