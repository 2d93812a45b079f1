import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { MemoryTopology } from '../memory/topology.ts';
import { type ConfigSpace, reaches } from './config-space.ts';
import type { PciDecodes } from './decodes.ts';
import type { AdoptRegion } from './region-object.ts';
import { Command, Register } from './registers.ts';

/** A range that a bridge forwards, both ends inclusive; nothing is forwarded while the limit is below the base. */
export interface WindowRange {
  readonly base: bigint;
  readonly limit: bigint;
}

const FOUR_GIB = 1n << 32n;

/** The I/O ports forwarded, by the registers; whole 4 KiB. */
export function ioWindow(config: ConfigSpace): WindowRange {
  const wide = (config.read(Register.ioBase, 1) & 0xf) === 1;
  const part = (low: number, high: number): bigint =>
    (BigInt(config.read(low, 1) & 0xf0) << 8n) | (wide ? BigInt(config.read(high, 2)) << 16n : 0n);
  return {
    base: part(Register.ioBase, Register.ioBaseHigh),
    limit: part(Register.ioLimit, Register.ioLimitHigh) | 0xfffn,
  };
}

/** The memory forwarded; whole MiB, below 4 GiB. */
export function memoryWindow(config: ConfigSpace): WindowRange {
  return {
    base: BigInt(config.read(Register.memoryBase, 2) & 0xfff0) << 16n,
    limit: (BigInt(config.read(Register.memoryLimit, 2) & 0xfff0) << 16n) | 0xf_ffffn,
  };
}

/** The prefetchable memory forwarded; whole MiB, of 64 bits where the registers say so. */
export function prefetchableWindow(config: ConfigSpace): WindowRange {
  const wide = (config.read(Register.prefetchableBase, 2) & 0xf) === 1;
  const part = (low: number, high: number): bigint =>
    (BigInt(config.read(low, 2) & 0xfff0) << 16n) | (wide ? BigInt(config.read(high, 4)) << 32n : 0n);
  return {
    base: part(Register.prefetchableBase, Register.prefetchableBaseHigh),
    limit: part(Register.prefetchableLimit, Register.prefetchableLimitHigh) | 0xf_ffffn,
  };
}

/** The registers from the I/O window to the upper half of the I/O limit. */
const WINDOW_REGISTERS = { at: Register.ioBase, length: Register.ioLimitHigh + 2 - Register.ioBase } as const;

/** A bridge's forwarding: the two spaces behind it, and the windows through which the bus above reaches them. */
export class BridgeWindows {
  readonly decodes: PciDecodes;
  readonly #config: ConfigSpace;
  readonly #above: PciDecodes;
  readonly #io: MemoryRegion;
  readonly #memory: MemoryRegion;
  readonly #prefetchable: MemoryRegion;

  constructor(topology: MemoryTopology, config: ConfigSpace, above: PciDecodes, adopt: AdoptRegion) {
    this.#config = config;
    this.#above = above;
    const memory = MemoryRegion.container(topology, 'pci_bridge_pci', ADDRESS_SPACE_SIZE);
    const io = MemoryRegion.container(topology, 'pci_bridge_io', FOUR_GIB);
    this.decodes = { memory, io };
    this.#memory = MemoryRegion.alias(topology, 'pci_bridge_mem', memory, 0n, 0n);
    this.#prefetchable = MemoryRegion.alias(topology, 'pci_bridge_pref_mem', memory, 0n, 0n);
    this.#io = MemoryRegion.alias(topology, 'pci_bridge_io', io, 0n, 0n);
    // What a graphics card has at fixed addresses would be forwarded through these; nothing behind a bridge here is one.
    const graphics = [
      MemoryRegion.alias(topology, 'pci_bridge_vga_io_lo', io, 0x3b0n, 0xcn),
      MemoryRegion.alias(topology, 'pci_bridge_vga_io_hi', io, 0x3c0n, 0x20n),
      MemoryRegion.alias(topology, 'pci_bridge_vga_mem', memory, 0xa_0000n, 0x2_0000n),
    ];
    for (const region of [memory, io, this.#prefetchable, this.#memory, this.#io, ...graphics]) adopt(region);
    topology.transaction(() => {
      above.memory.addSubregion(0n, this.#prefetchable, 1);
      above.memory.addSubregion(0n, this.#memory, 1);
      above.io.addSubregion(0n, this.#io, 1);
    });
  }

  /** Whether a write of configuration space can have moved a window. */
  static concerns(offset: number, size: number): boolean {
    return (
      reaches(offset, size, Register.command, 2) || reaches(offset, size, WINDOW_REGISTERS.at, WINDOW_REGISTERS.length)
    );
  }

  /** Moves the windows to where the registers say. */
  update(): void {
    const command = this.#config.read(Register.command, 2);
    this.#memory.topology.transaction(() => {
      const memory = (command & Command.memory) !== 0;
      move(this.#memory, memory ? memoryWindow(this.#config) : null);
      move(this.#prefetchable, memory ? prefetchableWindow(this.#config) : null);
      move(this.#io, (command & Command.io) !== 0 ? ioWindow(this.#config) : null);
    });
  }

  /** The bridge goes. */
  remove(): void {
    this.#memory.topology.transaction(() => {
      this.#above.memory.removeSubregion(this.#memory);
      this.#above.memory.removeSubregion(this.#prefetchable);
      this.#above.io.removeSubregion(this.#io);
    });
  }
}

function move(window: MemoryRegion, range: WindowRange | null): void {
  const open = range !== null && range.limit >= range.base;
  window.setSize(open ? range.limit + 1n - range.base : 0n);
  window.setAddress(open ? range.base : 0n);
  window.setAliasOffset(open ? range.base : 0n);
}
