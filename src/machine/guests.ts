import { CommandError } from '../core/errors.ts';
import { AmdGuestDriver } from '../guest/amd/driver.ts';
import type { GuestDriver } from '../guest/guest-driver.ts';
import { IntelGuestDriver } from '../guest/intel-driver.ts';
import { VirtioIommuDriver } from '../guest/virtio/iommu-driver.ts';
import type { SpaprPlatform } from '../guest/spapr/platform.ts';
import { TceDriver } from '../guest/spapr/tce-driver.ts';
import type { ConfigAccess } from '../guest/virtio/registers.ts';
import { ZpciGuestDriver } from '../guest/zpci/driver.ts';
import { REGISTERS_BASE as AMD_REGISTERS_BASE } from '../iommu/amd/registers.ts';
import { REGISTERS_BASE } from '../iommu/intel/registers.ts';
import type { PciPlace } from '../iommu/place.ts';
import { ZpciUnit } from '../iommu/s390/unit.ts';
import type { IommuUnit } from '../iommu/unit.ts';
import { SpaprTceUnit } from '../iommu/spapr/unit.ts';
import { VirtioIommuUnit } from '../iommu/virtio/unit.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { GuestCards, type GuestCardsState } from './guest-cards.ts';

/** By kind of vIOMMU. */
const DRIVERS: Readonly<Record<string, (memory: AddressSpace, unit: IommuUnit) => GuestDriver>> = {
  'amd-iommu': (memory) => new AmdGuestDriver({ memory, registers: AMD_REGISTERS_BASE }),
  'intel-iommu': (memory) => new IntelGuestDriver({ memory, registers: REGISTERS_BASE }),
  'virtio-iommu-pci': (memory, unit) => new VirtioIommuDriver({ memory, config: configOf(virtio(unit).place) }),
  'spapr-tce': (memory, unit) => new TceDriver({ memory, platform: platformOf(unit) }),
  's390-pci-iommu': (memory, unit) => new ZpciGuestDriver({ memory, services: zpci(unit) }),
};

export interface GuestsState {
  units: { unit: string; driver: unknown }[];
  cards: GuestCardsState;
}

/** The built-in guest: one driver for each vIOMMU that it can drive, made when it is first wanted, and those of cards. */
export class Guests implements Snapshottable<GuestsState> {
  readonly cards: GuestCards;
  readonly #memory: AddressSpace;
  readonly #units: () => readonly IommuUnit[];
  readonly #drivers = new Map<IommuUnit, GuestDriver>();

  constructor(memory: AddressSpace, units: () => readonly IommuUnit[]) {
    this.#memory = memory;
    this.#units = units;
    this.cards = new GuestCards(memory);
  }

  /** @throws CommandError for a kind of vIOMMU that the guest has no driver for */
  driverOf(unit: IommuUnit): GuestDriver {
    const make = DRIVERS[unit.kind];
    if (make === undefined) {
      throw new CommandError(`The built-in guest has no driver for '${unit.name}', which is of type ${unit.kind}`);
    }
    let driver = this.#drivers.get(unit);
    if (driver === undefined) {
      driver = make(this.#memory, unit);
      this.#drivers.set(unit, driver);
    }
    return driver;
  }

  /** The machine was reset, and the guest with it. */
  reset(): void {
    for (const driver of this.#drivers.values()) driver.reset();
    this.cards.reset();
  }

  save(): GuestsState {
    const units = [...this.#drivers].map(([unit, driver]) => ({ unit: unit.name, driver: driver.save() }));
    return { units, cards: this.cards.save() };
  }

  /** @throws Error when a unit that was driven is not there */
  restore({ units, cards }: GuestsState): void {
    this.reset();
    for (const { unit, driver } of units) {
      const found = this.#units().find(({ name }) => name === unit);
      if (found === undefined) throw new Error(`There is no vIOMMU '${unit}' to drive`);
      this.driverOf(found).restore(driver);
    }
    this.cards.restore(cards);
  }
}

function zpci(unit: IommuUnit): ZpciUnit {
  if (unit instanceof ZpciUnit) return unit;
  throw new Error(`${unit.name} is no unit of s390`);
}

function virtio(unit: IommuUnit): VirtioIommuUnit {
  if (unit instanceof VirtioIommuUnit) return unit;
  throw new Error(`${unit.name} is no virtio-iommu`);
}

/** What a pSeries guest sees: hypercalls, and DMA windows as its device tree has them. */
export function platformOf(unit: IommuUnit): SpaprPlatform {
  if (!(unit instanceof SpaprTceUnit)) throw new Error(`${unit.name} has no TCE tables`);
  return {
    hypercall: (number, args) => unit.hypercalls.call(number, args),
    windowOf: (liobn) => unit.firmwareWindow(liobn),
  };
}

/** Configuration space of the function in a place, as processors reach it. */
function configOf(place: PciPlace): ConfigAccess {
  const device = place.bus.deviceAt(place.devfn);
  if (device === null) throw new Error(`There is no function at ${place.name}`);
  return {
    read: (offset, size) => device.readConfig(offset, size),
    write: (offset, size, value) => device.writeConfig(offset, size, value),
  };
}
