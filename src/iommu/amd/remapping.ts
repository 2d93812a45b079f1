import type { AddressSpace } from '../../memory/address-space.ts';
import { LookOnlyTableMemory, type TableMemory } from '../../memory/table-memory.ts';
import type { PciBus } from '../../pci/bus.ts';
import { Iotlb } from '../iotlb.ts';
import type { Shadow } from '../shadow.ts';
import type { AmdDeviceSpace } from './device-address-space.ts';
import { DeviceTableReader } from './device-table.ts';
import type { AmdProperties } from './properties.ts';
import type { AmdControl } from './register-level.ts';
import { MODE_NONE, MODE_RESERVED } from './tables.ts';
import { type PageTables, PageTableWalker } from './walk.ts';

/** How many translations QEMU's IOTLB holds. */
export const IOTLB_ENTRIES = 1024;

/** One address space behind the unit, with what the unit keeps for it. */
export interface TranslatedSpace {
  readonly space: AmdDeviceSpace;
  readonly shadow: Shadow;
}

/**
 * What the parts of the translation side share: what the registers have set, the IOTLB, the spaces of the devices, and
 * a reader and a walker for their tables. Neither writes anything, so that requests and those who only look share them.
 */
export class Remapping {
  readonly properties: AmdProperties;
  readonly systemMemory: AddressSpace;
  readonly memory: TableMemory;
  readonly entry: DeviceTableReader;
  readonly walker = new PageTableWalker();
  readonly iotlb = new Iotlb({ capacity: IOTLB_ENTRIES, replacement: 'clear', keyedByDomain: false });
  readonly #control: () => AmdControl;
  readonly #spaces = new Map<PciBus, Map<number, TranslatedSpace>>();
  readonly #byAddressSpace = new Map<AddressSpace, TranslatedSpace>();

  constructor(properties: AmdProperties, systemMemory: AddressSpace, control: () => AmdControl) {
    this.properties = properties;
    this.systemMemory = systemMemory;
    this.memory = new LookOnlyTableMemory(systemMemory);
    this.entry = new DeviceTableReader(properties.dmaTranslation);
    this.#control = control;
  }

  get enabled(): boolean {
    return this.#control().enabled;
  }

  /** Reads the device table entry of a device. @returns false when it cannot be read or is illegal */
  read(deviceId: number): boolean {
    return this.entry.read(this.memory, this.#control().deviceTable, deviceId);
  }

  /** The page tables of the entry that was read last; null where requests do not walk any. */
  get tables(): PageTables | null {
    const { entry } = this;
    if (!entry.valid || !entry.translationValid) return null;
    const { mode, rights, root } = entry;
    return mode === MODE_NONE || mode === MODE_RESERVED ? null : { address: root, levels: mode, rights };
  }

  /** The page tables of a device while the unit is on; null where it has none. */
  tablesOf(deviceId: number): PageTables | null {
    return this.enabled && this.read(deviceId) ? this.tables : null;
  }

  /** By bus number and function. */
  spaces(): TranslatedSpace[] {
    return [...this.#spaces.values()]
      .flatMap((functions) => [...functions.values()])
      .sort(({ space: a }, { space: b }) => a.deviceId - b.deviceId);
  }

  find(bus: PciBus, devfn: number): TranslatedSpace | undefined {
    return this.#spaces.get(bus)?.get(devfn);
  }

  /** The one that shows `addressSpace`; undefined where that is not the unit's. */
  behind(addressSpace: AddressSpace): TranslatedSpace | undefined {
    return this.#byAddressSpace.get(addressSpace);
  }

  add(made: TranslatedSpace): void {
    const { bus, devfn } = made.space.place;
    let functions = this.#spaces.get(bus);
    if (functions === undefined) this.#spaces.set(bus, (functions = new Map<number, TranslatedSpace>()));
    functions.set(devfn, made);
    this.#byAddressSpace.set(made.space.addressSpace, made);
  }
}
