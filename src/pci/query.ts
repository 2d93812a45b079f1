import { PciBridge } from './bridge.ts';
import type { PciBus } from './bus.ts';
import { classDescription } from './class-names.ts';
import type { PciBar, PciDevice } from './device.ts';

/** A window or range that a bridge forwards, both ends inclusive. */
interface Range {
  base: number;
  limit: number;
}

interface PciBridgeInfo {
  bus: {
    number: number;
    secondary: number;
    subordinate: number;
    io_range: Range;
    memory_range: Range;
    prefetchable_range: Range;
  };
  devices?: PciDeviceInfo[];
}

interface PciRegionInfo {
  bar: number;
  type: 'memory' | 'io';
  address: number;
  size: number;
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

/** What the window registers mean that nobody has written: a limit below the base, so nothing is forwarded. */
const closedMemory: Range = { base: 0xfff0_0000, limit: 0x000f_ffff };
const closedIo: Range = { base: 0xf000, limit: 0x0fff };

/** No guest programs base address registers here: -1 is what QEMU says of an unmapped one. */
function describeBar(bar: PciBar): PciRegionInfo {
  const common = { bar: bar.index, type: bar.kind, address: -1, size: bar.size };
  if (bar.kind === 'io') return common;
  return { ...common, prefetch: bar.prefetch === true, mem_type_64: bar.wide === true };
}

function describeBridge(bridge: PciBridge): PciBridgeInfo {
  const below = bridge.secondary === 0 ? [] : describeFunctions(bridge.secondaryBus);
  return {
    bus: {
      number: bridge.primary,
      secondary: bridge.secondary,
      subordinate: bridge.subordinate,
      io_range: { ...closedIo },
      memory_range: { ...closedMemory },
      prefetchable_range: { ...closedMemory },
    },
    ...(below.length === 0 ? {} : { devices: below }),
  };
}

function describeFunction(device: PciDevice): PciDeviceInfo {
  const { identity } = device;
  const description = classDescription(identity.classCode);
  const pin = identity.interruptPin ?? 0;
  return {
    bus: device.bus.number,
    slot: device.slot,
    function: device.function,
    class_info: { ...(description === null ? {} : { desc: description }), class: identity.classCode },
    id: {
      device: identity.device,
      vendor: identity.vendor,
      ...(identity.subsystemVendor === null
        ? {}
        : { subsystem: identity.subsystem ?? 0x1100, 'subsystem-vendor': identity.subsystemVendor ?? 0x1af4 }),
    },
    ...(pin === 0 ? {} : { irq: 0 }),
    irq_pin: pin,
    qdev_id: device.id ?? '',
    ...(device instanceof PciBridge ? { pci_bridge: describeBridge(device) } : {}),
    regions: (identity.bars ?? []).map(describeBar),
  };
}

function describeFunctions(bus: PciBus): PciDeviceInfo[] {
  return bus.functions().map(describeFunction);
}

/** `query-pci`: the root bus; what is behind a bridge appears under it once the bridge has its bus numbers. */
export function describePci(root: PciBus): PciInfo[] {
  return [{ bus: root.number, devices: describeFunctions(root) }];
}
