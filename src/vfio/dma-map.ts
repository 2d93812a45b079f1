import type { HostMemory } from '../host/memory.ts';
import type { HostMapping, HostPageTable } from '../host/page-table.ts';
import type { ModelEvents } from '../trace/model-events.ts';
import type { RamRange, ShadowMap } from './guest-iommu-mr.ts';

export interface DmaMapParts {
  /** The container's id, as events name it. */
  readonly container: number;
  readonly table: HostPageTable;
  readonly memory: HostMemory;
  readonly events: ModelEvents;
}

/** A container's map: the host page table, with an event for each change. */
export class DmaMap implements ShadowMap {
  readonly table: HostPageTable;
  readonly #container: number;
  readonly #memory: HostMemory;
  readonly #events: ModelEvents;

  constructor(parts: DmaMapParts) {
    this.table = parts.table;
    this.#container = parts.container;
    this.#memory = parts.memory;
    this.#events = parts.events;
  }

  /**
   * Maps guest RAM.
   * @throws CommandError when the host refuses: misaligned, above its address width, mapped already
   */
  mapRam({ iova, gpa, size, block, offset, readonly }: RamRange): void {
    const hpa = this.#memory.hpaOf(block, offset);
    this.table.map(iova, size, hpa, readonly);
    this.#events.emit('VFIO_DMA_MAPPED', { container: this.#container, iova, size, address: hpa, gpa, readonly });
  }

  /**
   * Takes away whatever is mapped in the range; `size` in bytes, up to 2^64. Where nothing is, nothing happens and no
   * event is sent: an IOMMU may tell of an unmap for what it never told mapped.
   * @throws CommandError when a mapping lies partly in the range: the host cannot split one
   */
  unmap(iova: bigint, size: bigint): void {
    if (this.table.rangeCount === 0) return;
    const gone = this.table.covers(iova, size).ok ? [{ iova, size }] : this.#mappedIn(iova, iova + size - 1n);
    const { ranges } = this.table.unmap(iova, size);
    if (ranges === 0) return;
    for (const range of gone) {
      this.#events.emit('VFIO_DMA_UNMAPPED', { container: this.#container, iova: range.iova, size: range.size });
    }
  }

  /** What is mapped from `start` to `last` (inclusive), runs that touch as one. */
  #mappedIn(start: bigint, last: bigint): { iova: bigint; size: bigint }[] {
    const runs: { iova: bigint; size: bigint }[] = [];
    for (const mapping of this.table.mappings()) {
      const part = clip(mapping, start, last);
      if (part === null) continue;
      const run = runs.at(-1);
      if (run !== undefined && run.iova + run.size === part.iova) run.size += part.size;
      else runs.push(part);
    }
    return runs;
  }
}

function clip(mapping: HostMapping, start: bigint, last: bigint): { iova: bigint; size: bigint } | null {
  const mappingLast = mapping.iova + mapping.size - 1n;
  const first = mapping.iova > start ? mapping.iova : start;
  const end = mappingLast < last ? mappingLast : last;
  if (first > end) return null;
  return { iova: first, size: end - first + 1n };
}
