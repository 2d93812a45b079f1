import type { Snapshottable } from '../../trace/snapshot.ts';
import type { ContextWords } from './context-lookup.ts';
import type { RootMode } from './invalidation.ts';

const LAST_GENERATION = 0xffff_ffff;

export interface CachedContextState {
  mode: RootMode;
  words: number[];
  generation: number;
  ridPasid: number;
}

/** The context entry that one address space keeps. */
export class CachedContext implements ContextWords, Snapshottable<CachedContextState> {
  mode: RootMode = 'legacy';
  readonly words = new Uint32Array(8);
  /** Valid while it is that of the cache; 0 never is. */
  generation = 0;
  /** The PASID that stands for requests without one, as the last lookup found it. */
  ridPasid = 0;

  save(): CachedContextState {
    const { mode, words, generation, ridPasid } = this;
    return { mode, words: [...words], generation, ridPasid };
  }

  restore(state: CachedContextState): void {
    this.mode = state.mode;
    this.words.set(state.words);
    this.generation = state.generation;
    this.ridPasid = state.ridPasid;
  }
}

export interface ContextCacheState {
  generation: number;
  hits: number;
  misses: number;
}

/**
 * The context cache: one entry for each address space, valid while its generation is the current one, so that a global
 * invalidation costs nothing. Only entries that a lookup found valid are kept.
 */
export class ContextCache implements Snapshottable<ContextCacheState> {
  readonly #all: () => Iterable<CachedContext>;
  #generation = 1;
  #hits = 0;
  #misses = 0;

  /** @param all the entries of all address spaces */
  constructor(all: () => Iterable<CachedContext>) {
    this.#all = all;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** How many entries are valid. */
  get entries(): number {
    return [...this.#all()].filter((entry) => this.peek(entry) !== null).length;
  }

  /** The entry if it is valid, counted as hit or miss. */
  lookup(entry: CachedContext): CachedContext | null {
    const found = this.peek(entry);
    if (found === null) this.#misses += 1;
    else this.#hits += 1;
    return found;
  }

  peek(entry: CachedContext): CachedContext | null {
    return entry.generation === this.#generation ? entry : null;
  }

  fill(entry: CachedContext, from: ContextWords): void {
    entry.mode = from.mode;
    entry.words.set(from.words);
    entry.generation = this.#generation;
  }

  /** The generation starts over when its 32 bits are used up; nothing old may seem valid then. */
  invalidateAll(): void {
    this.#generation += 1;
    if (this.#generation > LAST_GENERATION) this.clear();
  }

  /** Nothing cached holds, and generations start over. */
  clear(): void {
    for (const entry of this.#all()) entry.generation = 0;
    this.#generation = 1;
  }

  reset(): void {
    this.clear();
    this.#hits = 0;
    this.#misses = 0;
  }

  save(): ContextCacheState {
    return { generation: this.#generation, hits: this.#hits, misses: this.#misses };
  }

  restore(state: ContextCacheState): void {
    this.#generation = state.generation;
    this.#hits = state.hits;
    this.#misses = state.misses;
  }
}
