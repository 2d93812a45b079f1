import type { OperationCounter } from '../core/operation.ts';
import { NO_PASID, type TableEntry } from '../iommu/iotlb.ts';
import { type Access, Permission, type Permissions } from '../memory/access.ts';
import type { ContextEntry, HostCaches, HostIotlbEntry, NestedTable } from './caches.ts';
import { HOST_DOMAIN } from './caches.ts';
import {
  cachedFault,
  contextFault,
  type HostFault,
  hostFault,
  pasidFault,
  unattachedFault,
  walkFault,
} from './fault.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import { MARKS, NestedWalker } from './nested-walk.ts';
import type { HostPageTable } from './page-table.ts';
import { type PasidEntry, PasidReader, watchPasidTable } from './pasid-entry.ts';
import type { CachedUse, StaleDetector } from './stale.ts';

/** Bit 6 of a leaf: the page was written to. Bit 5: it was used. */
const ACCESSED_AND_DIRTY = 0x60;
const NO_WORDS: readonly TableEntry[] = [];

/** What served a request. */
interface Served {
  readonly stage: HostPageTable;
  /** Null: the request had no PASID. */
  readonly entry: PasidEntry | null;
  readonly translation: HostIotlbEntry;
}

/** What the engine works with. */
export interface TranslationParts {
  readonly memory: HostMemory;
  readonly caches: HostCaches;
  readonly detector: StaleDetector;
  readonly operations: OperationCounter;
  readonly addressBits: number;
}

/**
 * Translates the requests of real DMA: through the context, PASID and translation caches, and on a miss through the
 * tables, whose accessed and dirty bits it marks. What a cache holds is used as it is, as hardware does; the detector
 * is told when it may be stale.
 *
 * Requests without PASID go through the second stage alone, also while a PASID table is bound.
 */
export class HostTranslation {
  /** Host frame of the 4 KiB page that was asked for. */
  frame = 0;
  /** Why there is none. */
  fault: HostFault | null = null;
  readonly #memory: HostMemory;
  readonly #caches: HostCaches;
  readonly #detector: StaleDetector;
  readonly #operations: OperationCounter;
  readonly #walker: NestedWalker;
  readonly #reader: PasidReader;
  #serial = 0;
  #guestPage = 0;
  #permissions: Permissions = Permission.none;

  constructor(parts: TranslationParts) {
    this.#memory = parts.memory;
    this.#caches = parts.caches;
    this.#detector = parts.detector;
    this.#operations = parts.operations;
    this.#walker = new NestedWalker(parts.memory, parts.addressBits, false);
    this.#reader = new PasidReader(this.#walker.tables);
  }

  /**
   * Translates one 4 KiB page for a DMA of `device`, the name that an event shall carry. `pasid` may be NO_PASID;
   * `address` is what the device asked for, inside `page`.
   * @returns true when {@link frame} holds; otherwise {@link fault} says why not
   */
  translate(
    source: HostFunction,
    device: () => string,
    address: bigint,
    page: number,
    pasid: number,
    write: boolean,
  ): boolean {
    const context = this.#caches.context.lookup(source.requester) ?? this.#loadContext(source);
    const access = write ? 'write' : 'read';
    if (context === null) {
      this.fault = contextFault(source, access, address, pasid);
      return false;
    }
    const { nested } = context;
    if (pasid === NO_PASID) return this.#withoutPasid(source, device, context, address, page, access);
    // No power: on the way of every request, that would cost more than all the rest of a hit.
    if (nested !== null && pasid >>> source.capabilities.pasidBits === 0) {
      return this.#withPasid(source, device, context, nested, address, page, pasid, access);
    }
    this.fault = pasidFault(source, context, access, address, pasid);
    if (context !== source.contextEntry) {
      this.#check({ source, device, context, address, page, pasid, access }, null, false, null, false);
    }
    return false;
  }

  #withoutPasid(
    source: HostFunction,
    device: () => string,
    context: ContextEntry,
    address: bigint,
    page: number,
    access: 'read' | 'write',
  ): boolean {
    const { stage } = context;
    const hit = this.#caches.lookup(stage.id, HOST_DOMAIN, NO_PASID, page);
    const ok = this.#second(stage, hit, address, page, access, NO_PASID);
    if ((hit !== null && hit.verifiedAt !== stage.changes) || context !== source.contextEntry) {
      this.#check({ source, device, context, address, page, pasid: NO_PASID, access }, null, false, hit, ok);
    }
    return ok;
  }

  #withPasid(
    source: HostFunction,
    device: () => string,
    context: ContextEntry,
    nested: NestedTable,
    address: bigint,
    page: number,
    pasid: number,
    access: 'read' | 'write',
  ): boolean {
    const caches = this.#caches;
    const { stage } = context;
    const key = caches.pasidKey(source.requester, pasid);
    const cached = caches.pasid.lookup(key);
    const known = cached !== undefined || nested.attached !== null;
    const entry = cached ?? this.#fetch(context, nested, key, address, pasid, access);
    let hit: HostIotlbEntry | null = null;
    let ok = false;
    if (entry !== null) {
      if (entry.firstStage === null) {
        hit = caches.lookup(stage.id, HOST_DOMAIN, NO_PASID, page);
        ok = this.#second(stage, hit, address, page, access, pasid);
      } else {
        hit = caches.lookup(entry.nestedTable, entry.domainId, pasid, page);
        ok =
          hit === null
            ? this.#walkNested(stage, entry, address, page, access)
            : this.#use(hit, stage, address, page, access);
      }
    }
    const state = this.#memory.watchedWrites + stage.changes;
    if (
      context !== source.contextEntry ||
      (known && (entry === null || entry.verifiedAt !== state || entry.verifiedWith !== context.serial)) ||
      (hit !== null &&
        (hit.stage === 'second'
          ? hit.verifiedAt !== stage.changes
          : hit.verifiedAt !== state || hit.verifiedWith !== entry!.serial))
    ) {
      this.#check({ source, device, context, address, page, pasid, access }, entry, known, hit, ok);
    }
    return ok;
  }

  /** Has the detector look at what a request used. */
  #check(
    request: Omit<CachedUse, 'device' | 'entry' | 'entryCached' | 'translation' | 'used'> & { device: () => string },
    entry: PasidEntry | null,
    entryCached: boolean,
    translation: HostIotlbEntry | null,
    ok: boolean,
  ): void {
    const used = { ok, frame: this.frame, guestPage: this.#guestPage, permissions: this.#permissions };
    this.#detector.check({ ...request, device: request.device(), entry, entryCached, translation, used });
  }

  /** What served a request just now: it is in the caches still. Null where nothing did. */
  latest(source: HostFunction, page: number, pasid: number): Served | null {
    const caches = this.#caches;
    const context = caches.context.peek(source.requester);
    if (context === undefined) return null;
    const { stage } = context;
    const entry = pasid === NO_PASID ? null : (caches.pasid.peek(caches.pasidKey(source.requester, pasid)) ?? null);
    const translation =
      entry === null || entry.firstStage === null
        ? caches.peek(stage.id, HOST_DOMAIN, NO_PASID, page)
        : caches.peek(entry.nestedTable, entry.domainId, pasid, page);
    return translation === null ? null : { stage, entry, translation };
  }

  /** The context entry of a function, from the cache or from its tables; null while it is attached to nothing. */
  contextOf(source: HostFunction): ContextEntry | null {
    return this.#caches.context.lookup(source.requester) ?? this.#loadContext(source);
  }

  /**
   * The entry that guest memory holds for a PASID now, as a walk fetches it: writes to it are watched from then on.
   * Null when there is none that can be used: then {@link fault} says why not.
   */
  readPasidEntry(nested: NestedTable, pasid: number): PasidEntry | null {
    const tables = this.#walker.tables;
    tables.stage = nested.stage;
    const entry = this.#reader.fetch(nested.table, nested.id, pasid, ++this.#serial);
    if (entry === null) {
      const { code, description } = this.#reader;
      this.fault = hostFault(code, 'none', 0n, pasid, `: ${description}`);
      return null;
    }
    for (const word of entry.derivedFrom) tables.watch(word.address);
    return entry;
  }

  /** Has writes to a guest's whole PASID table recorded from now on. */
  watchPasidTable({ stage, table }: NestedTable): void {
    const { tables } = this.#walker;
    tables.stage = stage;
    watchPasidTable(tables, table);
  }

  #loadContext(source: HostFunction): ContextEntry | null {
    const context = source.contextEntry;
    if (context !== null) this.#caches.context.insert(source.requester, context);
    return context;
  }

  /**
   * Takes a PASID entry from what the function's PASIDs are attached to, or else from the guest's table, and keeps it;
   * only entries that can be used are kept.
   */
  #fetch(
    context: ContextEntry,
    nested: NestedTable,
    key: number,
    address: bigint,
    pasid: number,
    access: Access,
  ): PasidEntry | null {
    const attached = nested.attached?.get(pasid);
    if (nested.attached !== null && attached === undefined) {
      this.fault = unattachedFault(access, address, pasid);
      return null;
    }
    const entry = attached === undefined ? this.readPasidEntry(nested, pasid) : { ...attached };
    if (entry === null) {
      const { code, description } = this.#reader;
      this.fault = hostFault(code, access, address, pasid, `: ${description}`);
      return null;
    }
    if (attached === undefined) {
      entry.verifiedAt = this.#memory.watchedWrites + context.stage.changes;
      entry.verifiedWith = context.serial;
    }
    this.#caches.pasid.insert(key, entry);
    return entry;
  }

  #walkNested(
    stage: HostPageTable,
    entry: PasidEntry,
    address: bigint,
    page: number,
    access: 'read' | 'write',
  ): boolean {
    const walker = this.#walker;
    const firstStage = entry.firstStage!;
    if (!walker.nested(stage, firstStage, page, access)) return this.#failWalk(access, address, entry.pasid);
    const { frame, guestPage, shift, permissions, level, dirty } = walker;
    const derivedFrom = walker.entriesRead();
    for (const word of derivedFrom) walker.tables.watch(word.address);
    const pages = 2 ** (shift - 12);
    const { changes } = stage;
    return this.#serve(page, {
      table: entry.nestedTable,
      domainId: entry.domainId,
      pasid: entry.pasid,
      page: page - (page % pages),
      frame: frame - (frame % pages),
      shift,
      permissions,
      stage: 'nested',
      level,
      dirty,
      derivedFrom,
      operation: this.#operations.current,
      guestPage: guestPage - (guestPage % pages),
      root: firstStage.address,
      levels: firstStage.levels,
      verifiedAt: this.#memory.watchedWrites + changes,
      verifiedStage: changes,
      verifiedWith: entry.serial,
    });
  }

  /** The second stage alone, from the IOTLB or from the table. The host keeps that cache right itself. */
  #second(
    stage: HostPageTable,
    hit: HostIotlbEntry | null,
    address: bigint,
    page: number,
    access: 'read' | 'write',
    pasid: number,
  ): boolean {
    if (hit !== null) return this.#use(hit, stage, address, page, access);
    const walker = this.#walker;
    if (!walker.second(stage, page, access)) return this.#failWalk(access, address, pasid);
    const { frame, shift, permissions, level } = walker;
    const pages = 2 ** (shift - 12);
    return this.#serve(page, {
      table: stage.id,
      domainId: HOST_DOMAIN,
      pasid: NO_PASID,
      page: page - (page % pages),
      frame: frame - (frame % pages),
      shift,
      permissions,
      stage: 'second',
      level,
      dirty: true,
      derivedFrom: NO_WORDS,
      operation: this.#operations.current,
      guestPage: page - (page % pages),
      root: 0,
      levels: 0,
      verifiedAt: stage.changes,
      verifiedStage: stage.changes,
      verifiedWith: 0,
    });
  }

  #failWalk(access: Access, address: bigint, pasid: number): boolean {
    this.fault = walkFault(this.#walker, access, address, pasid);
    this.#permissions = Permission.none;
    return false;
  }

  /** Keeps a translation and uses it. */
  #serve(page: number, translation: HostIotlbEntry): boolean {
    this.#caches.insert(translation);
    const inside = page - translation.page;
    this.frame = translation.frame + inside;
    this.#guestPage = translation.guestPage + inside;
    this.#permissions = translation.permissions;
    return true;
  }

  /** Uses a cached translation as it is. */
  #use(hit: HostIotlbEntry, stage: HostPageTable, address: bigint, page: number, access: 'read' | 'write'): boolean {
    const inside = page - hit.page;
    this.frame = hit.frame + inside;
    this.#guestPage = hit.guestPage + inside;
    this.#permissions = hit.permissions;
    const needed = access === 'write' ? Permission.write : Permission.read;
    if ((hit.permissions & needed) === 0) {
      this.fault = cachedFault(hit, access, address);
      return false;
    }
    if (access === 'write' && !hit.dirty) this.#markDirty(hit, stage);
    return true;
  }

  /**
   * A first write through an entry that was cached by a read: hardware must set the dirty bit in the leaf. It is set
   * only in a leaf that is still the cached one: marking another page's leaf would be a lie about that page.
   */
  #markDirty(hit: HostIotlbEntry, stage: HostPageTable): void {
    const leaf = hit.derivedFrom.at(-1);
    const tables = this.#walker.tables;
    tables.stage = stage;
    if (leaf === undefined || !tables.read(leaf.address)) return;
    if (tables.high !== leaf.high || ((tables.low ^ leaf.low) & ~MARKS) !== 0) return;
    if (tables.setBits(leaf.address, ACCESSED_AND_DIRTY)) hit.dirty = true;
  }

  save(): { serial: number } {
    return { serial: this.#serial };
  }

  restore(state: { serial: number }): void {
    this.#serial = state.serial;
  }
}
