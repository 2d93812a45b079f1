import type { SeededRandom } from '../core/random.ts';

export interface FixedCacheState<Value> {
  /** In the internal order, which replacement depends on. */
  entries: { key: number; value: Value }[];
  hits: number;
  misses: number;
}

/** What is shown of any cache. */
export interface CacheStatistics {
  readonly name: string;
  readonly entries: number;
  readonly size: number;
  readonly hits: number;
  readonly misses: number;
}

/**
 * A cache of a fixed number of entries under numeric keys, 0 or above. A full one gives up an entry that the seeded generator
 * picks, so that a run repeats. Nothing leaves it but by that and by being dropped.
 */
export class FixedCache<Value> {
  readonly name: string;
  readonly capacity: number;
  hits = 0;
  misses = 0;
  readonly #random: SeededRandom;
  readonly #values = new Map<number, Value>();
  /** All keys, dense, so that one can be picked. */
  #keys: number[] = [];
  // What the last lookup found: a device's requests come in runs.
  #latestKey = -1;
  #latest: Value | undefined;

  constructor(name: string, capacity: number, random: SeededRandom) {
    this.name = name;
    this.capacity = capacity;
    this.#random = random;
  }

  /** The value under `key`, counted as a hit or a miss. */
  lookup(key: number): Value | undefined {
    if (key !== this.#latestKey) {
      this.#latestKey = key;
      this.#latest = this.#values.get(key);
    }
    if (this.#latest === undefined) this.misses += 1;
    else this.hits += 1;
    return this.#latest;
  }

  /** The same without counting, for those who only look. */
  peek(key: number): Value | undefined {
    return this.#values.get(key);
  }

  /** Puts a value in, in place of one under the same key, or of one picked by the seed when the cache is full. */
  insert(key: number, value: Value): void {
    this.#latestKey = -1;
    if (!this.#values.has(key)) {
      if (this.#keys.length < this.capacity) this.#keys.push(key);
      else {
        const slot = this.#random.below(this.#keys.length);
        this.#values.delete(this.#keys[slot]!);
        this.#keys[slot] = key;
      }
    }
    this.#values.set(key, value);
  }

  /** Drops the entries that `condemned` is true for; returns how many. */
  drop(condemned: (value: Value, key: number) => boolean): number {
    this.#latestKey = -1;
    const before = this.#keys.length;
    this.#keys = this.#keys.filter((key) => {
      if (!condemned(this.#values.get(key)!, key)) return true;
      this.#values.delete(key);
      return false;
    });
    return before - this.#keys.length;
  }

  /** All values by ascending key. */
  values(): Value[] {
    return [...this.#keys].sort((one, other) => one - other).map((key) => this.#values.get(key)!);
  }

  statistics(): CacheStatistics {
    return { name: this.name, entries: this.#keys.length, size: this.capacity, hits: this.hits, misses: this.misses };
  }

  save(): FixedCacheState<Value> {
    const entries = this.#keys.map((key) => ({ key, value: this.#values.get(key)! }));
    return { entries, hits: this.hits, misses: this.misses };
  }

  restore(state: FixedCacheState<Value>): void {
    this.#keys = state.entries.map(({ key }) => key);
    this.#latestKey = -1;
    this.#values.clear();
    for (const { key, value } of state.entries) this.#values.set(key, value);
    this.hits = state.hits;
    this.misses = state.misses;
  }
}
