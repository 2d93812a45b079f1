import type { AddressSpace } from './address-space.ts';
import type { FlatRange, FlatView } from './flat-view.ts';
import type { MemoryRegion } from './region.ts';

/** A range of an address space as listeners are told of it. */
export interface MemorySection {
  readonly addressSpace: AddressSpace;
  readonly region: MemoryRegion;
  /** Where `start` lies inside the region. */
  readonly offsetInRegion: bigint;
  readonly start: bigint;
  readonly size: bigint;
  readonly readonly: boolean;
}

/**
 * Follows what an address space shows. In each commit that changed something: `begin`, then `regionDelete` for every
 * range that went or became another (listeners in descending priority), then `regionAdd` for every new one (in
 * ascending priority), then `commit`. Ranges come by ascending address.
 */
export interface MemoryListener {
  readonly priority: number;
  begin?(): void;
  regionAdd?(section: MemorySection): void;
  regionDelete?(section: MemorySection): void;
  commit?(): void;
}

/** The listeners of one address space, and the view that they were told of last. */
export class ListenerList {
  readonly #space: AddressSpace;
  #listeners: readonly MemoryListener[] = [];
  #told: FlatView | null = null;

  constructor(space: AddressSpace) {
    this.#space = space;
  }

  get all(): readonly MemoryListener[] {
    return this.#listeners;
  }

  add(listener: MemoryListener): void {
    if (this.#listeners.includes(listener)) {
      throw new Error(`The listener already follows address space ${this.#space.name}`);
    }
    const view = (this.#told ??= this.#space.flatView);
    const index = this.#listeners.findIndex((other) => other.priority > listener.priority);
    this.#listeners = this.#listeners.toSpliced(index < 0 ? this.#listeners.length : index, 0, listener);
    listener.begin?.();
    let accepted = 0;
    try {
      for (const range of view.ranges) {
        listener.regionAdd?.(this.#section(range));
        accepted += 1;
      }
    } catch (error) {
      for (const range of view.ranges.slice(0, accepted)) listener.regionDelete?.(this.#section(range));
      listener.commit?.();
      this.#forget(listener);
      throw error;
    }
    listener.commit?.();
  }

  remove(listener: MemoryListener): void {
    if (!this.#listeners.includes(listener)) return;
    listener.begin?.();
    for (const range of this.#told?.ranges ?? []) listener.regionDelete?.(this.#section(range));
    listener.commit?.();
    this.#forget(listener);
  }

  update(attempt: (call: () => void) => void): void {
    const old = this.#told;
    const now = this.#space.flatView;
    if (old === null || old === now) return;
    this.#told = now;
    const gone = old.ranges.filter((range) => !shows(now, range));
    const come = now.ranges.filter((range) => !shows(old, range));
    const reversed = this.#listeners.toReversed();
    for (const range of gone) {
      const section = this.#section(range);
      for (const listener of reversed) attempt(() => listener.regionDelete?.(section));
    }
    for (const range of come) {
      const section = this.#section(range);
      for (const listener of this.#listeners) attempt(() => listener.regionAdd?.(section));
    }
  }

  #forget(listener: MemoryListener): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
    if (this.#listeners.length === 0) this.#told = null;
  }

  #section(range: FlatRange): MemorySection {
    return {
      addressSpace: this.#space,
      region: range.region,
      offsetInRegion: range.offsetInRegion,
      start: range.start,
      size: range.last - range.start + 1n,
      readonly: range.readonly,
    };
  }
}

/** True when `view` has exactly this range. */
function shows(view: FlatView, range: FlatRange): boolean {
  const other = view.find(range.start);
  return (
    other?.region === range.region &&
    other.start === range.start &&
    other.last === range.last &&
    other.offsetInRegion === range.offsetInRegion &&
    other.readonly === range.readonly
  );
}
