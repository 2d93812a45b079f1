import type { Snapshottable } from '../trace/snapshot.ts';
import { QueueError } from './descriptor-chain.ts';
import { Feature, featureMask, NO_VECTOR, Status } from './features.ts';
import type { QueueMemory } from './queue-memory.ts';
import { VirtQueue, type VirtQueueState } from './virtqueue.ts';

/** What a type of virtio device is (Virtio 1.2, section 5). */
export interface VirtioType {
  /** 1 is a network card, 23 an IOMMU. */
  readonly deviceId: number;
  /** Feature bits of the type alone, 0 to 23. */
  readonly features: bigint;
  /** One for each queue, in descriptors. */
  readonly queueSizes: readonly number[];
  /** Bytes of the device-specific configuration. */
  readonly configSize: number;
}

/** What the device asks of what stands between it and the driver. */
export interface VirtioTransport {
  memory(): QueueMemory;
  /** `vector` is the queue's, or the configuration's; the transport adds the bit to the ISR status. */
  interrupt(cause: 'queue' | 'configuration', vector: number): void;
}

/** Which of the features that belong to no type are offered. */
export interface OfferedFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
  readonly queueReset: boolean;
  readonly accessPlatform: boolean;
}

export interface VirtioDeviceState {
  status: number;
  driverFeatures: bigint;
  configVector: number;
  generation: number;
  queues: VirtQueueState[];
  failure: string | null;
}

/**
 * A virtio device, whatever the transport: status, features, queues, configuration (section 2). Notifications are served
 * at once, so that a request is done when the driver's write returns.
 */
export abstract class VirtioDevice implements Snapshottable<VirtioDeviceState> {
  readonly type: VirtioType;
  /** What the driver can choose from. */
  readonly offered: bigint;
  readonly queues: readonly VirtQueue[];
  /** Of MSI-X, for changes of the configuration; 0xffff: none. */
  configVector: number = NO_VECTOR;
  readonly #transport: VirtioTransport;
  #status = 0;
  #driverFeatures = 0n;
  #generation = 0;
  /** The function may be a bus master; without it nothing is served. */
  #enabled = true;
  /** Queues that were notified while another notification is being served, by what the device itself wrote. */
  readonly #waiting: number[] = [];
  #serving = false;
  #failure: string | null = null;

  constructor(type: VirtioType, offered: OfferedFeatures, transport: VirtioTransport) {
    this.type = type;
    this.#transport = transport;
    this.offered =
      type.features |
      featureMask(
        Feature.version1,
        ...(offered.indirect ? [Feature.indirect] : []),
        ...(offered.eventIndex ? [Feature.eventIndex] : []),
        ...(offered.queueReset ? [Feature.queueReset] : []),
        ...(offered.accessPlatform ? [Feature.accessPlatform] : []),
      );
    this.queues = type.queueSizes.map(
      (maxSize, index) =>
        new VirtQueue({
          index,
          maxSize,
          memory: () => transport.memory(),
          has: (feature) => this.has(feature),
          interrupt: () => transport.interrupt('queue', this.queues[index]!.vector),
        }),
    );
  }

  /** Section 2.1. */
  get status(): number {
    return this.#status;
  }

  /** What the driver has chosen. */
  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  /** Counts the changes of the configuration that the driver did not make, modulo 2^8. */
  get generation(): number {
    return this.#generation;
  }

  /** The driver is at work. */
  get driverOk(): boolean {
    return (this.#status & Status.driverOk) !== 0;
  }

  /** Why the device serves no queue until it is reset; null while it does. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Whether the driver has chosen a feature. */
  has(feature: number): boolean {
    return (this.#driverFeatures & (1n << BigInt(feature))) !== 0n;
  }

  /** The driver chooses; what is not offered does not count. Nothing once it has said that it is done. */
  chooseFeatures(features: bigint): void {
    if ((this.#status & Status.featuresOk) === 0) this.#driverFeatures = features & this.offered;
  }

  /** The driver writes the status; 0 resets the device. Features that it must take and has not are refused. */
  setStatus(status: number): void {
    if (status === 0) {
      this.reset();
      return;
    }
    const concludes = (this.#status & Status.featuresOk) === 0 && (status & Status.featuresOk) !== 0;
    if (concludes && this.has(Feature.version1) && !this.#takesAddresses()) return;
    this.#changeStatus(status);
  }

  /** The function became a bus master, or is none any more; then the driver is no longer at work. */
  setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    if (!enabled) this.#changeStatus(this.#status & ~Status.driverOk);
  }

  /** The driver notifies about queue `index`; one that is not set up is left alone. */
  notify(index: number): void {
    if (this.#waiting.length <= this.queues.length) this.#waiting.push(index);
    if (this.#serving) return;
    this.#serving = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const queue = this.queues[next];
      if (queue !== undefined) this.attend(queue, () => this.notified(queue));
    }
    this.#serving = false;
  }

  /** Serves a queue for another reason than a notification, under the same rules. */
  attend(queue: VirtQueue, body: () => void): void {
    if (!queue.ready || !this.#enabled || this.#failure !== null) return;
    try {
      body();
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      this.fail(error.message);
    }
  }

  /** The driver broke the rules: nothing is served any more until it resets the device, and it is told so. */
  fail(sentence: string): void {
    this.#failure ??= sentence;
    if (!this.has(Feature.version1)) return;
    this.#status |= Status.needsReset;
    this.configChanged();
  }

  /** Tells the driver that the device-specific configuration has changed. */
  configChanged(): void {
    if (!this.driverOk) return;
    this.#generation = (this.#generation + 1) & 0xff;
    this.#transport.interrupt('configuration', this.configVector);
  }

  /** One byte of the device-specific configuration; `offset` is below `configSize`. */
  readConfig(_offset: number): number {
    return 0;
  }

  /** One byte likewise; what is read-only stays. */
  writeConfig(_offset: number, _value: number): void {}

  /** Status 0: everything of the driver goes. */
  reset(): void {
    const was = this.driverOk;
    this.#status = 0;
    this.#driverFeatures = 0n;
    this.#generation = 0;
    this.#failure = null;
    this.configVector = NO_VECTOR;
    for (const queue of this.queues) queue.reset();
    if (was) this.onDriver(false);
    this.onReset();
  }

  save(): VirtioDeviceState {
    return {
      status: this.#status,
      driverFeatures: this.#driverFeatures,
      configVector: this.configVector,
      generation: this.#generation,
      queues: this.queues.map((queue) => queue.save()),
      failure: this.#failure,
    };
  }

  restore(state: VirtioDeviceState): void {
    this.#status = state.status;
    this.#driverFeatures = state.driverFeatures;
    this.configVector = state.configVector;
    this.#generation = state.generation;
    this.#failure = state.failure;
    this.queues.forEach((queue, index) => queue.restore(state.queues[index]!));
  }

  /** The driver has made requests available. @throws QueueError when they break the rules: the device needs a reset */
  protected abstract notified(queue: VirtQueue): void;

  /** The driver is at work, or no longer. */
  protected onDriver(_atWork: boolean): void {}

  protected onReset(): void {}

  #changeStatus(status: number): void {
    const was = this.driverOk;
    this.#status = status;
    if (was !== this.driverOk) this.onDriver(this.driverOk);
  }

  /** A driver that does not know what the addresses mean cannot use a device behind an IOMMU. */
  #takesAddresses(): boolean {
    const mask = featureMask(Feature.accessPlatform);
    return (this.offered & mask) === 0n || (this.#driverFeatures & mask) !== 0n;
  }
}
