import { formatBdf, parseBdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import type { HostFunction } from '../host/function.ts';
import type { Host } from '../host/host.ts';

/** Where the modelled host shows its PCI functions, as Linux does. */
const SYSFS_DEVICES = '/sys/bus/pci/devices/';

/** A host function by one of the two ways in which a user names it; both as they were given. */
export interface HostAddress {
  /** `0000:3b:00.0`; the domain may be left out. */
  readonly host?: string;
  /** `/sys/bus/pci/devices/0000:3b:00.0`; wins over `host`. */
  readonly sysfsdev?: string;
}

/**
 * Finds the function that `address` names, ready for VFIO: it exists and has a group.
 * @throws CommandError with QEMU's sentence for a missing address, an absent function, or one without a group
 */
export function resolveHostFunction(host: Host, address: HostAddress): HostFunction & { readonly group: number } {
  const path = sysfsPath(address);
  const bdf = path.startsWith(SYSFS_DEVICES) ? parseBdf(path.slice(SYSFS_DEVICES.length)) : null;
  const found = bdf === null || SYSFS_DEVICES + formatBdf(bdf) !== path ? null : host.findFunction(bdf);
  if (found === null) throw new CommandError(`vfio ${path}: no such host device: No such file or directory`);
  if (!hasGroup(found)) throw new CommandError(`vfio ${found.name}: no iommu_group found: No such file or directory`);
  return found;
}

function sysfsPath(address: HostAddress): string {
  if (address.sysfsdev !== undefined) return address.sysfsdev;
  if (address.host === undefined) throw new CommandError('No provided host device');
  const bdf = parseBdf(address.host);
  if (bdf === null) throw new CommandError(`Property 'vfio-pci.host' doesn't take value '${address.host}'`);
  return SYSFS_DEVICES + formatBdf(bdf);
}

function hasGroup(found: HostFunction): found is HostFunction & { readonly group: number } {
  return found.group !== null;
}
