import type { MmioOperations } from '../memory/mmio.ts';
import type { AccessSize } from '../memory/mmio.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { MsixCapability } from './capabilities.ts';
import { type ConfigSpace, reaches } from './config-space.ts';
import type { SendMessage } from './msi.ts';
import type { AdoptRegion } from './region-object.ts';

const ENTRY_SIZE = 16;
/** In the control word of the capability. */
const ENABLE = 0x8000;
const MASK_ALL = 0x4000;
/** In the vector control word of an entry. */
const MASKED = 1;

export interface MsixState {
  table: Uint8Array;
  pending: Uint8Array;
}

/** A function's MSI-X capability at work: the table and the pending bits lie in one of its BARs (section 6.8.2). */
export class Msix implements Snapshottable<MsixState> {
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #capability: MsixCapability;
  readonly #send: SendMessage;
  readonly #table: Uint8Array;
  readonly #pending: Uint8Array;

  constructor(config: ConfigSpace, at: number, capability: MsixCapability, send: SendMessage) {
    this.#config = config;
    this.#at = at;
    this.#capability = capability;
    this.#send = send;
    this.#table = new Uint8Array(capability.vectors * ENTRY_SIZE);
    this.#pending = new Uint8Array(Math.ceil(capability.vectors / 64) * 8);
    this.#maskAllEntries();
  }

  get enabled(): boolean {
    return (this.#control & ENABLE) !== 0;
  }

  /** Puts the table and the pending bits into the region of the BAR. */
  install(bar: MemoryRegion, adopt: AdoptRegion): void {
    const { table, pending } = this.#capability;
    const { topology } = bar;
    const sizes = { valid: { min: 4, max: 8 }, implementation: { min: 4, max: 4 } } as const;
    const tableOperations: MmioOperations = {
      ...sizes,
      read: (offset, size) => readBytes(this.#table, offset, size),
      write: (offset, _size, value) => this.#writeTable(offset, Number(value)),
    };
    const pendingOperations: MmioOperations = {
      ...sizes,
      read: (offset, size) => readBytes(this.#pending, offset, size),
      write: () => {},
    };
    const entries = MemoryRegion.mmio(topology, 'msix-table', BigInt(this.#table.length), tableOperations);
    const bits = MemoryRegion.mmio(topology, 'msix-pba', BigInt(this.#pending.length), pendingOperations);
    for (const region of [entries, bits]) adopt(region);
    bar.addSubregion(BigInt(table), entries);
    bar.addSubregion(BigInt(pending), bits);
  }

  /** Sends vector `vector`, counted from 0; a masked one becomes pending. Nothing while MSI-X is off. */
  notify(vector: number): void {
    if (!this.enabled) return;
    if (this.#isMasked(vector)) this.#setPending(vector, true);
    else this.#deliver(vector);
  }

  /** Software wrote to configuration space. */
  written(offset: number, size: number): void {
    if (reaches(offset, size, this.#at + 2, 2)) this.#deliverPending();
  }

  /** Off, every entry masked and empty, nothing pending. */
  reset(): void {
    this.#config.set(this.#at + 2, 2, this.#control & ~(ENABLE | MASK_ALL));
    this.#table.fill(0);
    this.#pending.fill(0);
    this.#maskAllEntries();
  }

  save(): MsixState {
    return { table: this.#table.slice(), pending: this.#pending.slice() };
  }

  restore(state: MsixState): void {
    this.#table.set(state.table);
    this.#pending.set(state.pending);
  }

  get #control(): number {
    return this.#config.read(this.#at + 2, 2);
  }

  #maskAllEntries(): void {
    for (let entry = 0; entry < this.#capability.vectors; entry += 1) this.#table[entry * ENTRY_SIZE + 12] = MASKED;
  }

  #word(vector: number, offset: number): number {
    return Number(readBytes(this.#table, vector * ENTRY_SIZE + offset, 4));
  }

  #isMasked(vector: number): boolean {
    return (this.#control & MASK_ALL) !== 0 || (this.#word(vector, 12) & MASKED) !== 0;
  }

  #isPending(vector: number): boolean {
    return (this.#pending[vector >>> 3]! & (1 << (vector & 7))) !== 0;
  }

  #setPending(vector: number, pending: boolean): void {
    const byte = this.#pending[vector >>> 3]!;
    const bit = 1 << (vector & 7);
    this.#pending[vector >>> 3] = pending ? byte | bit : byte & ~bit;
  }

  #deliver(vector: number): void {
    this.#send((BigInt(this.#word(vector, 4)) << 32n) | BigInt(this.#word(vector, 0)), this.#word(vector, 8));
  }

  #deliverPending(): void {
    if (!this.enabled) return;
    for (let vector = 0; vector < this.#capability.vectors; vector += 1) {
      if (!this.#isPending(vector) || this.#isMasked(vector)) continue;
      this.#setPending(vector, false);
      this.#deliver(vector);
    }
  }

  #writeTable(offset: number, value: number): void {
    new DataView(this.#table.buffer).setUint32(offset, value, true);
    this.#deliverPending();
  }
}

function readBytes(bytes: Uint8Array, offset: number, size: AccessSize | 4): bigint {
  let value = 0n;
  for (let index = size - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(bytes[offset + index] ?? 0);
  return value;
}
