import { hex, PAGE_SIZE } from '../core/address.ts';
import type { OperationCounter } from '../core/operation.ts';
import { faultReason } from '../iommu/faults.ts';
import { NO_PASID, type TableEntry } from '../iommu/iotlb.ts';
import { type Access, Permission, type Permissions } from '../memory/access.ts';
import type { ContextEntry, HostCaches, HostIotlbEntry, NestedTable } from './caches.ts';
import { HOST_DOMAIN } from './caches.ts';
import type { HostFunction } from './function.ts';
import type { HostMemory } from './memory.ts';
import { MARKS, NestedWalker } from './nested-walk.ts';
import type { HostPageTable } from './page-table.ts';
import { type PasidEntry, PasidReader } from './pasid-entry.ts';
import type { StaleDetector } from './stale.ts';

/** Bit 6 of a leaf: the page was written to. Bit 5: it was used. */
const ACCESSED_AND_DIRTY = 0x60;
const NO_WORDS: readonly TableEntry[] = [];

/** Why a request got no page, for a reply or a DMA's result. */
export interface HostFault {
  readonly code: number;
  readonly reason: string;
  readonly sentence: string;
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
  /** The PASID entry that was used last; null: none was. */
  entry: PasidEntry | null = null;
  /** The translation that was used last, an entry of the IOTLB. */
  served: HostIotlbEntry | null = null;
  readonly #memory: HostMemory;
  readonly #caches: HostCaches;
  readonly #detector: StaleDetector;
  readonly #operations: OperationCounter;
  readonly #walker: NestedWalker;
  readonly #reader: PasidReader;
  #serial = 0;
  /** What was used came from the IOTLB. */
  #wasHit = false;
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
    const context = this.contextOf(source);
    const access = write ? 'write' : 'read';
    if (context === null) {
      this.fault = contextFault(source, access, address, pasid);
      return false;
    }
    const { stage, nested } = context;
    let entry: PasidEntry | null = null;
    let known = false;
    let ok = false;
    this.#wasHit = false;
    if (pasid === NO_PASID) ok = this.#second(stage, address, page, access, pasid);
    // No power: on the way of every request, that would cost more than all the rest of a hit.
    else if (nested === null || pasid >>> source.capabilities.pasidBits !== 0) {
      this.fault = pasidFault(source, context, access, address, pasid);
    } else {
      const key = this.#caches.pasidKey(source.requester, pasid);
      const cached = this.#caches.pasid.lookup(key);
      known = cached !== undefined || nested.attached !== null;
      entry = cached ?? this.#fetch(context, nested, key, address, pasid, access);
      if (entry !== null) {
        ok =
          entry.firstStage === null
            ? this.#second(stage, address, page, access, pasid)
            : this.#nested(stage, entry, address, page, access);
      }
    }
    this.entry = entry;
    const current = source.contextEntry;
    if (context !== current || (known && this.#mayBeStale(context, entry)) || this.#hitMayBeStale(stage, entry)) {
      const { frame } = this;
      const [guestPage, permissions] = [this.#guestPage, this.#permissions];
      this.#detector.check({
        device: device(),
        address,
        page,
        pasid,
        access,
        source,
        context,
        entry,
        entryCached: known,
        translation: this.#wasHit ? this.served : null,
        used: { ok, frame, guestPage, permissions },
      });
    }
    return ok;
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

  #loadContext(source: HostFunction): ContextEntry | null {
    const context = source.contextEntry;
    if (context !== null) this.#caches.context.insert(source.requester, context);
    return context;
  }

  /** A PASID entry that was not read from the guest's tables just now. Null: the host has none attached. */
  #mayBeStale(context: ContextEntry, entry: PasidEntry | null): boolean {
    if (entry === null) return true;
    return (
      entry.verifiedWith !== context.serial || entry.verifiedAt !== this.#memory.watchedWrites + context.stage.changes
    );
  }

  #hitMayBeStale(stage: HostPageTable, entry: PasidEntry | null): boolean {
    const hit = this.served;
    if (!this.#wasHit || hit === null) return false;
    if (hit.stage === 'second') return hit.verifiedAt !== stage.changes;
    return hit.verifiedAt !== this.#memory.watchedWrites + stage.changes || hit.verifiedWith !== entry?.serial;
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

  /** Both stages, from the IOTLB or from the tables. */
  #nested(stage: HostPageTable, entry: PasidEntry, address: bigint, page: number, access: 'read' | 'write'): boolean {
    const hit = this.#caches.lookup(entry.nestedTable, entry.domainId, entry.pasid, page);
    if (hit !== null) return this.#use(hit, stage, address, page, access);
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
  #second(stage: HostPageTable, address: bigint, page: number, access: 'read' | 'write', pasid: number): boolean {
    const hit = this.#caches.lookup(stage.id, HOST_DOMAIN, NO_PASID, page);
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
    this.served = translation;
    const inside = page - translation.page;
    this.frame = translation.frame + inside;
    this.#guestPage = translation.guestPage + inside;
    this.#permissions = translation.permissions;
    return true;
  }

  /** Uses a cached translation as it is. */
  #use(hit: HostIotlbEntry, stage: HostPageTable, address: bigint, page: number, access: 'read' | 'write'): boolean {
    const inside = page - hit.page;
    this.served = hit;
    this.#wasHit = true;
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

/** A fault with its sentence; `where` begins with the blank or the colon that joins it. */
export function hostFault(code: number, access: Access, address: bigint, pasid: number, where: string): HostFault {
  const { reason } = faultReason(code);
  const verb = access === 'none' ? 'lookup' : access;
  const space = pasid === NO_PASID ? '' : ` with PASID ${pasid}`;
  // Code 0 stands for a request that hardware would give no reason for.
  const number = code === 0 ? '' : ` (reason ${hex(code)})`;
  return { code, reason, sentence: `The ${verb} at address ${hex(address)}${space} faulted${where}${number}` };
}

/** A cached translation without the right that is asked for; its own tables, as they were, decide the reason. */
export function cachedFault(hit: HostIotlbEntry, access: Access, address: bigint): HostFault {
  const second = access === 'write' ? 0x05 : 0x06;
  const nested = access === 'write' ? 0x85 : access === 'execute' ? 0x82 : 0x79;
  const code = hit.stage === 'nested' ? nested : second;
  return hostFault(code, access, address, hit.pasid, ': the cached translation gives no such right');
}

/** What ended a walk, with stage and level. */
export function walkFault(walker: NestedWalker, access: Access, address: bigint, pasid: number): HostFault {
  const { code, level, stage } = walker;
  const { description } = faultReason(code);
  const where = stage === 'first' ? ` in the first stage, level ${level}` : " in the host's second stage";
  const page = hex(walker.guestPage * PAGE_SIZE);
  const text = code === 0x79 || code === 0x74 ? `${description}, guest-physical ${page}` : description;
  return hostFault(code, access, address, pasid, `${where}: ${text}`);
}

/** The fault of a function that no container has attached. */
export function contextFault(source: HostFunction, access: Access, address: bigint, pasid: number): HostFault {
  return hostFault(0x02, access, address, pasid, `: host function ${source.name} is attached to no page table`);
}

/** The fault of a PASID where there can be none. */
export function pasidFault(
  source: HostFunction,
  context: ContextEntry,
  access: Access,
  address: bigint,
  pasid: number,
): HostFault {
  if (context.nested === null) {
    return hostFault(0x00, access, address, pasid, `: no PASID table is bound for host function ${source.name}`);
  }
  const { pasidBits } = source.capabilities;
  return hostFault(0x46, access, address, pasid, `: host function ${source.name} has ${pasidBits} PASID bits`);
}

/** The fault of a PASID that the host has nothing for, where the guest's are attached one by one. */
export function unattachedFault(access: Access, address: bigint, pasid: number): HostFault {
  return hostFault(0x59, access, address, pasid, ': the PASID is attached to no page table');
}
