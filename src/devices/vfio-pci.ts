import { formatBdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import type { HostFunction } from '../host/function.ts';
import type { DmaPath } from '../memory/dma.ts';
import { PAGE_GROUPS } from '../memory/page-request-interface.ts';
import { reaches } from '../pci/config-space.ts';
import { PciDevice, type PciIdentity } from '../pci/device.ts';
import { bool, hostPciAddress, link, onOffAuto, str } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import type { VfioDevice } from '../vfio/device.ts';
import { type HostAddress, resolveHostFunction } from '../vfio/host-address.ts';
import type { DeviceContext } from './context.ts';
import { vfioPciMigration } from './vfio-pci-settings.ts';

export const vfioPciProperties = {
  sysfsdev: deviceProperty('sysfsdev', str, null),
  host: deviceProperty('host', hostPciAddress, null),
  migration: vfioPciMigration,
  iommufd: deviceProperty('iommufd', link('iommufd'), null, { description: 'Set host IOMMUFD backend device' }),
  ats: deviceProperty('ats', onOffAuto, 'auto', {
    description: 'keeps translations itself (PCIe ATS); auto: once the guest has enabled it in configuration space',
  }),
  pri: deviceProperty('pri', onOffAuto, 'auto', {
    description: 'asks for missing pages (PCIe PRI); auto: once the guest has enabled it in configuration space',
  }),
  shared: deviceProperty('shared', bool, false, {
    description: 'may be given pages that other devices with shared=on reach (check isolation)',
  }),
} as const;

/** ATS control (PCI Express Base 5.0, section 10.5.1.3): its place in the capability, and its enable bit. */
const ATS_CONTROL = 6;
const ATS_ENABLE = 0x8000;
/** Page request control (PCI Express Base 5.0, section 10.5.2.2): its place in the capability, and its bits. */
const PAGE_REQUEST_CONTROL = 4;
const PageRequestControl = { enable: 1, reset: 2 } as const;

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
  /** Where the ATS control register lies; null where the guest finds none. */
  #atsControl: number | null = null;
  /** Where the page request control register lies; null where the guest finds none. */
  #pageRequestControl: number | null = null;

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
    this.#checkSwitches(resolveHostFunction(this.#context.host, address));
    const iommufd = this.value(vfioPciProperties.iommufd);
    this.#vfio = this.#context.vfio.attach({
      name: this.label,
      address,
      bus: this.bus,
      devfn: this.devfn,
      ...(iommufd !== null && { iommufd: iommufd.name }),
      shared: this.value(vfioPciProperties.shared),
    });
    if (this.express) this.#showHostCapabilities(this.#vfio.function);
    this.#followAtsControl();
    this.#followPageRequestControl();
  }

  protected override onConfigWritten(offset: number, size: number): void {
    super.onConfigWritten(offset, size);
    const touches = (at: number | null): boolean => at !== null && reaches(offset, size, at, 2);
    if (touches(this.#atsControl)) this.#followAtsControl();
    if (touches(this.#pageRequestControl)) this.#followPageRequestControl();
  }

  protected override onReset(): void {
    super.onReset();
    const { function: source } = this.vfio;
    this.#context.points.vfio_pci_reset?.(source.name);
    source.enableAts(false);
    if (this.#atsControl !== null) this.registers.config.set(this.#atsControl, 2, 0);
    this.#followAtsControl();
    source.pages.reset();
    if (this.#pageRequestControl !== null) this.registers.config.set(this.#pageRequestControl, 2, 0);
    this.#followPageRequestControl();
  }

  protected override onUnrealize(): void {
    this.#vfio?.release();
    this.#vfio = null;
    this.#atsControl = null;
    this.#pageRequestControl = null;
    super.onUnrealize();
  }

  /** What the host's function and its IOMMU can do together, the guest finds in configuration space. */
  #showHostCapabilities({ capabilities: { ats, pageRequests, pasidBits } }: HostFunction): void {
    const { registers } = this;
    if (ats && this.value(vfioPciProperties.ats) !== 'off') {
      this.#atsControl = registers.addCapability({ kind: 'ats' }) + ATS_CONTROL;
    }
    if (pageRequests && this.value(vfioPciProperties.pri) !== 'off') {
      const at = registers.addCapability({ kind: 'page-requests', outstanding: PAGE_GROUPS });
      this.#pageRequestControl = at + PAGE_REQUEST_CONTROL;
    }
    if (pasidBits > 0) registers.addCapability({ kind: 'pasid', bits: pasidBits, execute: true, privileged: true });
  }

  /** @throws CommandError for what is switched on where the function, the host or the bus cannot */
  #checkSwitches({ name, capabilities: { ats, dirtyTracking, pageRequests } }: HostFunction): void {
    const refuse = (property: 'ats' | 'pri', can: boolean, why: string): void => {
      if (this.value(vfioPciProperties[property]) !== 'on' || (can && this.express)) return;
      throw new CommandError(
        `Property 'vfio-pci.${property}' cannot be 'on': host function ${name} ${why}, and a PCI Express port`,
      );
    };
    refuse('ats', ats, 'keeps no translations here; that takes ats=on of the host-function and of the host-iommu');
    refuse(
      'pri',
      pageRequests,
      'makes no page requests here; that takes pri=on of the host-function, page-requests=on of the host-iommu',
    );
    if (this.value(vfioPciProperties.migration) && !dirtyTracking) {
      throw new CommandError(
        `Property 'vfio-pci.x-enable-migration' cannot be 'on': nobody knows which pages host function ${name} has ` +
          'written; that takes dirty-tracking=on of the host-iommu',
      );
    }
  }

  /** The guest, or `ats=on` in its place, says whether the function keeps translations. */
  #followAtsControl(): void {
    if (this.#atsControl === null) return;
    const enabled = (this.registers.config.read(this.#atsControl, 2) & ATS_ENABLE) !== 0;
    this.vfio.function.enableAts(enabled || this.value(vfioPciProperties.ats) === 'on');
  }

  /** The guest, or `pri=on` in its place, says whether the function asks for pages. */
  #followPageRequestControl(): void {
    const { function: source } = this.vfio;
    const at = this.#pageRequestControl;
    const asked = this.value(vfioPciProperties.pri) === 'on';
    if (at === null) return;
    const control = this.registers.config.read(at, 2);
    // The reset bit reads as 0, and acts only while requests are disabled (section 10.5.2.2).
    if ((control & PageRequestControl.reset) !== 0) {
      this.registers.config.set(at, 2, control & ~PageRequestControl.reset);
      if ((control & PageRequestControl.enable) === 0) source.pages.reset();
    }
    source.pages.enable(asked || (control & PageRequestControl.enable) !== 0);
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
