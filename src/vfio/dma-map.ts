import type { Hpa } from '../core/address.ts';
import type { HostMemory } from '../host/memory.ts';
import type { HostMapping, HostPageTable } from '../host/page-table.ts';
import type { HeldEvents } from '../trace/model-events.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { RamRange, ShadowMap } from './guest-iommu-mr.ts';

export interface DmaMapParts extends TraceParts {
  /** The container's id, as events name it. */
  readonly container: number;
  readonly table: HostPageTable;
  readonly memory: HostMemory;
}

/** Changes of one kind that touch. */
type Run =
  | {
      readonly mapped: true;
      readonly iova: bigint;
      size: bigint;
      readonly gpa: bigint;
      readonly address: Hpa;
      readonly readonly: boolean;
    }
  | { readonly mapped: false; readonly iova: bigint; size: bigint };

/** A container's map: the host page table, with an event for each change; changes of one operation that touch share one. */
export class DmaMap implements ShadowMap, HeldEvents {
  /** Behind the vIOMMU's events, which tell of the cause. */
  readonly rank = 1;
  readonly table: HostPageTable;
  readonly #container: number;
  readonly #memory: HostMemory;
  readonly #trace: TraceParts;
  #run: Run | null = null;

  constructor(parts: DmaMapParts) {
    this.table = parts.table;
    this.#container = parts.container;
    this.#memory = parts.memory;
    const { events, checks, faults } = parts;
    this.#trace = { events, checks, faults };
  }

  /**
   * Maps guest RAM.
   * @throws CommandError when the host refuses: misaligned, above its address width, mapped already
   */
  mapRam({ iova, gpa, size, block, offset, readonly }: RamRange): void {
    const hpa = this.#memory.hpaOf(block, offset);
    this.table.map(iova, size, hpa, readonly);
    this.#note({ mapped: true, iova, size, gpa, address: hpa, readonly });
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
    for (const range of gone) this.#note({ mapped: false, iova: range.iova, size: range.size });
  }

  release(): void {
    const run = this.#run;
    if (run === null) return;
    this.#run = null;
    const { iova, size } = run;
    const common = { container: this.#container, iova, size };
    if (run.mapped) {
      const { address, gpa } = run;
      this.#trace.events.emit('VFIO_DMA_MAPPED', { ...common, address, gpa, readonly: run.readonly });
    } else {
      this.#trace.events.emit('VFIO_DMA_UNMAPPED', common);
    }
  }

  #note(run: Run): void {
    if (this.#run !== null && continues(this.#run, run)) this.#run.size += run.size;
    else {
      this.release();
      this.#run = run;
    }
    this.#trace.events.hold(this);
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

function continues(held: Run, run: Run): boolean {
  if (held.iova + held.size !== run.iova) return false;
  if (!held.mapped || !run.mapped) return held.mapped === run.mapped;
  if (held.readonly !== run.readonly) return false;
  return held.address + held.size === run.address && held.gpa + held.size === run.gpa;
}

function clip(mapping: HostMapping, start: bigint, last: bigint): { iova: bigint; size: bigint } | null {
  const mappingLast = mapping.iova + mapping.size - 1n;
  const first = mapping.iova > start ? mapping.iova : start;
  const end = mappingLast < last ? mappingLast : last;
  if (first > end) return null;
  return { iova: first, size: end - first + 1n };
}
