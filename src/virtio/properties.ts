import { CommandError } from '../core/errors.ts';
import type { Device } from '../qom/device.ts';
import { bool, flag, onOffAuto } from '../qom/kinds.ts';
import { deviceProperty, type Property } from '../qom/property.ts';

/** The properties of every virtio device on PCI that change what it does. */
export const virtioProperties = {
  disableLegacy: deviceProperty('disable-legacy', onOffAuto, 'auto'),
  queueReset: deviceProperty('queue_reset', flag, true),
  accessPlatform: deviceProperty('iommu_platform', flag, false),
  eventIndex: deviceProperty('event_idx', flag, true),
  indirect: deviceProperty('indirect_desc', flag, true),
  ats: deviceProperty('ats', flag, false),
} as const;

/** What QEMU has beside: taken with their defaults, and with no other value where that would do something. */
const FIXED: readonly Property<boolean>[] = [
  deviceProperty('disable-modern', bool, false),
  deviceProperty('packed', flag, false),
  deviceProperty('aer', flag, false),
  deviceProperty('page-per-vq', flag, false),
  deviceProperty('modern-pio-notify', flag, false),
  deviceProperty('virtio-pci-bus-master-bug-migration', flag, false),
  deviceProperty('x-disable-pcie', flag, false),
];

/** Taken with any value: nothing here would be different. */
const IDLE: readonly Property<boolean>[] = [
  deviceProperty('migrate-extra', flag, true),
  deviceProperty('x-ignore-backend-features', bool, false),
  deviceProperty('x-pcie-pm-init', flag, true),
  deviceProperty('x-pcie-flr-init', flag, true),
  deviceProperty('x-pcie-lnkctl-init', flag, true),
  deviceProperty('x-pcie-deverr-init', flag, true),
  deviceProperty('x-ats-page-aligned', flag, true),
  deviceProperty('x-disable-legacy-check', bool, false),
  deviceProperty('use-disabled-flag', bool, true),
  deviceProperty('use-started', bool, true),
  deviceProperty('notify_on_empty', flag, true),
  deviceProperty('any_layout', flag, true),
];

/** All of them, for the definition of a type. */
export const virtioPciProperties: readonly Property<unknown>[] = [
  ...Object.values(virtioProperties),
  ...FIXED,
  ...IDLE,
] as readonly Property<unknown>[];

/**
 * @param takesAts the device makes something of ATS
 * @throws CommandError for a transport that is not the modern one, or rings that are not split
 */
export function checkVirtioProperties(device: Device, takesAts: boolean): void {
  const refuse = (name: string, value: string): CommandError =>
    new CommandError(
      `Property '${device.type.name}.${name}' cannot be '${value}': virtio devices are modern ones with split rings`,
    );
  if (device.value(virtioProperties.disableLegacy) === 'off') throw refuse('disable-legacy', 'off');
  if (device.value(virtioProperties.ats) && !takesAts) {
    throw new CommandError(`Property '${device.type.name}.ats' cannot be 'on': the device keeps no translations`);
  }
  for (const property of FIXED) if (device.value(property)) throw refuse(property.name, 'on');
}
