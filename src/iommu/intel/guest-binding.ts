import type { Gpa } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { IotlbFlush, PasidCacheFlush, PasidTable } from '../../memory/iommu-object.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { domainIdOf, pasidTableOf } from './context-lookup.ts';
import type { IntelDeviceSpace } from './device-address-space.ts';
import type { Remapping } from './remapping.ts';
import { fieldOf } from '../entry-layout.ts';
import { PASID_DIRECTORY_ENTRY, PASID_ENTRY, PASIDS_PER_DIRECTORY_ENTRY } from './tables.ts';
import { pasidCapacity } from './walk.ts';

interface Bound {
  /** What the device's entry pointed to when it was bound. */
  readonly table: PasidTable;
  /** PASIDs with the domain ids that their entries have had since they were flushed: pasid * 2^16 + domain id. */
  readonly tags: Set<number>;
}

/** What was refused, and how the device saw memory then. */
interface Refused {
  readonly table: PasidTable;
  readonly bypass: boolean;
}

export interface GuestBindingsState {
  bound: { space: { bus: string; devfn: number }; table: PasidTable; tags: number[] }[];
  refused: ({ space: { bus: string; devfn: number } } & Refused)[];
}

const DOMAIN_IDS = 0x1_0000;

/**
 * What the guest says about first-stage tables by its registers, told to the IOMMU objects: which PASID table a
 * device's context entry leads to, and which of its translations are flushed.
 *
 * An entry counts from the invalidation that covers it. A table is bound as soon as something listens, and let go when
 * the entry no longer leads to it; a table that a command has bound in the meantime stays until the entry changes.
 */
export class GuestBindings implements Snapshottable<GuestBindingsState> {
  readonly #remapping: Remapping;
  readonly #bound = new Map<IntelDeviceSpace, Bound>();
  readonly #refused = new Map<IntelDeviceSpace, Refused>();

  constructor(remapping: Remapping) {
    this.#remapping = remapping;
  }

  /**
   * Judges the context entry of a device anew. In extended mode a first bind takes an invalidation of the device
   * itself (`selective`), as in 2017. An invalidation that does not cover the entry (`covered` false) has nobody asked
   * again who has refused that very table.
   */
  update(space: IntelDeviceSpace, selective: boolean, covered = true): void {
    const { iommuObject } = space;
    const bound = this.#bound.get(space);
    const table = this.#tableOf(space);
    if (table === null) {
      this.#refused.delete(space);
      if (bound === undefined) return;
      this.#bound.delete(space);
      if (iommuObject.binding !== null) iommuObject.unbind('guest');
      return;
    }
    if (bound !== undefined && iommuObject.binding !== null && sameTable(bound.table, table)) {
      this.#learn(space);
      return;
    }
    if (!iommuObject.serves('bind')) return;
    if (table.format === 'vtd-ecs' && !selective && bound === undefined) return;
    const refused = this.#refused.get(space);
    if (!covered && refused?.bypass === space.bypass && sameTable(refused.table, table)) return;
    try {
      iommuObject.bind(table, 'guest');
      this.#refused.delete(space);
      this.#bound.set(space, { table, tags: new Set() });
      this.#learn(space);
    } catch (error) {
      // The object has told it by an event; the guest learns nothing, and may try again.
      if (!(error instanceof CommandError)) throw error;
      this.#refused.set(space, { table, bypass: space.bypass });
      if (iommuObject.binding === null) this.#bound.delete(space);
    }
  }

  /** Passes a flush of first-stage translations on to every device that it covers. */
  flushIotlb(spaces: readonly IntelDeviceSpace[], flush: IotlbFlush): void {
    for (const space of spaces) {
      if (space.iommuObject.binding === null || !this.#covers(space, flush.domainId, flush.pasid)) continue;
      space.iommuObject.flushIotlb(flush, 'guest');
      this.#forget(space, flush.domainId, flush.pasid);
    }
  }

  flushPasidCache(spaces: readonly IntelDeviceSpace[], flush: PasidCacheFlush): void {
    for (const space of spaces) {
      if (space.iommuObject.binding === null || !this.#covers(space, flush.domainId, flush.pasid)) continue;
      space.iommuObject.flushPasidCache(flush, 'guest');
      this.#learn(space);
    }
  }

  reset(): void {
    this.#bound.clear();
    this.#refused.clear();
  }

  save(): GuestBindingsState {
    const bound = [...this.#bound].map(([{ bus, devfn }, { table, tags }]) => ({
      space: { bus: bus.busName, devfn },
      table: { ...table },
      tags: [...tags].sort((a, b) => a - b),
    }));
    const refused = [...this.#refused].map(([{ bus, devfn }, { table, bypass }]) => ({
      space: { bus: bus.busName, devfn },
      table: { ...table },
      bypass,
    }));
    return { bound, refused };
  }

  restore(state: GuestBindingsState): void {
    this.reset();
    for (const { space, table, tags } of state.bound) {
      const found = this.#find(space);
      if (found !== undefined) this.#bound.set(found, { table, tags: new Set(tags) });
    }
    for (const { space, table, bypass } of state.refused) {
      const found = this.#find(space);
      if (found !== undefined) this.#refused.set(found, { table, bypass });
    }
  }

  #find({ bus, devfn }: { bus: string; devfn: number }): IntelDeviceSpace | undefined {
    return this.#remapping.spaces().find(({ space }) => space.bus.busName === bus && space.devfn === devfn)?.space;
  }

  /** What the context entry leads to; null without a valid one, or with remapping off. */
  #tableOf(space: IntelDeviceSpace): PasidTable | null {
    const { enabled, look, root } = this.#remapping;
    if (!enabled || root.mode === 'legacy') return null;
    if (!look.contexts.read(look.memory, root, space.sourceId)) return null;
    const found = pasidTableOf(look.contexts);
    if (found === null) return null;
    const { address, size, format } = found;
    const tag = format === 'vtd-ecs' ? { domainId: domainIdOf(look.contexts) } : {};
    return { address: BigInt(address) as Gpa, size: BigInt(size), format, ...tag };
  }

  /**
   * Whether a flush of a domain, or of a PASID in it, concerns a device. What is not known counts as concerned: too
   * much is flushed rather than too little.
   */
  #covers(space: IntelDeviceSpace, domainId?: number, pasid?: number): boolean {
    if (domainId === undefined) return true;
    const table = space.iommuObject.binding!;
    if (table.format === 'vtd-ecs') return this.#contextDomain(space) === domainId;
    const { tags } = this.#bound.get(space) ?? { tags: new Set<number>() };
    if (pasid !== undefined) {
      const known = [...tags].filter((tag) => Math.floor(tag / DOMAIN_IDS) === pasid).map((tag) => tag % DOMAIN_IDS);
      const current = this.#domainOf(table, pasid);
      if (current !== null) known.push(current);
      return known.length === 0 || known.includes(domainId);
    }
    if ([...tags].some((tag) => tag % DOMAIN_IDS === domainId)) return true;
    for (const tag of this.#tagsOf(table)) if (tag % DOMAIN_IDS === domainId) return true;
    return false;
  }

  /** Remembers the domain ids that the table has now. */
  #learn(space: IntelDeviceSpace): void {
    const bound = this.#bound.get(space);
    if (bound === undefined || bound.table.format !== 'vtd-scalable') return;
    for (const tag of this.#tagsOf(bound.table)) bound.tags.add(tag);
  }

  /** What was flushed, and is not in the table any more, concerns nobody. */
  #forget(space: IntelDeviceSpace, domainId?: number, pasid?: number): void {
    const bound = this.#bound.get(space);
    if (bound === undefined) return;
    for (const tag of [...bound.tags]) {
      const [tagPasid, tagDomain] = [Math.floor(tag / DOMAIN_IDS), tag % DOMAIN_IDS];
      if ((domainId ?? tagDomain) !== tagDomain || (pasid ?? tagPasid) !== tagPasid) continue;
      if (this.#domainOf(bound.table, tagPasid) !== tagDomain) bound.tags.delete(tag);
    }
  }

  /** The domain id of an extended context entry, which its PASID entries have none of. */
  #contextDomain(space: IntelDeviceSpace): number | null {
    const { look, root } = this.#remapping;
    return look.contexts.read(look.memory, root, space.sourceId) ? domainIdOf(look.contexts) : null;
  }

  /** DID of a present entry. */
  #domainOf(table: PasidTable, pasid: number): number | null {
    if (pasid >= pasidCapacity(table)) return null;
    const leaf = this.#leafTable(table, Math.floor(pasid / PASIDS_PER_DIRECTORY_ENTRY));
    return leaf === null ? null : this.#domainAt(leaf, pasid % PASIDS_PER_DIRECTORY_ENTRY);
  }

  *#tagsOf(table: PasidTable): Generator<number> {
    const directory = pasidCapacity(table) / PASIDS_PER_DIRECTORY_ENTRY;
    for (let index = 0; index < directory; index++) {
      const leaf = this.#leafTable(table, index);
      if (leaf === null) continue;
      for (let entry = 0; entry < PASIDS_PER_DIRECTORY_ENTRY; entry++) {
        const domainId = this.#domainAt(leaf, entry);
        if (domainId !== null) yield (index * PASIDS_PER_DIRECTORY_ENTRY + entry) * DOMAIN_IDS + domainId;
      }
    }
  }

  #leafTable(table: PasidTable, index: number): number | null {
    const { memory } = this.#remapping.look;
    if (!memory.read(Number(table.address) + 8 * index)) return null;
    if ((memory.low & 1) === 0) return null;
    return fieldOf(PASID_DIRECTORY_ENTRY, Uint32Array.of(memory.low, memory.high), 'SMPTBLPTR');
  }

  #domainAt(leaf: number, index: number): number | null {
    const { memory } = this.#remapping.look;
    const entry = leaf + PASID_ENTRY.bytes * index;
    if (!memory.read(entry) || (memory.low & 1) === 0) return null;
    return memory.read(entry + 8) ? memory.low & 0xffff : null;
  }
}

function sameTable(a: PasidTable, b: PasidTable): boolean {
  return a.address === b.address && a.size === b.size && a.format === b.format && a.domainId === b.domainId;
}
