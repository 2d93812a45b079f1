const encoder = new TextEncoder();
const UNUSED = 0;
const REMOVED = 1;
const SMALLEST_SHIFT = 3;

/** The largest primes below the powers of two from 2^3 on. */
const moduli = [7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071, 262139, 524287];

/** Bernstein's hash over signed bytes, in 32 bits; 0 and 1 mark slots without a member. */
function hashOf(name: string): number {
  let hash = 5381;
  for (const byte of encoder.encode(name)) hash = (Math.imul(hash, 33) + ((byte << 24) >> 24)) >>> 0;
  return Math.max(hash, 2);
}

/**
 * A set of names in the order of GLib's hash table over strings, which is the order in which QEMU lists properties,
 * children and leftover members. The order depends on what was inserted and removed before, as in GLib.
 */
export class NameTable {
  #hashes: number[] = new Array<number>(1 << SMALLEST_SHIFT).fill(UNUSED);
  #names: (string | null)[] = new Array<string | null>(1 << SMALLEST_SHIFT).fill(null);
  #modulus = 7;
  #count = 0;
  #occupied = 0;

  /** Nothing when it is there already. */
  insert(name: string): void {
    const hash = hashOf(name);
    const slot = this.#find(name, hash);
    const previous = this.#hashes[slot];
    this.#hashes[slot] = hash;
    this.#names[slot] = name;
    if (previous !== UNUSED && previous !== REMOVED) return;
    this.#count += 1;
    if (previous !== UNUSED) return;
    this.#occupied += 1;
    this.#resizeIfNeeded();
  }

  /** Nothing when it is not there. */
  remove(name: string): void {
    const slot = this.#find(name, hashOf(name));
    if (this.#names[slot] !== name) return;
    this.#hashes[slot] = REMOVED;
    this.#names[slot] = null;
    this.#count -= 1;
    this.#resizeIfNeeded();
  }

  /** In the order of the table. */
  names(): string[] {
    return this.#names.filter((name) => name !== null);
  }

  #home(hash: number): number {
    return (Math.imul(hash, 11) >>> 0) % this.#modulus;
  }

  /** The slot that holds `name`, or the one where it would go. */
  #find(name: string, hash: number): number {
    const mask = this.#hashes.length - 1;
    let slot = this.#home(hash);
    let removed = -1;
    for (let step = 1; this.#hashes[slot] !== UNUSED; step++) {
      if (this.#names[slot] === name) return slot;
      if (this.#hashes[slot] === REMOVED && removed < 0) removed = slot;
      slot = (slot + step) & mask;
    }
    return removed < 0 ? slot : removed;
  }

  #resizeIfNeeded(): void {
    const size = this.#hashes.length;
    const sparse = size > 1 << SMALLEST_SHIFT && size > this.#count * 4;
    if (sparse || size <= this.#occupied + Math.floor(this.#occupied / 16)) this.#resize();
  }

  /** Members move in place: each goes to its new home, and whoever sits there is moved next. */
  #resize(): void {
    const oldSize = this.#hashes.length;
    const wanted = Math.floor(this.#count * 1.333);
    const shift = Math.max(SMALLEST_SHIFT, 32 - Math.clz32(wanted));
    const size = 1 << shift;
    this.#modulus = moduli[shift - SMALLEST_SHIFT] ?? size - 1;
    for (let slot = oldSize; slot < size; slot++) {
      this.#hashes.push(UNUSED);
      this.#names.push(null);
    }
    const settled = new Set<number>();
    for (let slot = 0; slot < oldSize; slot++) {
      let name = this.#names[slot] ?? null;
      if (name === null) this.#hashes[slot] = UNUSED;
      if (name === null || settled.has(slot)) continue;
      let hash = this.#hashes[slot] ?? UNUSED;
      this.#hashes[slot] = UNUSED;
      this.#names[slot] = null;
      while (name !== null) {
        let target = this.#home(hash);
        for (let step = 1; settled.has(target); step++) target = (target + step) & (size - 1);
        settled.add(target);
        const evicted: string | null = this.#names[target] ?? null;
        const evictedHash: number = this.#hashes[target] ?? UNUSED;
        this.#hashes[target] = hash;
        this.#names[target] = name;
        name = evicted;
        hash = evictedHash;
      }
    }
    this.#hashes.length = size;
    this.#names.length = size;
    this.#occupied = this.#count;
  }
}
