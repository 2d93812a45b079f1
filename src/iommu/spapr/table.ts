import type { Snapshottable } from '../../trace/snapshot.ts';
import { permissionsOf } from './tce.ts';

/** Where a table's window lies and how it is cut into pages. */
export interface TceGeometry {
  /** Log2 of the size of a page. */
  readonly pageShift: number;
  /** First address of the window, as devices see it. */
  readonly busOffset: bigint;
  /** How many pages, and so TCEs, the window has. */
  readonly entries: number;
}

export interface PresentTce {
  readonly index: number;
  readonly tce: bigint;
}

export interface TceTableState {
  geometry: TceGeometry | null;
  /** TCEs that are not 0, by index. */
  tces: PresentTce[];
}

const CHUNK = 512;

/**
 * A TCE table: one TCE for each page of a DMA window. It is the hypervisor's, not in guest memory: the guest reads and
 * writes it by hypercalls, which name it by its LIOBN (logical I/O bus number). Without a geometry there is no window.
 * Only what is not 0 takes memory.
 */
export class TceTable implements Snapshottable<TceTableState> {
  /** 32 bits. */
  readonly liobn: number;
  #geometry: TceGeometry | null = null;
  readonly #chunks = new Map<number, BigUint64Array>();
  #mapped = 0;

  constructor(liobn: number) {
    this.liobn = liobn;
  }

  get geometry(): TceGeometry | null {
    return this.#geometry;
  }

  /** How many TCEs allow something. */
  get mapped(): number {
    return this.#mapped;
  }

  /** Gives the table a window, and takes away all TCEs; null takes the window away. */
  reshape(geometry: TceGeometry | null): void {
    this.#geometry = geometry;
    this.#chunks.clear();
    this.#mapped = 0;
  }

  /** Which TCE an address of the window has; null for an address outside. */
  indexOf(address: bigint): number | null {
    if (this.#geometry === null) return null;
    const { busOffset, entries, pageShift } = this.#geometry;
    const index = BigInt.asUintN(64, address - busOffset) >> BigInt(pageShift);
    return index < BigInt(entries) ? Number(index) : null;
  }

  get(index: number): bigint {
    return this.#chunks.get(Math.floor(index / CHUNK))?.[index % CHUNK] ?? 0n;
  }

  /** @returns what was there before */
  set(index: number, tce: bigint): bigint {
    const key = Math.floor(index / CHUNK);
    let chunk = this.#chunks.get(key);
    if (chunk === undefined) {
      if (tce === 0n) return 0n;
      this.#chunks.set(key, (chunk = new BigUint64Array(CHUNK)));
    }
    const before = chunk[index % CHUNK]!;
    chunk[index % CHUNK] = tce;
    this.#mapped += Number(permissionsOf(tce) !== 0) - Number(permissionsOf(before) !== 0);
    return before;
  }

  /** TCEs that allow something, with indices from `first` to `last` (inclusive), ascending. */
  *mappedIn(first = 0, last = Infinity): Generator<PresentTce> {
    for (const present of this.#stored(first, last)) if (permissionsOf(present.tce) !== 0) yield present;
  }

  save(): TceTableState {
    return { geometry: this.#geometry && { ...this.#geometry }, tces: [...this.#stored(0, Infinity)] };
  }

  restore(state: TceTableState): void {
    this.reshape(state.geometry && { ...state.geometry });
    for (const { index, tce } of state.tces) this.set(index, tce);
  }

  /** TCEs that are not 0. */
  *#stored(first: number, last: number): Generator<PresentTce> {
    const keys = [...this.#chunks.keys()].filter((key) => (key + 1) * CHUNK > first && key * CHUNK <= last);
    for (const key of keys.sort((a, b) => a - b)) {
      const chunk = this.#chunks.get(key)!;
      const end = Math.min(CHUNK - 1, last - key * CHUNK);
      for (let at = Math.max(0, first - key * CHUNK); at <= end; at++) {
        const tce = chunk[at]!;
        if (tce !== 0n) yield { index: key * CHUNK + at, tce };
      }
    }
  }
}
