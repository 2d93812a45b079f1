import { PAGE, type Processor } from '../processor.ts';
import type { TablePages } from '../table-pages.ts';

/** One entry for each of 2^16 functions, of 32 bytes. */
export const DEVICE_TABLE_PAGES = 512;
const ENTRY_BYTES = 32n;

const VALID = 1n;
const TRANSLATION_VALID = 2n;
const LEVELS = 4n << 9n;
const READ_WRITE = 3n << 61n;
const GUEST_VALID = 1n << 55n;
const GCR3_ENTRY_VALID = 1n;
const POINTER = 0x000f_ffff_ffff_f000n;
const BITS_PER_LEVEL = 9n;

/** What a function's entry says. */
export interface DeviceEntry {
  readonly domainId: number;
  /** Of a page table of four levels for requests without PASID; null: they pass. */
  readonly root: bigint | null;
  /** Of a GCR3 table; null: there are no PASIDs. */
  readonly gcr3: bigint | null;
}

/** The device table, and the GCR3 tables behind its entries (AMD-Vi, sections 2.2.2 and 2.2.6). */
export class DeviceTable {
  readonly address: bigint;
  readonly #processor: Processor;
  readonly #pages: TablePages;
  readonly #gcr3Levels: number;

  constructor(parts: { processor: Processor; pages: TablePages; address: bigint; gcr3Levels: number }) {
    this.address = parts.address;
    this.#processor = parts.processor;
    this.#pages = parts.pages;
    this.#gcr3Levels = parts.gcr3Levels;
  }

  /** The first word, which makes the entry valid, comes last. */
  write(sourceId: number, { domainId, root, gcr3 }: DeviceEntry): void {
    const at = this.address + ENTRY_BYTES * BigInt(sourceId);
    const table = gcr3 ?? 0n;
    const guest =
      gcr3 === null ? 0n : GUEST_VALID | (BigInt(this.#gcr3Levels - 1) << 56n) | (((table >> 12n) & 7n) << 58n);
    const upper = BigInt(domainId) | (((table >> 15n) & 0xffffn) << 16n) | ((table >> 31n) << 43n);
    this.#processor.store64(at + 8n, upper);
    const pages = root === null ? 0n : LEVELS | root;
    this.#processor.store64(at, VALID | TRANSLATION_VALID | pages | guest | READ_WRITE);
  }

  /** Pages that a PASID is going to take in a device's GCR3 table, which may not be there yet. */
  demand(gcr3: bigint | null, pasid: number): number {
    let table = gcr3;
    for (let level = this.#gcr3Levels; level > 1; level--) {
      if (table === null) return level;
      const entry = this.#processor.load64(this.#slot(table, pasid, level));
      table = (entry & GCR3_ENTRY_VALID) === 0n ? null : entry & POINTER;
    }
    return table === null ? 1 : 0;
  }

  /** Has a PASID's entry lead to a page table. */
  bind(gcr3: bigint, pasid: number, pageTable: bigint): void {
    this.#processor.store64(this.#leaf(gcr3, pasid), pageTable | GCR3_ENTRY_VALID);
  }

  unbind(gcr3: bigint, pasid: number): void {
    this.#processor.store64(this.#leaf(gcr3, pasid), 0n);
  }

  #leaf(gcr3: bigint, pasid: number): bigint {
    let table = gcr3;
    for (let level = this.#gcr3Levels; level > 1; level--) {
      const slot = this.#slot(table, pasid, level);
      const entry = this.#processor.load64(slot);
      if ((entry & GCR3_ENTRY_VALID) !== 0n) {
        table = entry & POINTER;
        continue;
      }
      table = this.#pages.take();
      this.#processor.store64(slot, table | GCR3_ENTRY_VALID);
    }
    return this.#slot(table, pasid, 1);
  }

  #slot(table: bigint, pasid: number, level: number): bigint {
    const index = (BigInt(pasid) >> (BITS_PER_LEVEL * BigInt(level - 1))) % (PAGE / 8n);
    return table + 8n * index;
  }
}
