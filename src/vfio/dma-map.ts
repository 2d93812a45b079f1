import { ADDRESS_LAST, hex } from '../core/address.ts';
import type { Hpa } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { HostMemory } from '../host/memory.ts';
import type { HostMapping, HostPageTable } from '../host/page-table.ts';
import type { HeldEvents } from '../trace/model-events.ts';
import { noTracePoints } from '../trace/points/table.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { RamRange, ShadowMap, UnmapRange } from './guest-iommu-mr.ts';
import type { Isolation, Tenant } from './isolation.ts';
import { Refusals, type RefusalsState } from './refusals.ts';

export interface DmaMapParts extends TraceParts {
  /** The container's id, as events name it. */
  readonly container: number;
  /** The container, as it shows to others. */
  readonly tenant: Tenant;
  readonly isolation: Isolation;
  readonly table: HostPageTable;
  readonly memory: HostMemory;
  /** Contract iommufd, for trace points; default false. */
  readonly iommufd?: boolean;
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

/**
 * A container's map: the host page table, with an event for each change; changes of one operation that touch share one.
 *
 * It sees two mistakes of those who use it: an unmap of what is not mapped, or not as one (check `bad-unmap`), and one
 * that takes away in passing what the same operation maps again (check `transient-empty-table`).
 */
export class DmaMap implements ShadowMap, HeldEvents, Snapshottable<RefusalsState> {
  /** Behind the vIOMMU's events, which tell of the cause. */
  readonly rank = 1;
  readonly table: HostPageTable;
  readonly #container: number;
  readonly #tenant: Tenant;
  readonly #isolation: Isolation;
  readonly #memory: HostMemory;
  readonly #trace: TraceParts;
  readonly #iommufd: boolean;
  /** What could not be mapped: whoever asked may well ask to have it unmapped. */
  readonly #refused = new Refusals();
  #run: Run | null = null;
  /** What sweeps of this operation took away; by first address. */
  readonly #swept = new Map<bigint, HostMapping>();
  #sweepOperation = 0;

  constructor(parts: DmaMapParts) {
    this.table = parts.table;
    this.#container = parts.container;
    this.#tenant = parts.tenant;
    this.#isolation = parts.isolation;
    this.#memory = parts.memory;
    const { events, checks, faults, points } = parts;
    this.#trace = { events, checks, faults, points };
    this.#iommufd = parts.iommufd ?? false;
  }

  /**
   * Maps guest RAM.
   * @throws CommandError when the host refuses: misaligned, above its address width, mapped already; or by an injected
   *   fault
   */
  mapRam({ iova, gpa, size, block, offset, readonly, translated }: RamRange): void {
    const hpa = this.#memory.hpaOf(block, offset);
    const points = this.#iommufd ? this.#trace.points : noTracePoints;
    try {
      const hit = this.#trace.faults.reach('map', this.#tenant.device());
      if (hit?.kind === 'lose') return;
      if (hit?.kind === 'fail') throw new CommandError(hit.desc);
      this.table.map(iova, size, hpa, readonly);
      points.iommufd_backend_map_dma?.(-1, this.table.id, iova, size, hpa, readonly, 0);
    } catch (error) {
      points.iommufd_backend_map_dma?.(-1, this.table.id, iova, size, hpa, readonly, -1);
      this.refuse({ iova, size });
      throw error;
    }
    this.#note({ mapped: true, iova, size, gpa, address: hpa, readonly });
    this.#checkReturn({ iova, size, hpa, readonly });
    if (translated) this.#isolation.mapped(this.#tenant, { iova, size, hpa, readonly });
  }

  /** The range was not mapped, so that it is no mistake to ask for its unmap. */
  refuse({ iova, size }: { readonly iova: bigint; readonly size: bigint }): void {
    this.#refused.add(iova, size);
  }

  /** Whether all of a range could not be mapped when it was to be. */
  isRefused(iova: bigint, size: bigint): boolean {
    return this.#refused.covers(iova, size);
  }

  /**
   * Takes away what is mapped in the range; sizes in bytes, up to 2^64. A sweep takes whatever there is; any other unmap
   * means exactly what was mapped.
   * @throws CommandError when a mapping lies partly in the range: the host cannot split one; or by an injected fault
   */
  unmap(range: UnmapRange): void {
    const { iova, size, sweep } = range;
    const refused = this.#refused.drop(iova, size);
    if (sweep) this.#refused.dropWithin(iova, size);
    const gone = [...this.table.rangesIn(iova, iova + size - 1n)];
    if (gone.length === 0 && (sweep || refused)) return;
    this.#checkUnmap(range, gone);
    const hit = this.#trace.faults.reach('unmap', this.#tenant.device());
    if (hit?.kind === 'lose') return;
    if (hit?.kind === 'fail') throw new CommandError(hit.desc);
    if (gone.length === 0) return;
    this.table.unmap(iova, size);
    if (this.#iommufd) this.#trace.points.iommufd_backend_unmap_dma?.(-1, this.table.id, iova, size, 0);
    for (const run of runsOf(gone)) this.#note(run);
    for (const one of gone) this.#isolation.unmapped(this.#tenant, one.iova);
    if (sweep) this.#remember(gone);
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

  /** The page table is the host's to save. */
  save(): RefusalsState {
    return this.#refused.save();
  }

  restore(state: RefusalsState): void {
    this.#refused.restore(state);
    this.#swept.clear();
  }

  /** The host's table was restored, and all of it is (or is not) what the guest's tables say. */
  restoreTranslated(translated: boolean): void {
    this.#isolation.restore(this.#tenant, translated ? this.table.rangesIn(0n, ADDRESS_LAST) : []);
  }

  /** The container is gone. */
  dispose(): void {
    this.#isolation.forget(this.#tenant);
  }

  #note(run: Run): void {
    if (this.#run !== null && continues(this.#run, run)) this.#run.size += run.size;
    else {
      this.release();
      this.#run = run;
    }
    this.#trace.events.hold(this);
  }

  #checkUnmap({ iova, size, sweep }: UnmapRange, gone: readonly HostMapping[]): void {
    const { checks } = this.#trace;
    if (!checks.isEnabled('bad-unmap')) return;
    const what = `Unmap of ${span(iova, size)} in container ${this.#container}`;
    const split = gone.find((one) => one.iova < iova || one.iova + one.size > iova + size);
    if (split !== undefined) {
      const desc = `${what} would split the mapping ${span(split.iova, split.size)}, which the host can unmap only as one`;
      checks.fail('bad-unmap', { device: this.#tenant.device(), desc });
      return;
    }
    const mapped = gone.reduce((sum, one) => sum + one.size, 0n);
    if (sweep || mapped === size) return;
    const found = mapped === 0n ? 'nothing' : `only ${hex(mapped)} bytes`;
    checks.fail('bad-unmap', { device: this.#tenant.device(), desc: `${what}, of which ${found} is mapped` });
  }

  #remember(gone: readonly HostMapping[]): void {
    const { operation } = this.#trace.events;
    if (operation !== this.#sweepOperation) this.#swept.clear();
    this.#sweepOperation = operation;
    // While the machine is built (operation 0) no device sends requests that could find nothing.
    if (operation === 0 || !this.#trace.checks.isEnabled('transient-empty-table')) return;
    for (const one of gone) this.#swept.set(one.iova, one);
  }

  /** What comes back as it was need not have gone: requests in between faulted. Told once an operation. */
  #checkReturn({ iova, size, hpa, readonly }: HostMapping): void {
    const before = this.#swept.get(iova);
    if (before === undefined || this.#sweepOperation !== this.#trace.events.operation) return;
    if (before.size !== size || before.hpa !== hpa || before.readonly !== readonly) return;
    this.#swept.clear();
    const desc =
      `${span(iova, size)} in container ${this.#container} was unmapped and mapped again to the same place in one ` +
      'operation: requests in between found an empty table';
    this.#trace.checks.fail('transient-empty-table', { device: this.#tenant.device(), desc });
  }
}

function span(iova: bigint, size: bigint): string {
  return `${hex(iova)}-${hex(iova + size - 1n)}`;
}

/** Ranges by ascending address, those that touch as one. */
function runsOf(gone: readonly HostMapping[]): Run[] {
  const runs: Run[] = [];
  for (const { iova, size } of gone) {
    const run = runs.at(-1);
    if (run !== undefined && run.iova + run.size === iova) run.size += size;
    else runs.push({ mapped: false, iova, size });
  }
  return runs;
}

function continues(held: Run, run: Run): boolean {
  if (held.iova + held.size !== run.iova) return false;
  if (!held.mapped || !run.mapped) return held.mapped === run.mapped;
  if (held.readonly !== run.readonly) return false;
  return held.address + held.size === run.address && held.gpa + held.size === run.gpa;
}
