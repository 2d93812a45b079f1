import { NO_PASID } from '../iommu/iotlb.ts';
import type { TraceParts } from '../trace/trace.ts';
import { type ContextEntry, HOST_DOMAIN, type HostCaches, type HostIotlbEntry, type NestedTable } from './caches.ts';
import type { DeviceCacheEntry } from './device-cache.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import { MARKS, NestedWalker } from './nested-walk.ts';
import type { HostPageTable } from './page-table.ts';
import { leadsAlike, type PasidEntry, PasidReader } from './pasid-entry.ts';
import {
  alike,
  type DeviceRequest,
  type Finding,
  NOWHERE,
  type Outcome,
  reportStale,
  type TableChange,
} from '../iommu/stale-report.ts';
import { changeOf, laterOf, latestWrite } from './table-change.ts';

/** One request that the IOMMU answered from cached entries, and what they gave. */
export interface CachedUse extends DeviceRequest {
  readonly source: HostFunction;
  /** The context entry in use. */
  readonly context: ContextEntry;
  /** The PASID entry in use; null: the request had no PASID, or the PASID no entry. */
  readonly entry: PasidEntry | null;
  /** The PASID entry (or that there is none) was not read from the guest's tables just now. */
  readonly entryCached: boolean;
  /** The translation, if that came from the IOTLB. */
  readonly translation: HostIotlbEntry | null;
  readonly used: Outcome;
}

/** One request that a device answered itself. */
export interface DeviceCacheUse extends DeviceRequest {
  readonly source: HostFunction;
  readonly entry: DeviceCacheEntry;
}

export interface StaleDetectorParts {
  readonly memory: HostMemory;
  readonly caches: HostCaches;
  readonly trace: TraceParts;
  /** Width of a second-stage input address. */
  readonly addressBits: number;
}

/**
 * Finds DMA that used a cached entry whose result for that access is no longer what the tables give, and names the
 * invalidation that would have prevented it. It looks only: no cache is filled, no bit is set.
 *
 * What the DMA used is compared with a walk from the function's context down (*current*). When they agree for this
 * access (same frame and right, or refused both times) nothing is said. When not, walks that start from the cached
 * context entry and from the PASID entry in use tell who is to blame: each cache whose entry makes a walk from there
 * differ from *current* missed a flush, and the IOTLB when its translation differs from the walk that would have made
 * it. So did the IOTLB when the old translation would outlive the flush of the PASID cache, because the new entry finds
 * it under the same tag. A device that used a translation of its own held an old one itself; the caches behind it that
 * would bring the old one back are named as well.
 *
 * Events come in the order in which the flushes have to be made: context, pasid, iotlb, device. Together, what the
 * events of one DMA call missing is enough to cure what it used; a translation that it cached itself on the way,
 * walked from old tables, is reported when it is used.
 */
export class StaleDetector {
  readonly #memory: HostMemory;
  readonly #caches: HostCaches;
  readonly #trace: TraceParts;
  readonly #walker: NestedWalker;
  readonly #reader: PasidReader;

  constructor({ memory, caches, trace, addressBits }: StaleDetectorParts) {
    this.#memory = memory;
    this.#caches = caches;
    this.#trace = trace;
    this.#walker = new NestedWalker(memory, addressBits, true);
    this.#reader = new PasidReader(this.#walker.tables);
  }

  /** Looks at one use of the IOMMU's caches; cheap as long as nothing has changed that the entries came from. */
  check(use: CachedUse): void {
    if (!this.#trace.checks.isEnabled('stale-translation')) return;
    if (!this.#agreesStill(use)) this.#blame(use, this.#current(use.source, use));
  }

  /** Looks at one use of a device's own cache. */
  checkDevice(use: DeviceCacheUse): void {
    if (!this.#trace.checks.isEnabled('stale-translation')) return;
    const { entry, source, page, access } = use;
    const inside = page - entry.page;
    const used: Outcome = {
      ok: true,
      frame: entry.frame + inside,
      guestPage: entry.guestPage + inside,
      permissions: entry.permissions,
    };
    const current = this.#current(source, use);
    const context = source.contextEntry;
    if (alike(used, current, access)) {
      // Only when all of the page translates as it did, later uses need no look until the next change.
      const whole = current.ok && this.#walker.shift >= entry.shift;
      if (whole && context !== null && (current.permissions & entry.permissions) === entry.permissions) {
        this.#verify(entry, context.stage, context.serial);
      }
      return;
    }
    const behind = this.#answerBehind(use);
    if (behind !== null) this.#blame(behind, current);
    const { domainId, pasid } = entry;
    this.#report(use, {
      cache: 'device',
      used,
      current,
      ...this.#deviceChange(entry, source, use.pasid),
      missing: { granularity: 'page', 'domain-id': domainId, ...(pasid >= 0 && { pasid }), ...pageOf(entry) },
    });
  }

  /**
   * True when the tables now give something else than a cached translation does anywhere in its page. In the IOTLB any
   * other right counts; a device may hold fewer than there are (`held`), but none that is gone.
   * @param nested the guest's table that a request with PASID goes through; null: the second stage alone
   */
  isStale(translation: HostIotlbEntry, stage: HostPageTable, nested: NestedTable | null, held = false): boolean {
    let entry: PasidEntry | null = null;
    if (nested !== null) {
      entry = this.#fetch(nested, null, translation.pasid);
      if (entry === null || entry.domainId !== translation.domainId) return true;
      if (!held && entry.firstStage === null) return true;
    }
    const pages = 2 ** (translation.shift - 12);
    for (let at = 0; at < pages; ) {
      const { ok, frame, permissions } = this.#walk(stage, entry, translation.page + at, 'none');
      if (!ok || frame !== translation.frame + at) return true;
      if ((held ? permissions & translation.permissions : permissions) !== translation.permissions) return true;
      at += 2 ** (this.#walker.shift - 12);
    }
    return false;
  }

  /** True while no word and no range has changed that the entries in use came from: then they are marked as seen. */
  #agreesStill({ source, context, entry, entryCached, translation }: CachedUse): boolean {
    const { stage } = context;
    this.#walker.tables.stage = stage;
    if (context !== source.contextEntry) return false;
    if (entry === null) return translation === null ? !entryCached : this.#stageAgrees(translation, stage);
    if (entryCached) {
      if (!belongs(entry, context) || this.#changeOf(entry) !== null) return false;
      entry.verifiedAt = this.#memory.watchedWrites + stage.changes;
      entry.verifiedWith = context.serial;
    }
    if (translation === null) return true;
    if (entry.firstStage === null) return this.#stageAgrees(translation, stage);
    if (translation.verifiedStage !== stage.changes || this.#hasChanged(translation, entry)) return false;
    this.#verify(translation, stage, entry.serial);
    return true;
  }

  /** The same for a translation by the second stage alone. */
  #stageAgrees(translation: HostIotlbEntry, stage: HostPageTable): boolean {
    if (translation.verifiedAt === stage.changes) return true;
    const walker = this.#walker;
    const same =
      walker.second(stage, translation.page, 'read') &&
      walker.shift >= translation.shift &&
      walker.frame === translation.frame &&
      walker.permissions === translation.permissions;
    if (same) translation.verifiedAt = translation.verifiedStage = stage.changes;
    return same;
  }

  /** Finds out which caches are to blame for what a request used, and tells. */
  #blame(use: CachedUse, truth: Outcome): void {
    const { source, context, entry, translation, access, page, used } = use;
    const { stage, nested } = context;
    const trueContext = source.contextEntry;
    const now = use.pasid === NO_PASID || nested === null ? null : this.#fetch(nested, entry, use.pasid);
    const entryDiffers = use.entryCached && (now === null || entry === null || !leadsAlike(now, entry));
    const changed = use.entryCached && entry !== null ? this.#changeOf(entry) : null;
    if (entry !== null && use.entryCached && !entryDiffers && belongs(entry, context)) {
      entry.derivedFrom = now!.derivedFrom;
      entry.verifiedAt = this.#memory.watchedWrites + stage.changes;
      entry.verifiedWith = context.serial;
    }
    const middle = use.pasid === NO_PASID ? this.#walk(stage, null, page, access) : this.#through(stage, entry, use);
    if (translation !== null) this.#agreeIfSame(use, translation, middle);
    if (alike(used, truth, access)) return;

    const stale = context !== trueContext;
    const direct = use.pasid === NO_PASID ? middle : this.#through(stage, now, use);
    const tables = { used, current: truth };
    if (stale && !alike(direct, truth, access)) {
      const since = source.contextOperation;
      this.#report(use, { ...tables, cache: 'context', since, missing: { granularity: 'global', 'domain-id': 0 } });
    }
    // An entry of another context than the function's would be found by its requester and PASID all the same.
    const misleads = stale ? trueContext?.nested != null : entryDiffers;
    if (use.entryCached && misleads && !alike(middle, truth, access)) {
      this.#report(use, {
        ...tables,
        cache: 'pasid',
        ...(!used.ok && translation === null && { cached: this.#describeRoot(stage, entry, page) }),
        ...(changed ?? (entry === null ? this.#attachable(now, source) : { since: source.contextOperation })),
        missing: { granularity: 'pasid', 'domain-id': (entry ?? now)?.domainId ?? HOST_DOMAIN, pasid: use.pasid },
      });
    }
    if (translation === null) return;
    const outlives = !stale && translation.stage === 'nested' && outlivesFlush(now, entry, nested);
    if (!outlives && alike(used, middle, access)) return;
    const { domainId, pasid } = translation;
    this.#report(use, {
      ...tables,
      cache: 'iotlb',
      ...this.#translationChange(translation, entry, stage),
      missing: { granularity: 'page', 'domain-id': domainId, ...(pasid >= 0 && { pasid }), ...pageOf(translation) },
    });
  }

  /** Only when the whole page translates as it did, for every access, later uses need no look until the next change. */
  #agreeIfSame({ entry, page, context }: CachedUse, translation: HostIotlbEntry, middle: Outcome): void {
    const { shift } = this.#walker;
    const frame = translation.frame + (page - translation.page);
    const same = middle.ok && middle.frame === frame && middle.permissions === translation.permissions;
    if (!same || shift < translation.shift) return;
    if (entry === null || entry.firstStage === null) {
      translation.verifiedAt = translation.verifiedStage = context.stage.changes;
      return;
    }
    translation.derivedFrom = this.#walker.entriesRead();
    translation.root = entry.firstStage.address;
    translation.levels = entry.firstStage.levels;
    this.#verify(translation, context.stage, entry.serial);
  }

  /** What the IOMMU would answer to a device that had not kept anything; null without a context. */
  #answerBehind({ source, ...request }: DeviceCacheUse): CachedUse | null {
    const caches = this.#caches;
    const { pasid, page, access } = request;
    const context = caches.context.peek(source.requester) ?? source.contextEntry;
    if (context === null) return null;
    const { stage, nested } = context;
    const answer = { ...request, source, context, entryCached: false, translation: null, used: NOWHERE };
    if (pasid === NO_PASID) {
      const translation = caches.peek(stage.id, HOST_DOMAIN, NO_PASID, page);
      return {
        ...answer,
        entry: null,
        translation,
        used: outcomeOf(translation, page) ?? this.#walk(stage, null, page, access),
      };
    }
    const cached = nested === null ? undefined : caches.pasid.peek(caches.pasidKey(source.requester, pasid));
    const entry = cached ?? (nested === null ? null : this.#loaded(nested, pasid));
    const entryCached = cached !== undefined || (nested !== null && nested.attached !== null);
    if (entry === null) return { ...answer, entry, entryCached };
    const translation =
      entry.firstStage === null
        ? caches.peek(stage.id, HOST_DOMAIN, NO_PASID, page)
        : caches.peek(entry.nestedTable, entry.domainId, pasid, page);
    const used = outcomeOf(translation, page) ?? this.#through(stage, entry, request);
    return { ...answer, entry, entryCached, translation, used };
  }

  /** The PASID entry that a miss would load. */
  #loaded(nested: NestedTable, pasid: number): PasidEntry | null {
    if (nested.attached !== null) return nested.attached.get(pasid) ?? null;
    this.#walker.tables.stage = nested.stage;
    return this.#reader.fetch(nested.table, nested.id, pasid, 0);
  }

  /** What the tables of a function lead a request to now. The walker keeps the size of the page. */
  #current(source: HostFunction, { page, pasid, access }: DeviceRequest): Outcome {
    const context = source.contextEntry;
    if (context === null) return NOWHERE;
    if (pasid === NO_PASID) return this.#walk(context.stage, null, page, access);
    if (context.nested === null || pasid >>> source.capabilities.pasidBits !== 0) return NOWHERE;
    return this.#through(context.stage, this.#fetch(context.nested, null, pasid), { page, access });
  }

  /** The entry that the guest's table has now, under the tag of the one in use where that is the right one. */
  #fetch(nested: NestedTable, entry: PasidEntry | null, pasid: number): PasidEntry | null {
    const tag = nested.attached === null ? nested.id : (nested.attached.get(pasid)?.nestedTable ?? nested.id);
    this.#walker.tables.stage = nested.stage;
    return this.#reader.fetch(nested.table, tag, pasid, entry?.serial ?? 0);
  }

  #through(stage: HostPageTable, entry: PasidEntry | null, { page, access }: Pick<DeviceRequest, 'page' | 'access'>) {
    return entry === null ? NOWHERE : this.#walk(stage, entry, page, access);
  }

  #walk(stage: HostPageTable, entry: PasidEntry | null, page: number, access: DeviceRequest['access']): Outcome {
    const walker = this.#walker;
    const firstStage = entry?.firstStage ?? null;
    const found =
      firstStage === null ? walker.second(stage, page, access) : walker.nested(stage, firstStage, page, access);
    if (!found) return NOWHERE;
    return { ok: true, frame: walker.frame, guestPage: walker.guestPage, permissions: walker.permissions };
  }

  #verify(translation: HostIotlbEntry, stage: HostPageTable, serial: number): void {
    translation.verifiedAt = this.#memory.watchedWrites + stage.changes;
    translation.verifiedStage = stage.changes;
    translation.verifiedWith = serial;
  }

  #hasChanged(translation: HostIotlbEntry, entry: PasidEntry): boolean {
    return rootDiffers(translation, entry) || this.#changeOf(translation, MARKS) !== null;
  }

  /** Of a PASID entry all bits count; of a translation, not the marks that walks set. */
  #changeOf({ derivedFrom }: PasidEntry | HostIotlbEntry, marks = 0): TableChange | null {
    return changeOf(this.#walker.tables, derivedFrom, marks);
  }

  /** When only the PASID entry leads elsewhere now, the write to that entry counts; without any, the second stage. */
  #translationChange(translation: HostIotlbEntry, entry: PasidEntry | null, stage: HostPageTable): TableChange {
    const { tables } = this.#walker;
    tables.stage = stage;
    const ofStage = { since: stage.lastChange };
    if (entry === null || entry.firstStage === null) return ofStage;
    const words = this.#changeOf(translation, MARKS);
    if (words !== null && !rootDiffers(translation, entry)) return words;
    return laterOf(words, latestWrite(tables, entry.derivedFrom)) ?? ofStage;
  }

  /** A PASID that nothing is attached to: the write that made its entry; without one, what made the context. */
  #attachable(now: PasidEntry | null, source: HostFunction): TableChange {
    return latestWrite(this.#walker.tables, now?.derivedFrom ?? []) ?? { since: source.contextOperation };
  }

  /** As for the IOTLB, which may have given the device what was old by then. */
  #deviceChange(entry: DeviceCacheEntry, source: HostFunction, pasid: number): TableChange {
    const { stage, nested } = source.contextEntry ?? {};
    if (stage === undefined || stage.id !== entry.parent) return { since: source.contextOperation };
    const now = pasid === NO_PASID || nested == null ? null : this.#fetch(nested, null, pasid);
    const { tables } = this.#walker;
    tables.stage = stage;
    const ofPasid = changeOf(tables, entry.derivedFrom.slice(0, entry.pasidWords), 0);
    const ofPage = changeOf(tables, entry.derivedFrom.slice(entry.pasidWords), MARKS);
    const leadsElsewhere = now?.firstStage != null && entry.stage === 'nested' && rootDiffers(entry, now);
    const ofNow = leadsElsewhere ? latestWrite(tables, now.derivedFrom) : null;
    return laterOf(laterOf(ofPasid, ofPage), ofNow) ?? { since: Math.max(stage.lastChange, source.contextOperation) };
  }

  #report(request: DeviceRequest, finding: Finding): void {
    reportStale(this.#trace, request, finding);
  }

  /**
   * What a cached PASID entry leads to when that gave nothing: its top table, or for pass-through the page itself; with
   * no right to anything. Address 0 where the second stage does not map that, or there is no entry.
   */
  #describeRoot(stage: HostPageTable, entry: PasidEntry | null, page: number): Finding['cached'] & object {
    if (entry === null) return { address: 0n, permissions: [] };
    const root = entry.firstStage === null ? page : entry.firstStage.address / 4096;
    const mapped = stage.lookup(root);
    return { address: mapped ? BigInt(stage.frame) << 12n : 0n, gpa: BigInt(root) << 12n, permissions: [] };
  }
}

/** The entry is the one that a function with that context would use: of its table, or what is attached now. */
function belongs(entry: PasidEntry, { nested }: ContextEntry): boolean {
  if (nested === null) return false;
  if (nested.attached === null) return entry.nestedTable === nested.id;
  return nested.attached.get(entry.pasid)?.serial === entry.serial;
}

/**
 * True when a translation stays in use after a flush of the PASID cache: the new entry finds it under its tag. What is
 * attached one by one takes its translations along.
 */
function outlivesFlush(now: PasidEntry | null, entry: PasidEntry | null, nested: NestedTable | null): boolean {
  if (nested?.attached !== null || now === null || now.firstStage === null) return false;
  return now.domainId === entry?.domainId && now.nestedTable === entry.nestedTable;
}

function outcomeOf(translation: HostIotlbEntry | null, page: number): Outcome | null {
  if (translation === null) return null;
  const inside = page - translation.page;
  const { frame, guestPage, permissions } = translation;
  return { ok: true, frame: frame + inside, guestPage: guestPage + inside, permissions };
}

function pageOf({ page, shift }: HostIotlbEntry): { address: bigint; size: bigint } {
  return { address: BigInt(page) << 12n, size: 1n << BigInt(shift) };
}

function rootDiffers(translation: HostIotlbEntry, entry: PasidEntry): boolean {
  const { firstStage } = entry;
  return firstStage?.address !== translation.root || firstStage.levels !== translation.levels;
}
