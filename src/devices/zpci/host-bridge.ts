import { CommandError } from '../../core/errors.ts';
import type { ZpciFunction } from '../../iommu/s390/function.ts';
import { ZpciUnit } from '../../iommu/s390/unit.ts';
import { PciBus } from '../../pci/bus.ts';
import { Device } from '../../qom/device.ts';
import type { QomType, TypeRegistry } from '../../qom/type-registry.ts';
import type { DeviceContext } from '../context.ts';
import { ZpciBus } from './zpci-bus.ts';
import { ZpciDevice, zpciProperties } from './zpci-device.ts';

/** What the machine gives to its host bridge. */
export interface HostBridgeParts {
  readonly context: DeviceContext;
  readonly types: TypeRegistry;
  /** RAM in bytes. */
  readonly memorySize: bigint;
  /** Puts a zpci device that nobody asked for into the tree. */
  readonly adopt: (device: Device) => void;
}

/**
 * The host bridge of s390: a bus of PCI devices, and a bus of the zpci devices that stand beside them. It owns the IOMMU
 * of every function.
 */
export class S390HostBridge extends Device {
  #buses: { readonly pci: PciBus; readonly zpci: ZpciBus } | null = null;

  /** The bus of the PCI devices. @throws Error before {@link build} */
  get pciBus(): PciBus {
    if (this.#buses === null) throw new Error(`${this.label} has no buses yet`);
    return this.#buses.pci;
  }

  /** Makes unit and buses; once, when the bridge is in the tree. */
  build(parts: HostBridgeParts): void {
    const { context, types, memorySize } = parts;
    const { memory, events, checks, faults, points, units } = context;
    const unit = new ZpciUnit({
      qomPath: this.path,
      systemMemory: memory,
      memorySize,
      makeFunction: (target) => this.#makeFunction(parts, target),
      dropFunction: (gone) => this.#drop(gone),
      events,
      points,
      checks,
      faults,
    });
    const pci = new PciBus(types.require('PCI'), 'pci.0', { owner: this, memory });
    pci.iommuOps = unit;
    pci.hotpluggable = true;
    this.#buses = { pci, zpci: new ZpciBus(types.require('s390-pcibus'), this, unit) };
    units.addBuiltIn(unit);
  }

  /** A PCI device came without a zpci device. @throws CommandError as QEMU */
  #makeFunction({ types, adopt }: HostBridgeParts, target: string): ZpciFunction {
    const device = types.require('zpci').create();
    if (!(device instanceof ZpciDevice) || this.#buses === null) throw new Error('zpci makes no zpci device');
    device.assign(zpciProperties.target, target);
    adopt(device);
    try {
      device.realize(this.#buses.zpci);
    } catch (error) {
      device.unparent();
      if (!(error instanceof CommandError)) throw error;
      throw new CommandError(`zPCI device could not be created: ${error.message}`);
    }
    return device.function;
  }

  #drop(gone: ZpciFunction): void {
    const device = this.#buses?.zpci.devices.find((one) => one instanceof ZpciDevice && one.function === gone);
    device?.unparent();
  }
}

/** Registers the host bridge, its bus and the devices on it. */
export function registerZpciTypes(types: TypeRegistry): void {
  types.add({ name: 's390-pcibus', parent: 'bus' });
  types.add({ name: 's390-pcihost', parent: 'pci-host-bridge', create: (type: QomType) => new S390HostBridge(type) });
  types.add({
    name: 'zpci',
    parent: 'device',
    busType: 's390-pcibus',
    description: 'zpci device',
    properties: Object.values(zpciProperties),
    create: (type: QomType) => new ZpciDevice(type),
  });
}
