import { ADDRESS_LAST, hex } from '../core/address.ts';
import type { VirtualClock } from '../core/clock.ts';
import { CommandError } from '../core/errors.ts';
import { sentenceOf, type TransactionAttributes } from '../memory/access.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { isIommuRegion } from '../memory/iommu-region.ts';
import type { MemoryListener, MemorySection } from '../memory/listener.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { type IotlbNotice, IommuSection, type IommuSectionState } from './iommu-section.ts';
import { IotlbAccess, type IotlbMessage, type MissFailure } from './messages.ts';
import type { UserMemory } from './user-memory.ts';

export interface FrontendParts {
  readonly addressSpace: AddressSpace;
  readonly userMemory: UserMemory;
  readonly faults: FaultPoints;
  readonly clock: VirtualClock;
  /** The device, by id or QOM path. */
  readonly device: () => string;
  /** Of the device's requests. */
  readonly attributes: () => TransactionAttributes;
  /** To vhost. */
  readonly send: (message: IotlbMessage) => void;
  /** The vIOMMU has told of a range, whether or not an INVALIDATE comes of it. */
  readonly told: (notice: IotlbNotice) => void;
  /** The guest has completed an invalidation; both inclusive. */
  readonly invalidated: (first: bigint, last: bigint) => void;
}

export interface FrontendState {
  deviceIotlb: boolean;
  sections: IommuSectionState[];
}

/** A translation without an IOMMU on the way has no page: it is cached by this one. */
const SMALLEST_PAGE_MASK = 0xfffn;

/**
 * The side of vhost that the vIOMMU knows: it answers the device IOTLB's misses by translations of the device's address
 * space, and hangs on every IOMMU region that shows there, so that what goes is invalidated.
 *
 * While the space shows plain memory there is no notifier, and misses are answered all the same. What was cached then
 * stays when the space is switched, as in QEMU: nobody is told of a switch but by the unmaps that the unit sends itself.
 */
export class VhostFrontend implements MemoryListener, Snapshottable<FrontendState> {
  readonly priority = 0;
  readonly #parts: FrontendParts;
  #sections: readonly IommuSection[] = [];
  #deviceIotlb = false;
  #refusal: { readonly section: IommuSection; readonly sentence: string } | null = null;

  constructor(parts: FrontendParts) {
    this.#parts = parts;
  }

  /** Those of IOMMU regions that show now. */
  get sections(): readonly IommuSection[] {
    return this.#sections;
  }

  /** The vIOMMU would not tell of what goes: nothing may be cached then. Null: all is well. */
  get failure(): string | null {
    return this.#refusal?.sentence ?? null;
  }

  /** @throws CommandError when the vIOMMU refuses its notifiers; nothing is left then */
  start(deviceIotlb: boolean): void {
    this.#deviceIotlb = deviceIotlb;
    this.#refusal = null;
    this.#parts.addressSpace.addListener(this);
  }

  stop(): void {
    this.#parts.addressSpace.removeListener(this);
    this.#refusal = null;
  }

  /** Software has enabled ATS, or disabled it: the notifiers ask for the other kind of event from now on. */
  setDeviceIotlb(on: boolean): void {
    if (on === this.#deviceIotlb) return;
    this.#deviceIotlb = on;
    const sections = this.#sections.map(({ section }) => section);
    for (const section of this.#sections) section.unregister();
    this.#sections = [];
    this.#refusal = null;
    for (const section of sections) this.#addOrFail(section);
  }

  /** @throws CommandError when the vIOMMU refuses the notifier */
  regionAdd(section: MemorySection): void {
    if (isIommuRegion(section.region)) this.#add(section);
  }

  regionDelete(section: MemorySection): void {
    if (this.#refusal?.section.is(section) === true) this.#refusal = null;
    const gone = this.#sections.find((one) => one.is(section));
    this.#sections = this.#sections.filter((one) => one !== gone);
    gone?.unregister();
  }

  /**
   * Takes a message of vhost. A miss is answered by an UPDATE, if the address leads to RAM.
   * @returns why there is no answer; null: there was one
   */
  receive(message: IotlbMessage): MissFailure | null {
    switch (message.type) {
      case 'miss':
        return this.failure === null ? this.#answer(message.iova, message.access) : { sentence: this.failure };
      case 'access-fail':
        return { sentence: 'Access failure IOTLB message type not supported' };
      case 'update':
      case 'invalidate':
        return { sentence: 'Unexpected IOTLB message type' };
    }
  }

  save(): FrontendState {
    return { deviceIotlb: this.#deviceIotlb, sections: this.#sections.map((section) => section.save()) };
  }

  /** It is started, and shows the same sections. @throws Error when it has others */
  restore(state: FrontendState): void {
    if (state.sections.length !== this.#sections.length) {
      throw new Error(
        `vhost of ${this.#parts.device()} has ${this.#sections.length} sections, not ${state.sections.length}`,
      );
    }
    state.sections.forEach((saved, index) => this.#sections[index]!.restore(saved));
  }

  #answer(address: bigint, access: IotlbAccess): MissFailure | null {
    const { addressSpace, attributes, send, userMemory } = this.#parts;
    const write = access !== IotlbAccess.read;
    const found = addressSpace.translate(address, write ? 'write' : 'read', attributes());
    if (found.fault !== null) return found.fault;
    if (found.region === null) return { sentence: sentenceOf({ kind: 'decode' }, address, write) };
    const mask = found.mask === ADDRESS_LAST ? SMALLEST_PAGE_MASK : found.mask;
    const translated = found.address & ~mask;
    const region = userMemory.fromGuest(translated);
    if (region === null) return { sentence: `Fail to lookup the translated address ${translated.toString(16)}` };
    const size = mask + 1n < region.size ? mask + 1n : region.size;
    const iova = address & ~mask;
    send({ type: 'update', iova, size, userAddress: region.userAddress, access: IotlbAccess.readWrite });
    if (address < iova + size) return null;
    // The page goes on behind the end of the region, and its address is all that is looked up.
    return { sentence: `The translation of ${hex(iova)} reaches ${hex(size)} bytes only, not ${hex(address)}` };
  }

  /** @throws CommandError when the vIOMMU refuses the notifier; nothing is cached then until the section goes */
  #add(section: MemorySection): void {
    if (!isIommuRegion(section.region)) return;
    const { device, faults, clock, send, told, invalidated } = this.#parts;
    const added = new IommuSection({
      section,
      region: section.region,
      device: device(),
      deviceIotlb: this.#deviceIotlb,
      faults,
      clock,
      told,
      follow: ({ iova, size }) => send({ type: 'invalidate', iova, size }),
      invalidated,
    });
    try {
      added.register();
    } catch (error) {
      if (error instanceof CommandError) this.#refusal = { section: added, sentence: error.message };
      throw error;
    }
    this.#sections = [...this.#sections, added];
  }

  /** For where nobody can be told. */
  #addOrFail(section: MemorySection): void {
    try {
      this.#add(section);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
}
