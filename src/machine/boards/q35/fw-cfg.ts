import type { AddressSpace } from '../../../memory/address-space.ts';
import type { MmioOperations } from '../../../memory/mmio.ts';
import type { Snapshottable } from '../../../trace/snapshot.ts';

/** Items of fw_cfg that programs without firmware ask for (QEMU's documentation, docs/specs/fw_cfg). */
const Item = {
  signature: 0x00,
  identification: 0x01,
  uuid: 0x02,
  ramSize: 0x03,
  graphics: 0x04,
  processors: 0x05,
  numa: 0x0d,
  bootMenu: 0x0e,
  maximumProcessors: 0x0f,
  fileDirectory: 0x19,
} as const;

/** Bits of an item's number that are no part of it: the write channel, and what is the architecture's own. */
const ITEM_MASK = 0x3fff;
/** The traditional interface, and the one by DMA. */
const FEATURES = 0x3;
/** What the DMA register reads as: `QEMU CFG`. */
const DMA_SIGNATURE = 0x5145_4d55_2043_4647n;

/** Of the control word of a DMA request. */
const Control = { error: 0x1, read: 0x2, skip: 0x4, select: 0x8, write: 0x10 } as const;
/** Control, length, address: big-endian. */
const REQUEST_SIZE = 16;
const CHUNK = 0x1_0000;

export interface FwCfgParts {
  readonly memory: AddressSpace;
  /** RAM in bytes. */
  readonly memorySize: bigint;
}

export interface FwCfgState {
  item: number;
  position: number;
  dmaAddress: bigint;
}

function littleEndian(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

/** QEMU's way to tell the guest about its machine: an item is selected by number and read byte for byte, or by DMA. */
export class FwCfg implements Snapshottable<FwCfgState> {
  readonly #memory: AddressSpace;
  readonly #items: ReadonlyMap<number, Uint8Array>;
  #item: number = Item.signature;
  #position = 0;
  #dmaAddress = 0n;

  constructor({ memory, memorySize }: FwCfgParts) {
    this.#memory = memory;
    this.#items = new Map([
      [Item.signature, new TextEncoder().encode('QEMU')],
      [Item.identification, littleEndian(BigInt(FEATURES), 4)],
      [Item.uuid, new Uint8Array(16)],
      [Item.ramSize, littleEndian(memorySize, 8)],
      [Item.graphics, littleEndian(1n, 2)],
      [Item.processors, littleEndian(1n, 2)],
      // No nodes.
      [Item.numa, new Uint8Array(8)],
      [Item.bootMenu, littleEndian(0n, 2)],
      [Item.maximumProcessors, littleEndian(1n, 2)],
      // A directory of no files.
      [Item.fileDirectory, new Uint8Array(4)],
    ]);
  }

  /** Ports 0x510 (selector, 2 bytes) and 0x511 (data). */
  readonly ports: MmioOperations = {
    valid: { min: 1, max: 2 },
    implementation: { min: 1, max: 2 },
    accepts: (_offset, size, write) => size === 1 || write,
    read: () => BigInt(this.#next()),
    write: (_offset, size, value) => {
      if (size === 2) this.#select(Number(value));
    },
  };

  /** Ports 0x514 to 0x51b, big-endian: the address of a request; its lower half starts it. */
  readonly dmaPorts: MmioOperations = {
    valid: { min: 1, max: 8, unaligned: true },
    implementation: { min: 1, max: 8 },
    read: (offset, size) => swapped(DMA_SIGNATURE >> BigInt(8 * (8 - offset - size)), size),
    write: (offset, size, value) => this.#writeAddress(offset, size, swapped(value, size)),
  };

  reset(): void {
    this.#select(Item.signature);
    this.#dmaAddress = 0n;
  }

  save(): FwCfgState {
    return { item: this.#item, position: this.#position, dmaAddress: this.#dmaAddress };
  }

  restore(state: FwCfgState): void {
    this.#item = state.item;
    this.#position = state.position;
    this.#dmaAddress = state.dmaAddress;
  }

  #select(item: number): void {
    this.#item = item & ITEM_MASK;
    this.#position = 0;
  }

  /** Behind the end of an item, and of one that does not exist, there are zeros. */
  #next(): number {
    const byte = this.#items.get(this.#item)?.[this.#position] ?? 0;
    this.#position += 1;
    return byte;
  }

  #writeAddress(offset: number, size: number, value: bigint): void {
    if (size === 4 && offset === 0) this.#dmaAddress = value << 32n;
    else if ((size === 4 && offset === 4) || (size === 8 && offset === 0)) this.#transfer(this.#dmaAddress | value);
  }

  #transfer(request: bigint): void {
    this.#dmaAddress = 0n;
    const bytes = new Uint8Array(REQUEST_SIZE);
    const view = new DataView(bytes.buffer);
    const status = (value: number): void => {
      view.setUint32(0, value);
      this.#memory.write(request, bytes.subarray(0, 4));
    };
    if (!this.#memory.read(request, bytes).ok) {
      status(Control.error);
      return;
    }
    const control = view.getUint32(0);
    if ((control & Control.select) !== 0) this.#select(control >>> 16);
    const length = view.getUint32(4);
    const read = (control & Control.read) !== 0;
    // None of the items can be written.
    const refused = !read && (control & Control.write) !== 0;
    const ok = read ? this.#readInto(view.getBigUint64(8), length) : !refused;
    if (!read && (control & Control.skip) !== 0) this.#position += length;
    status(ok ? 0 : Control.error);
  }

  #readInto(address: bigint, length: number): boolean {
    for (let done = 0; done < length; done += CHUNK) {
      const bytes = new Uint8Array(Math.min(CHUNK, length - done));
      for (let index = 0; index < bytes.length; index += 1) bytes[index] = this.#next();
      if (!this.#memory.write(address + BigInt(done), bytes).ok) return false;
    }
    return true;
  }
}

function swapped(value: bigint, size: number): bigint {
  let result = 0n;
  for (let index = 0; index < size; index += 1) result = (result << 8n) | ((value >> BigInt(8 * index)) & 0xffn);
  return result;
}
