import { MemoryControllerHub } from '../../../devices/mch.ts';
import type { MemoryRegion } from '../../../memory/region.ts';
import { Device } from '../../../qom/device.ts';
import { bool, type PropertyKind, size, uint32, uint64 } from '../../../qom/kinds.ts';
import type { QomObject } from '../../../qom/object.ts';
import { deviceProperty, type Property, readonlyProperty } from '../../../qom/property.ts';

const GIB = 1n << 30n;
const FOUR_GIB = 4n * GIB;
/** Where the I/O APIC of every PC lies: the hole of 32-bit addresses ends there. */
const IO_APIC = 0xfec0_0000n;
/** What the base of memory-mapped configuration space reads as while it is mapped nowhere. */
const UNMAPPED = (1n << 64n) - 1n;
/** Where listings say that it lies by default. */
const MCFG_DEFAULT = 0xb000_0000n;

/** How the board has laid out its memory. */
interface HostLayout {
  /** RAM below 4 GiB, in bytes. */
  readonly below: bigint;
  /** RAM from 4 GiB on, in bytes. */
  readonly above: bigint;
  /** What PCI decodes. */
  readonly pci: MemoryRegion;
}

/** The host bridge of q35: it tells how addresses are divided between RAM and PCI. */
export class Q35PciHost extends Device {
  /** Null until the board has laid out its memory. */
  layout: HostLayout | null = null;
}

function hostOf(object: QomObject): Q35PciHost {
  if (!(object instanceof Q35PciHost)) throw new Error(`${object.path} is no host bridge of q35`);
  return object;
}

/** Where the hub decodes configuration space; null while it does not. */
function ecamOf(object: QomObject): MemoryRegion | null {
  const hub = object.child('mch');
  return hub instanceof MemoryControllerHub ? hub.ecam : null;
}

/** The part from 4 GiB on in which functions and bridge windows answer; null for none. The last address is inclusive. */
function decodedAbove(host: Q35PciHost): { readonly start: bigint; readonly last: bigint } | null {
  const regions = (host.layout?.pci.subregions ?? []).filter(
    (region) => region.size > 0n && region.address + region.size > FOUR_GIB,
  );
  if (regions.length === 0) return null;
  const start = regions.reduce((least, { address }) => (address < least ? address : least), UNMAPPED);
  const last = regions.reduce((most, region) => {
    const end = region.address + region.size - 1n;
    return end > most ? end : most;
  }, 0n);
  return { start: start < FOUR_GIB ? FOUR_GIB : start, last };
}

/** Without functions up there the hole begins behind the RAM, at a whole GiB. */
function hole64Start(object: QomObject): bigint {
  const host = hostOf(object);
  const behindRam = roundUp(FOUR_GIB + (host.layout?.above ?? 0n), GIB);
  return decodedAbove(host)?.start ?? (host.value(hole64Fix) ? behindRam : 0n);
}

/** The first address behind the hole: it has at least the size that was asked for. */
function hole64End(object: QomObject): bigint {
  const host = hostOf(object);
  const decoded = decodedAbove(host);
  const end = decoded === null ? 0n : decoded.last + 1n;
  const wanted = roundUp(hole64Start(object) + host.value(hole64Size), GIB);
  return host.value(hole64Fix) && end < wanted ? wanted : end;
}

function roundUp(value: bigint, unit: bigint): bigint {
  return ((value + unit - 1n) / unit) * unit;
}

/** A property that is listed with a default, and reads as what the board has made of it. */
function told<Value>(
  name: string,
  kind: PropertyKind<Value>,
  value: Value,
  get: (object: QomObject) => Value,
): Property<Value> {
  return { ...deviceProperty(name, kind, value), get };
}

const hole64Size = deviceProperty('pci-hole64-size', size, 32n * GIB);
const hole64Fix = deviceProperty('x-pci-hole64-fix', bool, true);

/** Of any host bridge of PCI Express. */
export const hostBridgeProperties = [
  deviceProperty('bypass-iommu', bool, false),
  deviceProperty('x-config-reg-migration-enabled', bool, true),
];

/** In the order of QEMU's listings. */
export const q35HostProperties = [
  hole64Size,
  told('below-4g-mem-size', size, 0n, (object) => hostOf(object).layout?.below ?? 0n),
  deviceProperty('short_root_bus', uint32, 0),
  hole64Fix,
  told('MCFG', uint64, MCFG_DEFAULT, (object) => ecamOf(object)?.address ?? UNMAPPED),
  told('above-4g-mem-size', size, 0n, (object) => hostOf(object).layout?.above ?? 0n),
];

/** What each host bridge adds when it is made. */
export const q35HostReadings = [
  readonlyProperty('mcfg_size', uint64, (object) => ecamOf(object)?.size ?? 0n),
  readonlyProperty('pci-hole-start', uint32, (object) => Number(hostOf(object).layout?.below ?? 0n)),
  readonlyProperty('pci-hole-end', uint32, () => Number(IO_APIC)),
  readonlyProperty('pci-hole64-start', uint64, hole64Start),
  readonlyProperty('pci-hole64-end', uint64, hole64End),
];

/** The order of `info qtree`. */
export const q35HostTreeOrder = [
  ...['MCFG', 'pci-hole64-size', 'short_root_bus', 'below-4g-mem-size', 'above-4g-mem-size', 'x-pci-hole64-fix'],
];
export const hostBridgeTreeOrder = ['x-config-reg-migration-enabled', 'bypass-iommu'];
