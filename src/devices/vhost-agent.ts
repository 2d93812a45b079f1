import { CommandError } from '../core/errors.ts';
import type { DmaPath } from '../memory/dma.ts';
import { reaches } from '../pci/config-space.ts';
import type { PciIdentity } from '../pci/device.ts';
import { uint32 } from '../qom/kinds.ts';
import { deviceProperty } from '../qom/property.ts';
import type { QomType } from '../qom/type-registry.ts';
import { LoopbackCard, NETWORK_DEVICE_ID } from '../vhost/loopback-card.ts';
import { VhostDevice, type VhostState } from '../vhost/vhost-device.ts';
import type { OfferedFeatures, VirtioDevice, VirtioTransport } from '../virtio/device.ts';
import { VirtioPciDevice, type VirtioPciState } from '../virtio/pci-transport.ts';
import { virtioProperties } from '../virtio/properties.ts';
import type { QueueMemory } from '../virtio/queue-memory.ts';
import type { DeviceContext } from './context.ts';

/** The kernel's default of `max_iotlb_entries`. */
const DEFAULT_IOTLB_SIZE = 2048;
const LARGEST_IOTLB_SIZE = 65536;

export const vhostAgentProperties = {
  iotlbSize: deviceProperty('iotlb-size', uint32, DEFAULT_IOTLB_SIZE, {
    description: 'ranges that the device IOTLB of vhost can hold',
  }),
} as const;

/** An Ethernet controller. */
const CLASS_CODE = 0x0200;
/** One for the configuration, one for each queue. */
const VECTORS = 3;

/** Offsets and bits of the ATS capability (PCI Express Base 5.0, section 10.5.1). */
const ATS_ID = 0x0f;
const ATS_CONTROL = 6;
const ATS_ENABLE = 0x8000;
const FIRST_EXTENDED = 0x100;

export interface VhostAgentState extends VirtioPciState {
  vhost: VhostState;
}

/**
 * A virtio network card in loopback whose queues vhost serves. With `iommu_platform=on` vhost keeps a device IOTLB in
 * front of the vIOMMU; with `ats=on` as well, software can have it invalidated by device-IOTLB invalidations.
 */
export class VhostAgent extends VirtioPciDevice {
  protected readonly virtioId = NETWORK_DEVICE_ID;
  readonly #context: DeviceContext;
  #vhost: VhostDevice | null = null;
  #card: LoopbackCard | null = null;

  constructor(type: QomType, context: DeviceContext) {
    super(type, { classCode: CLASS_CODE, vectors: VECTORS, memory: context.memory });
    this.#context = context;
  }

  override get identity(): PciIdentity {
    const identity = super.identity;
    if (!this.#hasAts) return identity;
    return { ...identity, capabilities: [...(identity.capabilities ?? []), { kind: 'ats' }] };
  }

  /** @throws Error before the device is realized */
  get vhost(): VhostDevice {
    if (this.#vhost === null) throw new Error(`${this.label} is not realized`);
    return this.#vhost;
  }

  /** @throws Error before the device is realized */
  get card(): LoopbackCard {
    if (this.#card === null) throw new Error(`${this.label} is not realized`);
    return this.#card;
  }

  /** The way of single transfers: through the device IOTLB. */
  get dmaPath(): DmaPath {
    return this.vhost.dmaPath;
  }

  override save(): VhostAgentState {
    return { ...super.save(), vhost: this.vhost.save() };
  }

  override restore(state: VhostAgentState): void {
    super.restore(state);
    this.vhost.restore(state.vhost);
  }

  protected override get takesAts(): boolean {
    return true;
  }

  protected override queueMemory(): QueueMemory {
    return this.vhost.backend;
  }

  protected override createVirtio(transport: VirtioTransport, offered: OfferedFeatures): VirtioDevice {
    const { checks, clock, events, faults, host, memory, points, units } = this.#context;
    const { addressSpace } = this;
    this.#vhost = new VhostDevice({
      events,
      points,
      checks,
      faults,
      clock,
      memory,
      addressSpace,
      iotlbSize: this.value(vhostAgentProperties.iotlbSize),
      device: () => this.label,
      attributes: () => ({ requester: this.requesterId() }),
      space: () => units.spaceOf(addressSpace),
      hostAddressOf: (block, offset) => host.memory.hpaOf(block, offset),
    });
    const ats = (): boolean => this.#atsEnabled;
    const behindIommu = (): boolean => addressSpace !== memory;
    this.#card = new LoopbackCard({ vhost: this.#vhost, ats, behindIommu }, offered, transport);
    return this.#card;
  }

  protected override onRealize(): void {
    const size = this.value(vhostAgentProperties.iotlbSize);
    if (size < 1 || size > LARGEST_IOTLB_SIZE) {
      throw new CommandError(`Property 'vhost-agent.iotlb-size' must be 1 to ${LARGEST_IOTLB_SIZE}, not ${size}`);
    }
    if (this.value(virtioProperties.ats) && !this.#hasAts) {
      throw new CommandError(
        `Device '${this.label}' can have ATS only as an endpoint of PCI Express: leave ats=on out, or plug it into a port`,
      );
    }
    super.onRealize();
  }

  protected override onReset(): void {
    super.onReset();
    this.vhost.setDeviceIotlb(false);
  }

  protected override onConfigWritten(offset: number, size: number): void {
    super.onConfigWritten(offset, size);
    const control = this.#atsControl;
    if (control !== null && reaches(offset, size, control, 2)) this.vhost.setDeviceIotlb(this.#atsEnabled);
  }

  get #hasAts(): boolean {
    return this.value(virtioProperties.ats) && this.express && this.bus.port !== null;
  }

  get #atsEnabled(): boolean {
    const control = this.#atsControl;
    return control !== null && (this.registers.config.read(control, 2) & ATS_ENABLE) !== 0;
  }

  /** The offset of its control register; null without the capability. */
  get #atsControl(): number | null {
    if (!this.#hasAts) return null;
    const { config } = this.registers;
    for (let at = FIRST_EXTENDED; at !== 0; at = config.read(at, 4) >>> 20) {
      if (config.read(at, 2) === ATS_ID) return at + ATS_CONTROL;
    }
    return null;
  }
}
