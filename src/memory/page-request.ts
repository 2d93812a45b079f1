/** How software answers a page request group (PCI Express Base 5.0, section 10.4.2.1). */
export type PageResponse = 'success' | 'invalid' | 'failure';

/** A page that a device may not use yet, and wants (PCI Express Base 5.0, section 10.4.1). */
export interface PageRequest {
  /** First byte of the page. */
  readonly address: bigint;
  /** Absent: a request without PASID. */
  readonly pasid?: number;
  readonly write: boolean;
  /** Page request group index, 0 to 511. */
  readonly group: number;
  /** The last request of its group. */
  readonly last: boolean;
}

/** The answer to all requests of one group. */
export interface PageGroupAnswer {
  readonly group: number;
  /** Null: of requests without PASID; absent: whatever the group has. */
  readonly pasid?: number | null;
  readonly response: PageResponse;
}

/**
 * What became of a page request: it lies in software's queue; nobody takes it, so that the device gets a failure; or
 * the queue is full, so that software never sees it, and the device shall ask again.
 */
export type PageRequestOutcome = 'queued' | 'refused' | 'overflow';

/** Takes a device's page requests. */
export interface PageRequestSink {
  requestPage(request: PageRequest): PageRequestOutcome;
}

/** A device that has asked for pages, as an IOMMU knows it. */
export interface PageResponder {
  /** Software's answer reached the device. One to a group that is not open is lost. */
  respondToPages(answer: PageGroupAnswer): void;
  /** The queue that was full takes requests again. */
  retryPages(): void;
}
