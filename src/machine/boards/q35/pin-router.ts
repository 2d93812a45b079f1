import type { Snapshottable } from '../../../trace/snapshot.ts';
import type { InterruptLines } from '../../interrupt-lines.ts';

/** The first input of the I/O APIC that PCI's interrupts come to; PIRQ A to H take eight. */
const FIRST_LINE = 16;
const PIRQ_E = 4;

/**
 * Which of PIRQ A to H (0 to 7) a pin of a slot on q35's root bus drives as long as nobody changed the routing: the
 * chipset's own functions, slots 25 to 31, PIRQ A to D, all others E to H in turn.
 */
function pirqOf(slot: number, pin: number): number {
  return slot >= 25 && slot !== 30 ? pin : ((slot + pin) % 4) + PIRQ_E;
}

/** Brings the interrupt pins of the root bus to the I/O APIC. Pins share a line, which is up while any of them is. */
export class PinRouter implements Snapshottable<{ asserted: string[] }> {
  readonly #lines: InterruptLines;
  /** Slot, pin and line of each pin that is driven. */
  readonly #asserted = new Map<string, number>();

  constructor(lines: InterruptLines) {
    this.#lines = lines;
  }

  /** Pin 0 is INTA#. */
  drive(slot: number, pin: number, level: boolean): void {
    const line = FIRST_LINE + pirqOf(slot, pin);
    const key = `${slot}.${pin}`;
    if (level) this.#asserted.set(key, line);
    else if (!this.#asserted.delete(key)) return;
    this.#lines.set(line, [...this.#asserted.values()].includes(line));
  }

  save(): { asserted: string[] } {
    return { asserted: [...this.#asserted.keys()] };
  }

  /** The levels of the lines themselves are saved with the lines. */
  restore(state: { asserted: string[] }): void {
    this.#asserted.clear();
    for (const key of state.asserted) {
      const [slot, pin] = key.split('.').map(Number);
      this.#asserted.set(key, FIRST_LINE + pirqOf(slot!, pin!));
    }
  }
}
