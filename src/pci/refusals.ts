import { CommandError } from '../core/errors.ts';
import type { PciDevice } from './device.ts';
import { pciProperties } from './properties.ts';

const ETHERNET = 0x0200;
const UNSET = 0xffff_ffff;
const LAST_ACPI_INDEX = 16_383;

/** Refuses a size that no ROM has, before a slot is looked for. Throws CommandError with QEMU's sentence. */
export function checkRomSize(device: PciDevice): void {
  const size = device.value(pciProperties.romSize);
  if (size === UNSET || (size !== 0 && (size & (size - 1)) === 0)) return;
  throw new CommandError(`ROM size ${size} is not a power of two`);
}

/**
 * Refuses a number for the guest's names of network devices that is too large, or taken by one of `others`. Throws
 * CommandError with QEMU's sentence.
 */
export function checkAcpiIndex(device: PciDevice, others: readonly PciDevice[]): void {
  const index = device.value(pciProperties.acpiIndex);
  if (index === 0) return;
  if (index > LAST_ACPI_INDEX) {
    throw new CommandError(`acpi-index should be less or equal to ${LAST_ACPI_INDEX}`);
  }
  if (others.some((other) => other !== device && other.value(pciProperties.acpiIndex) === index)) {
    throw new CommandError(`a PCI device with acpi-index = ${index} already exist`);
  }
}

/**
 * Refuses what QEMU refuses of the properties about failover and ROMs, once the device has its slot. QEMU looks
 * at some of them after the type's own realize; here all are looked at before it, so that nothing has to be undone.
 * A model holds no ROM images, so none is ever found. Throws CommandError with QEMU's sentences.
 */
export function checkUnmodelled(device: PciDevice, devfn: number): void {
  checkFailover(device, devfn);
  const romFile = device.value(pciProperties.romFile);
  if (romFile !== null && romFile !== '') {
    if (device.value(pciProperties.romBar) !== 0) throw new CommandError(`failed to find romfile "${romFile}"`);
    if (device.hotplugged) throw new CommandError("Hot-plugged device without ROM bar can't have an option ROM");
  }
}

function checkFailover(device: PciDevice, devfn: number): void {
  if (device.value(pciProperties.failoverPairId) === null) return;
  if (device.identity.classCode !== ETHERNET) {
    throw new CommandError('failover primary device is not an Ethernet device');
  }
  if (device.multifunction || (devfn & 7) !== 0) {
    throw new CommandError('failover: primary device must be in its own PCI slot');
  }
}
