import { CommandError } from '../core/errors.ts';
import { bool, enumeration, flag, size, uint8, uint16, uint32 } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import { PciBridge } from './bridge.ts';
import type { PciCapability } from './capabilities.ts';
import { reaches } from './config-space.ts';
import type { PciDevice, PciIdentity } from './device.ts';
import { Register } from './registers.ts';
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

/** The capability of PCI Express, and what in it depends on whether the slot is empty. */
const EXPRESS = 0x54;
const LINK_STATUS = EXPRESS + 0x12;
const LINK = { empty: 0x0204, occupied: 0x0011 } as const;
const SLOT_CONTROL = EXPRESS + 0x18;
const SLOT = { empty: 0x07c0, occupied: 0x01c0 } as const;

/** Advanced error reporting (PCI Express Base 4.0, section 7.8.4), with everything at its default. */
const ADVANCED_ERRORS: PciCapability = {
  kind: 'plain-extended',
  at: 0x100,
  id: 0x0001,
  version: 2,
  bytes: '00000000 00000000 30204600 00000000 00e00000 a0020000'.padEnd(0x88, '0'),
  writable: '00000000 3020ff07 3020ff07',
};

/** Access control services (section 7.7.8); the port has all that concern requests from below. */
const ACCESS_CONTROL: PciCapability = {
  kind: 'plain-extended',
  at: 0x148,
  id: 0x000d,
  version: 1,
  bytes: '5f00 0000',
  writable: '0000 5f00',
};

/** A PCI Express root port: devices are plugged into the bus behind it, at run time too unless `hotplug=off`. */
export class PciRootPort extends PciBridge {
  readonly identity: PciIdentity = {
    vendor: 0x1b36,
    device: 0x000c,
    classCode: 0x0604,
    subsystemVendor: null,
    interruptPin: 1,
    bridgeControl: 0x005f,
    bars: [{ index: 0, kind: 'memory', size: 4096, name: 'pcie-root-port-msix' }],
    capabilities: [
      { kind: 'express', at: EXPRESS, port: 'root-port' },
      { kind: 'msix', at: 0x48, vectors: 1, bar: 0, table: 0, pending: 0x800 },
      { kind: 'plain', at: 0x40, id: 0x0d, bytes: '0000 361b 0000' },
      ADVANCED_ERRORS,
      ACCESS_CONTROL,
    ],
  };
  protected readonly secondaryType = 'PCIE';

  /** The link is that of what sits in the slot. */
  override readConfig(offset: number, size: number): number {
    if (reaches(offset, size, LINK_STATUS, 2)) this.registers.config.set(LINK_STATUS, 2, LINK[this.#slot]);
    return super.readConfig(offset, size);
  }

  /** What is there from the start finds its slot powered; for what is plugged in later software does that. */
  override deviceAttached(device: PciDevice): void {
    super.deviceAttached(device);
    if (!device.hotplugged) this.registers.config.set(SLOT_CONTROL, 2, SLOT.occupied);
  }

  protected override onRealize(): void {
    this.#checkChassisSlot();
    super.onRealize();
    this.secondaryBus.hotpluggable = this.value(rootPortProperties.hotplug);
    this.registers.config.set(SLOT_CONTROL, 2, SLOT.empty);
  }

  protected override onReset(): void {
    super.onReset();
    this.registers.config.set(SLOT_CONTROL, 2, SLOT[this.#slot]);
  }

  get #slot(): keyof typeof SLOT {
    return this.secondaryBus.functions().length === 0 ? 'empty' : 'occupied';
  }

  /** A port starts with its windows closed: each base lies above its limit. */
  protected override closeWindows(): void {
    const { config } = this.registers;
    config.set(Register.ioBase, 2, 0x00f0);
    config.set(Register.memoryBase, 4, 0x0000_fff0);
    config.set(Register.prefetchableBase, 4, 0x0001_fff1);
    super.closeWindows();
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
