import { MemoryRegion } from '../../../memory/region.ts';
import type { PciBus } from '../../../pci/bus.ts';
import type { InterruptLog } from '../../../pci/interrupts.ts';
import type { DeviceAddContext } from '../../../qom/device-add.ts';
import type { Snapshottable } from '../../../trace/snapshot.ts';
import type { Board, BoardParts } from '../board.ts';
import { installSplitRam } from '../ram.ts';
import { Chipset, type ChipsetState } from './chipset.ts';
import { addRootPorts, bootPci, buildPci, numberHotplugBuses } from './pci.ts';

/** PC with Intel's Q35 chipset of 2009: PCI Express, RAM around the PCI hole, the chipset's ports. */
export class Q35Board implements Board, Snapshottable<ChipsetState> {
  readonly rootBus: PciBus;
  readonly #parts: BoardParts;
  readonly #chipset: Chipset;
  /** Whether the buses have their numbers for hot-plugging: those of the start stay. */
  #numbered = false;

  /** @throws CommandError when the RAM cannot be had, or the firmware image not be mapped */
  constructor(parts: BoardParts) {
    this.#parts = parts;
    const { context, firmware, io, lines, memory, memorySize } = parts;
    const pci = MemoryRegion.container(memory.topology, 'pci', 1n << 64n);
    this.rootBus = buildPci(parts, { memory: pci, io: io.root });
    installSplitRam(parts, pci);
    this.#chipset = new Chipset({
      operations: context.operations,
      memory,
      io,
      pci,
      rootBus: this.rootBus,
      lines,
      memorySize,
      ...(firmware !== undefined && { firmware }),
    });
  }

  get interrupts(): InterruptLog {
    return this.#chipset.interrupts;
  }

  devicesBeyondPci(): [] {
    return [];
  }

  populate(context: DeviceAddContext): void {
    addRootPorts(context, this.#parts.type.rootPorts);
  }

  /** Without firmware the registers of PCI stay at 0. */
  boot(): void {
    if (!this.#numbered) numberHotplugBuses(this.rootBus);
    this.#numbered = true;
    if (this.#parts.type.numbersBuses) bootPci(this.rootBus);
  }

  reset(): void {
    this.#chipset.reset();
  }

  save(): ChipsetState {
    return this.#chipset.save();
  }

  restore(state: ChipsetState): void {
    this.#chipset.restore(state);
  }
}
