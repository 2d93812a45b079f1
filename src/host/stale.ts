import { type Access, permissionNames, type Permissions, permits } from '../memory/access.ts';
import type { TableEntry } from '../iommu/iotlb.ts';
import type { TraceParts } from '../trace/trace.ts';
import type { HostIotlbEntry, NestedTable } from './caches.ts';
import type { HostMemory } from './memory.ts';
import { MARKS, NestedWalker } from './nested-walk.ts';
import { leadsAlike, type PasidEntry, PasidReader } from './pasid-entry.ts';

/** Where an access ends up: in a page, or nowhere. */
export interface Outcome {
  readonly ok: boolean;
  /** Numbers of 4 KiB pages; meaningless unless `ok`, or when a cached right was missing. */
  readonly frame: number;
  readonly guestPage: number;
  readonly permissions: Permissions;
}

/** One DMA that used cached entries, and what it got from them. */
export interface CachedUse {
  readonly device: string;
  /** As the device asked. */
  readonly address: bigint;
  readonly page: number;
  readonly access: Access;
  readonly nested: NestedTable;
  readonly entry: PasidEntry;
  /** The PASID entry came from the cache. */
  readonly entryCached: boolean;
  /** The translation, if that came from the cache too. */
  readonly translation: HostIotlbEntry | null;
  readonly used: Outcome;
}

const NOWHERE: Outcome = { ok: false, frame: 0, guestPage: 0, permissions: 0 };

/**
 * Finds DMA that used a cached entry whose result for that access is no longer what the tables give, and names the
 * invalidation that would have prevented it. It looks only: no cache is filled, no bit is set.
 *
 * What the DMA used is compared with a walk from the bound table down (*current*). When they agree for this access
 * (same frame and right, or refused both times) nothing is said. When not, the walk that starts from the PASID entry in
 * use tells who is to blame: if it differs from *current*, the PASID cache missed a flush; if the cached translation
 * differs from it, the IOTLB did. So did the IOTLB when the old translation would outlive the flush of the PASID
 * cache, because the new entry finds it under the same tag. With both to blame there are two events, that of the PASID
 * cache first, since without that flush the other would only bring the old tables back. Together, what the events of
 * one DMA call missing is enough to cure what it used; a translation that it cached itself on the way, walked from old
 * tables, is reported when it is used.
 */
export class StaleDetector {
  readonly #memory: HostMemory;
  readonly #trace: TraceParts;
  readonly #walker: NestedWalker;
  readonly #reader: PasidReader;

  constructor(memory: HostMemory, trace: TraceParts, addressBits: number) {
    this.#memory = memory;
    this.#trace = trace;
    this.#walker = new NestedWalker(memory, addressBits, true);
    this.#reader = new PasidReader(this.#walker.tables);
  }

  /** Looks at one use; cheap as long as no table word that the entries came from has changed. */
  check(use: CachedUse): void {
    const { nested, entry, translation, access } = use;
    const writes = this.#memory.watchedWrites;
    this.#walker.tables.stage = nested.stage;
    const entrySince = use.entryCached && entry.verifiedAt !== writes ? this.#changedSince(entry.derivedFrom) : null;
    if (entrySince === null) entry.verifiedAt = writes;
    const translationChanged = translation !== null && this.#hasChanged(translation, entry);
    if (entrySince === null && !translationChanged) {
      if (translation !== null) this.#agree(translation, entry, writes);
      return;
    }

    const now = entrySince === null ? entry : this.#reader.fetch(nested.table, nested.id, entry.pasid, entry.serial);
    const entryDiffers = now === null || !leadsAlike(now, entry);
    if (!entryDiffers && entrySince !== null) {
      entry.derivedFrom = now.derivedFrom;
      entry.verifiedAt = writes;
    }
    const middle = this.#walk(nested, entry, use);
    const middleShift = this.#walker.shift;
    const middleWords = this.#walker.entriesRead();
    const current = !entryDiffers ? middle : now === null ? NOWHERE : this.#walk(nested, now, use);

    // Only when the whole page translates as it did, for every access, later uses need no look until the next write.
    const same = middle.ok && middle.frame === use.used.frame && middle.permissions === use.used.permissions;
    if (translation !== null && same && middleShift >= translation.shift) {
      translation.derivedFrom = middleWords;
      translation.root = entry.firstStage?.address ?? translation.root;
      translation.levels = entry.firstStage?.levels ?? translation.levels;
      this.#agree(translation, entry, writes);
    }
    if (alike(use.used, current, access)) return;
    if (entryDiffers && !alike(middle, current, access)) this.#report(use, 'pasid', current, entrySince ?? 0);
    const outlives = now !== null && now.firstStage !== null && now.domainId === entry.domainId;
    if (translation !== null && (outlives || !alike(use.used, middle, access))) {
      this.#report(use, 'iotlb', current, this.#translationSince(translation, entry));
    }
  }

  /**
   * True when the tables now give something else than a cached translation does anywhere in its page, whatever the
   * access.
   */
  isStale(translation: HostIotlbEntry, nested: NestedTable): boolean {
    this.#walker.tables.stage = nested.stage;
    const now = this.#reader.fetch(nested.table, nested.id, translation.pasid, 0);
    if (now === null || now.firstStage === null || now.domainId !== translation.domainId) return true;
    const pages = 2 ** (translation.shift - 12);
    for (let at = 0; at < pages; ) {
      if (!this.#walker.nested(nested.stage, now.firstStage, translation.page + at, 'none')) return true;
      if (this.#walker.frame !== translation.frame + at) return true;
      if (this.#walker.permissions !== translation.permissions) return true;
      at += 2 ** (this.#walker.shift - 12);
    }
    return false;
  }

  #agree(translation: HostIotlbEntry, entry: PasidEntry, writes: number): void {
    translation.verifiedAt = writes;
    translation.verifiedWith = entry.serial;
  }

  #hasChanged(translation: HostIotlbEntry, entry: PasidEntry): boolean {
    return rootDiffers(translation, entry) || this.#changedSince(translation.derivedFrom) !== null;
  }

  /** The latest operation that wrote one of those words that are not what they were; null when all are. */
  #changedSince(words: readonly TableEntry[]): number | null {
    const tables = this.#walker.tables;
    let since: number | null = null;
    for (const word of words) {
      const there = tables.read(word.address);
      if (there && ((tables.low ^ word.low) & ~MARKS) === 0 && tables.high === word.high) continue;
      since = Math.max(since ?? 0, tables.lastWrite(word.address));
    }
    return since;
  }

  /** When only the PASID entry leads elsewhere now, the write to that entry counts. */
  #translationSince(translation: HostIotlbEntry, entry: PasidEntry): number {
    const words = this.#changedSince(translation.derivedFrom);
    if (words !== null && !rootDiffers(translation, entry)) return words;
    const writes = entry.derivedFrom.map((word) => this.#walker.tables.lastWrite(word.address));
    return Math.max(words ?? 0, ...writes);
  }

  #walk(nested: NestedTable, entry: PasidEntry, { page, access }: CachedUse): Outcome {
    const walker = this.#walker;
    const found =
      entry.firstStage === null
        ? walker.second(nested.stage, page, access)
        : walker.nested(nested.stage, entry.firstStage, page, access);
    if (!found) return NOWHERE;
    return { ok: true, frame: walker.frame, guestPage: walker.guestPage, permissions: walker.permissions };
  }

  #report(use: CachedUse, cache: 'pasid' | 'iotlb', current: Outcome, since: number): void {
    const { device, address, access, entry, translation, used } = use;
    const offset = Number(address & 0xfffn);
    this.#trace.events.emit('HOST_STALE_TRANSLATION', {
      device,
      pasid: entry.pasid,
      address,
      access: access === 'none' ? 'read' : access,
      cache,
      cached: used.ok || translation !== null ? describe(used, offset) : this.#describeRoot(entry, use.page),
      ...(current.ok ? { current: describe(current, offset) } : {}),
      since,
      missing:
        cache === 'pasid' || translation === null
          ? { granularity: 'pasid', 'domain-id': entry.domainId, pasid: entry.pasid }
          : {
              granularity: 'page',
              'domain-id': translation.domainId,
              pasid: translation.pasid,
              address: BigInt(translation.page) << 12n,
              size: 1n << BigInt(translation.shift),
            },
    });
  }

  /**
   * What a cached PASID entry leads to when that gave nothing: its top table, or for pass-through the page itself; with
   * no right to anything. Address 0 where the second stage does not map that.
   */
  #describeRoot(entry: PasidEntry, page: number): { address: bigint; gpa: bigint; permissions: [] } {
    const root = entry.firstStage === null ? page : entry.firstStage.address / 4096;
    const stage = this.#walker.tables.stage;
    const mapped = stage?.lookup(root) === true;
    return { address: mapped ? BigInt(stage.frame) << 12n : 0n, gpa: BigInt(root) << 12n, permissions: [] };
  }
}

function rootDiffers(translation: HostIotlbEntry, entry: PasidEntry): boolean {
  const { firstStage } = entry;
  return firstStage?.address !== translation.root || firstStage.levels !== translation.levels;
}

/** True when both let the access through to the same place, or neither does. */
function alike(one: Outcome, other: Outcome, access: Access): boolean {
  const allowed = one.ok && permits(one.permissions, access);
  if (allowed !== (other.ok && permits(other.permissions, access))) return false;
  return !allowed || one.frame === other.frame;
}

function describe(
  { frame, guestPage, permissions }: Outcome,
  offset: number,
): { address: bigint; gpa: bigint; permissions: readonly ('read' | 'write' | 'execute')[] } {
  return {
    address: (BigInt(frame) << 12n) + BigInt(offset),
    gpa: (BigInt(guestPage) << 12n) + BigInt(offset),
    permissions: permissionNames(permissions),
  };
}
