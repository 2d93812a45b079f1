import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { PAGE, type Processor } from '../processor.ts';
import { CONTROL, REGISTER } from './registers.ts';

const COMMAND_BYTES = 16n;
const RING_BYTES = PAGE;
/** log2 of the number of commands in a page, in bits 59:56 of the base register. */
const RING_SIZE = 8n << 56n;

/** A command of two words (AMD-Vi, section 2.4). */
export type GuestCommand = readonly [bigint, bigint];

const opcode = (number: bigint): bigint => number << 60n;
/** S, with the address that stands for all pages. */
const ALL_PAGES = 0x7fff_ffff_ffff_f001n;
const PDE = 1n << 1n;
const GUEST_NESTED = 1n << 2n;

export const commands = {
  completionWait: (status: bigint, value: bigint): GuestCommand => [opcode(1n) | status | 1n, value],
  deviceTableEntry: (sourceId: number): GuestCommand => [opcode(2n) | BigInt(sourceId), 0n],
  /** @param pages absent: all of the domain's, or of the PASID's in it */
  pages: (domainId: number, pages?: { address: bigint; size: bigint }, pasid?: number): GuestCommand => [
    opcode(3n) | (BigInt(domainId) << 32n) | BigInt(pasid ?? 0),
    PDE | (pasid === undefined ? 0n : GUEST_NESTED) | (pages === undefined ? ALL_PAGES : block(pages)),
  ],
  all: (): GuestCommand => [opcode(8n), 0n],
} as const;

/** The smallest block that holds a range, as its lowest bit of 0 encodes it. */
function block({ address, size }: { address: bigint; size: bigint }): bigint {
  const last = address + size - 1n;
  let order = 12n;
  while (address >> order !== last >> order) order += 1n;
  const start = (address >> order) << order;
  return order === 12n ? start : start | ((1n << (order - 1n)) - PAGE) | 1n;
}

/** The driver's side of the command buffer: one page of guest RAM, and a word where completions are stored. */
export class GuestCommandBuffer {
  readonly address: bigint;
  readonly status: bigint;
  readonly #processor: Processor;
  readonly #registers: bigint;
  /** Of the next completion. */
  #serial = 0n;

  constructor(processor: Processor, registers: bigint, place: { address: bigint; status: bigint }) {
    this.#processor = processor;
    this.#registers = registers;
    this.address = place.address;
    this.status = place.status;
  }

  /** Tells the unit where the buffer lies. */
  announce(): void {
    this.#processor.store64(this.#registers + REGISTER.commandBase, this.address | RING_SIZE);
  }

  /** @throws CommandError when somebody else has stopped the unit or moved its command buffer */
  requireRunning(): void {
    const control = this.#processor.load64(this.#registers + REGISTER.control);
    const wanted = CONTROL.enable | CONTROL.commandBuffer;
    const base = this.#processor.load64(this.#registers + REGISTER.commandBase);
    if ((control & wanted) === wanted && base === (this.address | RING_SIZE)) return;
    throw new CommandError('The unit was programmed behind the guest driver; use system_reset and enable it again');
  }

  /** Gives the unit commands, and waits until it has carried them out. @throws CommandError when it does not */
  submit(...given: readonly GuestCommand[]): void {
    this.#serial += 1n;
    let tail = this.#processor.load64(this.#registers + REGISTER.commandTail) % RING_BYTES;
    for (const [low, high] of [...given, commands.completionWait(this.status, this.#serial)]) {
      this.#processor.store64(this.address + tail, low, high);
      tail = (tail + COMMAND_BYTES) % RING_BYTES;
    }
    this.#processor.store64(this.#registers + REGISTER.commandTail, tail);
    const done = this.#processor.load64(this.status);
    if (done !== this.#serial) {
      throw new CommandError(`The unit did not carry out the commands up to ${hex(tail)} of its buffer`);
    }
  }

  save(): { address: bigint; status: bigint; serial: bigint } {
    return { address: this.address, status: this.status, serial: this.#serial };
  }

  restore({ serial }: { serial: bigint }): void {
    this.#serial = serial;
  }
}
