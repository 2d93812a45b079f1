import { ADDRESS_LAST } from '../../core/address.ts';
import type { DeviceTlbFlush } from '../../memory/host-device.ts';
import type { Origin } from '../../memory/iommu-object.ts';
import type { RegionNotifier } from '../../memory/iommu-region.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { type IotlbState, NO_PASID } from '../iotlb.ts';
import type { CachedContextState, ContextCacheState } from './context-cache.ts';
import { pageRequestsEnabled, quadOf } from './context-lookup.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import { GuestBindings, type GuestBindingsState } from './guest-binding.ts';
import type {
  ContextScope,
  DeviceIotlbScope,
  IotlbScope,
  PasidCacheScope,
  PasidIotlbScope,
  RootTable,
  TranslationControl,
} from './invalidation.ts';
import type { MappedPage } from '../mapped-ranges.ts';
import { NO_ROOT, type Remapping, type TranslatedSpace } from './remapping.ts';
import { findShadowedTables } from './shadowed-tables.ts';

const PAGE_SHIFT = 12n;
/** Bits of a function number that FM masks. */
const FUNCTION_MASKS = [0, 0b100, 0b110, 0b111] as const;

export interface TranslationState {
  enabled: boolean;
  root: RootTable;
  iotlb: IotlbState;
  contexts: ContextCacheState;
  bindings: GuestBindingsState;
  /** In the order of {@link Remapping.spaces}. */
  spaces: { context: CachedContextState; mapped: MappedPage[] }[];
}

export interface TranslationOptions {
  remapping: Remapping;
  /** A host function stands behind this space. */
  hasHostDevice(space: IntelDeviceSpace): boolean;
  /** Carries an invalidation on to the host functions behind a space without PASID; returns how many entries went. */
  flushHostDevices(space: IntelDeviceSpace, flush: DeviceTlbFlush, origin: Origin): number;
  /** The space shows something else now. */
  onSwitched(space: IntelDeviceSpace): void;
  /** Software has switched translation on or off, and all devices see what they are to see then. */
  onEnabled(on: boolean): void;
}

/**
 * What registers and invalidation queue do to translations: root and enable, the caches, what each device's address
 * space shows, and what notifiers of both kinds are told (VT-d, sections 6.2 and 6.5).
 */
export class Translation implements TranslationControl, Snapshottable<TranslationState> {
  readonly #remapping: Remapping;
  readonly #options: TranslationOptions;
  readonly #bindings: GuestBindings;

  constructor(options: TranslationOptions) {
    this.#options = options;
    this.#remapping = options.remapping;
    this.#bindings = new GuestBindings(options.remapping);
  }

  setRoot(root: RootTable): void {
    this.#remapping.points.vtd_reg_dmar_root?.(root.address, root.mode === 'scalable');
    this.#remapping.root = root;
    this.#startOver();
  }

  setEnabled(on: boolean): void {
    this.#remapping.points.vtd_dmar_enable?.(on);
    this.#remapping.enabled = on;
    this.#startOver();
    this.#options.onEnabled(on);
  }

  /** A domain-selective one is carried out as a global one. Translations stay in the IOTLB. */
  invalidateContext(scope: ContextScope): void {
    const { contexts, points } = this.#remapping;
    const selective = scope.granularity === 'device';
    if (scope.granularity === 'domain') points.vtd_inv_desc_cc_domain?.(scope.domainId);
    if (selective) points.vtd_inv_desc_cc_devices?.(scope.sourceId, scope.functionMask);
    else points.vtd_inv_desc_cc_global?.();
    if (!selective) contexts.invalidateAll();
    for (const target of this.#remapping.spaces()) {
      if (selective && !covers(scope, target.space.sourceId)) continue;
      if (selective) points.vtd_inv_desc_cc_device?.(...target.space.location);
      if (selective) target.context.generation = 0;
      this.evaluate(target);
      this.#syncAll(target, !selective);
      this.#rebind(target, selective);
      complete(target);
    }
  }

  invalidateIotlb(scope: IotlbScope): void {
    const { iotlb, points } = this.#remapping;
    switch (scope.granularity) {
      case 'global':
        points.vtd_inv_desc_iotlb_global?.();
        iotlb.flush({});
        for (const target of this.#notified()) {
          this.#syncAll(target, false);
          complete(target);
        }
        this.#bindings.flushIotlb(this.#devices(), { granularity: 'global', leafOnly: false });
        return;
      case 'domain':
        points.vtd_inv_desc_iotlb_domain?.(scope.domainId);
        iotlb.flush({ domainId: scope.domainId });
        for (const target of this.#notified()) {
          if (this.#domainOf(target) !== scope.domainId) continue;
          this.#syncAll(target, false);
          complete(target);
        }
        this.#flushDomain(scope.domainId, false);
        return;
      case 'page': {
        const { first, last } = pagesOf(scope);
        const { domainId } = scope;
        points.vtd_inv_desc_iotlb_pages?.(domainId, scope.address, scope.addressMask);
        iotlb.flush({ domainId, stages: ['first', 'nested'] });
        iotlb.flush({ domainId, first, last });
        this.#syncPages(domainId, NO_PASID, first, last);
        this.#flushDomain(domainId, scope.leafOnly);
        return;
      }
    }
  }

  invalidatePasidIotlb(scope: PasidIotlbScope): void {
    const { iotlb, points } = this.#remapping;
    const { domainId, pasid } = scope;
    if (scope.granularity === 'pasid') {
      points.vtd_inv_desc_iotlb_pasid?.(domainId, pasid);
      iotlb.flush({ domainId, pasid });
      for (const target of this.#notified()) {
        if (!this.#hasPasid(target, pasid) || this.#domainOf(target) !== domainId) continue;
        this.#syncAll(target, false);
        complete(target);
      }
      this.#bindings.flushIotlb(this.#devices(), { granularity: 'pasid', domainId, pasid, leafOnly: false });
      return;
    }
    const { first, last } = pagesOf(scope);
    points.vtd_inv_desc_iotlb_pasid_pages?.(domainId, scope.address, scope.addressMask, pasid);
    iotlb.flush({ domainId, pasid, stages: ['first', 'nested'], first, last });
    this.#syncPages(domainId, pasid, first, last);
    this.#bindings.flushIotlb(this.#devices(), {
      granularity: 'page',
      domainId,
      pasid,
      address: BigInt(first) << PAGE_SHIFT,
      size: BigInt(last - first + 1) << PAGE_SHIFT,
      leafOnly: scope.leafOnly,
    });
  }

  /** Emulated devices' PASID entries are read again at each miss: only what was derived from them is judged anew. */
  invalidatePasidCache(scope: PasidCacheScope): void {
    const { points } = this.#remapping;
    if (scope.granularity === 'global') points.vtd_inv_desc_pasid_cache_gsi?.();
    else if (scope.granularity === 'domain') points.vtd_inv_desc_pasid_cache_dsi?.(scope.domainId);
    else points.vtd_inv_desc_pasid_cache_psi?.(scope.domainId, scope.pasid);
    for (const target of this.#remapping.spaces()) {
      if (scope.granularity === 'pasid' && !this.#hasPasid(target, scope.pasid)) continue;
      this.evaluate(target);
      if (target.space.region.notifiers.length === 0) continue;
      this.#syncAll(target, false);
      complete(target);
    }
    for (const target of this.#remapping.spaces()) this.#rebind(target, false, scope.granularity === 'global');
    this.#bindings.flushPasidCache(this.#devices(), { ...scope });
  }

  invalidateDeviceIotlb({ sourceId, ...flush }: DeviceIotlbScope): void {
    for (const { space } of this.#remapping.spaces()) {
      if (space.pasid === null && space.sourceId === sourceId) this.flushDeviceIotlb(space, flush, 'guest');
    }
  }

  /**
   * The same for the function, or functions, of one space without PASID: whoever listens for emulated ones is told, and
   * host functions drop what they keep. All has been done on return.
   * @returns how many entries host functions dropped
   */
  flushDeviceIotlb(own: IntelDeviceSpace, flush: DeviceTlbFlush, origin: Origin): number {
    const { pasid, address, size } = flush;
    for (const { space, shadow } of this.#remapping.spaces()) {
      if (space.bus !== own.bus || space.devfn !== own.devfn) continue;
      if (pasid === 'all' ? space.pasid === null : space.pasid !== (pasid ?? null)) continue;
      shadow.unmapBlock(address, size, 'deviotlb-unmap');
    }
    return this.#options.flushHostDevices(own, flush, origin);
  }

  reset(): void {
    const { contexts, iotlb } = this.#remapping;
    this.#remapping.enabled = false;
    this.#remapping.root = NO_ROOT;
    this.#remapping.points.vtd_context_cache_reset?.();
    iotlb.reset();
    contexts.reset();
    this.#bindings.reset();
    for (const target of this.#remapping.spaces()) {
      target.space.iommuObject.reset();
      this.#unmapAll(target);
      this.evaluate(target);
    }
  }

  /**
   * Shows what registers and tables say: the IOMMU region with remapping on, unless the device passes through; one
   * whose tables fault is translated. A host device whose first stage the host nests stays on plain memory.
   */
  evaluate(target: TranslatedSpace): void {
    const { space } = target;
    const passes = this.#passesThrough(target);
    const switched = space.follow(this.bypasses(target, passes));
    space.forced = false;
    space.blockInterrupts(passes && space.pasid !== null);
    if (switched) this.#options.onSwitched(space);
  }

  /** What {@link evaluate} would show. */
  bypasses(target: TranslatedSpace, passes = this.#passesThrough(target)): boolean {
    const { enabled, properties, root } = this.#remapping;
    if (!enabled || passes) return true;
    const nests = properties.firstStage && root.mode === 'scalable';
    return nests && target.space.pasid === null && this.#options.hasHostDevice(target.space);
  }

  /** Tells a notifier that was just registered what is mapped. */
  replay(target: TranslatedSpace, notifier: RegionNotifier): void {
    const walked = notifier.events.has('map') && this.#resolve(target);
    this.#traceReplay(target, walked);
    target.shadow.replay(notifier, walked ? this.#remapping.look.secondStage : null, this.#limit());
  }

  /** Flags of the device's context entry that page requests depend on: 0, or the fault reason of a refusal. */
  pageRequestFault(sourceId: number): number {
    const { look, root } = this.#remapping;
    if (!look.contexts.read(look.memory, root, sourceId)) return look.contexts.code;
    return pageRequestsEnabled(look.contexts) ? 0 : 0x47;
  }

  /** A page request makes the unit forget the page that it is about. */
  forgetPage(sourceId: number, pasid: number, address: bigint): void {
    const page = Number(address >> PAGE_SHIFT);
    this.#remapping.iotlb.flush({ table: sourceId, pasid, first: page, last: page });
  }

  save(): TranslationState {
    const { contexts, enabled, iotlb, root } = this.#remapping;
    return {
      enabled,
      root: { ...root },
      iotlb: iotlb.save(),
      contexts: contexts.save(),
      bindings: this.#bindings.save(),
      spaces: this.#remapping.spaces().map(({ context, shadow }) => ({
        context: context.save(),
        mapped: shadow.save(),
      })),
    };
  }

  /** The same spaces must exist. Notifiers that were registered since the save are not told anything. */
  restore(state: TranslationState): void {
    const { contexts, iotlb } = this.#remapping;
    this.#remapping.enabled = state.enabled;
    this.#remapping.root = { ...state.root };
    iotlb.restore(state.iotlb);
    contexts.restore(state.contexts);
    this.#bindings.restore(state.bindings);
    this.#remapping.spaces().forEach(({ context, shadow }, index) => {
      const saved = state.spaces[index];
      if (saved === undefined) return;
      context.restore(saved.context);
      shadow.restore(saved.mapped);
    });
  }

  /** Root or enable changed: nothing cached holds, and what was mapped comes back with the next flush or replay. */
  #startOver(): void {
    const { contexts, iotlb } = this.#remapping;
    this.#remapping.points.vtd_context_cache_reset?.();
    iotlb.flush({});
    contexts.clear();
    const targets = this.#remapping.spaces();
    for (const target of targets) this.#unmapAll(target);
    for (const target of targets) this.evaluate(target);
    for (const target of targets) this.#rebind(target, true);
    for (const target of targets) complete(target);
  }

  #unmapAll({ space, shadow }: TranslatedSpace): void {
    if (space.region.notifiers.length === 0) return;
    const { points, properties } = this.#remapping;
    const limit = 1n << BigInt(properties.awBits);
    shadow.unmapAll(properties.awBits);
    for (const { start, last } of space.region.notifiers) {
      points.vtd_as_unmap_whole?.(...space.location, start, (last < limit ? last + 1n : limit) - start);
    }
  }

  #traceReplay({ space }: TranslatedSpace, valid: boolean): void {
    const { look, points, root } = this.#remapping;
    if (!valid) points.vtd_replay_ce_invalid?.(...space.location);
    else {
      const mode = root.mode === 'scalable' ? 'scalable mode' : 'legacy mode';
      points.vtd_replay_ce_valid?.(
        mode,
        ...space.location,
        look.domainId,
        quadOf(look.context, 1),
        quadOf(look.context, 0),
      );
    }
  }

  /** A table belongs to the device: bound by the space without PASID. */
  #rebind({ space }: TranslatedSpace, selective: boolean, covered = true): void {
    if (space.pasid === null) this.#bindings.update(space, selective, covered);
  }

  /** Legacy and second-stage entries know no PASIDs: a host drops the whole domain. */
  #flushDomain(domainId: number, leafOnly: boolean): void {
    this.#bindings.flushIotlb(this.#devices(), { granularity: 'domain', domainId, leafOnly });
  }

  #devices(): IntelDeviceSpace[] {
    return this.#remapping
      .spaces()
      .map(({ space }) => space)
      .filter(({ pasid }) => pasid === null);
  }

  #notified(): TranslatedSpace[] {
    return this.#remapping.spaces().filter(({ space }) => space.region.notifiers.length > 0);
  }

  #resolve({ space }: TranslatedSpace): boolean {
    return findShadowedTables(this.#remapping, space);
  }

  #passesThrough({ space }: TranslatedSpace): boolean {
    const { enabled, look, root } = this.#remapping;
    return enabled && look.resolve(root, space.sourceId, space.pasid ?? NO_PASID, null) && look.passThrough;
  }

  #domainOf({ space }: TranslatedSpace): number | null {
    const { enabled, look, root } = this.#remapping;
    if (!enabled || !look.resolve(root, space.sourceId, space.pasid ?? NO_PASID, null)) return null;
    return look.domainId;
  }

  /** Requests without PASID count as those of the PASID that stands for them. */
  #hasPasid({ space, context }: TranslatedSpace, pasid: number): boolean {
    return (space.pasid ?? context.ridPasid) === pasid;
  }

  /**
   * Brings the notifiers of a space in step with its whole tables. Without a context entry nothing is mapped; when
   * it is there and faults, what was told stays, unless the whole context cache was invalidated (`strict`).
   */
  #syncAll(target: TranslatedSpace, strict: boolean): void {
    const { shadow, space } = target;
    if (space.region.notifiers.length === 0) return;
    if (!space.region.events().has('map')) {
      shadow.unmapRanges();
      return;
    }
    const { enabled, look, properties } = this.#remapping;
    if (this.#resolve(target)) {
      shadow.sync(look.secondStage, this.#limit(), 0, Number.MAX_SAFE_INTEGER);
      return;
    }
    // Nothing is translated here: a command shows the region, and no table stands behind it.
    const untranslated = !enabled || look.code === 0;
    if (strict || untranslated || look.code === 2 || properties.strictSpec) this.#unmapAll(target);
  }

  #syncPages(domainId: number, pasid: number, first: number, last: number): void {
    for (const target of this.#notified()) {
      if (pasid !== NO_PASID && !this.#hasPasid(target, pasid)) continue;
      if (this.#domainOf(target) !== domainId) continue;
      const { shadow, space } = target;
      if (!space.region.events().has('map')) {
        shadow.unmapBlock(BigInt(first) << PAGE_SHIFT, BigInt(last - first + 1) << PAGE_SHIFT);
      } else if (this.#resolve(target)) {
        shadow.sync(this.#remapping.look.secondStage, this.#limit(), first, last);
      }
      complete(target, first, last);
    }
  }

  /** The first page beyond what the tables found last can translate. */
  #limit(): number {
    const { look, properties } = this.#remapping;
    return Math.min(2 ** (properties.awBits - 12), 2 ** (9 * look.secondStage.levels));
  }
}

/** Tells the notifiers of a space that all of an invalidation has been told. Pages are both inclusive. */
function complete({ space }: TranslatedSpace, first?: number, last?: number): void {
  const start = first === undefined ? 0n : BigInt(first) << PAGE_SHIFT;
  const end = last === undefined ? ADDRESS_LAST : ((BigInt(last) + 1n) << PAGE_SHIFT) - 1n;
  for (const notifier of space.region.notifiers) notifier.completeInvalidation(start, end);
}

function covers(scope: { sourceId: number; functionMask: 0 | 1 | 2 | 3 }, sourceId: number): boolean {
  const ignored = FUNCTION_MASKS[scope.functionMask];
  return (scope.sourceId & ~ignored) === (sourceId & ~ignored);
}

/** The naturally aligned block that address and mask stand for, as pages (both inclusive). */
function pagesOf(scope: { address: bigint; addressMask: number }): { first: number; last: number } {
  const pages = 2 ** scope.addressMask;
  const page = Number(scope.address >> PAGE_SHIFT);
  const first = page - (page % pages);
  return { first, last: first + pages - 1 };
}
