import { CommandError } from '../../src/core/errors.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import type { IotlbFlush, ObjectListener, PasidCacheFlush, PasidTable } from '../../src/memory/iommu-object.ts';
import type { TableMemory } from '../../src/memory/table-memory.ts';
import type { ModelEvent } from '../../src/trace/model-events.ts';
import { Trace, type TraceParts } from '../../src/trace/trace.ts';

/** Tables as a sparse map of 64-bit words; whole 4 KiB pages are readable or not. */
export class WordMemory implements TableMemory {
  low = 0;
  high = 0;
  readonly words = new Map<number, bigint>();
  /** Pages that exist; others answer nothing. */
  readonly pages = new Set<number>();
  /** Pages that cannot be written. */
  readonly readonlyPages = new Set<number>();
  readonly written: number[] = [];

  read(address: number): boolean {
    if (!this.pages.has(Math.floor(address / 4096))) return false;
    const word = this.words.get(address) ?? 0n;
    this.low = Number(word & 0xffff_ffffn);
    this.high = Number(word >> 32n);
    return true;
  }

  setBits(address: number, bits: number): boolean {
    const page = Math.floor(address / 4096);
    if (!this.pages.has(page) || this.readonlyPages.has(page)) return false;
    this.written.push(address);
    this.words.set(address, (this.words.get(address) ?? 0n) | BigInt(bits));
    return true;
  }

  /** Writes a word, and makes its page exist. */
  put(address: number, word: bigint): void {
    this.pages.add(Math.floor(address / 4096));
    this.words.set(address, word);
  }

  at(address: number): bigint {
    return this.words.get(address) ?? 0n;
  }

  clone(): WordMemory {
    const copy = new WordMemory();
    for (const [address, word] of this.words) copy.words.set(address, word);
    for (const page of this.pages) copy.pages.add(page);
    for (const page of this.readonlyPages) copy.readonlyPages.add(page);
    return copy;
  }
}

/** The events of a model, collected. */
export function recordedEvents(): TraceParts & { seen: ModelEvent[]; operations: OperationCounter } {
  const operations = new OperationCounter();
  const { parts } = new Trace(operations);
  const seen: ModelEvent[] = [];
  parts.events.subscribe((event) => seen.push(event));
  return { ...parts, seen, operations };
}

/** A listener that writes down what it is told, holds the table as a host would, and fails where it is told to. */
export class RecordingListener implements ObjectListener {
  readonly kind = 'vfio';
  readonly name: string;
  readonly device = 'dev0';
  table: PasidTable | null = null;
  /** Addresses of tables that it refuses. */
  readonly refused = new Set<bigint>();
  failUnbind = false;
  failFlush = false;
  dropped = 0;
  readonly #log: string[];

  constructor(name: string, log: string[] = []) {
    this.name = name;
    this.#log = log;
  }

  bind(table: PasidTable): void {
    this.#log.push(`${this.name} bind ${table.address.toString(16)}`);
    if (this.refused.has(table.address)) throw new CommandError(`${this.name} refuses ${table.address.toString(16)}`);
    this.table = { address: table.address, size: table.size, format: table.format };
  }

  unbind(): void {
    this.#log.push(`${this.name} unbind`);
    if (this.failUnbind) throw new CommandError(`${this.name} cannot unbind`);
    this.table = null;
  }

  flushIotlb(flush: IotlbFlush): number {
    this.#log.push(`${this.name} flush-iotlb ${flush.granularity}`);
    if (this.failFlush) throw new CommandError(`${this.name} cannot flush`);
    return this.dropped;
  }

  flushPasidCache(flush: PasidCacheFlush): number {
    this.#log.push(`${this.name} flush-pasid-cache ${flush.granularity}`);
    if (this.failFlush) throw new CommandError(`${this.name} cannot flush`);
    return this.dropped;
  }
}
