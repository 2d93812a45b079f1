import { bool, enumeration, flag, int32, onOffAuto, uint32, uint8 } from '../qom/kinds.ts';
import { deviceProperty, type Property } from '../qom/property.ts';

/*
 * The properties of QEMU's vfio-pci that steer what no model has: interrupts, displays, quirks of hardware. They are
 * taken and told, so that command lines and libvirt's probe find them, and change nothing.
 */

/** Migration takes a host that can track dirty pages. */
export const vfioPciMigration = deviceProperty('x-enable-migration', bool, false);

/** Those that QEMU lists before the host's address. */
export const vfioPciSettingsBefore: readonly Property<unknown>[] = [
  deviceProperty('x-no-kvm-msix', bool, false),
  deviceProperty('yres', uint32, 0),
  deviceProperty('x-vga', flag, false),
  deviceProperty('x-pre-copy-dirty-page-tracking', onOffAuto, 'on'),
  deviceProperty('x-nv-gpudirect-clique', { ...uint8, type: 'uint4' }, 0, {
    description: 'NVIDIA GPUDirect Clique ID (0 - 15)',
    showDefault: false,
  }),
  deviceProperty(
    'x-msix-relocation',
    enumeration('OffAutoPCIBAR', ['off', 'auto', 'bar0', 'bar1', 'bar2', 'bar3', 'bar4', 'bar5']),
    'off',
  ),
  deviceProperty('x-no-vfio-ioeventfd', bool, false),
];

/** Those that QEMU lists behind it. */
export const vfioPciSettingsBehind: readonly Property<unknown>[] = [
  deviceProperty('x-pci-device-id', uint32, 0xffff_ffff),
  deviceProperty('x-no-kvm-msi', bool, false),
  deviceProperty('x-pci-sub-vendor-id', uint32, 0xffff_ffff),
  vfioPciMigration,
  deviceProperty('x-no-geforce-quirks', bool, false),
  deviceProperty('x-req', flag, true),
  deviceProperty('x-igd-gms', uint32, 0),
  deviceProperty('x-intx-mmap-timeout-ms', uint32, 1100),
  deviceProperty('x-no-kvm-intx', bool, false),
  deviceProperty('x-no-kvm-ioeventfd', bool, false),
  deviceProperty('x-pci-sub-device-id', uint32, 0xffff_ffff),
  deviceProperty('display', onOffAuto, 'off'),
  deviceProperty('x-igd-opregion', flag, false),
  deviceProperty('x-pci-vendor-id', uint32, 0xffff_ffff),
  deviceProperty('xres', uint32, 0),
  deviceProperty('x-no-mmap', bool, false),
  deviceProperty('x-balloon-allowed', bool, false),
];

/** Each device adds it to itself. */
export const vfioPciBootIndex: Property<unknown> = deviceProperty('bootindex', int32, -1, { showDefault: false });
