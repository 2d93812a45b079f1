import type { TableMemory } from '../../memory/table-memory.ts';

/** Table memory for entries that are big-endian. */
export class BigEndianTableMemory implements TableMemory {
  low = 0;
  high = 0;
  readonly #memory: TableMemory;

  constructor(memory: TableMemory) {
    this.#memory = memory;
  }

  read(address: number): boolean {
    const memory = this.#memory;
    if (!memory.read(address)) return false;
    this.low = swapped(memory.high);
    this.high = swapped(memory.low);
    return true;
  }

  setBits(address: number, bits: number): boolean {
    return this.#memory.setBits(address + 4, swapped(bits));
  }
}

/** The bytes of an unsigned 32-bit number in reverse. */
function swapped(value: number): number {
  return ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff_0000) | ((value << 24) & 0xff00_0000)) >>> 0;
}
