import type { AccessSize, MmioOperations } from '../memory/mmio.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { PciBus } from './bus.ts';
import type { PciDevice } from './device.ts';
import { busBehind } from './topology.ts';

/** Of the address register: configuration accesses are on. */
const ENABLE = 0x8000_0000;
const ALL_ONES = 0xffff_ffffn;

/** The function that a configuration access to `bus`, `devfn` reaches; null when none answers. */
function functionAt(root: PciBus, bus: number, devfn: number): PciDevice | null {
  return busBehind(root, bus)?.deviceAt(devfn) ?? null;
}

/** Reads 1, 2 or 4 bytes; what nobody answers to reads as ones. */
function readConfig(device: PciDevice | null, offset: number, size: AccessSize): bigint {
  if (device === null || !device.realized) return BigInt.asUintN(size * 8, ALL_ONES);
  return BigInt(device.readConfig(offset, size));
}

function writeConfig(device: PciDevice | null, offset: number, size: AccessSize, value: bigint): void {
  if (device?.realized === true) device.writeConfig(offset, size, Number(value));
}

/**
 * The two configuration ports, 0xcf8 (address) and 0xcfc (data): mechanism 1 of PCI Local Bus 3.0, section 3.2.2.3.2.
 * The address register takes writes of 4 bytes only.
 */
export class ConfigPorts implements Snapshottable<{ address: number }> {
  readonly #root: PciBus;
  #address = 0;

  constructor(root: PciBus) {
    this.#root = root;
  }

  /** Behind port 0xcf8, 4 bytes. */
  readonly addressPort: MmioOperations = {
    read: () => BigInt(this.#address),
    write: (offset, size, value) => {
      if (offset === 0 && size === 4) this.#address = Number(value);
    },
  };

  /** Behind port 0xcfc, 4 bytes. */
  readonly dataPort: MmioOperations = {
    read: (offset, size) =>
      this.#enabled ? readConfig(this.#device, this.#offset | offset, size) : BigInt.asUintN(size * 8, ALL_ONES),
    write: (offset, size, value) => {
      if (this.#enabled) writeConfig(this.#device, this.#offset | offset, size, value);
    },
  };

  reset(): void {
    this.#address = 0;
  }

  save(): { address: number } {
    return { address: this.#address };
  }

  restore(state: { address: number }): void {
    this.#address = state.address;
  }

  get #enabled(): boolean {
    return (this.#address & ENABLE) !== 0;
  }

  get #offset(): number {
    return this.#address & 0xfc;
  }

  get #device(): PciDevice | null {
    return functionAt(this.#root, (this.#address >>> 16) & 0xff, (this.#address >>> 8) & 0xff);
  }
}

/** Memory-mapped configuration space (ECAM; PCI Express Base 4.0, section 7.2.2): 4 KiB a function, 1 MiB a bus. */
export function ecamOperations(root: PciBus): MmioOperations {
  const at = (offset: number): PciDevice | null =>
    functionAt(root, Math.floor(offset / 0x10_0000) & 0xff, (offset >>> 12) & 0xff);
  return {
    read: (offset, size) => {
      const device = at(offset);
      const register = offset & 0xfff;
      // A function of conventional PCI has nothing behind its 256 bytes.
      const absent = device !== null && device.realized && register >= device.registers.config.size;
      return absent ? BigInt.asUintN(size * 8, ALL_ONES) : readConfig(device, register, size);
    },
    write: (offset, size, value) => writeConfig(at(offset), offset & 0xfff, size, value),
  };
}
