import type { ModelEventData, ModelEvents } from '../../trace/model-events.ts';
import { amdFault } from './faults.ts';
import type { AmdEvent } from './register-level.ts';

type FaultEvent = ModelEventData<'IOMMU_FAULT'>;

interface FaultEventParts {
  readonly unit: () => string;
  /** What events call the device with a device id. */
  readonly device: (deviceId: number) => string;
  readonly events: ModelEvents;
  /** The number of the present operation. */
  readonly operation: () => number;
}

/**
 * Tells of the unit's events that concern a request, whether or not the log takes them. What is refused is tried again
 * in pieces of 4 bytes, and logged again: of one operation a fault of one page is told once.
 */
export class FaultEvents {
  readonly #parts: FaultEventParts;
  #operation = -1;
  readonly #told = new Set<string>();

  constructor(parts: FaultEventParts) {
    this.#parts = parts;
  }

  tell({ code, requester, address = 0n, write = false }: AmdEvent): void {
    if (requester === undefined) return;
    const { device, events, operation, unit } = this.#parts;
    if (this.#operation !== operation()) {
      this.#operation = operation();
      this.#told.clear();
    }
    const page = address & ~0xfffn;
    const key = `${code}/${requester}/${page}/${write}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    events.emit('IOMMU_FAULT', {
      iommu: unit(),
      device: device(requester),
      address: page,
      access: write ? 'write' : 'read',
      code,
      reason: amdFault(code).reason as FaultEvent['reason'],
    });
  }
}
