import type { AddressSpace } from '../../memory/address-space.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import type { RegisterFile } from '../register-file.ts';
import { type Command, decodeCommand } from './commands.ts';
import { EventCode } from './faults.ts';
import { BASE_ADDRESS, Offset, RING_OFFSET, ringEntries } from './registers.ts';

const COMMAND_BYTES = 16;
/** As many as the largest buffer holds: QEMU never comes to an end where the tail lies beyond the buffer. */
const MOST_IN_ONE_RUN = 32768;

export interface CommandBufferState {
  base: bigint;
  entries: number;
  head: number;
  tail: number;
}

/**
 * The command buffer (AMD-Vi, section 2.4): a ring in guest memory, carried out as far as it is filled whenever its
 * control, head or tail is written. A command that cannot be read, or is illegal, is told by an event and passed.
 */
export class CommandBuffer implements Snapshottable<CommandBufferState> {
  enabled = false;
  readonly #file: RegisterFile;
  readonly #memory: AddressSpace;
  readonly #carryOut: (command: Command) => void;
  readonly #report: (code: number, flags: number) => void;
  #base = 0n;
  #entries = 0;
  #head = 0;
  #tail = 0;

  constructor(options: {
    file: RegisterFile;
    memory: AddressSpace;
    carryOut: (command: Command) => void;
    /** An event of no device. */
    report: (code: number, flags: number) => void;
  }) {
    this.#file = options.file;
    this.#memory = options.memory;
    this.#carryOut = options.carryOut;
    this.#report = options.report;
  }

  /** The head and tail registers keep what they show. */
  baseWritten(): void {
    const value = this.#file.get64(Offset.commandBase);
    this.#base = value & BASE_ADDRESS;
    this.#entries = ringEntries(value);
    this.#head = 0;
    this.#tail = 0;
  }

  headWritten(): void {
    this.#head = Number(this.#file.get64(Offset.commandHead) & RING_OFFSET);
    this.run();
  }

  tailWritten(): void {
    this.#tail = Number(this.#file.get64(Offset.commandTail) & RING_OFFSET);
    this.run();
  }

  run(): void {
    if (!this.enabled) return;
    for (let count = 0; this.#head !== this.#tail && count < MOST_IN_ONE_RUN; count++) {
      this.#execute(this.#base + BigInt(this.#head));
      this.#head += COMMAND_BYTES;
      // The register shows the end of the buffer where the head is back at its start.
      this.#file.set64(Offset.commandHead, BigInt(this.#head));
      if (this.#head >= this.#entries * COMMAND_BYTES) this.#head = 0;
    }
  }

  reset(): void {
    this.enabled = false;
    this.restore({ base: 0n, entries: 0, head: 0, tail: 0 });
  }

  /** Whether it is on, the control register says. */
  save(): CommandBufferState {
    return { base: this.#base, entries: this.#entries, head: this.#head, tail: this.#tail };
  }

  restore(state: CommandBufferState): void {
    this.#base = state.base;
    this.#entries = state.entries;
    this.#head = state.head;
    this.#tail = state.tail;
  }

  #execute(address: bigint): void {
    const bytes = new Uint8Array(COMMAND_BYTES);
    if (!this.#memory.read(address, bytes).ok) {
      this.#report(EventCode.commandHardwareError, 0);
      return;
    }
    const view = new DataView(bytes.buffer);
    const { command, illegal } = decodeCommand(view.getBigUint64(0, true), view.getBigUint64(8, true));
    if (illegal !== null) this.#report(EventCode.illegalCommand, illegal);
    this.#carryOut(command);
  }
}
