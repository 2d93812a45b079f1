import { ADDRESS_SPACE_SIZE } from '../core/address.ts';
import { CommandError } from '../core/errors.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import { MemoryRegion } from '../memory/region.ts';
import type { MemoryTopology } from '../memory/topology.ts';
import { Bus } from '../qom/bus.ts';
import type { Device } from '../qom/device.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { FUNCTIONS, functionOf, SLOTS, slotOf } from './address.ts';
import type { PciBridge } from './bridge.ts';
import type { PciDecodes } from './decodes.ts';
import type { PciDevice } from './device.ts';
import type { PciIommuOps } from './iommu-ops.ts';

/**
 * A root bus has an owner (the host bridge, or none), the system memory that DMA without IOMMU reaches, and the spaces
 * in which its functions answer (default: two that nobody sees); every other bus has its bridge.
 */
export type PciBusPlace =
  | { readonly owner: Device | null; readonly memory: AddressSpace; readonly decodes?: PciDecodes }
  | { readonly port: PciBridge };

/** A function as the IOMMU knows it. */
export interface PciAlias {
  readonly bus: PciBus;
  readonly devfn: number;
}

/** A PCI bus: 32 slots of 8 functions. */
export class PciBus extends Bus implements Snapshottable<{ automaticNames: number }> {
  /** The bridge above; null for a root bus. */
  readonly port: PciBridge | null;
  /** The IOMMU in front of this bus; null leaves it to the bus above. */
  iommuOps: PciIommuOps | null = null;
  /** Where a root bus leads the interrupt pins of its functions (0 is INTA#); nowhere by default. */
  onInterruptPin: ((slot: number, pin: number, level: boolean) => void) | null = null;
  readonly #decodes: PciDecodes | null;
  readonly #memory: AddressSpace | null;
  readonly #functions = new Map<number, PciDevice>();
  #automaticNames = 0;

  constructor(type: QomType, busName: string, place: PciBusPlace) {
    super(type, busName, 'port' in place ? place.port : place.owner);
    this.port = 'port' in place ? place.port : null;
    this.#memory = 'port' in place ? null : place.memory;
    this.#decodes = 'port' in place ? null : (place.decodes ?? unseen(place.memory.topology));
  }

  /** A bus of PCI Express. */
  get express(): boolean {
    return this.isA('PCIE');
  }

  /** Where the functions of this bus answer. */
  get decodes(): PciDecodes {
    const decodes = this.port?.windows.decodes ?? this.#decodes;
    if (decodes === null) throw new Error(`${this.busName} has no spaces`);
    return decodes;
  }

  get topology(): MemoryTopology {
    return this.#systemMemory().topology;
  }

  /** The bus number as software programmed it into the bridge: 0 for a root bus, and until then. */
  get number(): number {
    return this.port?.secondary ?? 0;
  }

  /** The bus that this one's bridge sits on; null for a root bus. */
  get above(): PciBus | null {
    return this.port?.bus ?? null;
  }

  /** The root bus that this bus hangs under; itself for a root bus. */
  rootBus(): PciBus {
    return this.above?.rootBus() ?? this;
  }

  /** The IOMMU that the functions of this bus are behind: that of the nearest bus upwards that has one. */
  effectiveIommuOps(): PciIommuOps | null {
    return this.iommuOps ?? this.above?.effectiveIommuOps() ?? null;
  }

  /** Where the DMA of the function at `devfn` goes: through the IOMMU, or straight to the system memory. */
  addressSpaceOf(devfn: number): AddressSpace {
    const alias = this.aliasOf(devfn);
    return this.effectiveIommuOps()?.getAddressSpace(alias.bus, alias.devfn) ?? this.#systemMemory();
  }

  /**
   * Whom the IOMMU takes the function at `devfn` for: a bridge of conventional PCI makes requests in its own name, one
   * from PCI Express to PCI in that of device 0 on its secondary bus.
   */
  aliasOf(devfn: number): PciAlias {
    return seenFromAbove(this, { bus: this, devfn }, (bus) => bus.iommuOps !== null);
  }

  /** The source-id of the requests of the function at `devfn`, with what bridges put in its place on the way to the root. */
  requesterOf(devfn: number): number {
    const alias = seenFromAbove(this, { bus: this, devfn }, () => false);
    return (alias.bus.number << 8) | alias.devfn;
  }

  /** A function drives pin `pin`, 0 for INTA#; bridges turn the pins by the slot on the way to the root. */
  drivePin(device: PciDevice, pin: number, level: boolean): void {
    const { port } = this;
    if (port !== null) port.bus.drivePin(port, (pin + device.slot) % 4, level);
    else this.onInterruptPin?.(device.slot, pin, level);
  }

  deviceAt(devfn: number): PciDevice | null {
    return this.#functions.get(devfn) ?? null;
  }

  /** In the order of their devfn. */
  functions(): readonly PciDevice[] {
    return [...this.#functions].sort(([a], [b]) => a - b).map(([, device]) => device);
  }

  /** The functions of this bus and of all buses below. */
  allFunctions(): readonly PciDevice[] {
    return this.functions().flatMap((device) => [device, ...device.childBuses.flatMap(below)]);
  }

  /**
   * The devfn for a device that asks for `wanted`, or for the first empty slot with -1.
   * Throws CommandError when it is taken or could not be seen by the guest.
   */
  chooseDevfn(device: PciDevice, wanted: number): number {
    const devfn = wanted === -1 ? this.#firstFree(device) : this.#checked(device, wanted);
    this.#checkFunctions(device, devfn);
    return devfn;
  }

  /** Called by the device, with what `chooseDevfn` gave. */
  attach(device: PciDevice, devfn: number): void {
    if (this.#functions.has(devfn)) throw new Error(`${this.busName} ${devfn} is taken`);
    this.#functions.set(devfn, device);
    this.port?.deviceAttached(device);
  }

  detach(device: PciDevice): void {
    for (const [devfn, at] of this.#functions) {
      if (at === device) this.#functions.delete(devfn);
    }
  }

  /** A name for the bus of a bridge without id; asked of the root bus. They count from 0 whatever the root is called. */
  automaticName(type: 'PCI' | 'PCIE' = 'PCIE'): string {
    const name = `${type.toLowerCase()}.${this.#automaticNames}`;
    this.#automaticNames += 1;
    return name;
  }

  save(): { automaticNames: number } {
    return { automaticNames: this.#automaticNames };
  }

  restore(state: { automaticNames: number }): void {
    this.#automaticNames = state.automaticNames;
  }

  #systemMemory(): AddressSpace {
    if (this.above !== null) return this.above.#systemMemory();
    if (this.#memory === null) throw new Error(`${this.busName} is below a bridge that is on no bus`);
    return this.#memory;
  }

  #firstFree(device: PciDevice): number {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if (!this.#functions.has(slot * FUNCTIONS)) return slot * FUNCTIONS;
    }
    throw new CommandError(`PCI: no slot/function available for ${device.driver}, all in use or reserved`);
  }

  #checked(device: PciDevice, devfn: number): number {
    const slot = slotOf(devfn);
    const there = this.deviceAt(devfn);
    if (there !== null) {
      throw new CommandError(
        `PCI: slot ${slot} function ${functionOf(devfn)} not available for ${device.driver}, ` +
          `in use by ${there.driver},id=${there.id ?? '(null)'}`,
      );
    }
    // A guest that has enumerated the slot looks for further functions no more. Below a PCI Express port it looks at
    // slot 0 only.
    const first = this.deviceAt(this.port !== null && this.express ? 0 : slot * FUNCTIONS);
    if (device.hotplugged && first !== null) {
      throw new CommandError(
        `PCI: slot ${first.slot} function 0 already occupied by ${first.driver}, ` +
          `new func ${device.driver} cannot be exposed to guest.`,
      );
    }
    return devfn;
  }

  /** Functions above 0 need a function 0 that says it has others. */
  #checkFunctions(device: PciDevice, devfn: number): void {
    const slot = slotOf(devfn);
    const text = slot.toString(16);
    const fn = functionOf(devfn);
    if (fn !== 0) {
      if (this.deviceAt(slot * FUNCTIONS)?.multifunction === false) {
        throw new CommandError(`PCI: single function device can't be populated in function ${text}.${fn}`);
      }
      return;
    }
    if (device.multifunction) return;
    for (let other = 1; other < FUNCTIONS; other += 1) {
      if (this.deviceAt(devfn + other) !== null) {
        throw new CommandError(`PCI: ${text}.0 indicates single function, but ${text}.${other} is already populated.`);
      }
    }
  }
}

function below(bus: Bus): readonly PciDevice[] {
  return bus instanceof PciBus ? bus.allFunctions() : [];
}

/** For a bus that stands alone: its functions answer where nobody asks. */
function unseen(topology: MemoryTopology): PciDecodes {
  return {
    memory: MemoryRegion.container(topology, 'pci', ADDRESS_SPACE_SIZE),
    io: MemoryRegion.container(topology, 'io', 0x1_0000n),
  };
}

/** Whom a request of `alias`, which has come to `bus`, is taken for at the bus where `ends`, or at the root. */
function seenFromAbove(bus: PciBus, alias: PciAlias, ends: (bus: PciBus) => boolean): PciAlias {
  const { port } = bus;
  if (port === null || ends(bus)) return alias;
  const behindPort = port.express ? { bus, devfn: 0 } : { bus: port.bus, devfn: port.devfn };
  return seenFromAbove(port.bus, bus.express ? alias : behindPort, ends);
}
