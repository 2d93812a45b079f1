import { CommandError } from '../core/errors.ts';
import { bool, enumeration, flag, size, uint8, uint16, uint32 } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import { PciBridge } from './bridge.ts';
import type { PciIdentity } from './device.ts';
import { devices } from './topology.ts';

const UNSET_64 = 0xffff_ffff_ffff_ffffn;

/** The properties of a root port. The reservations and link settings are taken and told; nothing is behind them. */
export const rootPortProperties = {
  port: deviceProperty('port', uint8, 0),
  errorLogs: deviceProperty('aer_log_max', uint16, 8),
  hotplug: deviceProperty('hotplug', bool, true),
  nativeHotplug: deviceProperty('x-native-hotplug', bool, true),
  slot: deviceProperty('slot', uint16, 0),
  chassis: deviceProperty('chassis', uint8, 0),
  powerController: deviceProperty('power_controller_present', flag, true),
  disableAcs: deviceProperty('disable-acs', bool, false),
  reserveMemory: deviceProperty('mem-reserve', size, UNSET_64),
  reservePrefetchable64: deviceProperty('pref64-reserve', size, UNSET_64),
  reserveBuses: deviceProperty('bus-reserve', uint32, 0xffff_ffff),
  width: deviceProperty('x-width', enumeration('PCIELinkWidth', ['1', '2', '4', '8', '12', '16', '32']), '32'),
  migrateMsix: deviceProperty('x-migrate-msix', bool, true),
  reserveIo: deviceProperty('io-reserve', size, UNSET_64),
  speed: deviceProperty('x-speed', enumeration('PCIELinkSpeed', ['2_5', '5', '8', '16']), '16'),
  reservePrefetchable32: deviceProperty('pref32-reserve', size, UNSET_64),
} as const;

/** A PCI Express root port: devices are plugged into the bus behind it, at run time too unless `hotplug=off`. */
export class PciRootPort extends PciBridge {
  readonly identity: PciIdentity = {
    vendor: 0x1b36,
    device: 0x000c,
    classCode: 0x0604,
    subsystemVendor: null,
    interruptPin: 1,
    bars: [{ index: 0, kind: 'memory', size: 4096 }],
  };

  protected override onRealize(): void {
    this.#checkChassisSlot();
    super.onRealize();
    this.secondaryBus.hotpluggable = this.value(rootPortProperties.hotplug);
  }

  /** The guest tells slots apart by chassis and slot number. -16 is the EBUSY of QEMU's sentence. */
  #checkChassisSlot(): void {
    const chassis = this.value(rootPortProperties.chassis);
    const slot = this.value(rootPortProperties.slot);
    for (const other of devices(this.bus.rootBus())) {
      if (other === this || !(other instanceof PciRootPort)) continue;
      if (other.value(rootPortProperties.chassis) === chassis && other.value(rootPortProperties.slot) === slot) {
        throw new CommandError("Can't add chassis slot, error -16");
      }
    }
  }
}
