import type { MmioOperations } from '../memory/mmio.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import type { VirtioDevice } from './device.ts';
import { Feature, featureMask, NO_VECTOR } from './features.ts';
import type { VirtQueue } from './virtqueue.ts';

/** Offsets of the registers (Virtio 1.2, section 4.1.4.3). */
const Offset = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  configVector: 0x10,
  numberOfQueues: 0x12,
  status: 0x14,
  generation: 0x15,
  queueSelect: 0x16,
  queueSize: 0x18,
  queueVector: 0x1a,
  queueEnable: 0x1c,
  queueNotifyOffset: 0x1e,
  descriptorsLow: 0x20,
  descriptorsHigh: 0x24,
  driverLow: 0x28,
  driverHigh: 0x2c,
  deviceLow: 0x30,
  deviceHigh: 0x34,
  queueReset: 0x3a,
} as const;

const LAST_QUEUE = 1023;
/** What QEMU counts among the features and shows to legacy drivers alone. */
const LEGACY = featureMask(Feature.notifyOnEmpty, Feature.anyLayout);

/** Addresses of a queue as the driver writes them, in halves; they count from the moment at which it enables the queue. */
interface QueueAddresses {
  descriptors: [number, number];
  driver: [number, number];
  device: [number, number];
}

export interface CommonConfigState {
  deviceFeatureSelect: number;
  driverFeatureSelect: number;
  driverFeatures: [number, number];
  queueSelect: number;
  addresses: QueueAddresses[];
}

const noAddresses = (): QueueAddresses => ({ descriptors: [0, 0], driver: [0, 0], device: [0, 0] });
const joined = ([low, high]: readonly [number, number]): bigint => (BigInt(high) << 32n) | BigInt(low);

/**
 * The registers that all virtio devices on PCI have (section 4.1.4.3), with QEMU 7.2's answers where a driver breaks the
 * rules: a write of another width than the register's counts as one of the register, and the selectors and the chosen
 * features read back as written, also after a reset of the device.
 */
export class CommonConfig implements Snapshottable<CommonConfigState> {
  readonly operations: MmioOperations;
  readonly #device: VirtioDevice;
  /** MSI-X vectors of the function; a register takes none beyond them. */
  readonly #vectors: number;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #driverFeatures: [number, number] = [0, 0];
  #queueSelect = 0;
  #addresses: QueueAddresses[];

  constructor(device: VirtioDevice, vectors: number) {
    this.#device = device;
    this.#vectors = vectors;
    this.#addresses = device.queues.map(noAddresses);
    this.operations = {
      valid: { min: 1, max: 8 },
      implementation: { min: 1, max: 4 },
      read: (offset) => BigInt(this.#read(offset)),
      write: (offset, _size, value) => this.#write(offset, Number(value)),
    };
  }

  /** The addresses of the queues go with a reset of the device; the selectors stay. */
  resetQueues(): void {
    this.#addresses = this.#device.queues.map(noAddresses);
  }

  /** A reset of the function. */
  reset(): void {
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#driverFeatures = [0, 0];
    this.#queueSelect = 0;
    this.resetQueues();
  }

  save(): CommonConfigState {
    return structuredClone({
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      driverFeatures: this.#driverFeatures,
      queueSelect: this.#queueSelect,
      addresses: this.#addresses,
    });
  }

  restore(state: CommonConfigState): void {
    const { deviceFeatureSelect, driverFeatureSelect, driverFeatures, queueSelect, addresses } = structuredClone(state);
    this.#deviceFeatureSelect = deviceFeatureSelect;
    this.#driverFeatureSelect = driverFeatureSelect;
    this.#driverFeatures = driverFeatures;
    this.#queueSelect = queueSelect;
    this.#addresses = addresses;
  }

  get #queue(): VirtQueue | undefined {
    return this.#device.queues[this.#queueSelect];
  }

  #read(offset: number): number {
    const device = this.#device;
    const queue = this.#queue;
    const addresses = this.#addresses[this.#queueSelect];
    switch (offset) {
      case Offset.deviceFeatureSelect:
        return this.#deviceFeatureSelect;
      case Offset.deviceFeature:
        return halfOf(device.offered & ~LEGACY, this.#deviceFeatureSelect);
      case Offset.driverFeatureSelect:
        return this.#driverFeatureSelect;
      case Offset.driverFeature:
        return this.#driverFeatures[this.#driverFeatureSelect] ?? 0;
      case Offset.configVector:
        return device.configVector;
      case Offset.numberOfQueues:
        return device.queues.length;
      case Offset.status:
        return device.status;
      case Offset.generation:
        return device.generation;
      case Offset.queueSelect:
      case Offset.queueNotifyOffset:
        return this.#queueSelect;
      case Offset.queueSize:
        return queue?.size ?? 0;
      case Offset.queueVector:
        return queue?.vector ?? NO_VECTOR;
      case Offset.queueEnable:
        return queue?.enabled === true ? 1 : 0;
      case Offset.descriptorsLow:
        return addresses?.descriptors[0] ?? 0;
      case Offset.descriptorsHigh:
        return addresses?.descriptors[1] ?? 0;
      case Offset.driverLow:
        return addresses?.driver[0] ?? 0;
      case Offset.driverHigh:
        return addresses?.driver[1] ?? 0;
      case Offset.deviceLow:
        return addresses?.device[0] ?? 0;
      case Offset.deviceHigh:
        return addresses?.device[1] ?? 0;
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    const device = this.#device;
    switch (offset) {
      case Offset.deviceFeatureSelect:
        this.#deviceFeatureSelect = value;
        return;
      case Offset.driverFeatureSelect:
        this.#driverFeatureSelect = value;
        return;
      case Offset.driverFeature:
        this.#chooseFeatures(value);
        return;
      case Offset.configVector:
        device.configVector = this.#vector(value);
        return;
      case Offset.status:
        device.setStatus(value & 0xff);
        if (device.status === 0) this.resetQueues();
        return;
      case Offset.queueSelect:
        if (value <= LAST_QUEUE) this.#queueSelect = value;
        return;
      default:
        this.#writeQueue(offset, value);
    }
  }

  #writeQueue(offset: number, value: number): void {
    const queue = this.#queue;
    const addresses = this.#addresses[this.#queueSelect];
    if (queue === undefined || addresses === undefined) return;
    switch (offset) {
      case Offset.queueSize:
        queue.size = value;
        return;
      case Offset.queueVector:
        queue.vector = this.#vector(value);
        return;
      case Offset.queueEnable:
        this.#enable(queue, addresses, value);
        return;
      case Offset.descriptorsLow:
        addresses.descriptors[0] = value;
        return;
      case Offset.descriptorsHigh:
        addresses.descriptors[1] = value;
        return;
      case Offset.driverLow:
        addresses.driver[0] = value;
        return;
      case Offset.driverHigh:
        addresses.driver[1] = value;
        return;
      case Offset.deviceLow:
        addresses.device[0] = value;
        return;
      case Offset.deviceHigh:
        addresses.device[1] = value;
        return;
      case Offset.queueReset:
        if (value === 1) {
          queue.reset();
          this.#addresses[this.#queueSelect] = noAddresses();
        }
    }
  }

  #enable(queue: VirtQueue, addresses: QueueAddresses, value: number): void {
    if (value !== 1) {
      this.#device.fail(`A driver wrote ${value} to queue_enable of queue ${queue.index}; only 1 has a meaning`);
      return;
    }
    queue.descriptors = joined(addresses.descriptors);
    queue.driver = joined(addresses.driver);
    queue.device = joined(addresses.device);
    queue.enabled = true;
  }

  #chooseFeatures(value: number): void {
    const select = this.#driverFeatureSelect;
    if (select > 1) return;
    this.#driverFeatures[select] = value;
    this.#device.chooseFeatures(joined(this.#driverFeatures));
  }

  #vector(value: number): number {
    return value < this.#vectors ? value : NO_VECTOR;
  }
}

function halfOf(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffff_ffffn);
}
