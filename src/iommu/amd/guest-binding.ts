import type { Gpa } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { IotlbFlush, PasidTable } from '../../memory/iommu-object.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { fieldOf } from '../entry-layout.ts';
import type { PageScope } from './commands.ts';
import type { AmdDeviceSpace } from './device-address-space.ts';
import type { Remapping } from './remapping.ts';
import { DEVICE_TABLE_ENTRY } from './tables.ts';

export interface GuestBindingsState {
  bound: { bus: string; devfn: number; table: PasidTable }[];
}

/** PASIDs that a GCR3 table of so many levels has room for, and the bytes that stand for each. */
const PASIDS = [2 ** 9, 2 ** 18, 2 ** 20] as const;
const BYTES_PER_PASID = 8;
const LAST_PAGE = 2 ** 52 - 1;

/**
 * What the guest says about its first stage by device table entries (GV, GLX and the GCR3 table pointer), told to the
 * IOMMU objects: which GCR3 table a device has from INVALIDATE_DEVTAB_ENTRY on, and which of its translations are
 * flushed. A table that a command has bound stays until the guest's entry says something else.
 */
export class GuestBindings implements Snapshottable<GuestBindingsState> {
  readonly #remapping: Remapping;
  readonly #bound = new Map<AmdDeviceSpace, PasidTable>();

  constructor(remapping: Remapping) {
    this.#remapping = remapping;
  }

  /** Judges the entry of a device anew. The device's GCR3 entries may have changed as well: they are read again. */
  update(space: AmdDeviceSpace): void {
    const { iommuObject } = space;
    const bound = this.#bound.get(space);
    const table = this.#tableOf(space);
    if (table === null) {
      if (bound === undefined) return;
      this.#bound.delete(space);
      if (iommuObject.binding !== null) iommuObject.unbind('guest');
      return;
    }
    if (bound !== undefined && iommuObject.binding !== null && sameTable(bound, table)) {
      iommuObject.flushPasidCache({ granularity: 'global' }, 'guest');
      return;
    }
    if (!iommuObject.serves('bind')) return;
    try {
      iommuObject.bind(table, 'guest');
      this.#bound.set(space, table);
    } catch (error) {
      // The object has told it by an event; the guest learns nothing, and may try again.
      if (!(error instanceof CommandError)) throw error;
      if (iommuObject.binding === null) this.#bound.delete(space);
    }
  }

  /** INVALIDATE_IOMMU_PAGES: a PASID's pages, or, since all nested translations depend on it, the whole domain. */
  flushDomain(spaces: readonly AmdDeviceSpace[], scope: PageScope): void {
    const { domainId } = scope;
    for (const space of spaces) {
      const { binding } = space.iommuObject;
      if (binding === null || (binding.domainId ?? this.#domainOf(space)) !== domainId) continue;
      space.iommuObject.flushIotlb(flushOf(scope), 'guest');
    }
  }

  flushAll(spaces: readonly AmdDeviceSpace[]): void {
    for (const space of spaces) {
      if (space.iommuObject.binding === null) continue;
      space.iommuObject.flushIotlb({ granularity: 'global', leafOnly: false }, 'guest');
    }
  }

  reset(): void {
    this.#bound.clear();
  }

  save(): GuestBindingsState {
    const bound = [...this.#bound].map(([{ place }, table]) => ({
      bus: place.bus.busName,
      devfn: place.devfn,
      table: { ...table },
    }));
    return { bound };
  }

  restore(state: GuestBindingsState): void {
    this.reset();
    for (const { bus, devfn, table } of state.bound) {
      const found = this.#remapping.spaces().find(({ space: { place } }) => {
        return place.bus.busName === bus && place.devfn === devfn;
      });
      if (found !== undefined) this.#bound.set(found.space, table);
    }
  }

  /** What the device table entry leads to; null without a guest's first stage, or with the unit off. */
  #tableOf({ deviceId }: AmdDeviceSpace): PasidTable | null {
    const { enabled, entry, properties } = this.#remapping;
    if (!enabled || properties.pasidBits === 0 || !this.#remapping.read(deviceId)) return null;
    const field = (name: 'GV' | 'GLX' | 'GCR3[14:12]' | 'GCR3[30:15]' | 'GCR3[51:31]'): number =>
      fieldOf(DEVICE_TABLE_ENTRY, entry.words, name);
    const pasids = PASIDS[field('GLX')];
    if (!entry.valid || !entry.translationValid || field('GV') === 0 || pasids === undefined) return null;
    const address = field('GCR3[14:12]') * 2 ** 12 + field('GCR3[30:15]') * 2 ** 15 + field('GCR3[51:31]') * 2 ** 31;
    const size = BigInt(pasids * BYTES_PER_PASID);
    return { address: BigInt(address) as Gpa, size, format: 'amd-gcr3', domainId: entry.domainId };
  }

  #domainOf({ deviceId }: AmdDeviceSpace): number | null {
    return this.#remapping.read(deviceId) ? this.#remapping.entry.domainId : null;
  }
}

function flushOf({ domainId, pasid, leafOnly, first, last }: PageScope): IotlbFlush {
  if (pasid === undefined) return { granularity: 'domain', domainId, leafOnly: false };
  if (first === 0 && last >= LAST_PAGE) return { granularity: 'pasid', domainId, pasid, leafOnly };
  const address = BigInt(first) << 12n;
  return { granularity: 'page', domainId, pasid, address, size: BigInt(last - first + 1) << 12n, leafOnly };
}

function sameTable(a: PasidTable, b: PasidTable): boolean {
  return a.address === b.address && a.size === b.size && a.domainId === b.domainId;
}
