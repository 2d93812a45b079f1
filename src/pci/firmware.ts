import { PciBridge } from './bridge.ts';
import type { PciBus } from './bus.ts';
import type { PciBar, PciDevice } from './device.ts';
import { barRegister } from './header.ts';
import { Command, Register } from './registers.ts';
import { numberBuses } from './topology.ts';
import { memoryWindow } from './windows.ts';

/** A range of addresses, both ends inclusive. */
interface Range {
  readonly base: bigint;
  readonly last: bigint;
}

/** What firmware may give out. */
export interface PciResources {
  /** Below 4 GiB. */
  readonly memory: Range;
  readonly io: Range;
}

const MIB = 0x10_0000n;
/** A port that devices can be plugged into gets this much memory, as SeaBIOS reserves it. */
const HOTPLUG_RESERVE = 2n * MIB;
const IO_WINDOW = 0x1000n;

/** Gives out addresses of a range in ascending order. */
class Cursor {
  #next: bigint;
  readonly #last: bigint;

  constructor({ base, last }: Range) {
    this.#next = base;
    this.#last = last;
  }

  get next(): bigint {
    return this.#next;
  }

  /** `size` bytes aligned to their size; null when they are not to be had. */
  take(size: bigint): bigint | null {
    const at = alignUp(this.#next, size);
    if (at + size - 1n > this.#last) return null;
    this.#next = at + size;
    return at;
  }

  /** The next address is one of these from here on. */
  align(boundary: bigint): void {
    this.#next = alignUp(this.#next, boundary);
  }

  atLeast(address: bigint): void {
    if (address > this.#next) this.#next = address;
  }
}

/**
 * What firmware does at each start: bus numbers, addresses for all BARs, windows of the bridges, and the command
 * registers, so that every function decodes and may be a bus master. A BAR for which there is no room stays at 0.
 */
export function assignResources(root: PciBus, resources: PciResources): void {
  root.topology.transaction(() => {
    numberBuses(root);
    assignBus(root, { memory: new Cursor(resources.memory), io: new Cursor(resources.io) });
  });
}

/** The same for one function that was plugged in later: it gets what its port's window has left. */
export function assignPlugged(device: PciDevice): void {
  const { port } = device.bus;
  if (port === null) return;
  const window = memoryWindow(port.registers.config);
  const taken = device.bus.functions().flatMap((other) => (other === device ? [] : rangesOf(other)));
  device.bus.topology.transaction(() => {
    for (const bar of device.identity.bars ?? []) {
      if (bar.kind === 'io') continue;
      const at = firstFit({ base: window.base, last: window.limit }, BigInt(bar.size), taken);
      if (at === null) continue;
      taken.push({ base: at, last: at + BigInt(bar.size) - 1n });
      setBar(device, bar, at);
    }
    enable(device);
  });
}

interface Cursors {
  readonly memory: Cursor;
  readonly io: Cursor;
}

function assignBus(bus: PciBus, cursors: Cursors): void {
  for (const device of bus.functions()) {
    // Largest first, so that little is lost to alignment.
    for (const bar of (device.identity.bars ?? []).toSorted((a, b) => b.size - a.size)) {
      const at = (bar.kind === 'io' ? cursors.io : cursors.memory).take(BigInt(bar.size));
      if (at !== null) setBar(device, bar, at);
    }
    if (device instanceof PciBridge) assignBridge(device, cursors);
    enable(device);
  }
}

function assignBridge(bridge: PciBridge, { memory, io }: Cursors): void {
  memory.align(MIB);
  io.align(IO_WINDOW);
  const [memoryBase, ioBase] = [memory.next, io.next];
  assignBus(bridge.secondaryBus, { memory, io });
  if (bridge.secondaryBus.hotpluggable) memory.atLeast(memoryBase + HOTPLUG_RESERVE);
  memory.align(MIB);
  io.align(IO_WINDOW);
  const window = (base: bigint, end: bigint): number => {
    // A window without contents is closed: its base lies above its limit.
    if (end === base) return 0x0000_fff0;
    return (Number(((end - 1n) >> 16n) & 0xfff0n) * 0x1_0000 + Number((base >> 16n) & 0xfff0n)) >>> 0;
  };
  bridge.writeConfig(Register.memoryBase, 4, window(memoryBase, memory.next));
  bridge.writeConfig(Register.prefetchableBase, 4, 0x0000_fff0);
  const closed = io.next === ioBase;
  bridge.writeConfig(Register.ioBase, 1, closed ? 0xf0 : Number((ioBase >> 8n) & 0xf0n));
  bridge.writeConfig(Register.ioLimit, 1, closed ? 0x00 : Number(((io.next - 1n) >> 8n) & 0xf0n));
}

function setBar(device: PciDevice, bar: PciBar, address: bigint): void {
  const at = barRegister(bar.index, device.headerType);
  device.writeConfig(at, 4, Number(address & 0xffff_ffffn));
  if (bar.wide === true) device.writeConfig(at + 4, 4, Number(address >> 32n));
}

function enable(device: PciDevice): void {
  const command = device.readConfig(Register.command, 2);
  device.writeConfig(Register.command, 2, command | Command.io | Command.memory | Command.master);
}

/** What a function of a bus takes of the window above it. */
function rangesOf(device: PciDevice): Range[] {
  const { bars } = device.registers;
  const own = (device.identity.bars ?? []).flatMap((bar) => {
    const base = bar.kind === 'io' ? null : bars.addressOf(bar);
    return base === null ? [] : [{ base, last: base + BigInt(bar.size) - 1n }];
  });
  if (!(device instanceof PciBridge)) return own;
  const { base, limit } = memoryWindow(device.registers.config);
  return limit < base ? own : [...own, { base, last: limit }];
}

function firstFit(within: Range, size: bigint, taken: readonly Range[]): bigint | null {
  let at = alignUp(within.base, size);
  while (at + size - 1n <= within.last) {
    const start = at;
    const inTheWay = taken.find(({ base, last }) => base <= start + size - 1n && start <= last);
    if (inTheWay === undefined) return at;
    at = alignUp(inTheWay.last + 1n, size);
  }
  return null;
}

function alignUp(value: bigint, boundary: bigint): bigint {
  return ((value + boundary - 1n) / boundary) * boundary;
}
