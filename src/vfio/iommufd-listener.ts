import { hex } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import { allOrNothing } from '../core/undo.ts';
import type { HostFunction } from '../host/function.ts';
import type { HostIommu } from '../host/iommu.ts';
import type { NestedTable } from '../host/caches.ts';
import type { NestedPageTable } from '../host/nested-page-table.ts';
import type { PasidAttachments } from '../host/pasid-attachments.ts';
import { leadsAlike, type PasidEntry } from '../host/pasid-entry.ts';
import { presentPasids } from '../host/pasid-tables.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { IommuObject, IotlbFlush, PasidCacheFlush, PasidTable } from '../memory/iommu-object.ts';
import { LookOnlyTableMemory } from '../memory/table-memory.ts';
import type { FaultPoints } from '../trace/fault-points.ts';
import type { ModelEvents } from '../trace/model-events.ts';
import type { TracePoints } from '../trace/points/table.ts';
import { type GuestCarrier, refuseShadowed } from './guest-carrier.ts';

export interface IommufdListenerParts {
  /** The device's id, or its QOM path where it has none. */
  readonly device: string;
  readonly object: IommuObject;
  readonly function: HostFunction;
  readonly iommu: HostIommu;
  /** Guest RAM, where the PASID tables lie. */
  readonly memory: AddressSpace;
  readonly events: ModelEvents;
  readonly faults: FaultPoints;
  readonly points: TracePoints;
  /** Whether the device's container maps I/O-virtual addresses now, instead of guest-physical ones. */
  isShadowed(): boolean;
}

/** The type of a nested page table in trace points, as iommufd numbers it. */
const VTD_FIRST_STAGE = 1;

/** Tells of a PASID that was attached, and does away with the page table that it has left. */
type Tell = () => void;

/**
 * Carries what the vIOMMU says about one device to the host by contract `iommufd`: the host never sees the guest's
 * PASID table. That is read here when it is bound, and at each flush of the PASID cache: PASIDs that have vanished are
 * detached first, then those that are there are attached, or have their page table replaced where the entry leads
 * elsewhere now.
 */
export class IommufdListener implements GuestCarrier {
  readonly name = 'vfio-iommufd';
  readonly kind = 'vfio';
  readonly device: string;
  readonly #parts: IommufdListenerParts;
  readonly #memory: LookOnlyTableMemory;

  constructor(parts: IommufdListenerParts) {
    this.device = parts.device;
    this.#parts = parts;
    this.#memory = new LookOnlyTableMemory(parts.memory);
  }

  /**
   * Attaches every PASID that is present in `table` and within the function's, in place of those of an earlier table.
   * Entries that no host can use are left out: requests with those fault, as by the other contract.
   * @throws CommandError when the host refuses the table or a PASID; what was attached before is then still, or again
   */
  bind(table: PasidTable): void {
    const source = this.#parts.function;
    if (this.#parts.isShadowed()) throw refuseShadowed(this.device);
    const before = source.pasids === null ? null : { table: source.binding!, entries: new Map(source.pasids.entries) };
    allOrNothing((undo) => {
      // Steps are taken back from the last one on: what was made for a bind that fails goes once nothing uses it.
      undo(() => this.#dropUnused());
      const pasids = source.openPasids(table);
      undo(() => {
        if (before === null) source.unbindPasidTable();
        else source.reopenPasids(before.table, before.entries);
      });
      const present = this.#present();
      const attached = [...present].flatMap(([pasid, entry]) => this.#attach(pasids, pasid, entry));
      // Nothing can fail from here on.
      for (const pasid of pasids.pasids) if (!present.has(pasid)) this.#detach(pasids, pasid);
      for (const tell of attached) tell();
    });
  }

  unbind(): void {
    const { function: source } = this.#parts;
    const { pasids } = source;
    for (const pasid of pasids?.pasids ?? []) this.#detach(pasids!, pasid);
    source.unbindPasidTable();
  }

  domainIdOf(pasid: number): number | null {
    return this.#parts.function.domainIdOf(pasid);
  }

  flushIotlb(flush: IotlbFlush): number {
    return this.#parts.function.flushIotlb(flush);
  }

  /**
   * Reads the entries in scope again, those of a domain by the domain id that they had or have. An entry that leads
   * where it led stays attached as it is.
   * @returns how many PASID entries the host's cache has lost by that
   * @throws CommandError as the first PASID that the host refused; the others have been done
   */
  flushPasidCache(flush: PasidCacheFlush): number {
    const { pasids, nested } = this.#parts.function;
    if (pasids === null || nested === null) return 0;
    const cache = this.#parts.iommu.caches.pasid;
    const held = cache.statistics().entries;
    const inScope = (one: PasidEntry | undefined): boolean =>
      one !== undefined && (flush.domainId ?? one.domainId) === one.domainId;
    const only = flush.granularity === 'pasid' ? flush.pasid : undefined;
    const present = only === undefined ? this.#present() : this.#presentOnly(nested, only);
    const refused: CommandError[] = [];
    const attempt = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        refused.push(error);
      }
    };
    for (const pasid of only === undefined ? pasids.pasids : [only]) {
      if (present.has(pasid) || !inScope(pasids.entries.get(pasid))) continue;
      this.#detach(pasids, pasid);
      attempt(() => this.#parts.faults.pass('detach', this.device));
    }
    for (const [pasid, entry] of present) {
      if (!inScope(entry) && !inScope(pasids.entries.get(pasid))) continue;
      attempt(() => {
        for (const tell of this.#attach(pasids, pasid, entry)) tell();
      });
    }
    if (refused[0] !== undefined) throw refused[0];
    return held - cache.statistics().entries;
  }

  /**
   * The entries that can be used, by PASID, ascending: of all that the table has and the function can send.
   * @throws CommandError for more than there can be page tables; a guest must not keep the host busy with them
   */
  #present(): Map<number, PasidEntry> {
    const { nested, capabilities } = this.#parts.function;
    const { limit } = this.#parts.iommu.nestedPages;
    const found = new Map<number, PasidEntry>();
    if (nested === null) return found;
    this.#parts.iommu.translation.watchPasidTable(nested);
    let seen = 0;
    for (const pasid of presentPasids(this.#memory, nested.table)) {
      if (pasid >= 2 ** capabilities.pasidBits) break;
      if (++seen > limit) {
        throw new CommandError(
          `The PASID table at ${hex(nested.table.address)} has more than ${limit} entries present, and the host IOMMU ` +
            `has room for ${limit} nested page tables: clear some, or start with a host-iommu that has a higher max-page-tables`,
        );
      }
      this.#read(nested, pasid, found);
    }
    return found;
  }

  #presentOnly(nested: NestedTable, pasid: number): Map<number, PasidEntry> {
    const found = new Map<number, PasidEntry>();
    if (pasid < 2 ** this.#parts.function.capabilities.pasidBits) this.#read(nested, pasid, found);
    return found;
  }

  #read(nested: NestedTable, pasid: number, found: Map<number, PasidEntry>): void {
    const entry = this.#parts.iommu.translation.readPasidEntry(nested, pasid);
    if (entry !== null) found.set(pasid, entry);
  }

  /** Nothing is to be told where the PASID goes there already. @throws CommandError when the host refuses it */
  #attach(pasids: PasidAttachments, pasid: number, entry: PasidEntry): Tell[] {
    const { function: source, iommu, object, device, events, faults, points } = this.#parts;
    const old = pasids.entries.get(pasid);
    if (old !== undefined && leadsAlike(old, { ...entry, nestedTable: old.nestedTable })) return [];
    faults.pass('attach', device);
    const stage = source.nested!.stage;
    const { firstStage, domainId } = entry;
    const target = firstStage === null ? stage : iommu.nestedPages.allocate(source, stage, { firstStage, domainId });
    if (target.kind === 'nested') {
      const { requester } = source;
      points.iommufd_backend_alloc_hwpt?.(-1, requester, stage.id, 0, VTD_FIRST_STAGE, 0, 0, target.id, 0);
    }
    try {
      pasids.attach(pasid, target, entry);
    } catch (error) {
      if (target.kind === 'nested') this.#destroy(target);
      throw error;
    }
    const data = { iommu: object.unit, device, pasid, 'page-table': target.id, replaced: old !== undefined };
    return [
      () => {
        if (old !== undefined) this.#dropUnused(old.nestedTable);
        events.emit('IOMMU_PASID_ATTACHED', data);
      },
    ];
  }

  #detach(pasids: PasidAttachments, pasid: number): void {
    const { object, device, events } = this.#parts;
    const { nestedTable } = pasids.entries.get(pasid)!;
    pasids.detach(pasid);
    this.#dropUnused(nestedTable);
    events.emit('IOMMU_PASID_DETACHED', { iommu: object.unit, device, pasid, 'page-table': nestedTable });
  }

  /** Destroys the nested page table with that id, or all, unless a PASID goes through it. */
  #dropUnused(id?: number): void {
    const { nestedPages } = this.#parts.iommu;
    const tables = id === undefined ? nestedPages.all : [nestedPages.get(id)];
    for (const table of tables) if (table?.users.length === 0) this.#destroy(table);
  }

  #destroy(table: NestedPageTable): void {
    this.#parts.iommu.nestedPages.destroy(table);
    this.#parts.points.iommufd_backend_free_id?.(-1, table.id, 0);
  }
}
