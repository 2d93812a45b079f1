import type { MmioOperations } from '../memory/mmio.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { MemoryTopology } from '../memory/topology.ts';
import type { ConfigSpace } from './config-space.ts';
import type { PciDecodes } from './decodes.ts';
import type { PciBar } from './device.ts';
import { barRegister, type HeaderType, ROM_INDEX } from './header.ts';
import type { AdoptRegion } from './region-object.ts';
import { Command, Register, ROM_ENABLE } from './registers.ts';

/** The last address that a 32-bit base address register can decode; the one above it would wrap. */
const LAST_32 = 0xffff_ffffn;
const LAST_64 = 0xffff_ffff_ffff_ffffn;

/** A base address register and what answers behind it. */
interface MappedBar {
  readonly bar: PciBar;
  readonly region: MemoryRegion;
}

export interface BarParts {
  readonly topology: MemoryTopology;
  readonly config: ConfigSpace;
  readonly type: HeaderType;
  readonly decodes: PciDecodes;
  readonly adopt: AdoptRegion;
  /** Names the regions of bars that have no name. */
  readonly driver: string;
  /** Null: nothing but what is put into the region later. */
  readonly operations: (bar: PciBar) => MmioOperations | null;
}

/** The base address registers of a function: each shows its region where software has put it, while it decodes. */
export class PciBars {
  readonly #parts: BarParts;
  readonly #bars: readonly MappedBar[];

  constructor(bars: readonly PciBar[], parts: BarParts) {
    this.#parts = parts;
    this.#bars = bars.map((bar) => ({ bar, region: this.#makeRegion(bar) }));
  }

  /** Behind the register of that index. @throws Error when the function has none */
  region(index: number): MemoryRegion {
    const found = this.#bars.find(({ bar }) => bar.index === index);
    if (found === undefined) throw new Error(`${this.#parts.driver} has no BAR ${index}`);
    return found.region;
  }

  /** Where the region shows; null while it does not decode. */
  addressOf(bar: PciBar): bigint | null {
    const { config, type } = this.#parts;
    const command = config.read(Register.command, 2);
    const at = barRegister(bar.index, type);
    if (bar.kind === 'io') {
      const port = BigInt(config.read(at, 4)) & ~BigInt(bar.size - 1);
      return (command & Command.io) === 0 ? null : decodable(port, bar.size, LAST_32);
    }
    const low = BigInt(config.read(at, 4));
    if ((command & Command.memory) === 0) return null;
    if (bar.index === ROM_INDEX && (low & BigInt(ROM_ENABLE)) === 0n) return null;
    const high = bar.wide === true ? BigInt(config.read(at + 4, 4)) << 32n : 0n;
    return decodable((high | low) & ~BigInt(bar.size - 1), bar.size, bar.wide === true ? LAST_64 : LAST_32);
  }

  /** Shows each region where the registers say. */
  update(): void {
    const { topology, decodes } = this.#parts;
    topology.transaction(() => {
      for (const { bar, region } of this.#bars) {
        const address = this.addressOf(bar);
        if (address === (region.parent === null ? null : region.address)) continue;
        region.parent?.removeSubregion(region);
        if (address !== null) (bar.kind === 'io' ? decodes.io : decodes.memory).addSubregion(address, region, 1);
      }
    });
  }

  /** The function goes: nothing shows any more. */
  unmap(): void {
    this.#parts.topology.transaction(() => {
      for (const { region } of this.#bars) region.parent?.removeSubregion(region);
    });
  }

  #makeRegion(bar: PciBar): MemoryRegion {
    const { topology, driver, adopt, operations } = this.#parts;
    const name = bar.name ?? `${driver}-bar${bar.index}`;
    const size = BigInt(bar.size);
    const behind = operations(bar);
    const region =
      behind === null ? MemoryRegion.container(topology, name, size) : MemoryRegion.mmio(topology, name, size, behind);
    adopt(region);
    return region;
  }
}

/** Address 0 is where nobody has put the register, and a range that reaches the last address decodes nothing. */
function decodable(address: bigint, size: number, limit: bigint): bigint | null {
  const last = address + BigInt(size) - 1n;
  return address === 0n || last >= limit ? null : address;
}
