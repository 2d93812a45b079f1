import { ADDRESS_LAST, hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { type IoMapping, MappingTable } from '../../iommu/virtio/mapping-table.ts';
import { ConfigOffset, IommuFeature, type IommuRequest, MapFlag } from '../../iommu/virtio/protocol.ts';
import { probedRegions } from '../../iommu/virtio/reserved-regions.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { Feature, featureMask, Status } from '../../virtio/features.ts';
import type { GuestDriver, GuestMapping, GuestMode, GuestUnmapping } from '../guest-driver.ts';
import { Processor } from '../processor.ts';
import {
  checkTableRange,
  defaultTableRange,
  TablePages,
  type TablePagesState,
  type TableRange,
} from '../table-pages.ts';
import { GuestVirtioDevice } from './device.ts';
import { type GuestAnswer, type GuestFault, IommuQueues, type IommuQueuesState } from './iommu-queues.ts';
import type { ConfigAccess } from './registers.ts';

/** Names of the statuses of requests (Virtio 1.2, section 5.13.6), by number. */
export const REQUEST_STATUS_NAMES = [
  'ok',
  'io-error',
  'unsupported',
  'device-error',
  'invalid',
  'range',
  'no-entry',
  'fault',
  'no-memory',
] as const;

/** What the driver knows of one domain that it has made. */
interface GuestDomain {
  readonly id: number;
  readonly mappings: MappingTable;
}

interface Running {
  readonly device: GuestVirtioDevice;
  readonly queues: IommuQueues;
  readonly pages: TablePages;
  /** What mappings are multiples of, in bytes. */
  readonly granule: bigint;
  /** The last input address. */
  readonly last: bigint;
}

export interface VirtioIommuDriverState {
  range: TableRange | null;
  running: {
    pages: TablePagesState;
    address: bigint;
    queues: IommuQueuesState;
    domains: { id: number; mappings: IoMapping[] }[];
    endpoints: { endpoint: number; domain: number }[];
  } | null;
}

/** What the driver takes of what the device offers. */
const WANTED = featureMask(
  ...Object.values(IommuFeature),
  Feature.version1,
  Feature.indirect,
  Feature.eventIndex,
  Feature.accessPlatform,
);

const NO_PASIDS = 'The unit has no PASIDs: virtio-iommu maps addresses of requests without PASID alone';

/**
 * A guest's driver for a virtio-iommu: a domain for each device, and a request for each mapping. Requests that are not
 * to be flushed wait in the ring until the next that is, as those of a kernel do.
 */
export class VirtioIommuDriver implements GuestDriver {
  readonly #processor: Processor;
  readonly #config: ConfigAccess;
  #range: TableRange | null = null;
  #running: Running | null = null;
  #domains = new Map<number, GuestDomain>();
  /** Which domain each endpoint is attached to. */
  #endpoints = new Map<number, number>();
  /** Requests that wait in the ring and count as done for the driver, so that their answers tell it nothing new. */
  readonly #anticipated = new Set<IommuRequest>();

  /** @param options.config configuration space of the function that is the unit */
  constructor(options: { memory: AddressSpace; config: ConfigAccess }) {
    this.#processor = new Processor(options.memory);
    this.#config = options.config;
  }

  get mode(): GuestMode | null {
    return this.#running === null ? null : 'other';
  }

  enable(mode: GuestMode, tables?: TableRange): TableRange {
    if (mode !== 'other') throw new CommandError(`The unit has no ${mode} mode: virtio-iommu has one only, other`);
    if (this.#running !== null) throw new CommandError('The unit is enabled already; use system_reset first');
    const device = new GuestVirtioDevice(this.#config, this.#processor);
    const { status } = device;
    if (status !== 0) {
      throw new CommandError(`The unit is in use (status ${hex(status)}) by somebody else; use system_reset first`);
    }
    const offered = device.features();
    const needed = featureMask(IommuFeature.mapUnmap, IommuFeature.bypassConfig);
    if ((offered & needed) !== needed) {
      throw new CommandError(`The unit offers the features ${hex(offered)}; the driver needs ${hex(needed)} of them`);
    }
    const range = tables ?? defaultTableRange(this.#processor);
    checkTableRange(this.#processor, range, this.#range);
    const pages = new TablePages(this.#processor, range);
    pages.requireContiguous(IommuQueues.pages, 'Enabling the unit');
    this.#range = range;
    const queues = new IommuQueues(this.#processor, device, pages.takeContiguous(IommuQueues.pages));
    device.start(offered & WANTED);
    device.enableQueue(0, queues.requests);
    device.enableQueue(1, queues.events);
    device.finish();
    queues.offerEventBuffers();
    device.registers.setDevice(ConfigOffset.bypass, 1, 0);
    this.#forget();
    this.#running = this.#assemble(device, queues, pages);
    return range;
  }

  map(mapping: GuestMapping): void {
    const { sourceId, iova, address, size, permissions, pasid } = mapping;
    this.#checkPages(mapping);
    const { granule } = this.#ready();
    if (pasid !== undefined) throw new CommandError(NO_PASIDS);
    if (address % granule !== 0n) {
      throw new CommandError(`Parameter 'address' ${hex(address)} is not a multiple of ${granule}`);
    }
    if (address + size - 1n > ADDRESS_LAST) throw new CommandError(`${size} bytes at ${hex(address)} go beyond 2^64`);
    if (permissions.length === 0) throw new CommandError("Parameter 'permissions' is empty; give read, write or both");
    if (permissions.includes('execute')) {
      throw new CommandError('Mappings of virtio-iommu have no right to execute; leave execute out');
    }
    const last = iova + size - 1n;
    const there = this.#domainOf(sourceId)?.mappings;
    const found = there?.entries()[there.indexIn(iova, last)];
    if (found !== undefined) {
      throw new CommandError(`${hex(iova)} to ${hex(last)} overlaps the mapping ${describe(found)}; unmap that first`);
    }
    this.#settle();
    this.#checkReserved(sourceId, iova, last);
    const flags =
      (permissions.includes('read') ? MapFlag.read : 0) | (permissions.includes('write') ? MapFlag.write : 0);
    const domain = this.#endpoints.get(sourceId) ?? this.#attach(sourceId);
    this.#require(this.request({ type: 'map', domain, start: iova, last, physical: address, flags }));
  }

  unmap(unmapping: GuestUnmapping): void {
    const { sourceId, iova, size, pasid, flush } = unmapping;
    this.#checkPages(unmapping);
    if (pasid !== undefined) throw new CommandError(NO_PASIDS);
    const domain = this.#domainOf(sourceId);
    if (domain === undefined) throw new CommandError(`${hex(iova)} is not mapped: nothing is, for this device`);
    const last = iova + size - 1n;
    checkWhole(domain.mappings, iova, last);
    const request: IommuRequest = { type: 'unmap', domain: domain.id, start: iova, last };
    const answer = this.request(request, flush);
    if (answer !== null) this.#require(answer);
  }

  bindPageTable(): void {
    throw new CommandError(NO_PASIDS);
  }

  unbindPageTable(): void {
    throw new CommandError(NO_PASIDS);
  }

  /**
   * Sends one request, whatever it asks for, and with it all that wait.
   * @param flush false leaves it in the ring
   * @returns the answer; null for one that waits
   * @throws CommandError when the unit is not enabled, or does not answer
   */
  request(request: IommuRequest): GuestAnswer;
  request(request: IommuRequest, flush: boolean): GuestAnswer | null;
  request(request: IommuRequest, flush = true): GuestAnswer | null {
    const { queues } = this.#ready();
    for (const answer of queues.put(request)) this.#note(answer);
    if (!flush) {
      this.#note({ request, status: 0 });
      this.#anticipated.add(request);
      return null;
    }
    const answers = queues.flush();
    for (const answer of answers) this.#note(answer);
    const own = answers.find((answer) => answer.request === request);
    if (own === undefined) {
      const { status } = this.#running!.device;
      throw new CommandError(`The device left the request unanswered: its status is ${hex(status)}`);
    }
    return own;
  }

  /** The faults that the device has reported since they were asked for last. @throws CommandError when not enabled */
  takeFaults(): GuestFault[] {
    return this.#ready().queues.takeFaults();
  }

  reset(): void {
    this.#running = null;
    this.#forget();
  }

  save(): VirtioIommuDriverState {
    if (this.#running === null) return { range: this.#range, running: null };
    const { pages, queues } = this.#running;
    return {
      range: this.#range,
      running: {
        pages: pages.save(),
        address: queues.requests.address,
        queues: queues.save(),
        domains: [...this.#domains.values()].map(({ id, mappings }) => ({ id, mappings: mappings.save() })),
        endpoints: [...this.#endpoints].map(([endpoint, domain]) => ({ endpoint, domain })),
      },
    };
  }

  restore(state: VirtioIommuDriverState): void {
    this.reset();
    this.#range = state.range;
    if (state.running === null || state.range === null) return;
    const { pages: savedPages, address, queues: savedQueues, domains, endpoints } = state.running;
    const device = new GuestVirtioDevice(this.#config, this.#processor);
    const pages = new TablePages(this.#processor, state.range);
    pages.restore(savedPages);
    const queues = new IommuQueues(this.#processor, device, address);
    queues.restore(savedQueues);
    this.#running = this.#assemble(device, queues, pages);
    for (const { request } of savedQueues.waiting) this.#anticipated.add(request);
    for (const { id, mappings } of domains) this.#provide(id).mappings.restore(mappings);
    this.#endpoints = new Map(endpoints.map(({ endpoint, domain }) => [endpoint, domain]));
  }

  #assemble(device: GuestVirtioDevice, queues: IommuQueues, pages: TablePages): Running {
    const word = (offset: number): bigint =>
      BigInt(device.registers.device(offset, 4)) | (BigInt(device.registers.device(offset + 4, 4)) << 32n);
    const mask = word(ConfigOffset.pageSizeMask);
    return { device, queues, pages, granule: mask & -mask, last: word(ConfigOffset.inputEnd) };
  }

  /** @throws CommandError unless the driver has enabled the unit, and it is at work */
  #ready(): Running {
    if (this.#running === null) {
      throw new CommandError('The guest driver has not enabled the unit; use guest-iommu-enable first');
    }
    const { status } = this.#running.device;
    if ((status & (Status.driverOk | Status.needsReset)) !== Status.driverOk) {
      throw new CommandError(`The unit is not at work (status ${hex(status)}); use system_reset and enable it again`);
    }
    return this.#running;
  }

  #checkPages({ iova, size }: { iova: bigint; size: bigint }): void {
    const { granule, last } = this.#ready();
    if (size === 0n || size % granule !== 0n) {
      throw new CommandError(`Parameter 'size' is ${size}; it must be a multiple of ${granule}, and not 0`);
    }
    if (iova % granule !== 0n) throw new CommandError(`Parameter 'iova' ${hex(iova)} is not a multiple of ${granule}`);
    if (iova + size - 1n > last) {
      throw new CommandError(`${size} bytes at ${hex(iova)} go beyond ${hex(last)}, the last address of the unit`);
    }
  }

  /** @throws CommandError when the device says that the endpoint cannot have these addresses (inclusive) mapped */
  #checkReserved(endpoint: number, start: bigint, last: bigint): void {
    const answer = this.request({ type: 'probe', endpoint });
    this.#require(answer);
    const regions = answer.properties === undefined ? [] : probedRegions(answer.properties);
    const region = regions.find((one) => one.start <= last && one.last >= start);
    if (region === undefined) return;
    const what = region.kind === 'msi' ? 'interrupt range' : 'reserved range';
    throw new CommandError(
      `${hex(start)} to ${hex(last)} covers the ${what} ${describe(region)}, which is never translated`,
    );
  }

  #domainOf(endpoint: number): GuestDomain | undefined {
    const id = this.#endpoints.get(endpoint);
    return id === undefined ? undefined : this.#domains.get(id);
  }

  #provide(id: number): GuestDomain {
    let domain = this.#domains.get(id);
    if (domain === undefined) this.#domains.set(id, (domain = { id, mappings: new MappingTable() }));
    return domain;
  }

  /** Gives an endpoint a domain of its own. */
  #attach(endpoint: number): number {
    let domain = 1;
    while (this.#domains.has(domain)) domain += 1;
    this.#require(this.request({ type: 'attach', domain, endpoint, flags: 0 }));
    return domain;
  }

  /** All that waits is done. */
  #settle(): void {
    for (const answer of this.#ready().queues.flush()) this.#note(answer);
  }

  #require({ request, status }: GuestAnswer): void {
    if (status === 0) return;
    const name = REQUEST_STATUS_NAMES[status] ?? 'unknown';
    throw new CommandError(`The device refused the ${request.type} request: status ${status}, ${name}`);
  }

  /** What a request that was done means for what the driver knows. */
  #note({ request, status }: GuestAnswer): void {
    if (this.#anticipated.delete(request) || status !== 0) return;
    switch (request.type) {
      case 'attach':
        this.#leave(request.endpoint);
        this.#provide(request.domain);
        this.#endpoints.set(request.endpoint, request.domain);
        return;
      case 'detach':
        this.#leave(request.endpoint);
        return;
      case 'map': {
        const { start, last, physical, flags } = request;
        this.#provide(request.domain).mappings.add({ start, last, physical, flags });
        return;
      }
      case 'unmap':
        this.#domains.get(request.domain)?.mappings.removeIn(request.start, request.last);
        return;
      case 'probe':
    }
  }

  /** A domain goes with its last endpoint. */
  #leave(endpoint: number): void {
    const domain = this.#endpoints.get(endpoint);
    this.#endpoints.delete(endpoint);
    if (domain !== undefined && ![...this.#endpoints.values()].includes(domain)) this.#domains.delete(domain);
  }

  #forget(): void {
    this.#domains.clear();
    this.#endpoints.clear();
    this.#anticipated.clear();
  }
}

/** @throws CommandError unless whole mappings fill the range without a gap */
function checkWhole(mappings: MappingTable, start: bigint, last: bigint): void {
  for (let at = start; at <= last; ) {
    const mapping = mappings.find(at);
    if (mapping === null) throw new CommandError(`${hex(at)} is not mapped`);
    if (mapping.start < start || mapping.last > last) {
      throw new CommandError(`${describe(mapping)} is one mapping, which goes as a whole only`);
    }
    at = mapping.last + 1n;
  }
}

function describe({ start, last }: { start: bigint; last: bigint }): string {
  return `${hex(start)} to ${hex(last)}`;
}
