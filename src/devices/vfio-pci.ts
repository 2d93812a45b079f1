import { formatBdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import type { HostFunction } from '../host/function.ts';
import type { DmaPath } from '../memory/dma.ts';
import { PciDevice, type PciIdentity } from '../pci/device.ts';
import { hostPciAddress, str } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { VfioDevice } from '../vfio/device.ts';
import type { HostAddress } from '../vfio/host-address.ts';
import type { DeviceContext } from './context.ts';

export const vfioPciProperties = {
  sysfsdev: deviceProperty('sysfsdev', str, null),
  host: deviceProperty('host', hostPciAddress, null),
  iommufd: deviceProperty('iommufd', str, null, { description: 'Set host IOMMUFD backend device' }),
} as const;

/** How many page requests the host's functions can have open. */
const OUTSTANDING_PAGE_REQUESTS = 512;

/** A function of the modelled host, in the hands of the guest. */
export class VfioPciDevice extends PciDevice {
  /** As the host's functions identify themselves: a data streaming accelerator, the usual device with PASIDs. */
  readonly identity: PciIdentity = {
    vendor: 0x8086,
    device: 0x0b25,
    classCode: 0x0880,
    bars: [{ index: 0, kind: 'memory', size: 0x1_0000, wide: true }],
    capabilities: [{ kind: 'express', port: 'endpoint' }],
  };
  readonly #context: DeviceContext;
  #vfio: VfioDevice | null = null;

  constructor(type: QomType, context: DeviceContext) {
    super(type);
    this.#context = context;
  }

  /** The host's side. @throws Error before the device is realized */
  get vfio(): VfioDevice {
    if (this.#vfio === null) throw new Error(`${this.label} is not realized`);
    return this.#vfio;
  }

  get dmaPath(): DmaPath {
    return this.vfio.dmaPath;
  }

  protected override onRealize(): void {
    super.onRealize();
    const address = this.#address();
    const iommufd = this.value(vfioPciProperties.iommufd);
    if (iommufd !== null && iommufd !== '') {
      throw new CommandError(
        `Property 'vfio-pci.iommufd' cannot take '${iommufd}': host functions are attached with contract pasid-table ` +
          'only; leave iommufd out',
      );
    }
    this.#vfio = this.#context.vfio.attach({
      name: this.label,
      address,
      bus: this.bus,
      devfn: this.devfn,
      contract: 'pasid-table',
    });
    if (this.express) this.#showHostCapabilities(this.#vfio.function);
  }

  protected override onUnrealize(): void {
    this.#vfio?.release();
    this.#vfio = null;
    super.onUnrealize();
  }

  /** What the host's function and its IOMMU can do together, the guest finds in configuration space. */
  #showHostCapabilities({ capabilities: { ats, pageRequests, pasidBits } }: HostFunction): void {
    const { registers } = this;
    if (ats) registers.addCapability({ kind: 'ats' });
    if (pageRequests) registers.addCapability({ kind: 'page-requests', outstanding: OUTSTANDING_PAGE_REQUESTS });
    if (pasidBits > 0) registers.addCapability({ kind: 'pasid', bits: pasidBits, execute: true, privileged: true });
  }

  #address(): HostAddress {
    const host = this.value(vfioPciProperties.host);
    const sysfsdev = this.value(vfioPciProperties.sysfsdev);
    return {
      ...(host !== null && { host: formatBdf(host) }),
      ...(sysfsdev !== null && sysfsdev !== '' && { sysfsdev }),
    };
  }
}
