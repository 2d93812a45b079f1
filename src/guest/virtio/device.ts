import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import { Feature, featureMask, Status } from '../../virtio/features.ts';
import type { Processor } from '../processor.ts';
import type { QueueAreas } from './queue.ts';
import { type ConfigAccess, VirtioRegisters } from './registers.ts';

/** Offsets of the common registers (Virtio 1.2, section 4.1.4.3). */
const Common = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  status: 0x14,
  queueSelect: 0x16,
  queueEnable: 0x1c,
  queueNotifyOffset: 0x1e,
  descriptors: 0x20,
  driver: 0x28,
  device: 0x30,
} as const;

/** Brings a virtio device on PCI up, as a kernel does (Virtio 1.2, section 3.1.1). */
export class GuestVirtioDevice {
  readonly registers: VirtioRegisters;

  /** @throws CommandError for a function that is no modern virtio device */
  constructor(config: ConfigAccess, processor: Processor) {
    this.registers = new VirtioRegisters(config, processor);
  }

  get status(): number {
    return this.registers.common(Common.status, 1);
  }

  /** What the device offers. */
  features(): bigint {
    const half = (select: number): bigint => {
      this.registers.setCommon(Common.deviceFeatureSelect, 4, select);
      return BigInt(this.registers.common(Common.deviceFeature, 4));
    };
    return half(0) | (half(1) << 32n);
  }

  /**
   * Resets the device and chooses `features`, VERSION_1 among them.
   * @throws CommandError when the device does not take them
   */
  start(features: bigint): void {
    const { registers } = this;
    registers.enableBusMaster();
    this.#setStatus(0);
    this.#setStatus(Status.acknowledge);
    this.#setStatus(Status.acknowledge | Status.driver);
    const chosen = features | featureMask(Feature.version1);
    for (const select of [0, 1]) {
      registers.setCommon(Common.driverFeatureSelect, 4, select);
      registers.setCommon(Common.driverFeature, 4, Number((chosen >> BigInt(32 * select)) & 0xffff_ffffn));
    }
    this.#setStatus(Status.acknowledge | Status.driver | Status.featuresOk);
    if ((this.status & Status.featuresOk) === 0) {
      throw new CommandError(`The device does not take the features ${hex(chosen)}: its status is ${hex(this.status)}`);
    }
  }

  /** Gives the device a queue of 256 descriptors, at addresses as the device is to use them. */
  enableQueue(index: number, queue: QueueAreas): void {
    const { registers } = this;
    registers.setCommon(Common.queueSelect, 2, index);
    const areas = [
      [Common.descriptors, queue.address],
      [Common.driver, queue.driverArea],
      [Common.device, queue.deviceArea],
    ] as const;
    for (const [offset, address] of areas) {
      registers.setCommon(offset, 4, Number(address & 0xffff_ffffn));
      registers.setCommon(offset + 4, 4, Number(address >> 32n));
    }
    registers.setCommon(Common.queueEnable, 2, 1);
  }

  /** The driver is at work from now on. */
  finish(): void {
    this.#setStatus(Status.acknowledge | Status.driver | Status.featuresOk | Status.driverOk);
  }

  notify(index: number): void {
    this.registers.setCommon(Common.queueSelect, 2, index);
    this.registers.notify(index, this.registers.common(Common.queueNotifyOffset, 2));
  }

  #setStatus(status: number): void {
    this.registers.setCommon(Common.status, 1, status);
  }
}
