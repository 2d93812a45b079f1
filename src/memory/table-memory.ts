import type { AddressSpace } from './address-space.ts';
import { DECODE_ERROR } from './access.ts';
import type { RamBlock } from './ram-block.ts';

/**
 * What a table walk reads its entries through. Addresses are plain numbers (at most 52 bits) and multiples of 8; an
 * entry is read as two unsigned 32-bit halves, since bigint costs several times the whole walk.
 */
export interface TableMemory {
  /** Reads 8 bytes into {@link low} and {@link high}; false: nothing answers there. */
  read(address: number): boolean;
  readonly low: number;
  readonly high: number;
  /** ORs `bits` into the low half of the entry (accessed, dirty); false: it cannot be written. */
  setBits(address: number, bits: number): boolean;
}

/** Where a table entry lies: for watching it. */
export interface TableLocation {
  readonly block: RamBlock;
  /** Inside the block. */
  readonly offset: number;
}

/** Table memory over an address space, system memory as a rule. Remembers the RAM range of the last access. */
export class AddressSpaceTableMemory implements TableMemory {
  low = 0;
  high = 0;
  readonly #space: AddressSpace;
  readonly #buffer = new Uint8Array(8);
  readonly #words = new DataView(this.#buffer.buffer);
  #generation = -1;
  #block: RamBlock | null = null;
  /** First and last address at which an entry lies wholly inside the remembered range. */
  #first = 0;
  #lastEntry = -1;
  /** Address minus offset in the block. */
  #delta = 0;
  #writable = false;

  constructor(space: AddressSpace) {
    this.#space = space;
  }

  read(address: number): boolean {
    const block = this.#blockAt(address);
    if (block === null) return this.#readSlowly(address);
    block.entry(address - this.#delta);
    this.low = block.low;
    this.high = block.high;
    return true;
  }

  setBits(address: number, bits: number): boolean {
    if (!this.isWritable(address)) return false;
    this.#block?.orLow(address - this.#delta, bits);
    return true;
  }

  /** True when the entry at `address` lies in RAM that can be written. */
  isWritable(address: number): boolean {
    return this.#blockAt(address) !== null && this.#writable;
  }

  /** The RAM behind an entry; null when it lies in none. */
  locate(address: number): TableLocation | null {
    const block = this.#blockAt(address);
    return block === null ? null : { block, offset: address - this.#delta };
  }

  #blockAt(address: number): RamBlock | null {
    if (address >= this.#first && address <= this.#lastEntry && this.#generation === this.#space.topology.generation) {
      return this.#block;
    }
    return this.#lookUp(address);
  }

  #lookUp(address: number): RamBlock | null {
    this.#lastEntry = -1;
    const range = address < 0 ? null : this.#space.flatView.findNumber(address);
    const block = range?.region.block ?? null;
    if (range === null || block === null) return null;
    const delta = range.startNumber - range.offsetNumber;
    const lastEntry = range.lastNumber - 7;
    // An entry that crosses two ranges, or lies askew in its block, is read byte by byte.
    if (address > lastEntry || (address - delta) % 8 !== 0) return null;
    this.#block = block;
    this.#first = range.startNumber;
    this.#lastEntry = lastEntry;
    this.#delta = delta;
    this.#writable = !range.readonly;
    this.#generation = this.#space.topology.generation;
    return block;
  }

  #readSlowly(address: number): boolean {
    if (address < 0) return false;
    const { error } = this.#space.read(BigInt(address), this.#buffer);
    if (error !== null && error.kind === DECODE_ERROR.kind) return false;
    this.low = this.#words.getUint32(0, true);
    this.high = this.#words.getUint32(4, true);
    return true;
  }
}

/** The same for a caller that only looks: it answers as the other one would, and writes nothing. */
export class LookOnlyTableMemory extends AddressSpaceTableMemory {
  override setBits(address: number, _bits: number): boolean {
    return this.isWritable(address);
  }
}
