import type { PageRequest, PageRequestOutcome, PageResponder, PageResponse } from '../../memory/page-request.ts';
import type { ModelEvents } from '../../trace/model-events.ts';
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
 * Page requests from the devices to the guest's queue, and the guest's answers back to them (VT-d, section 7.4 and
 * 7.7). A device whose request finds no room is answered in software's place, and asks again (VT-d, section 7.4.1): it
 * is told when software has made room, since asking in a loop until then would lead nowhere.
 *
 * Whom an answer goes to is not saved: a device that is restored asks again.
 */
export class PageRequests {
  readonly #parts: PageRequestParts;
  /** By source-id, who asked last. */
  readonly #responders = new Map<number, PageResponder>();
  #starved = new Set<PageResponder>();

  constructor(parts: PageRequestParts) {
    this.#parts = parts;
  }

  /** The unit offers page requests, and the guest has enabled those of the device. */
  takes(space: IntelDeviceSpace): boolean {
    const { offered, translation } = this.#parts;
    return offered && translation.pageRequestFault(space.sourceId) === 0;
  }

  request(space: IntelDeviceSpace, request: PageRequest, responder: PageResponder): PageRequestOutcome {
    const { events, offered, registers, translation, unit } = this.#parts;
    const { address, pasid, write, group, last } = request;
    const { sourceId } = space;
    if (!offered) return 'refused';
    const code = pasid === undefined ? NOT_ENABLED : translation.pageRequestFault(sourceId);
    if (pasid === undefined || code !== 0) {
      const tag = pasid === undefined ? {} : { pasid };
      registers.record({ sourceId, address, code, write, ...tag, faultProcessingDisabled: false });
      return 'refused';
    }
    const rights = { read: !write, write, execute: false, privileged: false };
    if (registers.pageRequests.request({ sourceId, pasid, address, ...rights, group, last }) === 'overflow') {
      this.#starved.add(responder);
      return 'overflow';
    }
    translation.forgetPage(sourceId, pasid, address);
    this.#responders.set(sourceId, responder);
    events.emit('IOMMU_PAGE_REQUEST', {
      iommu: unit(),
      device: space.deviceName,
      pasid,
      address: address & ~0xfffn,
      group,
      last,
      access: [write ? 'write' : 'read'],
    });
    return 'queued';
  }

  /** The guest answered. An answer that no device asked for is lost. */
  respond({ sourceId, pasid, group, code }: PageGroupResponse): void {
    const response = RESPONSES[code] ?? 'failure';
    this.#responders.get(sourceId)?.respondToPages({ group, pasid: pasid ?? null, response });
  }

  /** The queue that was full takes requests again. */
  retry(): void {
    const starved = this.#starved;
    this.#starved = new Set();
    for (const responder of starved) responder.retryPages();
  }

  reset(): void {
    this.#responders.clear();
    this.#starved.clear();
  }
}
