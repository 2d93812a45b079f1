import type { HostFunction } from '../host/function.ts';
import type { HostPageRequestSink } from '../host/page-requests.ts';
import type { IommuObject } from '../memory/iommu-object.ts';
import type { PageRequest, PageRequestOutcome } from '../memory/page-request.ts';
import type { PciBus } from '../pci/bus.ts';
import type { PciIommuOps } from '../pci/iommu-ops.ts';
import type { ModelEvents } from '../trace/model-events.ts';
import type { VfioContract } from './container.ts';

export interface PageRequestRouteParts {
  /** The device's id, or its QOM path where it has none. */
  readonly device: string;
  readonly bus: PciBus;
  readonly devfn: number;
  readonly contract: VfioContract;
  readonly function: HostFunction;
  readonly object: IommuObject;
  readonly viommu: PciIommuOps;
  readonly events: ModelEvents;
}

/**
 * Where the page requests of an assigned function go: to whoever bound the table that they are about. A table that a
 * command bound is served by commands, so that the request is an event alone; what the guest bound, the guest serves,
 * from the queue of its vIOMMU.
 *
 * With contract `iommufd` the page table of a PASID has a fault queue if the guest took page requests when it was
 * attached; without one the host refuses by itself. With `pasid-table` the request reaches the vIOMMU, which refuses it and records a fault.
 */
export class PageRequestRoute implements HostPageRequestSink {
  readonly #parts: PageRequestRouteParts;

  constructor(parts: PageRequestRouteParts) {
    this.#parts = parts;
  }

  get opensFaultQueues(): boolean {
    const { bus, devfn, viommu } = this.#parts;
    return viommu.takesPageRequests?.(bus, devfn) === true;
  }

  requestPage(request: PageRequest): PageRequestOutcome {
    const { bus, contract, devfn, function: source, object, viommu } = this.#parts;
    const { pasid } = request;
    if (object.binding === null) return 'refused';
    if (object.binding.origin === 'command') return this.#tell(request);
    if (contract === 'iommufd' && !(pasid !== undefined && source.pages.hasFaultQueue(pasid))) return 'refused';
    return viommu.requestPage?.(bus, devfn, request, source.pages.groups) ?? 'refused';
  }

  #tell({ address, pasid, group, last, write }: PageRequest): 'queued' {
    const { device, events, object } = this.#parts;
    events.emit('IOMMU_PAGE_REQUEST', {
      iommu: object.unit,
      device,
      ...(pasid !== undefined && { pasid }),
      address,
      group,
      last,
      access: [write ? 'write' : 'read'],
    });
    return 'queued';
  }
}
