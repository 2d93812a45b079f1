import type { TracePoints } from '../../trace/points/table.ts';
import type { MessageWriter } from '../interrupt-messages.ts';
import type { RegisterFile } from '../register-file.ts';

const MASKED = 0x8000_0000;
const PENDING = 0x4000_0000;

/** From the control register on: data, address, upper address. */
const DATA = 4;
const ADDRESS = 8;
const UPPER_ADDRESS = 12;

/**
 * One of the unit's interrupts: control, data, address and upper address register (VT-d, sections 11.4.9 to 11.4.12 for
 * faults; those of invalidation completion and page requests are alike).
 */
export class EventRegisters {
  readonly #file: RegisterFile;
  readonly #control: number;
  readonly #messages: MessageWriter;
  readonly #points: TracePoints;

  constructor(options: {
    file: RegisterFile;
    /** Offset of the control register. */
    control: number;
    messages: MessageWriter;
    points: TracePoints;
  }) {
    this.#file = options.file;
    this.#control = options.control;
    this.#messages = options.messages;
    this.#points = options.points;
  }

  /** Interrupts are not to be sent now (IM). */
  get masked(): boolean {
    return (this.#file.get32(this.#control) & MASKED) !== 0;
  }

  /** An interrupt waits to be sent (IP). */
  get pending(): boolean {
    return (this.#file.get32(this.#control) & PENDING) !== 0;
  }

  /** The interrupt condition came up: sent at once, or pending (IP) while masked (IM). */
  raise(): void {
    this.#file.change32(this.#control, PENDING, 0);
    this.#sendPending();
  }

  /** Software wrote the control register: what is pending goes out when it is no longer masked. */
  controlWritten(): void {
    if (this.pending) this.#sendPending();
  }

  /** Software has served all that the interrupt stands for. */
  clearPending(): void {
    this.#file.change32(this.#control, 0, PENDING);
  }

  #sendPending(): void {
    if (this.masked) return;
    this.clearPending();
    const upper = BigInt(this.#file.get32(this.#control + UPPER_ADDRESS));
    const address = (upper << 32n) | BigInt(this.#file.get32(this.#control + ADDRESS));
    const data = this.#file.get32(this.#control + DATA);
    this.#points.vtd_irq_generate?.(address, data);
    this.#messages.send({ address, data });
  }
}
