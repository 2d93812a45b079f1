import { CommandError } from '../core/errors.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { IommuRegion } from '../memory/iommu-region.ts';
import type { MemoryRegion } from '../memory/region.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { TraceParts } from '../trace/trace.ts';
import { NotifierIommuObject, type NotifierIommuObjectState } from './object.ts';
import type { Place } from './place.ts';
import type { DeviceSpace, IommuUnit, Requester } from './unit.ts';

/** The regions of a view of memory. `translated` and `plain` are enabled by turns. */
export interface BypassableRegions {
  readonly root: MemoryRegion;
  /** An IOMMU region, or what holds several. */
  readonly translated: MemoryRegion;
  readonly plain: MemoryRegion;
  /** Of the address space. */
  readonly name: string;
}

export interface BypassableSpaceState {
  bypass: boolean;
  forced: boolean;
  object: NotifierIommuObjectState;
}

export interface BypassableSpaceParts<SpacePlace extends Place> {
  readonly unit: IommuUnit;
  readonly place: SpacePlace;
  readonly regions: BypassableRegions;
  /** Consumers find the IOMMU object through the address space. */
  readonly hasObject: boolean;
  /** Of a unit that knows no PASIDs: the sentence that every bind is refused with. */
  readonly bindRefusal?: string;
  readonly trace: TraceParts;
}

/**
 * A device's address space behind a unit: its root shows either what is translated or plain memory, and never both; the
 * IOMMU object behind it is found through it whichever it shows.
 */
export abstract class BypassableSpace<SpacePlace extends Place = Place>
  implements DeviceSpace, Snapshottable<BypassableSpaceState>
{
  readonly unit: IommuUnit;
  readonly place: SpacePlace;
  readonly addressSpace: AddressSpace;
  readonly iommuObject: NotifierIommuObject;
  /** A management command chose what is shown; it holds until the unit decides anew. */
  forced = false;
  readonly #translated: MemoryRegion;
  readonly #plain: MemoryRegion;

  constructor(options: BypassableSpaceParts<SpacePlace>) {
    const { unit, place, hasObject, bindRefusal, trace } = options;
    this.unit = unit;
    this.place = place;
    this.iommuObject = new NotifierIommuObject({
      unit: unit.name,
      device: () => this.deviceName,
      ...(bindRefusal !== undefined && { bindRefusal }),
      ...trace,
    });
    const { root, translated, plain, name } = options.regions;
    this.#translated = translated;
    this.#plain = plain;
    this.addressSpace = root.topology.createAddressSpace(name, root, {
      iommuGet: () => (hasObject ? this.iommuObject : null),
      device: () => this.requesters[0]?.label ?? null,
    });
  }

  abstract get regions(): readonly IommuRegion[];

  get bypass(): boolean {
    return this.#plain.enabled;
  }

  get requesters(): readonly Requester[] {
    return this.place.requesters;
  }

  get deviceName(): string {
    return this.requesters[0]?.label ?? this.place.name;
  }

  /**
   * Shows plain memory or what is translated. What is shown goes first and the other comes then, in one transaction, so
   * that no listener ever sees both.
   * @returns false when nothing had to change
   * @throws what a listener that cannot follow threw; the space is then as it was
   */
  show(bypass: boolean): boolean {
    if (bypass === this.bypass) return false;
    try {
      this.#switch(bypass);
    } catch (error) {
      this.#tryToSwitch(!bypass);
      throw error;
    }
    return true;
  }

  /**
   * The same because the guest's tables say so: there is nobody to be told of a listener that cannot follow. That one
   * is left without what it refused.
   * @returns false when nothing had to change
   */
  follow(bypass: boolean): boolean {
    if (bypass === this.bypass) return false;
    this.#tryToSwitch(bypass);
    return true;
  }

  save(): BypassableSpaceState {
    const { bypass, forced, iommuObject } = this;
    return { bypass, forced, object: iommuObject.save() };
  }

  /** Listeners of the address space are told what it shows now, as after any switch. */
  restore(state: BypassableSpaceState): void {
    this.show(state.bypass);
    this.forced = state.forced;
    this.iommuObject.restore(state.object);
  }

  #switch(bypass: boolean): void {
    const [off, on] = bypass ? [this.#translated, this.#plain] : [this.#plain, this.#translated];
    this.addressSpace.topology.transaction(() => {
      off.setEnabled(false);
      on.setEnabled(true);
    });
  }

  #tryToSwitch(bypass: boolean): void {
    try {
      this.#switch(bypass);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
}
