import { parseBdf } from '../core/bdf.ts';
import { VirtualClock } from '../core/clock.ts';
import { CommandError } from '../core/errors.ts';
import { OperationCounter } from '../core/operation.ts';
import { dmaPathOf } from '../devices/bus-master.ts';
import { registerDeviceTypes } from '../devices/catalogue.ts';
import { type DeviceContext, UnitList } from '../devices/context.ts';
import { type DmaDevice, isDmaDevice } from '../devices/dma-device.ts';
import { pageGroupsOf } from '../devices/page-groups.ts';
import { addObject, deleteObject } from '../devices/user-object.ts';
import { Host } from '../host/host.ts';
import type { HostOptions } from '../host/host.ts';
import type { DeviceSpace, IommuUnit } from '../iommu/unit.ts';
import type { AddressSpace } from '../memory/address-space.ts';
import type { DmaPath } from '../memory/dma.ts';
import type { MmioOperations } from '../memory/mmio.ts';
import { MemoryRegion } from '../memory/region.ts';
import { MemoryTopology } from '../memory/topology.ts';
import type { PciBus } from '../pci/bus.ts';
import { assignPlugged } from '../pci/firmware.ts';
import type { InterruptLog } from '../pci/interrupts.ts';
import { PciDevice } from '../pci/device.ts';
import { addRegion } from '../pci/region-object.ts';
import { devices as allDevices, findByBdf } from '../pci/topology.ts';
import type { QomObject } from '../qom/object.ts';
import { resolvePath } from '../qom/tree.ts';
import { TypeRegistry } from '../qom/type-registry.ts';
import type { EventLogOptions } from '../trace/event-log.ts';
import type { ModelEvents } from '../trace/model-events.ts';
import type { TraceLog } from '../trace/trace-log.ts';
import { Trace } from '../trace/trace.ts';
import { type ContainerInfo, Vfio } from '../vfio/vfio.ts';
import type { Board } from './boards/board.ts';
import { buildBoard } from './boards/boards.ts';
import { registerBoardTypes } from './boards/q35/pci.ts';
import { CharacterDevices, registerCharacterDeviceTypes } from './character-devices.ts';
import { DmaGate } from './dma-gate.ts';
import { DmaTable } from './dma-table.ts';
import { Guests } from './guests.ts';
import { type DeviceValues, Hotplug } from './hotplug.ts';
import { type AfterReply, AT_ONCE, type MachineEvent, type ShutdownReason, Subscribers } from './machine-events.ts';
import { InterruptLines } from './interrupt-lines.ts';
import { type NotifierInfo, notifiersOf } from './notifiers.ts';
import { RunState, type RunStatus } from './run-state.ts';
import { checkLayout } from './layout-check.ts';
import { buildTree, type MachineTree, registerMachineTypes, unplugAck } from './tree.ts';
import type { MachineType } from './types.ts';

export interface MachineOptions {
  readonly type: MachineType;
  /** RAM in bytes. */
  readonly memory: bigint;
  readonly startPaused: boolean;
  /** As of the run state. */
  readonly preconfig?: 'run' | 'stay';
  readonly noShutdown: boolean;
  readonly noReboot: boolean;
  /** An image that is mapped below 4 GiB. */
  readonly firmware?: Uint8Array;
  readonly host?: HostOptions;
  /** The log of events: without it its time stamps are 0. */
  readonly log?: EventLogOptions;
  /** Where trace points write: without it, nowhere. */
  readonly traceLog?: TraceLog;
}

/** Where no device answers, ports read as all ones. */
const noPort: MmioOperations = {
  read: (_offset, size) => (1n << BigInt(8 * size)) - 1n,
  write: () => {},
};

/**
 * The whole model: guest memory, buses and devices, vIOMMUs, and the host beneath. Built by `createMachine`. Whoever
 * calls a method that changes something has opened an operation before (`operations.run`).
 */
export class Machine {
  readonly type: MachineType;
  readonly operations = new OperationCounter();
  readonly trace: Trace;
  /** Guest time; timers are operations of their own. */
  readonly clock = new VirtualClock({ asOperation: (timer) => this.operations.run(timer) });
  readonly topology: MemoryTopology;
  /** What processors see. */
  readonly memory: AddressSpace;
  /** The I/O ports. */
  readonly io: AddressSpace;
  readonly interruptLines = new InterruptLines();
  readonly board: Board;
  /** RAM in bytes. */
  readonly memorySize: bigint;
  readonly types = new TypeRegistry();
  readonly tree: MachineTree;
  readonly host: Host;
  readonly vfio: Vfio;
  readonly dmas: DmaTable;
  readonly runState: RunState;
  /** The built-in guest's drivers. */
  readonly guests: Guests;
  readonly hotplug: Hotplug;
  readonly #gate: DmaGate;
  /** The ends of the monitors. */
  readonly characterDevices: CharacterDevices;
  readonly #units = new UnitList();
  readonly #subscribers = new Subscribers<MachineEvent>();

  /** @throws CommandError when the RAM cannot be had */
  constructor(options: MachineOptions) {
    const { type, memory } = options;
    const { operations, types } = this;
    this.trace = new Trace(operations, options.log, options.traceLog);
    const { parts } = this.trace;
    this.topology = new MemoryTopology(operations, parts.points);
    const { topology } = this;
    this.type = type;
    this.memorySize = memory;
    const system = MemoryRegion.container(topology, 'system', 1n << 64n);
    this.memory = topology.createAddressSpace('memory', system);
    this.io = topology.createAddressSpace('I/O', MemoryRegion.mmio(topology, 'io', 0x1_0000n, noPort));
    this.host = new Host({
      operations,
      clock: this.clock,
      ...parts,
      ...(options.host !== undefined && { options: options.host }),
    });
    this.vfio = new Vfio({ host: this.host, memory: this.memory, ...parts });
    const context = this.#deviceContext();
    registerDeviceTypes(types, context);
    registerBoardTypes(types);
    registerMachineTypes(types);
    registerCharacterDeviceTypes(types);
    this.tree = buildTree(types, type);
    this.tree.machine.memorySize = memory;
    this.characterDevices = new CharacterDevices(this.tree.root.child('chardevs')!);
    for (const region of [system, this.io.root]) {
      addRegion(this.tree.unattached, region);
      region.owner = { kind: 'obj', path: this.tree.unattached.path, role: 'parent' };
    }
    this.board = buildBoard(type.board, {
      type,
      types,
      tree: this.tree,
      context,
      memory: this.memory,
      io: this.io,
      lines: this.interruptLines,
      memorySize: memory,
      ...(options.firmware !== undefined && { firmware: options.firmware }),
    });
    this.guests = new Guests(this.memory, () => this.units);
    this.#gate = new DmaGate(() => this.runState.status === 'debug');
    const pathOf = (device: DmaDevice): DmaPath => this.#gate.before(dmaPathOf(device));
    this.dmas = new DmaTable({ operations, events: this.events, pathOf });
    const tell = (event: MachineEvent): void => this.#subscribers.tell(event);
    this.hotplug = new Hotplug({
      types,
      tree: this.tree,
      rootBus: this.rootBus,
      freePorts: type.rootPorts > 0,
      acknowledgement: () => this.tree.machine.value(unplugAck(type)),
      tell,
      leaving: (device) => (device instanceof PciDevice && device.realized ? this.#leave(device) : () => {}),
    });
    this.board.populate(this.hotplug.context);
    this.runState = new RunState({ ...options, tell, resetModel: () => this.#reset() });
    this.trace.onBreak(() => this.runState.break());
  }

  get events(): ModelEvents {
    return this.trace.events;
  }

  /** The root of the object tree. */
  get qom(): QomObject {
    return this.tree.root;
  }

  /** Null for a machine without PCI. */
  get rootBus(): PciBus | null {
    return this.board.rootBus;
  }

  /** The interrupt messages that would have reached a processor; null for a machine without PCI. */
  get interrupts(): InterruptLog | null {
    return this.board.interrupts;
  }

  /** The vIOMMUs. */
  get units(): readonly IommuUnit[] {
    return this.#units.all;
  }

  /** Called once, when everything of the start is there: devices that come later are hot-plugged. */
  finish(): void {
    this.hotplug.finish();
    this.board.boot();
    this.#makeAddressSpaces();
  }

  /** QEMU's own events, in QEMU's order; the returned function ends the subscription. */
  subscribe(subscriber: (event: MachineEvent) => void): () => void {
    return this.#subscribers.add(subscriber);
  }

  /** `listener` is called when the process shall end: behind the reply of what asked for it. */
  onExit(listener: () => void): () => void {
    return this.runState.onExit(listener);
  }

  /** All PCI functions, bus by bus (depth first), by slot and function. */
  devices(): readonly PciDevice[] {
    return this.rootBus === null ? [] : allDevices(this.rootBus);
  }

  /** All that do DMA by themselves: the PCI functions, then those on other buses. */
  dmaDevices(): readonly DmaDevice[] {
    return [...this.devices(), ...this.board.devicesBeyondPci()];
  }

  /**
   * The device on whatever bus that an id, a QOM path or (of PCI) a BDF names.
   * @throws CommandError (DeviceNotFound, or that it is unrealized)
   */
  findDevice(text: string): DmaDevice {
    const bdf = parseBdf(text);
    const found = bdf === null ? this.#byName(text) : this.rootBus === null ? null : findByBdf(this.rootBus, bdf);
    if (!isDmaDevice(found)) throw new CommandError(`Device '${text}' not found`, 'DeviceNotFound');
    if (!found.realized) {
      throw new CommandError(`Device '${text}' is not realized: set its property 'realized' to true first`);
    }
    return found;
  }

  /** The PCI function that an id, a QOM path or a BDF names. @throws CommandError also for a device of another bus */
  findPciDevice(text: string): PciDevice {
    const device = this.findDevice(text);
    if (device instanceof PciDevice) return device;
    throw new CommandError(`Device '${text}' is of type ${device.type.name}, and no PCI function`);
  }

  /** The vIOMMU that an id or a QOM path names. @throws CommandError (DeviceNotFound) */
  findUnit(text: string): IommuUnit {
    const found = this.units.find((unit) => unit.id === text || unit.qomPath === text);
    if (found === undefined) throw new CommandError(`Device '${text}' not found`, 'DeviceNotFound');
    return found;
  }

  /** A device's view of memory behind a vIOMMU; null where none stands in front of it. */
  spaceOf(device: DmaDevice): DeviceSpace | null {
    return this.#units.spaceOf(device.addressSpace);
  }

  /** `device_add` or `-device`. @throws CommandError with QEMU's sentences; nothing has changed then */
  deviceAdd(values: DeviceValues, options: { readonly typed?: boolean } = {}): void {
    const device = this.hotplug.add(values, options.typed ?? false);
    this.#makeAddressSpaces();
    if (this.type.numbersBuses && device.hotplugged && device instanceof PciDevice) assignPlugged(device);
  }

  /** `device_del`; DEVICE_DELETED comes behind the reply. @throws CommandError with QEMU's sentences */
  deviceDelete(id: string, afterReply: AfterReply = AT_ONCE): void {
    this.hotplug.remove(id, afterReply);
  }

  /** `object-add` or, with texts, `-object`. @throws CommandError with QEMU's sentences; nothing has changed then */
  objectAdd(values: DeviceValues, options: { readonly typed?: boolean } = {}): void {
    addObject(this.types, this.tree.objects, values, options.typed ?? true);
  }

  /** @throws CommandError when there is no such object, or something uses it */
  objectDelete(id: string): void {
    deleteObject(this.tree.objects, id);
  }

  /** `system_reset`: also the end of unplugs that no guest acknowledged. */
  reset(afterReply: AfterReply = AT_ONCE): void {
    if (this.runState.reset(afterReply)) this.hotplug.completePending(afterReply);
  }

  stop(): void {
    this.runState.stop();
  }

  /** DMA that a breakpoint has held goes on at once. @throws CommandError after a shutdown */
  cont(): void {
    this.runState.cont();
    this.#gate.open();
  }

  powerdown(): void {
    this.runState.powerdown();
  }

  quit(afterReply: AfterReply = AT_ONCE): void {
    this.runState.exit('host-qmp-quit', afterReply);
  }

  /** A signal asks for the end. */
  shutdown(reason: ShutdownReason, afterReply: AfterReply = AT_ONCE): void {
    this.runState.exit(reason, afterReply);
  }

  /** What query-status tells. */
  status(): { status: RunStatus; singlestep: boolean; running: boolean } {
    return { status: this.runState.status, singlestep: false, running: this.runState.running };
  }

  /** What query-memory-size-summary tells, in bytes. */
  memorySummary(): { 'base-memory': bigint; 'plugged-memory': bigint } {
    return { 'base-memory': this.memorySize, 'plugged-memory': 0n };
  }

  /** What query-iommu-notifiers tells. */
  notifiers(): NotifierInfo[] {
    return this.units.flatMap((unit) => notifiersOf(unit));
  }

  /** What query-vfio tells. */
  describeVfio(): ContainerInfo[] {
    return this.vfio.containers();
  }

  /** Behind a reset or a load: whether devices reach what they should. A load calls it when all is restored. */
  checkLayout(occasion: 'reset' | 'load'): void {
    checkLayout({ units: this.units, vfio: this.vfio, checks: this.trace.checks }, occasion);
  }

  /** Its transfers end, and whoever comes into its slot finds the address space as the unit's registers have it. */
  #leave(device: PciDevice): () => void {
    this.dmas.cancel(`Device '${device.label}' was unplugged`, device);
    const { bus, devfn } = device;
    const space = this.spaceOf(device);
    // Others behind the same bridge of conventional PCI keep the space that they share as it is.
    const isShared = (): boolean =>
      this.devices().some((other) => other !== device && other.bus.addressSpaceOf(other.devfn) === shared);
    const shared = bus.addressSpaceOf(devfn);
    return () => {
      if (!isShared()) space?.unit.setBypass(space, 'auto');
    };
  }

  #byName(text: string): QomObject | null {
    const { peripheral, root } = this.tree;
    const named = peripheral.child(text);
    if (named !== null) return named;
    const [pci, vio] = ['pci-device', 'vio-spapr-device'].map((type) => resolvePath(root, text, type).object);
    return pci ?? vio ?? null;
  }

  #reset(): void {
    this.dmas.cancel('The machine was reset');
    for (const device of this.devices()) pageGroupsOf(device)?.reset();
    for (const unit of this.units) unit.reset();
    this.guests.reset();
    for (const device of this.devices()) device.reset();
    this.board.reset();
    this.board.boot();
    this.checkLayout('reset');
  }

  /** A unit makes a device's address space when it is first asked for; every device has one from the start. */
  #makeAddressSpaces(): void {
    for (const device of this.devices()) device.connectBusMaster();
  }

  #deviceContext(): DeviceContext {
    const { operations, clock, topology, memory, host, vfio } = this;
    const rootBus = (): PciBus | null => this.rootBus;
    return { operations, ...this.trace.parts, clock, topology, memory, host, vfio, rootBus, units: this.#units };
  }
}
