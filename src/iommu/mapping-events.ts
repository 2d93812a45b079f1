import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import type { ListenerStatus } from '../memory/iommu-object.ts';
import { permissionNames } from '../memory/access.ts';
import type { RegionEvent } from '../memory/iommu-region.ts';
import type { HeldEvents, ModelEvents } from '../trace/model-events.ts';

interface Run {
  readonly mapped: boolean;
  readonly device: string;
  readonly iova: bigint;
  readonly address: bigint;
  readonly permissions: number;
  readonly listeners: ListenerStatus[];
  size: bigint;
}

/**
 * The events of what region notifiers of one unit were told: neighbours of one operation become one event, as long as
 * they lead to neighbours, with the same rights, and got the same answers.
 */
export class MappingEvents implements HeldEvents {
  readonly rank = 0;
  readonly #unit: () => string;
  readonly #events: ModelEvents;
  #run: Run | null = null;

  constructor(unit: () => string, events: ModelEvents) {
    this.#unit = unit;
    this.#events = events;
  }

  /** @param listeners what those who were told have answered; at least one */
  add(device: string, { type, entry }: RegionEvent, listeners: ListenerStatus[]): void {
    const run: Run = {
      mapped: type === 'map',
      device,
      iova: entry.iova,
      address: entry.translated,
      permissions: entry.permissions,
      listeners,
      size: entry.mask + 1n,
    };
    const held = this.#run;
    if (held !== null && continues(held, run)) held.size += run.size;
    else {
      this.release();
      this.#run = run;
    }
    this.#events.hold(this);
  }

  release(): void {
    const run = this.#run;
    if (run === null) return;
    this.#run = null;
    const { device, iova, size, listeners } = run;
    const common = { iommu: this.#unit(), device, iova, size };
    if (run.mapped) {
      const permissions = permissionNames(run.permissions);
      this.#events.emit('IOMMU_MAPPED', { ...common, address: run.address, permissions, listeners });
    } else {
      this.#events.emit('IOMMU_UNMAPPED', { ...common, listeners });
    }
  }
}

function continues(held: Run, run: Run): boolean {
  return (
    held.mapped === run.mapped &&
    held.device === run.device &&
    held.iova + held.size === run.iova &&
    // A size has 64 bits: all addresses at once are two runs.
    held.size + run.size < ADDRESS_SPACE_SIZE &&
    (!held.mapped || (held.address + held.size === run.address && held.permissions === run.permissions)) &&
    sameAnswers(held.listeners, run.listeners)
  );
}

function sameAnswers(a: readonly ListenerStatus[], b: readonly ListenerStatus[]): boolean {
  return a.length === b.length && a.every((status, index) => JSON.stringify(status) === JSON.stringify(b[index]));
}
