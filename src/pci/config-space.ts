import type { Snapshottable } from '../trace/snapshot.ts';

/** Where the part of configuration space ends that the type of the header lays down. */
const HEADER_SIZE = 0x40;

/** How many bytes of configuration space a function has: 4096 of PCI Express, 256 of conventional PCI. */
export type ConfigSize = 256 | 4096;

/** Which bits of a register software reaches. */
export interface ConfigAccess {
  /** Bits that take what is written; default none. */
  readonly writable?: number;
  /** Bits that a written 1 clears; default none. */
  readonly clear?: number;
}

/**
 * The configuration registers of one function: bytes, and for each bit whether software can write or clear it.
 * Little-endian; registers have 1, 2 or 4 bytes. What lies behind the header and in no capability can be written and
 * means nothing, as in QEMU.
 */
export class ConfigSpace implements Snapshottable<Uint8Array> {
  readonly size: ConfigSize;
  readonly #bytes: Uint8Array;
  readonly #writable: Uint8Array;
  readonly #clear: Uint8Array;

  constructor(size: ConfigSize) {
    this.size = size;
    this.#bytes = new Uint8Array(size);
    this.#writable = new Uint8Array(size).fill(0xff, HEADER_SIZE);
    this.#clear = new Uint8Array(size);
  }

  /** Lays down a register of `size` bytes: its value, and what software can do to it. */
  define(offset: number, size: number, value: number, access: ConfigAccess = {}): void {
    put(this.#bytes, offset, size, value);
    put(this.#writable, offset, size, access.writable ?? 0);
    put(this.#clear, offset, size, access.clear ?? 0);
  }

  /** `size` bytes, 1 to 4; bytes beyond the end read as ones. */
  read(offset: number, size: number): number {
    let value = 0;
    for (let index = 0; index < size; index += 1) value += (this.#bytes[offset + index] ?? 0xff) * 2 ** (8 * index);
    return value;
  }

  /** Sets a register whatever software may do to it. */
  set(offset: number, size: number, value: number): void {
    put(this.#bytes, offset, size, value);
  }

  /** What software writes: only writable bits change, and ones clear the bits that ones clear. */
  write(offset: number, size: number, value: number): void {
    for (let index = 0; index < size && offset + index < this.size; index += 1) {
      const at = offset + index;
      const byte = byteOf(value, index);
      const writable = this.#writable[at]!;
      this.#bytes[at] = ((this.#bytes[at]! & ~writable) | (byte & writable)) & ~(byte & this.#clear[at]!);
    }
  }

  /** Zeros all bits of a register that software can change. */
  clearChangeable(offset: number, size: number): void {
    for (let at = offset; at < offset + size; at += 1) {
      this.#bytes[at] = this.#bytes[at]! & ~(this.#writable[at]! | this.#clear[at]!);
    }
  }

  save(): Uint8Array {
    return this.#bytes.slice();
  }

  /** @throws RangeError when the saved bytes are not as many as this space has */
  restore(state: Uint8Array): void {
    if (state.length !== this.size) {
      throw new RangeError(`Configuration space has ${this.size} bytes; ${state.length} were saved`);
    }
    this.#bytes.set(state);
  }
}

/** True when the `size` bytes at `offset` reach into the register of `length` bytes at `register`. */
export function reaches(offset: number, size: number, register: number, length: number): boolean {
  return offset < register + length && register < offset + size;
}

function byteOf(value: number, index: number): number {
  return Math.floor(value / 2 ** (8 * index)) & 0xff;
}

function put(bytes: Uint8Array, offset: number, size: number, value: number): void {
  for (let index = 0; index < size; index += 1) bytes[offset + index] = byteOf(value >>> 0, index);
}
