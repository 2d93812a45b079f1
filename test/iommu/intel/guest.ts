import type { rig } from './rig.ts';

const REGISTERS = 0xfed9_0000n;
const QUEUE = 0x8000;

/** Where the tables of {@link Guest} lie. */
export const Place = {
  root: 0x1_0000,
  contexts: 0x1_1000,
  upperContexts: 0x1_2000,
  directory: 0x2_0000,
  pasids: 0x4_0000,
  /** Page tables are taken from here on. */
  tables: 0x10_0000,
} as const;

type Rig = ReturnType<typeof rig>;

/** What a guest's driver does, by registers and memory only. */
export class Guest {
  readonly #rig: Rig;
  #command = 0;
  #tail = 0;
  #wide = false;
  #free = Place.tables;

  constructor(all: Rig) {
    this.#rig = all;
  }

  write(register: number, value: bigint, size: 4 | 8 = 4): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    this.#rig.memory.write(REGISTERS + BigInt(register), bytes.subarray(0, size));
  }

  read(register: number, size: 4 | 8 = 4): bigint {
    const bytes = new Uint8Array(8);
    this.#rig.memory.read(REGISTERS + BigInt(register), bytes.subarray(0, size));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** A 64-bit word in memory. */
  put(address: number, word: bigint): void {
    this.#rig.block.writeU32(address, Number(word & 0xffff_ffffn));
    this.#rig.block.writeU32(address + 4, Number(BigInt.asUintN(64, word) >> 32n));
  }

  at(address: number): bigint {
    const { block } = this.#rig;
    return (BigInt(block.readU32(address + 4)) << 32n) | BigInt(block.readU32(address));
  }

  table(): number {
    this.#free += 0x1000;
    return this.#free - 0x1000;
  }

  setRoot(mode: 'legacy' | 'scalable' | 'ecs'): void {
    const bits = { legacy: 0n, scalable: 1n << 10n, ecs: 1n << 11n }[mode];
    this.write(0x20, BigInt(Place.root) | bits, 8);
    this.#control(30, true, true);
  }

  enable(on = true): void {
    this.#control(31, on);
  }

  /** The invalidation queue; descriptors of 32 bytes for scalable mode. */
  useQueue(wide: boolean): void {
    this.#wide = wide;
    this.write(0x88, 0n, 8);
    this.write(0x90, BigInt(QUEUE) | (wide ? 1n << 11n : 0n), 8);
    this.#control(26, true);
  }

  submit(low: bigint, high = 0n): void {
    const bytes = this.#wide ? 32 : 16;
    this.put(QUEUE + this.#tail, low);
    this.put(QUEUE + this.#tail + 8, high);
    this.#tail = (this.#tail + bytes) % 0x1000;
    this.write(0x88, BigInt(this.#tail), 8);
  }

  /** A legacy context entry for a function. */
  context(devfn: number, low: bigint, high: bigint): void {
    this.put(Place.root, BigInt(Place.contexts) | 1n);
    this.put(Place.contexts + 16 * devfn, low);
    this.put(Place.contexts + 16 * devfn + 8, high);
  }

  /** A context entry of 32 bytes; `devfn` below 0x80. */
  extendedContext(devfn: number, words: readonly bigint[]): void {
    this.put(Place.root, BigInt(Place.contexts) | 1n);
    words.forEach((word, index) => this.put(Place.contexts + 32 * devfn + 8 * index, word));
  }

  /** A scalable context entry that leads to the directory. `pdts`: 2^(pdts + 7) directory entries. */
  scalableContext(devfn: number, pdts = 0n, bits = 0n): void {
    this.extendedContext(devfn, [BigInt(Place.directory) | (pdts << 9n) | bits | 1n, 0n, 0n, 0n]);
  }

  pasidEntry(pasid: number, words: readonly bigint[]): void {
    this.put(Place.directory + 8 * (pasid >> 6), BigInt(Place.pasids + 0x1000 * (pasid >> 6)) | 1n);
    const entry = Place.pasids + 0x1000 * (pasid >> 6) + 64 * (pasid & 63);
    for (let index = 0; index < 8; index++) this.put(entry + 8 * index, words[index] ?? 0n);
  }

  /** Writes a leaf of 2^shift bytes, and the tables above it. `above`: bits of the entries that lead there. */
  map(top: number, levels: number, iova: bigint, leaf: bigint, shift = 12, above = 3n): void {
    let table = top;
    for (let level = levels; ; level--) {
      const entry = table + 8 * Number((iova >> BigInt(3 + 9 * level)) & 0x1ffn);
      if (3 + 9 * level === shift) {
        this.put(entry, leaf | (level > 1 ? 0x80n : 0n));
        return;
      }
      if ((this.at(entry) & 3n) === 0n || (this.at(entry) & 0x80n) !== 0n) {
        this.put(entry, BigInt(this.table()) | above);
      }
      table = Number(this.at(entry) & 0xffff_ffff_f000n);
    }
  }

  clear(top: number, levels: number, iova: bigint, shift = 12): void {
    let table = top;
    for (let level = levels; ; level--) {
      const entry = table + 8 * Number((iova >> BigInt(3 + 9 * level)) & 0x1ffn);
      if (3 + 9 * level === shift) {
        this.put(entry, 0n);
        return;
      }
      const word = this.at(entry);
      if ((word & 3n) === 0n || (word & 0x80n) !== 0n) return;
      table = Number(word & 0xffff_ffff_f000n);
    }
  }

  /** By the registers, or by the queue where that is on. */
  flushContext(devfn?: number): void {
    const selective = devfn !== undefined;
    if (this.#queued) {
      this.submit(selective ? 1n | (3n << 4n) | (BigInt(devfn) << 32n) : 1n | (1n << 4n));
      return;
    }
    const scope = selective ? (3n << 61n) | (BigInt(devfn) << 16n) : 1n << 61n;
    this.write(0x28, (1n << 63n) | scope, 8);
  }

  flushIotlb(): void {
    if (this.#queued) this.submit(2n | (1n << 4n));
    else this.write(0xf8, (1n << 63n) | (1n << 60n), 8);
  }

  flushDomain(domainId: number): void {
    if (this.#queued) this.submit(2n | (2n << 4n) | (BigInt(domainId) << 16n));
    else this.write(0xf8, (1n << 63n) | (2n << 60n) | (BigInt(domainId) << 32n), 8);
  }

  flushPages(domainId: number, address: bigint, mask: number, leafOnly = false): void {
    const what = address | BigInt(mask) | (leafOnly ? 1n << 6n : 0n);
    if (this.#queued) {
      this.submit(2n | (3n << 4n) | (BigInt(domainId) << 16n), what);
      return;
    }
    this.write(0xf0, what, 8);
    this.write(0xf8, (1n << 63n) | (3n << 60n) | (BigInt(domainId) << 32n), 8);
  }

  get #queued(): boolean {
    return (this.#command & (1 << 26)) !== 0;
  }

  #control(bit: number, on: boolean, once = false): void {
    const value = on ? this.#command | (1 << bit) : this.#command & ~(1 << bit);
    this.write(0x18, BigInt(value >>> 0));
    if (!once) this.#command = value;
  }
}

/** The bytes of a DMA, or null when it failed. */
export function dma(
  space: { read: (address: bigint, into: Uint8Array) => { ok: boolean } },
  iova: bigint,
): number | null {
  const bytes = new Uint8Array(4);
  if (!space.read(iova, bytes).ok) return null;
  return new DataView(bytes.buffer).getUint32(0, true);
}
