import { PciDevice } from '../pci/device.ts';
import type { QomObject } from '../qom/object.ts';
import { VioDevice } from './vio/vio-device.ts';

/** A device that reads and writes memory by itself, on whatever bus. */
export type DmaDevice = PciDevice | VioDevice;

export function isDmaDevice(object: QomObject | null): object is DmaDevice {
  return object instanceof PciDevice || object instanceof VioDevice;
}
