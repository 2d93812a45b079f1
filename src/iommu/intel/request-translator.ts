import { type Access, NO_ATTRIBUTES, Permission, permits, type TransactionAttributes } from '../../memory/access.ts';
import type { IommuEntry } from '../../memory/iommu-region.ts';
import type { AtsEntry, AtsRequest } from '../../pci/ats.ts';
import { faultReason, translationFault } from '../faults.ts';
import { type IotlbEntry, NO_PASID } from '../iotlb.ts';
import { isInterrupt } from '../interrupt-messages.ts';
import { type ContextWords, quadOf } from './context-lookup.ts';
import type { FaultSink } from './invalidation.ts';
import type { Remapping, TranslatedSpace } from './remapping.ts';

const PAGE_MASK = 0xfffn;
/** Whether an entry is stale is found out by walking again, not from what it came from. */
const NOTHING: IotlbEntry['derivedFrom'] = [];
const PAGE_SIZE_BIT = 1n << 7n;

/**
 * Translates the requests of emulated devices, page by page: IOTLB, context cache, tables; fills both caches, sets
 * accessed and dirty bits, records faults (VT-d, sections 3 and 6; the order is QEMU 11.1.3's).
 */
export class RequestTranslator {
  readonly #remapping: Remapping;
  readonly #faults: FaultSink;
  readonly #onPassThrough: (space: TranslatedSpace) => void;

  /** `onPassThrough` is called when a request finds that its device is not translated at all. */
  constructor(remapping: Remapping, faults: FaultSink, onPassThrough: (space: TranslatedSpace) => void) {
    this.#remapping = remapping;
    this.#faults = faults;
    this.#onPassThrough = onPassThrough;
  }

  /** Missing rights are told by the entry. Access `none` leaves no trace. `ats`: a device asks for its own cache. */
  translate(
    target: TranslatedSpace,
    address: bigint,
    access: Access,
    attributes: TransactionAttributes,
    ats = false,
  ): IommuEntry {
    const remapping = this.#remapping;
    const { enabled, iotlb, points, properties, root } = remapping;
    if (!enabled) return this.#identity(target, address);
    const pasid = target.space.pasid ?? attributes.pasid ?? NO_PASID;
    if (attributes.translated === true && root.mode !== 'legacy') {
      return pasid === NO_PASID ? this.#identity(target, address) : this.#refused(address);
    }
    if (access === 'none') return this.#look(target, address, pasid);

    const source = target.space.sourceId;
    const page = Number(address >> 12n);
    const hit = iotlb.lookup(source, 0, this.#tagOf(target, pasid), page);
    if (hit !== null && (!properties.strictSpec || serves(hit, access))) {
      points.vtd_iotlb_page_hit?.(source, address, leafOf(hit), hit.domainId);
      return this.#entryOf(target, hit);
    }

    const walk = remapping.walk;
    const cached = remapping.contexts.lookup(target.context);
    if (!walk.resolve(root, source, pasid, cached)) return this.#fault(target, address, access, pasid, ats);
    if (cached === null) this.#fillContext(target, walk.context);
    else points.vtd_iotlb_cc_hit?.(...contextOf(target, cached), cached.generation);
    if (pasid === NO_PASID) target.context.ridPasid = Math.max(walk.pasid, 0);
    if (walk.passThrough) {
      points.vtd_translate_pt?.(source, address);
      if (!ats && !target.space.forced) this.#onPassThrough(target);
      points.vtd_pt_enable_fast_path?.(source, target.space.bypass);
      return this.#identity(target, address);
    }
    if (!walk.walk(page, access, attributes.privileged)) return this.#fault(target, address, access, pasid, ats);
    const { domainId, frame, shift, permissions, stage, level, dirty } = walk;
    const entry: IotlbEntry = {
      table: source,
      domainId,
      pasid: walk.pasid,
      page,
      frame,
      shift,
      permissions,
      stage,
      level,
      dirty,
      derivedFrom: NOTHING,
      operation: remapping.systemMemory.topology.operations.current,
    };
    points.vtd_iotlb_page_update?.(source, address, leafOf(entry), domainId);
    const evictions = iotlb.evictions;
    const inserted = iotlb.insert(entry);
    if (iotlb.evictions !== evictions) points.vtd_iotlb_reset?.('iotlb exceeds size limit');
    return this.#entryOf(target, inserted);
  }

  /**
   * A device's translation request: an entry for each page of the range. That a page cannot be written is no failure,
   * and faults that the device can recover from are told by the answer alone. A request for supervisor rights, which
   * the unit does not offer, gets none.
   */
  translateForDevice(target: TranslatedSpace, request: AtsRequest): AtsEntry[] {
    const { address, length, privileged = false } = request;
    const entries: AtsEntry[] = [];
    const end = address + length;
    let at = address & ~PAGE_MASK;
    while (at < end) {
      const entry = this.#answerDevice(target, at, request);
      const { iova, mask, permissions, translated } = entry;
      const offered = privileged && permissions !== Permission.none ? Permission.privileged : permissions;
      entries.push({ iova, address: translated, size: mask + 1n, permissions: offered });
      at = iova + mask + 1n;
    }
    return entries;
  }

  #answerDevice(target: TranslatedSpace, address: bigint, request: AtsRequest): IommuEntry {
    const { pasid, write } = request;
    const attributes = pasid === undefined ? NO_ATTRIBUTES : { pasid };
    if (this.#remapping.enabled && isInterrupt(address)) {
      const code = 0x87;
      this.#record(target, address, code, write, pasid ?? NO_PASID, false);
      return this.#refused(address);
    }
    if (!write) return this.translate(target, address, 'read', attributes, true);
    const written = this.translate(target, address, 'write', attributes, true);
    const { code } = this.#remapping.walk;
    const readable = written.permissions === Permission.none && (code === 5 || code === 0x85);
    return readable ? this.translate(target, address, 'read', attributes, true) : written;
  }

  /** In scalable mode requests without PASID share the entries of the PASID that stands for them. */
  #tagOf(target: TranslatedSpace, pasid: number): number {
    return pasid === NO_PASID && this.#remapping.root.mode === 'scalable' ? target.context.ridPasid : pasid;
  }

  #look(target: TranslatedSpace, address: bigint, pasid: number): IommuEntry {
    const { contexts, iotlb, look, root } = this.#remapping;
    const source = target.space.sourceId;
    const page = Number(address >> 12n);
    const hit = iotlb.peek(source, 0, this.#tagOf(target, pasid), page);
    if (hit !== null) return this.#entryOf(target, hit);
    if (!look.resolve(root, source, pasid, contexts.peek(target.context))) return this.#refused(address);
    if (look.passThrough) return this.#identity(target, address);
    if (!look.walk(page, 'none')) return this.#refused(address);
    const mask = (1n << BigInt(look.shift)) - 1n;
    return {
      target: this.#remapping.systemMemory,
      iova: address & ~mask,
      translated: (BigInt(look.frame) << 12n) & ~mask,
      mask,
      permissions: look.permissions,
    };
  }

  #fault(target: TranslatedSpace, address: bigint, access: Access, pasid: number, ats: boolean): IommuEntry {
    const { code, faultsDisabled, level } = this.#remapping.walk;
    if (!(ats && faultReason(code).recoverable)) {
      this.#record(target, address, code, access === 'write', pasid, faultsDisabled);
    }
    const fault = translationFault(code, access, address, pasid === NO_PASID ? undefined : pasid);
    const refused = { ...this.#refused(address), fault };
    if (!ats || level <= 1) return refused;
    const mask = (1n << BigInt(3 + 9 * Math.min(level, 3))) - 1n;
    return { ...refused, iova: address & ~mask, mask };
  }

  #record(
    target: TranslatedSpace,
    address: bigint,
    code: number,
    write: boolean,
    pasid: number,
    faultProcessingDisabled: boolean,
  ): void {
    const { sourceId } = target.space;
    const tag = pasid === NO_PASID ? {} : { pasid };
    this.#faults.record({ sourceId, address, code, write, ...tag, faultProcessingDisabled });
  }

  #fillContext(target: TranslatedSpace, found: ContextWords): void {
    const { contexts, points } = this.#remapping;
    const before = target.context.generation;
    contexts.fill(target.context, found);
    points.vtd_iotlb_cc_update?.(...contextOf(target, found), before, target.context.generation);
  }

  #entryOf({ space }: TranslatedSpace, entry: IotlbEntry): IommuEntry {
    const iova = BigInt(entry.page) << 12n;
    const translated = BigInt(entry.frame) << 12n;
    const mask = (1n << BigInt(entry.shift)) - 1n;
    this.#remapping.points.vtd_dmar_translate?.(...space.location, iova, translated, mask);
    return { target: this.#remapping.systemMemory, iova, translated, mask, permissions: entry.permissions };
  }

  #identity({ space }: TranslatedSpace, address: bigint): IommuEntry {
    const iova = address & ~PAGE_MASK;
    const permissions = Permission.readWrite;
    this.#remapping.points.vtd_dmar_translate?.(...space.location, iova, iova, PAGE_MASK);
    return { target: this.#remapping.systemMemory, iova, translated: iova, mask: PAGE_MASK, permissions };
  }

  #refused(address: bigint): IommuEntry {
    const { systemMemory: target } = this.#remapping;
    return { target, iova: address & ~PAGE_MASK, translated: 0n, mask: PAGE_MASK, permissions: Permission.none };
  }
}

/** A leaf as trace points show it: of its bits those that the IOTLB keeps. */
function leafOf({ frame, permissions, shift }: IotlbEntry): bigint {
  return (BigInt(frame) << 12n) | BigInt(permissions) | (shift > 12 ? PAGE_SIZE_BIT : 0n);
}

/** Bus, function number and the two lower words of a context entry, the upper one first. */
function contextOf({ space }: TranslatedSpace, entry: ContextWords): [number, number, bigint, bigint] {
  return [space.bus.number, space.devfn, quadOf(entry, 1), quadOf(entry, 0)];
}

/** The specification's reading: what a cached entry does not allow, or would have to mark dirty, is walked again. */
function serves(entry: IotlbEntry, access: Access): boolean {
  return permits(entry.permissions, access) && (access !== 'write' || entry.dirty);
}
