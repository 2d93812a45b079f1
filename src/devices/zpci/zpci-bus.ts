import type { ZpciUnit } from '../../iommu/s390/unit.ts';
import { Bus } from '../../qom/bus.ts';
import type { Device } from '../../qom/device.ts';
import type { QomType } from '../../qom/type-registry.ts';

/** The bus of zpci devices, beside the bus of the PCI devices that they belong to. */
export class ZpciBus extends Bus {
  /** Knows the functions. */
  readonly unit: ZpciUnit;

  constructor(type: QomType, owner: Device, unit: ZpciUnit) {
    super(type, 's390-pcibus.0', owner);
    this.unit = unit;
    this.hotpluggable = true;
  }
}
