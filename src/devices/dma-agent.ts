import { ADDRESS_LAST, hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { faultReason } from '../iommu/faults.ts';
import { Permission, sentenceOf } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { AddressSpaceDmaPath, type DmaPath, type DmaRequest, type DmaResult } from '../memory/dma.ts';
import { IommuRegion, RegionNotifier } from '../memory/iommu-region.ts';
import {
  PAGE_GROUPS,
  PageRequestInterface,
  type PageRequestInterfaceState,
  pagesToAsk,
} from '../memory/page-request-interface.ts';
import type { PciIommuOps } from '../pci/iommu-ops.ts';
import { PciDevice, type PciDeviceState, type PciIdentity } from '../pci/device.ts';
import type { PciCapability } from '../pci/capabilities.ts';
import { bool } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { DeviceContext } from './context.ts';
import { DeviceTlb, type DeviceTlbState } from './device-tlb.ts';

export const dmaAgentProperties = {
  ats: deviceProperty('ats', bool, false, { description: 'asks for translations and caches them (PCIe ATS)' }),
  pri: deviceProperty('pri', bool, false, { description: 'asks for missing pages (PCIe PRI); with ats=on' }),
  pasid: deviceProperty('pasid', bool, true, { description: 'can issue requests with a PASID of 20 bits' }),
} as const;

const PASID_BITS = 20;
const CACHE_ENTRIES = 64;
const PAGE = 4096n;

export interface DmaAgentState extends PciDeviceState {
  cache: DeviceTlbState;
  pages: PageRequestInterfaceState;
  /** PASIDs whose invalidations it has asked to hear; null: requests without PASID. */
  heard: (number | null)[];
}

/**
 * A function that moves data on command, without or with PASID. With `ats=on` it asks the IOMMU for translations,
 * keeps them in a cache of its own, and issues requests that are translated already: these go past the IOMMU, until
 * an invalidation reaches the device. What it makes of a missing invalidation is what hardware would.
 */
export class DmaAgent extends PciDevice {
  readonly cache = new DeviceTlb(CACHE_ENTRIES);
  /** Its page requests. */
  readonly pageGroups: PageRequestInterface;
  readonly #context: DeviceContext;
  #notifiers: { readonly region: IommuRegion; readonly notifier: RegionNotifier; readonly pasid: number | null }[] = [];

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
    const { checks, clock, faults } = context;
    this.pageGroups = new PageRequestInterface({
      device: () => this.label,
      sink: {
        requestPage: (request) =>
          this.#viommu?.requestPage?.(this.bus, this.devfn, request, this.pageGroups) ?? 'refused',
      },
      checks,
      faults,
      clock,
    });
  }

  get identity(): PciIdentity {
    // On conventional PCI there is no place for the capabilities of PCI Express.
    const capabilities: PciCapability[] = this.express ? [{ kind: 'express', port: 'endpoint' }] : [];
    if (this.value(dmaAgentProperties.ats)) capabilities.push({ kind: 'ats' });
    if (this.express && this.requestsPages) capabilities.push({ kind: 'page-requests', outstanding: PAGE_GROUPS });
    if (this.#hasPasids) capabilities.push({ kind: 'pasid', bits: PASID_BITS });
    return { vendor: 0x1234, device: 0x11e9, classCode: 0x00ff, capabilities };
  }

  /** It asks for pages that it misses. */
  get requestsPages(): boolean {
    return this.value(dmaAgentProperties.pri);
  }

  /** It keeps translations. */
  get caches(): boolean {
    return this.value(dmaAgentProperties.ats);
  }

  /** The way of its transfers. */
  get dmaPath(): DmaPath {
    return { move: (request) => this.#move(request) };
  }

  override save(): DmaAgentState {
    return {
      ...super.save(),
      cache: this.cache.save(),
      pages: this.pageGroups.save(),
      heard: this.#notifiers.map(({ pasid }) => pasid),
    };
  }

  override restore(state: DmaAgentState): void {
    super.restore(state);
    this.#deafen();
    for (const pasid of state.heard) this.#hear(pasid);
    this.cache.restore(state.cache);
    this.pageGroups.restore(state.pages);
  }

  protected override onRealize(): void {
    if (this.caches && !this.express) {
      throw new CommandError(
        `Device '${this.label}' is on ${this.bus.busName}, a bus of conventional PCI, which has no translation requests; ` +
          'leave ats=on out, or plug it into a PCI Express port',
      );
    }
    super.onRealize();
    if (this.requestsPages && !this.caches) {
      throw new CommandError(`Device '${this.label}' asks for pages only with translations of its own; add ats=on`);
    }
    if (this.caches && this.#viommu !== null) this.#hear(null);
  }

  protected override onUnrealize(): void {
    this.#deafen();
    this.cache.clear();
    this.pageGroups.abandon('the device was removed');
    super.onUnrealize();
  }

  protected override onReset(): void {
    this.cache.clear();
    this.pageGroups.reset();
  }

  get #hasPasids(): boolean {
    return this.express && this.value(dmaAgentProperties.pasid);
  }

  get #viommu(): PciIommuOps | null {
    return this.bus.effectiveIommuOps();
  }

  #move(request: DmaRequest): DmaResult {
    const { pasid } = request;
    if (pasid !== undefined && !this.#hasPasids) {
      return {
        kind: 'fault',
        sentence: `Device '${this.label}' issues no requests with PASID; plug it into a PCI Express port, with pasid=on`,
      };
    }
    const viommu = this.#viommu;
    if (this.caches && viommu !== null) return this.#moveTranslated(viommu, request);
    const path = new AddressSpaceDmaPath(this.addressSpace, {
      attributes: { requester: this.requesterId() },
      withPasid: (wanted) => viommu?.getPasidAddressSpace?.(this.bus, this.devfn, wanted) ?? null,
    });
    return path.move(request);
  }

  /** By a translation from the cache, or one that is asked for now. */
  #moveTranslated(viommu: PciIommuOps, request: DmaRequest): DmaResult {
    const { address, write, bytes } = request;
    const pasid = request.pasid ?? null;
    const wanted = write ? Permission.write : Permission.read;
    let entry = this.cache.lookup(pasid, address, wanted);
    if (entry === null) {
      this.#hear(pasid);
      const [answer = null] =
        viommu.atsTranslate?.(this.bus, this.devfn, {
          address: address - (address % PAGE),
          length: PAGE,
          write,
          ...(pasid !== null && { pasid }),
        }) ?? [];
      if (answer === null || (answer.permissions & wanted) === 0) return this.#withoutRight(request);
      this.cache.insert(pasid, answer);
      entry = answer;
    }
    const target = entry.address + (address - entry.iova);
    const { memory } = this.#context;
    const result = write ? memory.write(target, bytes) : memory.read(target, bytes);
    if (result.error === null) return { kind: 'moved' };
    const bad = result.firstBad ?? target;
    return { kind: 'fault', sentence: sentenceOf(result.error, bad, write), moved: Number(bad - target) };
  }

  /** What was not translated is asked for, where the device can; without it, or refused, the transfer fails. */
  #withoutRight(request: DmaRequest): DmaResult {
    const { address, write } = request;
    const what = `for ${hex(address)}${request.pasid === undefined ? '' : ` with PASID ${request.pasid}`}`;
    const right = write ? 'write' : 'read';
    const fault = (sentence: string): DmaResult => ({ kind: 'fault', sentence });
    if (!this.requestsPages) return fault(`The translation request ${what} was answered without the right to ${right}`);
    const pages = pagesToAsk(request, (page) => this.#isMissing(page, request));
    const asked = this.pageGroups.ask({ pages, write, ...(request.pasid !== undefined && { pasid: request.pasid }) });
    return asked ?? fault(`The page request ${what} was refused by the unit, after the right to ${right} was missing`);
  }

  /** Whether the device would get no right to a page behind the one that it needs now. */
  #isMissing(address: bigint, { pasid, write }: DmaRequest): boolean {
    const access = write ? 'write' : 'read';
    const tag = pasid === undefined ? {} : { pasid };
    const space = this.#context.units.spaceOf(this.addressSpace);
    const answer = space?.unit.translate(space, { address, access, ...tag });
    return answer?.result === 'fault' && faultReason(answer.code).recoverable;
  }

  /** Has the unit tell invalidations for the PASID, from now on. @throws CommandError when the unit has none to tell */
  #hear(pasid: number | null): void {
    if (this.#notifiers.some((known) => known.pasid === pasid)) return;
    const space =
      pasid === null ? this.addressSpace : this.#viommu?.getPasidAddressSpace?.(this.bus, this.devfn, pasid);
    const region = space === undefined ? undefined : regionOf(space);
    if (region === undefined) throw new CommandError(`Device '${this.label}' finds no IOMMU that answers ATS requests`);
    const notifier = new RegionNotifier({
      name: 'dma-agent-cache',
      device: this.label,
      kind: 'device',
      events: ['deviotlb-unmap'],
      start: 0n,
      last: ADDRESS_LAST,
      notify: ({ entry }) => this.cache.drop(pasid, entry.iova, entry.mask + 1n),
    });
    region.registerNotifier(notifier);
    this.#notifiers.push({ region, notifier, pasid });
  }

  #deafen(): void {
    for (const { region, notifier } of this.#notifiers) region.unregisterNotifier(notifier);
    this.#notifiers = [];
  }
}

/** The IOMMU region that an address space shows while it is translated. */
function regionOf(space: AddressSpace): IommuRegion | undefined {
  return space.root.subregions.find((region) => region instanceof IommuRegion);
}
