import type { AddressSpace } from '../../memory/address-space.ts';
import type { RegisterFile } from '../register-file.ts';
import { BASE_ADDRESS, Offset, RING_OFFSET, ringEntries, Status } from './registers.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';

const EVENT_BYTES = 16;

/** What happened, as it is written. */
export interface LoggedEvent {
  readonly code: number;
  /** 12 bits. */
  readonly flags: number;
  readonly deviceId: number;
}

export interface EventLogState {
  base: bigint;
  entries: number;
  head: number;
  tail: number;
}

/**
 * The event log (AMD-Vi, section 2.5): a ring in guest memory. The base register takes effect when it is written while
 * no event interrupt is pending. A full log drops events; it says so, and interrupts, only where event interrupts are
 * on. All as in QEMU 11.1.3, whose events have 0 where their address belongs.
 */
export class EventLog implements Snapshottable<EventLogState> {
  enabled = false;
  interrupts = false;
  readonly #file: RegisterFile;
  readonly #memory: AddressSpace;
  readonly #interrupt: () => void;
  #base = 0n;
  #entries = 0;
  #head = 0;
  #tail = 0;

  constructor(options: { file: RegisterFile; memory: AddressSpace; interrupt: () => void }) {
    this.#file = options.file;
    this.#memory = options.memory;
    this.#interrupt = options.interrupt;
  }

  baseWritten(): void {
    if ((this.#file.get64(Offset.status) & Status.eventInterrupt) !== 0n) return;
    const value = this.#file.get64(Offset.eventBase);
    this.#base = value & BASE_ADDRESS;
    this.#entries = ringEntries(value);
    this.#head = 0;
    this.#tail = 0;
    this.#file.set64(Offset.eventHead, 0n);
    this.#file.set64(Offset.eventTail, 0n);
  }

  headWritten(): void {
    this.#head = Number(this.#file.get64(Offset.eventHead) & RING_OFFSET);
  }

  tailWritten(): void {
    this.#tail = Number(this.#file.get64(Offset.eventTail) & RING_OFFSET);
  }

  write({ code, flags, deviceId }: LoggedEvent): void {
    const file = this.#file;
    const overflown = (file.get64(Offset.status) & Status.eventOverflow) !== 0n;
    if (!this.enabled || overflown || this.#entries === 0) return;
    const next = (this.#tail + EVENT_BYTES) % (this.#entries * EVENT_BYTES);
    if (next === this.#head) {
      if (this.interrupts) this.#raise(Status.eventOverflow);
      return;
    }
    const bytes = new Uint8Array(EVENT_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, deviceId, true);
    view.setUint32(4, ((code << 28) | (flags << 16)) >>> 0, true);
    this.#memory.write(this.#base + BigInt(this.#tail), bytes);
    this.#tail = next;
    file.set64(Offset.eventTail, BigInt(next));
    if (this.interrupts) this.#raise(Status.eventInterrupt);
  }

  reset(): void {
    this.enabled = false;
    this.interrupts = false;
    this.restore({ base: 0n, entries: 0, head: 0, tail: 0 });
  }

  /** Whether it is on, the control register says. */
  save(): EventLogState {
    return { base: this.#base, entries: this.#entries, head: this.#head, tail: this.#tail };
  }

  restore(state: EventLogState): void {
    this.#base = state.base;
    this.#entries = state.entries;
    this.#head = state.head;
    this.#tail = state.tail;
  }

  #raise(bit: bigint): void {
    this.#file.set64(Offset.status, this.#file.get64(Offset.status) | bit);
    this.#interrupt();
  }
}
