import type { TableMemory } from '../../memory/table-memory.ts';
import { fieldOf } from '../entry-layout.ts';
import { EventCode } from './faults.ts';
import { DEVICE_TABLE_ENTRY, rightsOf } from './tables.ts';

/** Bits 63 and 6:2 of the first word, 53:52 of the third, 53:48 and 14:0 of the fourth, as 32-bit words. */
const RESERVED = Uint32Array.of(0x0000_007c, 0x8000_0000, 0, 0, 0, 0x0030_0000, 0x0000_7fff, 0x003f_0000);
const VALID = 1;
const TRANSLATION_VALID = 2;

/**
 * One reader, used again for every entry: its fields hold the outcome of the last read (AMD-Vi, section 2.2.2). There
 * is no cache of entries, and no check against the table's length, as in QEMU.
 */
export class DeviceTableReader {
  /** 0, or the event that reading the entry ended with: 1 or 3. */
  code = 0;
  /** Of the entry. */
  address = 0;
  readonly words = new Uint32Array(8);
  readonly #dmaTranslation: boolean;

  /** @param dmaTranslation false: entries that name a page table are illegal */
  constructor(dmaTranslation: boolean) {
    this.#dmaTranslation = dmaTranslation;
  }

  /** Reads the entry of a device. @returns false when it cannot be read or is illegal; `code` says which */
  read(memory: TableMemory, table: number, deviceId: number): boolean {
    this.address = table + 32 * deviceId;
    this.code = 0;
    for (let word = 0; word < 4; word++) {
      if (!memory.read(this.address + 8 * word)) {
        this.code = EventCode.deviceTableHardwareError;
        return false;
      }
      this.words[2 * word] = memory.low;
      this.words[2 * word + 1] = memory.high;
    }
    const reserved = this.words.some((word, index) => (word & RESERVED[index]!) !== 0);
    if (!reserved && (this.#dmaTranslation || this.root === 0)) return true;
    this.code = EventCode.illegalDeviceTableEntry;
    return false;
  }

  get valid(): boolean {
    return (this.words[0]! & VALID) !== 0;
  }

  /** TV: the rest of what says how DMA is translated counts. */
  get translationValid(): boolean {
    return (this.words[0]! & TRANSLATION_VALID) !== 0;
  }

  /** How many levels the page tables have; 0: none, 7: reserved. */
  get mode(): number {
    return (this.words[0]! >>> 9) & 7;
  }

  /** Of the top page table. */
  get root(): number {
    return fieldOf(DEVICE_TABLE_ENTRY, this.words, 'ROOT');
  }

  /** IR and IW, as permission bits. */
  get rights(): number {
    return rightsOf(this.words[1]!);
  }

  get domainId(): number {
    return this.words[2]! & 0xffff;
  }
}
