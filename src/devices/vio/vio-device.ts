import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { TceSpace } from '../../iommu/spapr/space.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import { AddressSpaceDmaPath, type DmaPath } from '../../memory/dma.ts';
import { Device } from '../../qom/device.ts';
import { uint32 } from '../../qom/kinds.ts';
import { deviceProperty } from '../../qom/property.ts';
import { VioBus } from './vio-bus.ts';

/** The value of `reg` that asks for any address. */
const ANY = 0xffff_ffff;

export const vioDeviceProperties = {
  reg: deviceProperty('reg', uint32, ANY, { description: 'unit address, which is the LIOBN, too' }),
} as const;

/** A paravirtualized device: no PCI, no requester id; its DMA goes through a TCE table of its own. */
export abstract class VioDevice extends Device {
  #space: TceSpace | null = null;

  /** Size of its DMA window, in bytes. */
  protected abstract get windowSize(): bigint;

  /** Its unit address: given, or the next free one once it is realized. */
  get reg(): number {
    return this.value(vioDeviceProperties.reg);
  }

  /** Where it sits: vio@71000000. */
  get location(): string {
    return `vio@${this.reg.toString(16)}`;
  }

  /** What its DMA goes through. */
  get addressSpace(): AddressSpace {
    if (this.#space === null) throw new Error(`${this.label} is not realized`);
    return this.#space.addressSpace;
  }

  /** The way of its transfers. A VIO device is always a bus master. */
  get dmaPath(): DmaPath {
    return new AddressSpaceDmaPath(this.addressSpace);
  }

  protected override onRealize(): void {
    super.onRealize();
    const bus = this.#bus;
    const others = bus.devices.filter((device): device is VioDevice => device instanceof VioDevice && device !== this);
    const other = others.find(({ reg }) => reg === this.reg);
    if (this.reg === ANY) this.assign(vioDeviceProperties.reg, bus.nextAddress(new Set(others.map(({ reg }) => reg))));
    else if (other !== undefined) {
      throw new CommandError(`${this.type.name} and ${other.type.name} devices conflict at address ${hex(this.reg)}`);
    }
    this.#space = bus.unit.addVio({
      reg: this.reg,
      size: this.windowSize,
      place: {
        name: this.location,
        requesters: [{ label: this.label, location: this.location }],
        requesterOf: () => null,
      },
    });
  }

  /** The hypervisor's table hangs on it. @throws CommandError always */
  protected override onUnrealize(): void {
    throw new CommandError(`Device '${this.label}' cannot go: its DMA window is part of the machine`);
  }

  get #bus(): VioBus {
    const bus = this.parentBus;
    if (!(bus instanceof VioBus)) throw new Error(`${this.label} is on no VIO bus`);
    return bus;
  }
}
