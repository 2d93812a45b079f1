import type { AddressSpace } from '../memory/address-space.ts';
import type { AccessSize, MmioOperations } from '../memory/mmio.ts';
import { readMmio, writeMmio } from '../memory/mmio.ts';
import { NO_ATTRIBUTES } from '../memory/access.ts';
import { MemoryRegion } from '../memory/region.ts';
import { reaches } from '../pci/config-space.ts';
import { PciDevice, type PciDeviceState, type PciIdentity } from '../pci/device.ts';
import { Register } from '../pci/registers.ts';
import type { QomType } from '../qom/type-registry.ts';
import { CommonConfig, type CommonConfigState } from './common-config.ts';
import type { OfferedFeatures, VirtioDevice, VirtioDeviceState, VirtioTransport } from './device.ts';
import { NO_VECTOR } from './features.ts';
import {
  capabilityPlaces,
  MSIX_BAR,
  MSIX_SIZE,
  NOTIFY_MULTIPLIER,
  REGISTERS_BAR,
  REGISTERS_PAGE,
  REGISTERS_SIZE,
  RegisterOffset,
  virtioCapabilities,
  WindowField,
} from './pci-capabilities.ts';
import { checkVirtioProperties, virtioProperties } from './properties.ts';
import { type QueueMemory, queueMemoryOf } from './queue-memory.ts';

/** Device IDs on PCI are this plus the virtio device ID (Virtio 1.2, section 4.1.2.1). */
const FIRST_DEVICE_ID = 0x1040;
const VENDOR = 0x1af4;

/** Bits of the ISR status register (section 4.1.4.5). */
const Isr = { queue: 1, configuration: 2 } as const;

export interface VirtioPciState extends PciDeviceState {
  common: CommonConfigState;
  isr: number;
  virtio: VirtioDeviceState;
}

/**
 * A virtio device on PCI by the modern transport (Virtio 1.2, section 4.1): its registers in pages of BAR 4, found by
 * capabilities, and interrupts by its pin or MSI-X.
 */
export abstract class VirtioPciDevice extends PciDevice {
  readonly #classCode: number;
  readonly #vectors: number;
  readonly #memory: AddressSpace;
  #virtio: VirtioDevice | null = null;
  #common: CommonConfig | null = null;
  #isr = 0;

  /**
   * @param options.vectors MSI-X vectors; 0: interrupts by the pin alone
   * @param options.memory the system memory
   */
  constructor(type: QomType, options: { classCode: number; vectors: number; memory: AddressSpace }) {
    super(type);
    this.#classCode = options.classCode;
    this.#vectors = options.vectors;
    this.#memory = options.memory;
  }

  /** The number of the type (Virtio 1.2, section 5). */
  protected abstract get virtioId(): number;

  /** Makes the device behind the transport, once, when the function is realized. */
  protected abstract createVirtio(transport: VirtioTransport, offered: OfferedFeatures): VirtioDevice;

  /** @throws Error before the device is realized */
  get virtio(): VirtioDevice {
    if (this.#virtio === null) throw new Error(`${this.label} is not realized`);
    return this.#virtio;
  }

  get identity(): PciIdentity {
    const express = this.express && this.bus.port !== null;
    return {
      vendor: VENDOR,
      device: FIRST_DEVICE_ID + this.virtioId,
      classCode: this.#classCode,
      revision: 1,
      interruptPin: 1,
      bars: [
        ...(this.#vectors > 0
          ? [{ index: MSIX_BAR, kind: 'memory', size: MSIX_SIZE, name: `${this.driver}-msix` } as const]
          : []),
        { index: REGISTERS_BAR, kind: 'memory', size: REGISTERS_SIZE, prefetch: true, wide: true, name: 'virtio-pci' },
      ],
      capabilities: virtioCapabilities({ express, vectors: this.#vectors }),
    };
  }

  override readConfig(offset: number, size: number): number {
    if (this.#reachesWindow(offset, size)) this.#throughWindow(false);
    return super.readConfig(offset, size);
  }

  override save(): VirtioPciState {
    return { ...super.save(), common: this.#registers.save(), isr: this.#isr, virtio: this.virtio.save() };
  }

  override restore(state: VirtioPciState): void {
    super.restore(state);
    this.#registers.restore(state.common);
    this.#isr = state.isr;
    this.virtio.restore(state.virtio);
  }

  /**
   * What queues and buffers lie in: the system memory, since the driver gives guest-physical addresses; with
   * iommu_platform=on what the function's own requests see.
   */
  protected queueMemory(): QueueMemory {
    return this.value(virtioProperties.accessPlatform)
      ? queueMemoryOf(this.busMaster, () => ({ requester: this.requesterId() }))
      : queueMemoryOf(this.#memory);
  }

  /** The device keeps translations that ATS invalidates: `ats=on` is taken. */
  protected get takesAts(): boolean {
    return false;
  }

  protected override onRealize(): void {
    checkVirtioProperties(this, this.takesAts);
    super.onRealize();
    const offered = {
      indirect: this.value(virtioProperties.indirect),
      eventIndex: this.value(virtioProperties.eventIndex),
      queueReset: this.value(virtioProperties.queueReset),
      accessPlatform: this.value(virtioProperties.accessPlatform),
    };
    const transport: VirtioTransport = {
      memory: () => this.queueMemory(),
      interrupt: (cause, vector) => this.#interrupt(cause, vector),
    };
    this.#virtio = this.createVirtio(transport, offered);
    this.#common = new CommonConfig(this.#virtio, this.#vectors);
    this.#installRegisters();
  }

  protected override onUnrealize(): void {
    this.virtio.reset();
    super.onUnrealize();
  }

  protected override onReset(): void {
    super.onReset();
    this.virtio.reset();
    this.#registers.reset();
    this.#isr = 0;
    this.setInterruptLevel(false);
  }

  protected override onConfigWritten(offset: number, size: number): void {
    if (reaches(offset, size, Register.command, 2)) this.virtio.setEnabled(this.busMasterEnabled);
    if (this.#reachesWindow(offset, size)) this.#throughWindow(true);
  }

  get #registers(): CommonConfig {
    if (this.#common === null) throw new Error(`${this.label} is not realized`);
    return this.#common;
  }

  #interrupt(cause: 'queue' | 'configuration', vector: number): void {
    // A change of the configuration may come with one of a queue, which the driver then looks for, too.
    this.#isr |= cause === 'queue' ? Isr.queue : Isr.queue | Isr.configuration;
    if (!this.registers.msixEnabled) this.setInterruptLevel(true);
    else if (vector !== NO_VECTOR) this.notifyMsi(vector);
  }

  #installRegisters(): void {
    const bar = this.registers.bars.region(REGISTERS_BAR);
    const pages = {
      common: this.#registers.operations,
      isr: this.#isrOperations(),
      device: this.#deviceOperations(),
      notify: this.#notifyOperations(),
    } as const;
    for (const [name, operations] of Object.entries(pages)) {
      const region = MemoryRegion.mmio(
        bar.topology,
        `virtio-pci-${name}-${this.driver.replace(/-pci$/, '')}`,
        BigInt(REGISTERS_PAGE),
        operations,
      );
      region.owner = bar.owner;
      bar.addSubregion(BigInt(RegisterOffset[name as keyof typeof pages]), region);
    }
  }

  /** A read takes the causes away, and the interrupt of the pin with them. */
  #isrOperations(): MmioOperations {
    return {
      implementation: { min: 1, max: 4 },
      read: () => {
        const isr = this.#isr;
        this.#isr = 0;
        this.setInterruptLevel(false);
        return BigInt(isr);
      },
      write: () => {},
    };
  }

  #deviceOperations(): MmioOperations {
    const isInside = (offset: number): boolean => offset < this.virtio.type.configSize;
    return {
      valid: { min: 1, max: 8 },
      implementation: { min: 1, max: 1 },
      read: (offset) => BigInt(isInside(offset) ? this.virtio.readConfig(offset) : 0xff),
      write: (offset, _size, value) => {
        if (isInside(offset)) this.virtio.writeConfig(offset, Number(value));
      },
    };
  }

  #notifyOperations(): MmioOperations {
    return {
      implementation: { min: 1, max: 4 },
      read: () => 0n,
      write: (offset) => this.virtio.notify(Math.floor(offset / NOTIFY_MULTIPLIER)),
    };
  }

  #reachesWindow(offset: number, size: number): boolean {
    const { window } = capabilityPlaces(this.express && this.bus.port !== null);
    return reaches(offset, size, window + WindowField.data, 4);
  }

  /** Section 4.1.4.9: the registers without memory accesses, 1, 2 or 4 bytes at a time; anything else does nothing. */
  #throughWindow(write: boolean): void {
    const { config } = this.registers;
    const { window } = capabilityPlaces(this.express && this.bus.port !== null);
    const field = (at: number, size: number): number => config.read(window + at, size);
    const offset = field(WindowField.offset, 4);
    const length = field(WindowField.length, 4);
    if (field(WindowField.bar, 1) !== REGISTERS_BAR || offset > REGISTERS_SIZE - length) return;
    if ((length !== 1 && length !== 2 && length !== 4) || offset % length !== 0) return;
    const size: AccessSize = length;
    const operations = this.#pageAt(offset);
    const inPage = offset % REGISTERS_PAGE;
    const at = window + WindowField.data;
    if (write) writeMmio({ operations }, inPage, size, BigInt(config.read(at, size)), NO_ATTRIBUTES);
    else config.set(at, size, Number(readMmio({ operations }, inPage, size, NO_ATTRIBUTES)));
  }

  #pageAt(offset: number): MmioOperations {
    if (offset < RegisterOffset.isr) return this.#registers.operations;
    if (offset < RegisterOffset.device) return this.#isrOperations();
    return offset < RegisterOffset.notify ? this.#deviceOperations() : this.#notifyOperations();
  }
}
