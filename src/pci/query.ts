import { PciBridge } from './bridge.ts';
import type { PciBus } from './bus.ts';
import { classDescription } from './class-names.ts';
import type { PciDevice } from './device.ts';
import { Register } from './registers.ts';
import { busBehind } from './topology.ts';
import { ioWindow, memoryWindow, prefetchableWindow, type WindowRange } from './windows.ts';

interface PciBridgeInfo {
  bus: {
    number: number;
    secondary: number;
    subordinate: number;
    io_range: WindowRange;
    memory_range: WindowRange;
    prefetchable_range: WindowRange;
  };
  devices?: PciDeviceInfo[];
}

interface PciRegionInfo {
  bar: number;
  type: 'memory' | 'io';
  /** -1 while it does not decode. */
  address: bigint;
  /** In bytes. */
  size: bigint;
  prefetch?: boolean;
  mem_type_64?: boolean;
}

/** One function in the shape of `query-pci`. */
export interface PciDeviceInfo {
  bus: number;
  slot: number;
  function: number;
  class_info: { desc?: string; class: number };
  id: { device: number; vendor: number; subsystem?: number; 'subsystem-vendor'?: number };
  irq?: number;
  irq_pin: number;
  qdev_id: string;
  pci_bridge?: PciBridgeInfo;
  regions: PciRegionInfo[];
}

/** One root bus in the shape of `query-pci`. */
export interface PciInfo {
  bus: number;
  devices: PciDeviceInfo[];
}

function describeRegions(device: PciDevice): PciRegionInfo[] {
  return (device.identity.bars ?? []).map((bar) => {
    const address = BigInt.asIntN(64, device.registers.bars.addressOf(bar) ?? -1n);
    const common = { bar: bar.index, type: bar.kind, address, size: BigInt(bar.size) };
    if (bar.kind === 'io') return common;
    return { ...common, prefetch: bar.prefetch === true, mem_type_64: bar.wide === true };
  });
}

function describeBridge(bridge: PciBridge): PciBridgeInfo {
  const { config } = bridge.registers;
  const secondary = bridge.secondary === 0 ? null : busBehind(bridge.bus, bridge.secondary);
  const below = secondary === null ? [] : describeFunctions(secondary);
  return {
    bus: {
      number: bridge.primary,
      secondary: bridge.secondary,
      subordinate: bridge.subordinate,
      io_range: ioWindow(config),
      memory_range: memoryWindow(config),
      prefetchable_range: prefetchableWindow(config),
    },
    ...(below.length === 0 ? {} : { devices: below }),
  };
}

function describeFunction(device: PciDevice): PciDeviceInfo {
  const word = (register: number): number => device.readConfig(register, 2);
  const classCode = word(Register.classCode);
  const description = classDescription(classCode);
  const pin = device.readConfig(Register.interruptPin, 1);
  const bridge = device instanceof PciBridge;
  return {
    bus: device.bus.number,
    slot: device.slot,
    function: device.function,
    class_info: { ...(description === null ? {} : { desc: description }), class: classCode },
    id: {
      device: word(Register.device),
      vendor: word(Register.vendor),
      ...(bridge ? {} : { subsystem: word(Register.subsystem), 'subsystem-vendor': word(Register.subsystemVendor) }),
    },
    ...(pin === 0 ? {} : { irq: device.readConfig(Register.interruptLine, 1) }),
    irq_pin: pin,
    qdev_id: device.id ?? '',
    ...(bridge ? { pci_bridge: describeBridge(device) } : {}),
    regions: describeRegions(device),
  };
}

function describeFunctions(bus: PciBus): PciDeviceInfo[] {
  return bus
    .functions()
    .filter(({ realized }) => realized)
    .map(describeFunction);
}

/** `query-pci`: the root bus; what is behind a bridge appears under it once the bridge has its bus numbers. */
export function describePci(root: PciBus): PciInfo[] {
  return [{ bus: root.number, devices: describeFunctions(root) }];
}
