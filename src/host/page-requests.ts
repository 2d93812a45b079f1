import type { VirtualClock } from '../core/clock.ts';
import { faultReason } from '../iommu/faults.ts';
import type { DmaRequest, DmaResult } from '../memory/dma.ts';
import { PageRequestInterface, type PageRequestInterfaceState, pagesToAsk } from '../memory/page-request-interface.ts';
import type { PageRequest, PageRequestOutcome, PageRequestSink } from '../memory/page-request.ts';
import type { Checks } from '../trace/checks.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { HostFault } from './fault.ts';
import type { TranslationAnswer } from './look.ts';

/** Where the requests of a function go. */
export interface HostPageRequestSink extends PageRequestSink {
  /** A page table that is attached to a PASID now gets a fault queue: the guest takes page requests. */
  readonly opensFaultQueues: boolean;
}

/** What page requests need of the function that makes them. */
export interface PageRequester {
  readonly name: string;
  readonly device: string | null;
  readonly capabilities: { readonly pageRequests: boolean };
  translate(address: bigint, access: 'read' | 'write', pasid?: number): TranslationAnswer;
  /** Drops what the IOTLB holds of a page. */
  forgetPage(pasid: number, address: bigint): void;
}

export interface HostPageRequestsState {
  enabled: boolean;
  faultQueues: number[];
  groups: PageRequestInterfaceState;
}

/**
 * Page requests of one host function (PCI Express Base 5.0, section 10.4; VT-d, section 7.4): a request with PASID that
 * meets a fault which software can mend is held, and the pages that it misses are asked for.
 */
export class HostPageRequests implements Snapshottable<HostPageRequestsState> {
  readonly groups: PageRequestInterface;
  readonly #function: PageRequester;
  #route: HostPageRequestSink | null = null;
  /** PASIDs whose page table, by contract iommufd, was attached with a fault queue. */
  readonly #faultQueues = new Set<number>();
  #enabled = false;

  constructor(
    source: PageRequester,
    parts: { readonly checks: Checks; readonly faults: FaultPoints; readonly clock: VirtualClock },
  ) {
    this.#function = source;
    this.groups = new PageRequestInterface({
      device: () => source.device ?? source.name,
      sink: { requestPage: (request) => this.#request(request) },
      checks: parts.checks,
      faults: parts.faults,
      clock: parts.clock,
    });
  }

  /** Requests go there from now on. */
  connect(route: HostPageRequestSink): void {
    this.#route = route;
  }

  /** No requests are made any more, and those that are open get no answer. `reason` is the end of a sentence. */
  disconnect(reason: string): void {
    this.#route = null;
    this.#enabled = false;
    this.abandon(reason);
    this.groups.reset();
  }

  /** The function makes page requests: it can, so can the host's IOMMU, and its driver has enabled them. */
  get enabled(): boolean {
    return this.#enabled && this.#function.capabilities.pageRequests;
  }

  /** The driver enabled page requests, or stopped them: those that are open stay so. */
  enable(on: boolean): void {
    this.#enabled = on;
  }

  /** A page table was attached to a PASID, in place of another one or not (contract iommufd). */
  attached(pasid: number): void {
    if (this.#route?.opensFaultQueues === true) this.#faultQueues.add(pasid);
    else this.#faultQueues.delete(pasid);
  }

  /** The page table of a PASID is gone, and what the PASID asked for with it. */
  detached(pasid: number): void {
    this.#faultQueues.delete(pasid);
    this.groups.abandon('its PASID was detached', pasid);
  }

  hasFaultQueue(pasid: number): boolean {
    return this.#faultQueues.has(pasid);
  }

  /** A piece of a transfer met a fault: a wait where its page is asked for, otherwise the fault. */
  missed(request: DmaRequest, fault: HostFault): DmaResult {
    const { pasid, write } = request;
    if (pasid === undefined || !this.enabled || !faultReason(fault.code).recoverable)
      return { kind: 'fault', ...fault };
    const pages = pagesToAsk(request, (page) => this.#isMissing(page, pasid, write));
    const asked = this.groups.ask({ pages, pasid, write });
    if (asked !== null) return asked;
    const sentence = `${fault.sentence}; its page request was refused, since nobody takes page requests with PASID ${pasid}`;
    return { kind: 'fault', ...fault, sentence };
  }

  /** A reset of the function. */
  reset(): void {
    this.groups.reset();
  }

  /** The tables of all PASIDs are gone; `reason` is the end of a sentence. */
  abandon(reason: string): void {
    this.#faultQueues.clear();
    this.groups.abandon(reason);
  }

  save(): HostPageRequestsState {
    return { enabled: this.#enabled, faultQueues: [...this.#faultQueues], groups: this.groups.save() };
  }

  /** Where the requests go is for the device to say again. */
  restore(state: HostPageRequestsState): void {
    this.#enabled = state.enabled;
    this.#faultQueues.clear();
    for (const pasid of state.faultQueues) this.#faultQueues.add(pasid);
    this.groups.restore(state.groups);
  }

  #isMissing(page: bigint, pasid: number, write: boolean): boolean {
    const answer = this.#function.translate(page, write ? 'write' : 'read', pasid);
    return answer.result === 'fault' && faultReason(answer.code).recoverable;
  }

  /** What is cached of a page goes with the request for it (VT-d, section 7.4). */
  #request(request: PageRequest): PageRequestOutcome {
    const outcome = this.#route?.requestPage(request) ?? 'refused';
    if (outcome === 'queued' && request.pasid !== undefined) this.#function.forgetPage(request.pasid, request.address);
    return outcome;
  }
}
