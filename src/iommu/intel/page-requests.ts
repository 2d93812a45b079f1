import type { ModelEventData, ModelEvents } from '../../trace/model-events.ts';
import type { PageResponse, UnitPageRequest } from '../unit.ts';
import type { PageGroupResponse } from './descriptors.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import type { RegisterLevel } from './register-level.ts';
import type { Translation } from './translation.ts';

const NOT_ENABLED = 0x47;
/** Response codes of a page group response descriptor (VT-d, section 7.7.1); all others are failures. */
const RESPONSES: readonly PageResponse[] = ['success', 'invalid'];

export interface PageRequestParts {
  readonly unit: () => string;
  readonly registers: RegisterLevel;
  readonly translation: Translation;
  readonly events: ModelEvents;
  /** The unit offers page requests. */
  readonly offered: boolean;
}

/**
 * Page requests from the device to the guest's queue, and the guest's answers back to the device (VT-d, section 7.4
 * and 7.7). Who waits is not saved: a device that is restored asks again.
 */
export class PageRequests {
  readonly #parts: PageRequestParts;
  /** By source-id, PASID and group. */
  readonly #waiting = new Map<string, (response: PageResponse) => void>();

  constructor(parts: PageRequestParts) {
    this.#parts = parts;
  }

  request(space: IntelDeviceSpace, request: UnitPageRequest): 'queued' | 'refused' | 'overflow' {
    const { events, offered, registers, translation, unit } = this.#parts;
    const { address, pasid, write, group } = request;
    const { sourceId } = space;
    if (!offered) return 'refused';
    const code = pasid === undefined ? NOT_ENABLED : translation.pageRequestFault(sourceId);
    if (pasid === undefined || code !== 0) {
      const tag = pasid === undefined ? {} : { pasid };
      registers.record({ sourceId, address, code, write, ...tag, faultProcessingDisabled: false });
      return 'refused';
    }
    const rights = { read: !write, write, execute: false, privileged: false };
    const answer = registers.pageRequests.request({ sourceId, pasid, address, ...rights, group, last: true });
    if (answer === 'overflow') return answer;
    translation.forgetPage(sourceId, pasid, address);
    this.#waiting.set(keyOf({ sourceId, pasid, group }), (response) => request.respond(response));
    const access: ModelEventData<'IOMMU_PAGE_REQUEST'>['access'] = [write ? 'write' : 'read'];
    const device = space.deviceName;
    const page = address & ~0xfffn;
    events.emit('IOMMU_PAGE_REQUEST', { iommu: unit(), device, pasid, address: page, group, last: true, access });
    return 'queued';
  }

  /** The guest answered. An answer that nobody waits for is lost. */
  respond(response: PageGroupResponse): void {
    const key = keyOf(response);
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    waiting?.(RESPONSES[response.code] ?? 'failure');
  }

  reset(): void {
    this.#waiting.clear();
  }
}

function keyOf({ sourceId, pasid, group }: { sourceId: number; pasid?: number; group: number }): string {
  return `${sourceId}/${pasid ?? ''}/${group}`;
}
