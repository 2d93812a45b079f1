import { CommandError } from '../core/errors.ts';
import { PciBridge } from '../pci/bridge.ts';
import type { PciBus } from '../pci/bus.ts';
import { PciDevice } from '../pci/device.ts';
import { firstFreePort } from '../pci/topology.ts';
import type { Device } from '../qom/device.ts';
import { addDevice, checkUnplug, type DeviceAddContext, findDevice, removeDevice } from '../qom/device-add.ts';
import type { TypeRegistry } from '../qom/type-registry.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { AfterReply, MachineEvent } from './machine-events.ts';
import type { MachineTree } from './tree.ts';
import type { UnplugAcknowledgement } from './types.ts';

/** The members of device_add: as on the wire, or texts of the command line. */
export type DeviceValues = Readonly<Record<string, unknown>>;

export interface HotplugParts {
  readonly types: TypeRegistry;
  readonly tree: MachineTree;
  readonly rootBus: PciBus | null;
  /** A hot-add that names no bus takes the first free root port. */
  readonly freePorts: boolean;
  readonly acknowledgement: () => UnplugAcknowledgement;
  readonly tell: (event: MachineEvent) => void;
  /** The device is about to go: what it does now has to end. What is returned runs when it is gone. */
  readonly leaving: (device: Device) => () => void;
}

export interface HotplugState {
  /** Paths of the devices whose unplug is asked for. */
  readonly pending: string[];
  /** How many devices without id there have been. */
  readonly anonymous: number;
}

function staysAtReset(device: Device): boolean {
  return device instanceof PciBridge && !device.hotplugged;
}

/** Devices coming and going: device_add, device_del, and the unplugs that wait for a guest. */
export class Hotplug implements Snapshottable<HotplugState> {
  readonly #parts: HotplugParts;
  /** Those whose unplug a guest has not acknowledged, in the order of the requests. */
  #pending: readonly Device[] = [];
  /** From then on a device comes into a machine that exists. */
  #ready = false;
  #anonymous = 0;

  constructor(parts: HotplugParts) {
    this.#parts = parts;
  }

  get pending(): readonly Device[] {
    return this.#pending;
  }

  /** Where the qom room puts devices. */
  get context(): DeviceAddContext {
    const { types, tree } = this.#parts;
    return {
      types,
      systemBus: tree.systemBus,
      peripheral: tree.peripheral,
      peripheralAnon: tree.peripheralAnon,
      anonymousName: () => `device[${this.#anonymous}]`,
      defaultBus: (type) => (this.#ready && type.busType === 'PCI' ? this.#freePort() : null),
    };
  }

  /** The machine is complete: later devices are hot-plugged. */
  finish(): void {
    this.#ready = true;
  }

  /** @throws CommandError with QEMU's sentences; nothing has changed then */
  add(values: DeviceValues, typed: boolean): Device {
    const { id } = values;
    // Options in JSON form pass by the list of ids that QEMU keeps of the others.
    if (!this.#ready && !typed && typeof id === 'string' && this.#parts.tree.peripheral.child(id) !== null) {
      throw new CommandError(`Duplicate ID '${id}' for device`);
    }
    const device = addDevice(this.context, values, { hotplug: this.#ready, typed });
    // No number is given twice. QEMU counts those that were refused late, too; here a refusal leaves no trace.
    if (device.id === null) this.#anonymous += 1;
    return device;
  }

  /** @throws CommandError when there is no such device, it cannot go, or it is going already */
  remove(id: string, afterReply: AfterReply): void {
    const { tree, acknowledgement } = this.#parts;
    const device = findDevice(tree.root, tree.peripheral, id);
    if (this.#pending.includes(device)) throw new CommandError(`Device ${id} is already in the process of unplug`);
    checkUnplug(device);
    if (acknowledgement() === 'at-once') this.#take(device, afterReply);
    else this.#pending = [...this.#pending, device];
  }

  /**
   * A reset ends what no guest has acknowledged. A slot goes as a whole, with functions that nobody asked for. A bridge
   * that was there from the start stays, and its unplug stays pending for ever, as QEMU leaves it.
   */
  completePending(afterReply: AfterReply): void {
    const { rootBus } = this.#parts;
    const ejected = rootBus === null ? [] : this.#ejected(rootBus);
    for (const device of ejected) if (device.realized) this.#take(device, afterReply);
    for (const device of this.#pending) if (device.realized && !staysAtReset(device)) this.#take(device, afterReply);
  }

  save(): HotplugState {
    return { pending: this.#pending.map(({ path }) => path), anonymous: this.#anonymous };
  }

  /** @throws Error when a device is not there that was about to go */
  restore(state: HotplugState): void {
    const { root, peripheral } = this.#parts.tree;
    this.#pending = state.pending.map((path) => findDevice(root, peripheral, path));
    this.#anonymous = state.anonymous;
  }

  /** What is in the slots of pending devices, as QEMU ejects it: newest bus first, by slot, newest function first. */
  #ejected(bus: PciBus): PciDevice[] {
    const newestFirst = bus.devices.filter((device) => device instanceof PciDevice).toReversed();
    const below = newestFirst.flatMap((device) =>
      device instanceof PciBridge && device.realized ? this.#ejected(device.secondaryBus) : [],
    );
    const slots = newestFirst.filter((device) => this.#pending.includes(device)).map(({ slot }) => slot);
    const ordered = [...new Set(slots)].toSorted((a, b) => a - b);
    return [
      ...below,
      ...ordered.flatMap((slot) => newestFirst.filter((device) => device.slot === slot && !staysAtReset(device))),
    ];
  }

  /** Removes a device, after what sits behind it: a bridge takes its bus along. */
  #take(device: Device, afterReply: AfterReply): void {
    for (const below of device.childBuses.flatMap((bus) => bus.devices).toReversed()) this.#take(below, afterReply);
    this.#pending = this.#pending.filter((other) => other !== device);
    const { id, path } = device;
    const gone = this.#parts.leaving(device);
    removeDevice(device);
    gone();
    const data = { ...(id !== null && { device: id }), path };
    afterReply(() => this.#parts.tell({ name: 'DEVICE_DELETED', data }));
  }

  #freePort(): PciBus | null {
    const { rootBus, freePorts } = this.#parts;
    if (!freePorts || rootBus === null) return null;
    const port = firstFreePort(rootBus);
    if (port === null) {
      throw new CommandError(
        'No root port is free for the device: remove one with device_del, or start with more pcie-root-port devices',
      );
    }
    return port;
  }
}
