import { formatDevfn } from '../../pci/address.ts';
import { classDescription } from '../../pci/class-names.ts';
import { PciDevice } from '../../pci/device.ts';
import { pciProperties } from '../../pci/properties.ts';
import { Register } from '../../pci/registers.ts';
import type { Bus } from '../../qom/bus.ts';
import type { Device } from '../../qom/device.ts';
import type { Property } from '../../qom/property.ts';
import type { QomType } from '../../qom/type-registry.ts';
import type { QomValue } from '../../qom/value.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A number of bytes in three digits: `32 GiB`. */
function sizeText(bytes: bigint): string {
  let scaled = Number(bytes);
  let unit = 0;
  while (scaled >= 1000 && unit + 1 < UNITS.length) {
    scaled /= 1024;
    unit += 1;
  }
  return `${Number(scaled.toPrecision(3))} ${UNITS[unit]}`;
}

/** A value as QEMU prints it for people. */
function valueText(property: Property<unknown>, value: QomValue): string {
  if (property.name === pciProperties.addr.name) return typeof value === 'number' ? formatDevfn(value) : '<unset>';
  if (typeof value === 'string') return `"${value}"`;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number' && typeof value !== 'bigint') return '<null>';
  const integer = BigInt(value);
  if (property.kind.type === 'size') return `${integer} (${sizeText(integer)})`;
  const bits = property.kind.type.endsWith('64') ? 64 : 32;
  const shown = bits === 64 ? BigInt.asIntN(64, integer) : integer;
  return `${shown} (0x${BigInt.asUintN(64, integer).toString(16)})`;
}

/** The properties of a device class by class, its own first. */
function propertiesOf(type: QomType | null): Property<unknown>[] {
  if (type === null) return [];
  const properties: readonly Property<unknown>[] = type.definition.properties ?? [];
  const treeOrder: readonly string[] = type.definition.treeOrder ?? [];
  const own = treeOrder.flatMap((name) => properties.find((property) => property.name === name) ?? []);
  const rest = properties.filter(({ name }) => !treeOrder.includes(name));
  const shown = [...own, ...rest].filter(({ writable }) => writable === 'before-realize');
  return [...shown, ...propertiesOf(type.parent)];
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** What a PCI bus adds to the lines of its functions. */
function pciLines(device: PciDevice): string[] {
  const { identity, registers } = device;
  const [bus, vendor, id] = [device.bus.number, device.readConfig(Register.vendor, 2), device.readConfig(2, 2)];
  const [subVendor, subsystem] = [device.readConfig(0x2c, 2), device.readConfig(0x2e, 2)];
  const kind = classDescription(identity.classCode) ?? `Class ${hex(identity.classCode, 4)}`;
  const bars = (identity.bars ?? []).map((bar) => {
    const at = registers.bars.addressOf(bar) ?? 0xffff_ffff_ffff_ffffn;
    const last = BigInt.asUintN(64, at + BigInt(bar.size) - 1n);
    const space = bar.kind === 'io' ? 'i/o' : 'mem';
    return `bar ${bar.index}: ${space} at 0x${at.toString(16)} [0x${last.toString(16)}]`;
  });
  const place = `${hex(bus, 2)}:${formatDevfn(device.devfn)}`;
  return [
    `class ${kind}, addr ${place}, pci id ${hex(vendor, 4)}:${hex(id, 4)} (sub ${hex(subVendor, 4)}:${hex(subsystem, 4)})`,
    ...bars,
  ];
}

function deviceLines(device: Device, regions: SystemRegions): string[] {
  const properties = propertiesOf(device.type).map(
    (property) => `${property.name} = ${valueText(property, device.get(property.name))}`,
  );
  const bus = device instanceof PciDevice ? pciLines(device) : regions(device);
  return [
    `dev: ${device.type.name}, id "${device.id ?? ''}"`,
    ...[...properties, ...bus].map((line) => `  ${line}`),
    ...device.childBuses.toReversed().flatMap((child) => busLines(child, regions).map((line) => `  ${line}`)),
  ];
}

function busLines(bus: Bus, regions: SystemRegions): string[] {
  const devices = bus.devices.toReversed().flatMap((device) => deviceLines(device, regions));
  return [`bus: ${bus.busName}`, `  type ${bus.type.name}`, ...devices.map((line) => `  ${line}`)];
}

/** The lines about the memory of a device that sits on the system bus. */
export type SystemRegions = (device: Device) => string[];

/** The text of `info qtree`: buses and devices, the newest first. */
export function deviceTreeText(system: Bus, regions: SystemRegions): string {
  return busLines(system, regions)
    .map((line) => `${line}\n`)
    .join('');
}
