import type { SpaprTceUnit } from '../../iommu/spapr/unit.ts';
import { Bus } from '../../qom/bus.ts';
import type { Device } from '../../qom/device.ts';
import type { QomType } from '../../qom/type-registry.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';

/** The unit address of the first device that does not ask for one. */
const FIRST_FREE = 0x7100_0000;

/** The bus of a pSeries machine's paravirtualized devices: each has a unit address, and a TCE table of its own. */
export class VioBus extends Bus implements Snapshottable<{ next: number }> {
  /** Translates the DMA of all devices on the bus. */
  readonly unit: SpaprTceUnit;
  #next = FIRST_FREE;

  constructor(type: QomType, options: { owner: Device; unit: SpaprTceUnit }) {
    super(type, 'spapr-vio', options.owner);
    this.unit = options.unit;
  }

  /** The next unit address that is not among `taken`. */
  nextAddress(taken: ReadonlySet<number>): number {
    while (taken.has(this.#next)) this.#next += 1;
    this.#next += 1;
    return this.#next - 1;
  }

  save(): { next: number } {
    return { next: this.#next };
  }

  restore(state: { next: number }): void {
    this.#next = state.next;
  }
}
