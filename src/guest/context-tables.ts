import type { Snapshottable } from '../trace/snapshot.ts';
import type { Processor } from './processor.ts';
import type { TablePages } from './table-pages.ts';

/** How root and context tables are laid out. */
export interface ContextLayout {
  /** Functions that one context table holds: 256, or 128 where a bus has a lower and an upper one. */
  readonly functions: 256 | 128;
  /** Bytes of a context entry. */
  readonly entryBytes: 16 | 32;
}

const PRESENT = 1n;

/** The root table and the context tables below it. All of them are single pages. */
export class ContextTables implements Snapshottable<[number, bigint][]> {
  readonly #processor: Processor;
  readonly #pages: TablePages;
  readonly #layout: ContextLayout;
  #tables = new Map<number, bigint>();
  /** Where the root table lies. */
  readonly root: bigint;

  constructor(parts: { processor: Processor; pages: TablePages; root: bigint }, layout: ContextLayout) {
    this.#processor = parts.processor;
    this.#pages = parts.pages;
    this.root = parts.root;
    this.#layout = layout;
  }

  /** How many pages the entry of a function still takes: 0 or 1. */
  demand(sourceId: number): number {
    return this.#tables.has(this.#half(sourceId)) ? 0 : 1;
  }

  /** Where the entry of a function lies; its table is made and linked if it is not there yet. */
  entry(sourceId: number): bigint {
    const half = this.#half(sourceId);
    let table = this.#tables.get(half);
    if (table === undefined) {
      table = this.#pages.take();
      this.#tables.set(half, table);
      // A root entry has 16 bytes: one pointer in legacy mode, one for each half of the bus otherwise.
      this.#processor.store64(this.root + BigInt(half * (this.#layout.functions === 256 ? 16 : 8)), table | PRESENT);
    }
    return table + BigInt((sourceId % this.#layout.functions) * this.#layout.entryBytes);
  }

  /** Writes an entry so that it is whole when its present bit, in the first word, shows. */
  write(sourceId: number, words: readonly bigint[]): void {
    const at = this.entry(sourceId);
    const [first = 0n, ...rest] = words;
    this.#processor.store64(at + 8n, ...rest);
    this.#processor.store64(at, first);
  }

  save(): [number, bigint][] {
    return [...this.#tables];
  }

  restore(tables: readonly (readonly [number, bigint])[]): void {
    this.#tables = new Map(tables);
  }

  #half(sourceId: number): number {
    return Math.floor(sourceId / this.#layout.functions);
  }
}
