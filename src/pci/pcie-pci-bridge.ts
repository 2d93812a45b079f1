import { onOffAuto } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import { PciBridge } from './bridge.ts';
import type { PciCapability } from './capabilities.ts';
import type { PciIdentity } from './device.ts';

export const pciePciBridgeProperties = {
  /** Whether the bridge has MSI of its own; `auto` is on. */
  msi: deviceProperty('msi', onOffAuto, 'auto'),
} as const;

const MSI: PciCapability = { kind: 'msi', at: 0x8c, vectors: 1, wide: true, maskable: true };

/** Power management, PCI Express, the standard hot-plug controller, advanced error reporting: as QEMU's bridge has them. */
const CAPABILITIES: readonly PciCapability[] = [
  { kind: 'plain', at: 0x84, id: 0x01, bytes: '0300 0000 0000' },
  { kind: 'express', at: 0x48, port: 'pci-bridge' },
  { kind: 'plain', at: 0x40, id: 0x0c, bytes: '0000 00000000', writable: 'ff00' },
  {
    kind: 'plain-extended',
    at: 0x100,
    id: 0x0001,
    version: 2,
    bytes: '00000000 00000000 30204600 00000000 00e00000 a0000000'.padEnd(0x88, '0'),
    writable: '00000000 3020ff07 3020ff07',
  },
];

/** A bridge from PCI Express to conventional PCI. What is behind it makes requests as device 0 of its secondary bus. */
export class PciePciBridge extends PciBridge {
  protected readonly secondaryType = 'PCI';

  get identity(): PciIdentity {
    return {
      vendor: 0x1b36,
      device: 0x000e,
      classCode: 0x0604,
      subsystemVendor: null,
      status: 0x00a0,
      secondaryStatus: 0x00a0,
      interruptPin: 1,
      bridgeControl: 0x0bff,
      bars: [{ index: 0, kind: 'memory', size: 256, wide: true, name: 'shpc-mmio' }],
      capabilities: [...(this.value(pciePciBridgeProperties.msi) === 'off' ? [] : [MSI]), ...CAPABILITIES],
    };
  }

  protected override onRealize(): void {
    super.onRealize();
    // QEMU plugs behind it through the hot-plug controller, which has no register model here; a plug works all the same.
    this.secondaryBus.hotpluggable = true;
  }
}
