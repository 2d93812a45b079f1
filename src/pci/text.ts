import type { PciDeviceInfo, PciInfo } from './query.ts';

type Bridge = NonNullable<PciDeviceInfo['pci_bridge']>;
type Region = PciDeviceInfo['regions'][number];

/** At least `digits` hexadecimal digits, of the value as 64 bits without sign. */
function hex(value: bigint | number, digits: number): string {
  return BigInt.asUintN(64, BigInt(value)).toString(16).padStart(digits, '0');
}

function regionLine({ bar, type, address, size, prefetch, mem_type_64 }: Region): string {
  const last = address + size - 1n;
  if (type === 'io') return `      BAR${bar}: I/O at 0x${hex(address, 4)} [0x${hex(last, 4)}].`;
  const kind = `${mem_type_64 === true ? 64 : 32} bit${prefetch === true ? ' prefetchable' : ''} memory`;
  return `      BAR${bar}: ${kind} at 0x${hex(address, 8)} [0x${hex(last, 8)}].`;
}

function bridgeLines({ bus }: Bridge): string[] {
  const { io_range: io, memory_range: memory, prefetchable_range: prefetchable } = bus;
  return [
    `      BUS ${bus.number}.`,
    `      secondary bus ${bus.secondary}.`,
    `      subordinate bus ${bus.subordinate}.`,
    `      IO range [0x${hex(io.base, 4)}, 0x${hex(io.limit, 4)}]`,
    `      memory range [0x${hex(memory.base, 8)}, 0x${hex(memory.limit, 8)}]`,
    `      prefetchable memory range [0x${hex(prefetchable.base, 8)}, 0x${hex(prefetchable.limit, 8)}]`,
  ];
}

function deviceLines(device: PciDeviceInfo): string[] {
  const { class_info: info, id, pci_bridge: bridge } = device;
  // QEMU prints the number of a class without name in decimal.
  const kind = info.desc ?? `Class ${String(info.class).padStart(4, '0')}`;
  const place = `Bus ${String(device.bus).padStart(2)}, device ${String(device.slot).padStart(3)}`;
  const subsystem =
    id.subsystem === undefined || id['subsystem-vendor'] === undefined
      ? []
      : [`      PCI subsystem ${hex(id['subsystem-vendor'], 4)}:${hex(id.subsystem, 4)}`];
  const interrupt =
    device.irq === undefined
      ? []
      : [`      IRQ ${device.irq}, pin ${String.fromCharCode('A'.charCodeAt(0) + device.irq_pin - 1)}`];
  return [
    `  ${place}, function ${device.function}:`,
    `    ${kind}: PCI device ${hex(id.vendor, 4)}:${hex(id.device, 4)}`,
    ...subsystem,
    ...interrupt,
    ...(bridge === undefined ? [] : bridgeLines(bridge)),
    ...device.regions.map(regionLine),
    `      id "${device.qdev_id}"`,
    ...(bridge?.devices ?? []).flatMap(deviceLines),
  ];
}

/** `info pci` of QEMU's human monitor, with LF line ends. */
export function pciText(buses: readonly PciInfo[]): string {
  const lines = buses.flatMap(({ devices }) => devices.flatMap(deviceLines));
  return lines.map((line) => `${line}\n`).join('');
}
