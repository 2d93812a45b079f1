import { ADDRESS_LAST, hex } from '../core/address.ts';
import { type Bdf, formatBdf, sourceId } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import { NO_PASID } from '../iommu/iotlb.ts';
import type { Access } from '../memory/access.ts';
import type { DmaPath } from '../memory/dma.ts';
import type { DeviceTlbFlush, HostCapabilities, HostIommuDevice } from '../memory/host-device.ts';
import type { IotlbFlush, PasidCacheFlush, PasidTable, PasidTableFormat } from '../memory/iommu-object.ts';
import { FaultPath } from '../trace/fault-path.ts';
import { checkPasidTable, maximumTableSize } from './binding.ts';
import type { ContextEntry, NestedTable } from './caches.ts';
import type { DeviceCache } from './device-cache.ts';
import { HostDmaPath } from './dma-path.ts';
import { FlushAudit } from './flush-audit.ts';
import type { HostIommu } from './iommu.ts';
import type { TranslationAnswer } from './look.ts';
import { HostPageRequests } from './page-requests.ts';
import { type HostFunctionOptions, MAXIMUM_PASID_BITS, within } from './options.ts';
import type { HostPageTable } from './page-table.ts';
import { PasidAttachments } from './pasid-attachments.ts';
import type { PasidEntry } from './pasid-entry.ts';

/** What the guest has invalidated. */
export type GuestFlush =
  | { readonly kind: 'iotlb'; readonly flush: IotlbFlush }
  | { readonly kind: 'pasid-cache'; readonly flush: PasidCacheFlush }
  | { readonly kind: 'device-tlb'; readonly flush: DeviceTlbFlush };

/**
 * One PCI function of the host: which device of a guest has it, which second stage its DMA goes through, and which
 * PASID table of the guest is nested over that.
 */
export class HostFunction implements HostIommuDevice {
  readonly bdf: Bdf;
  /** The long form of its address. */
  readonly name: string;
  /** Null: it cannot be assigned. */
  readonly group: number | null;
  readonly pasidBits: number;
  /** The address of the function that it is a virtual one of; null for a physical one. */
  readonly physicalFunction: Bdf | null;
  /** It comes with the host and was not declared. */
  readonly builtIn: boolean;
  readonly ats: boolean;
  readonly pageRequests: boolean;
  /** What the host IOMMU and this function can do together. */
  readonly capabilities: HostCapabilities;
  /** Segment and source-id in one number: what the host IOMMU knows it by. */
  readonly requester: number;
  /** The translations that it keeps itself; null where it, or the host, has no ATS. */
  readonly deviceCache: DeviceCache | null;
  /** What it asks software for. */
  readonly pages: HostPageRequests;
  /** The way of what the guest invalidates into the caches. */
  readonly invalidations: FaultPath<GuestFlush, number>;
  readonly #iommu: HostIommu;
  readonly #audit: FlushAudit;
  #device: (() => string) | null = null;
  #table: HostPageTable | null = null;
  #nested: NestedTable | null = null;
  #context: ContextEntry | null = null;
  #contextOperation = 0;
  #pasids: PasidAttachments | null = null;

  /** @throws CommandError when an option is outside its limits */
  constructor(options: HostFunctionOptions, iommu: HostIommu) {
    this.bdf = options.bdf;
    this.name = formatBdf(options.bdf);
    this.group = options.group ?? null;
    this.pasidBits = within('pasid-bits', options.pasidBits ?? MAXIMUM_PASID_BITS, 0, MAXIMUM_PASID_BITS);
    this.physicalFunction = options.physicalFunction ?? null;
    this.builtIn = options.builtIn ?? false;
    this.ats = options.ats ?? true;
    this.pageRequests = options.pageRequests ?? true;
    const host = iommu.capabilities;
    this.capabilities = {
      ...host,
      pasidBits: Math.min(host.pasidBits, this.pasidBits),
      ats: host.ats && this.ats,
      pageRequests: host.pageRequests && this.pageRequests,
    };
    this.requester = options.bdf.segment * 0x1_0000 + sourceId(options.bdf);
    this.#iommu = iommu;
    this.#audit = new FlushAudit(this, iommu);
    this.invalidations = new FaultPath({
      point: 'invalidate',
      faults: iommu.faults,
      clock: iommu.clock,
      device: () => this.device,
      carryOut: (flush) => this.#carryOut(flush),
    });
    this.deviceCache = this.capabilities.ats ? iommu.caches.deviceCache(this.requester) : null;
    this.pages = new HostPageRequests(this, iommu);
  }

  /** Name of the device that has claimed it. */
  get device(): string | null {
    return this.#device?.() ?? null;
  }

  /** The second stage of its DMA. */
  get table(): HostPageTable | null {
    return this.#table;
  }

  /** The guest's table that is nested over it. */
  get binding(): PasidTable | null {
    return this.#nested?.table ?? null;
  }

  /** The same with the id that tags the caches. */
  get nested(): NestedTable | null {
    return this.#nested;
  }

  /** The PASIDs that are attached one by one; null: the function takes whole tables, or none. */
  get pasids(): PasidAttachments | null {
    return this.#pasids;
  }

  /** @throws CommandError while another device has it */
  claim(device: () => string): void {
    if (this.#device !== null) {
      throw new CommandError(`Host function ${this.name} is used by device '${this.#device()}': remove that one first`);
    }
    this.#device = device;
  }

  /** Undoes everything: the binding, the attachment and the claim. */
  release(): void {
    this.invalidations.drop();
    this.detach();
    this.enableAts(false);
    this.#device = null;
  }

  /** Sends its DMA through `table` from now on. A PASID table that was bound goes with the old one. */
  attach(table: HostPageTable): void {
    if (this.#table === table) return;
    this.detach();
    this.#table = table;
    table.join(this);
    this.#contextChanged();
  }

  /** Blocks its DMA. */
  detach(): void {
    this.unbindPasidTable();
    this.#table?.leave(this);
    this.#table = null;
    this.#contextChanged();
  }

  /** The largest table that the host takes for this function, in bytes; also the default size of a bind. */
  maximumTableSize(format: PasidTableFormat): bigint {
    return maximumTableSize(format, this.capabilities.pasidBits);
  }

  /**
   * Nests a guest's PASID table over the second stage, in place of one bound before. What the caches held of that is
   * dropped.
   * @throws CommandError naming value and limit; then nothing has changed
   */
  bindPasidTable(table: PasidTable): void {
    checkPasidTable(table, this.name, this.capabilities, this.#table, true);
    this.unbindPasidTable();
    this.#nested = this.#iommu.nest(table, this.#table!, this, null);
    this.#contextChanged();
    this.#checkParent(this.#table!);
  }

  /**
   * Prepares the function for PASIDs that are attached one by one, as `table` names them: see {@link pasids}. Where a
   * table was opened before, what is attached stays.
   * @throws CommandError naming value and limit; then nothing has changed
   */
  openPasids(table: PasidTable): PasidAttachments {
    checkPasidTable(table, this.name, this.capabilities, this.#table, false);
    return this.#openPasids(table);
  }

  /** Takes back a later {@link openPasids}: `table` was open, and `entries` attached, until then. */
  reopenPasids(table: PasidTable, entries: ReadonlyMap<number, PasidEntry>): void {
    this.#openPasids(table).takeBack(entries);
  }

  /** Blocks requests with PASID and drops what the caches held of the table; without one nothing happens. */
  unbindPasidTable(): void {
    if (this.#nested === null) return;
    this.#pasids?.detachAll();
    this.#pasids = null;
    this.#iommu.unnest(this.#nested);
    this.#nested = null;
    this.#contextChanged();
    this.pages.abandon('the table of its PASID was unbound');
  }

  /**
   * Drops first-stage translations of the bound table: exactly those with the domain id and PASID asked for, and of
   * these with granularity `page` the ones whose page meets `address` to before `address + size`. A domain id that
   * `pasid` and `page` leave out is that of the PASID's entry: of the cached one, else of the one in memory. The
   * leaf-only hint changes nothing: whole translations are all that is kept.
   * @returns how many entries that were; 0 without a bound table
   * @throws CommandError when a domain id is left out and there is no entry to take it from
   */
  flushIotlb(flush: IotlbFlush): number {
    return this.#audit.iotlb(flush, () =>
      this.#nested === null ? 0 : (this.invalidations.take({ kind: 'iotlb', flush }) ?? 0),
    );
  }

  #flushIotlb(flush: IotlbFlush): number {
    const nested = this.#nested;
    if (nested === null) return 0;
    if (this.#pasids !== null) return this.#pasids.flush(flush);
    const { granularity, pasid, address, size } = flush;
    const caches = this.#iommu.caches;
    if (granularity === 'global') return caches.flushNested(nested.id, {});
    if (granularity === 'domain') return caches.flushNested(nested.id, { domainId: required(flush, 'domainId') });
    const scope = {
      pasid: required(flush, 'pasid'),
      domainId: flush.domainId ?? this.#requireDomainId(nested, required(flush, 'pasid')),
    };
    if (granularity === 'pasid' || pasid === undefined) return caches.flushNested(nested.id, scope);
    if (address === undefined || size === undefined) throw new Error('a page flush comes with address and size');
    const last = Number((address + size - 1n) >> 12n);
    return caches.flushNested(nested.id, { ...scope, first: Number(address >> 12n), last });
  }

  /** The guest's domain id of a PASID: of the cached entry, else of the one in memory; null where there is none. */
  domainIdOf(pasid: number): number | null {
    const nested = this.#nested;
    if (nested === null) return null;
    const { caches, look } = this.#iommu;
    const cached = nested.attached?.get(pasid) ?? caches.pasid.peek(caches.pasidKey(this.requester, pasid));
    return (cached ?? look.pasidEntry(nested, pasid))?.domainId ?? null;
  }

  /** Drops cached PASID entries of the bound table; returns how many. The IOTLB keeps what it has. */
  flushPasidCache(flush: PasidCacheFlush): number {
    return this.#audit.pasidCache(flush, () =>
      this.#nested === null ? 0 : (this.invalidations.take({ kind: 'pasid-cache', flush }) ?? 0),
    );
  }

  #flushPasidCache(flush: PasidCacheFlush): number {
    const nested = this.#nested;
    if (nested === null) return 0;
    const { granularity, domainId } = flush;
    const pasid = granularity === 'pasid' ? required(flush, 'pasid') : undefined;
    if (granularity === 'domain') required(flush, 'domainId');
    return this.#iommu.caches.pasid.drop(
      (entry) =>
        entry.nestedTable === nested.id &&
        (granularity === 'global' ||
          ((domainId === undefined || entry.domainId === domainId) && (pasid === undefined || entry.pasid === pasid))),
    );
  }

  /** The way of its DMA; `device` names it in events, by default the device that has claimed it. */
  dmaPath(device: () => string = () => this.device ?? this.name): DmaPath {
    return new HostDmaPath(this, device, this.#iommu);
  }

  /** Where an access would lead, without leaving a trace. */
  translate(address: bigint, access: Access, pasid?: number): TranslationAnswer {
    return this.#iommu.look.translate(this, address, access, pasid);
  }

  /** Drops what the host's IOTLB holds of a page of the guest's table, since its PASID asks for it. */
  forgetPage(pasid: number, address: bigint): void {
    const page = Number(address >> 12n);
    const scope = { pasid, first: page, last: page };
    const tables = new Set([this.#nested?.id, this.#nested?.attached?.get(pasid)?.nestedTable]);
    for (const table of tables) if (table !== undefined) this.#iommu.caches.flushNested(table, scope, true);
  }

  /** What its context entry says: the same object until that changes; null while it is attached to nothing. */
  get contextEntry(): ContextEntry | null {
    return this.#context;
  }

  /** The operation that made its context what it is. */
  get contextOperation(): number {
    return this.#contextOperation;
  }

  /** Its address translation services: while they are on, it asks for translations and keeps them itself. */
  get atsEnabled(): boolean {
    return this.deviceCache?.enabled ?? false;
  }

  /** Switches them, as its ATS control register does. Without the capability, of it or of the host, nothing happens. */
  enableAts(on: boolean): void {
    if (this.deviceCache !== null) this.deviceCache.enabled = on;
  }

  flushDeviceTlb(flush: DeviceTlbFlush): number {
    return this.deviceCache === null ? 0 : (this.invalidations.take({ kind: 'device-tlb', flush }) ?? 0);
  }

  #flushDeviceTlb({ pasid = NO_PASID, address, size }: DeviceTlbFlush): number {
    if (this.deviceCache === null) return 0;
    const last = Number((address + size - 1n) >> 12n);
    return this.deviceCache.flush({ pasid, first: Number(address >> 12n), last });
  }

  /** For a restored state: takes table, binding and attached PASIDs as they were. */
  restoreAttachment(
    table: HostPageTable | null,
    nested: NestedTable | null,
    pasids: PasidAttachments | null = null,
  ): void {
    this.#table?.leave(this);
    this.#table = table;
    this.#nested = nested;
    this.#pasids = pasids;
    table?.join(this);
    this.#makeContext();
  }

  #carryOut(one: GuestFlush): number {
    switch (one.kind) {
      case 'iotlb':
        return this.#flushIotlb(one.flush);
      case 'pasid-cache':
        return this.#flushPasidCache(one.flush);
      case 'device-tlb':
        return this.#flushDeviceTlb(one.flush);
    }
  }

  #contextChanged(): void {
    this.#makeContext();
    this.#iommu.caches.dropContext(this.requester);
  }

  #makeContext(): void {
    const iommu = this.#iommu;
    this.#contextOperation = iommu.operation;
    const stage = this.#table;
    const serial = iommu.nextContextSerial();
    this.#context = stage === null ? null : { requester: this.requester, serial, stage, nested: this.#nested };
  }

  /** What a host with erratum 772415 must not nest over. */
  #checkParent(stage: HostPageTable): void {
    if (!this.capabilities.errata772415) return;
    for (const { iova, size, readonly } of stage.rangesIn(0n, ADDRESS_LAST)) {
      if (!readonly) continue;
      const desc =
        `The host IOMMU has erratum 772415, and a first stage is nested over ${hex(iova)}-${hex(iova + size - 1n)}, which is ` +
        'mapped read-only: the device can write it; contract iommufd leaves such memory out';
      this.#iommu.checks.fail('host-capabilities', { device: this.device ?? this.name, desc });
      return;
    }
  }

  #openPasids(table: PasidTable): PasidAttachments {
    const pasids = this.#pasids ?? new PasidAttachments(this, this.#iommu);
    if (this.#pasids === null) this.unbindPasidTable();
    if (this.#nested !== null) this.#iommu.unnest(this.#nested);
    this.#pasids = pasids;
    this.#nested = this.#iommu.nest(table, this.#table!, this, pasids.entries);
    this.#contextChanged();
    return pasids;
  }

  #requireDomainId(nested: NestedTable, pasid: number): number {
    const found = this.domainIdOf(pasid);
    if (found !== null) return found;
    throw new CommandError(
      `No domain-id was given, and PASID ${pasid} has no entry in the table at ${hex(nested.table.address)} to take it from: give domain-id`,
    );
  }
}

function required(flush: IotlbFlush | PasidCacheFlush, member: 'pasid' | 'domainId'): number {
  const value = flush[member];
  if (value === undefined) throw new Error(`a flush of granularity ${flush.granularity} comes with ${member}`);
  return value;
}
