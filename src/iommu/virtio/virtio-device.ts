import { QueueError } from '../../virtio/descriptor-chain.ts';
import { type OfferedFeatures, VirtioDevice, type VirtioTransport } from '../../virtio/device.ts';
import { featureMask } from '../../virtio/features.ts';
import type { VirtQueue } from '../../virtio/virtqueue.ts';
import type { VirtioIommuProperties } from './properties.ts';
import {
  CONFIG_SIZE,
  ConfigOffset,
  decodeRequest,
  FAULT_SIZE,
  HEAD_SIZE,
  IOMMU_DEVICE_ID,
  IommuFeature,
  type IommuRequest,
  PROBE_SIZE,
  Queue,
  QUEUE_SIZE,
  REQUEST_SIZE,
  RequestType,
  TAIL_SIZE,
} from './protocol.ts';
import type { RequestOutcome } from './requests.ts';

/** Bytes that any request has at most for the device to read. */
const LARGEST_REQUEST = Math.max(...Object.values(REQUEST_SIZE));

/** One fault as the guest is told of it. */
export interface FaultReport {
  readonly code: number;
  readonly flags: number;
  readonly endpoint: number;
  readonly address: bigint;
}

/** What stands behind the queues. */
export interface IommuBackend {
  readonly properties: VirtioIommuProperties;
  bypass: boolean;
  carryOut(request: IommuRequest): RequestOutcome;
  /** The driver reset the device. */
  deviceReset(): void;
}

/** The guest's interface to a virtio-iommu: its configuration and its two queues. */
export class VirtioIommuDevice extends VirtioDevice {
  readonly #backend: IommuBackend;

  constructor(backend: IommuBackend, offered: OfferedFeatures, transport: VirtioTransport) {
    const { inputRange, domainRange, mapUnmap, probe, mmio, bypassConfig } = IommuFeature;
    super(
      {
        deviceId: IOMMU_DEVICE_ID,
        features: featureMask(inputRange, domainRange, mapUnmap, probe, mmio, bypassConfig),
        queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
        configSize: CONFIG_SIZE,
      },
      offered,
      transport,
    );
    this.#backend = backend;
  }

  override readConfig(offset: number): number {
    return this.#config()[offset]!;
  }

  /** Only the global bypass can be written, 0 or 1, by a driver that has chosen the feature. */
  override writeConfig(offset: number, value: number): void {
    if (offset !== ConfigOffset.bypass || value === (this.#backend.bypass ? 1 : 0)) return;
    if (!this.has(IommuFeature.bypassConfig))
      this.fail('cannot set config.bypass: the driver has not chosen the feature');
    else if (value > 1) this.fail(`invalid config.bypass value '${value}'`);
    else this.#backend.bypass = value === 1;
  }

  /** Puts a fault into a buffer of the event queue; where the driver has left none the report is lost. */
  report({ code, flags, endpoint, address }: FaultReport): void {
    const queue = this.queues[Queue.event]!;
    this.attend(queue, () => {
      const chain = queue.pop();
      if (chain === null) return;
      const bytes = new Uint8Array(FAULT_SIZE);
      const view = new DataView(bytes.buffer);
      view.setUint8(0, code);
      view.setUint32(4, flags, true);
      view.setUint32(8, endpoint, true);
      view.setBigUint64(16, address, true);
      if (!chain.write(0, bytes)) throw new QueueError('The buffer of an event is too short, or cannot be written');
      queue.push(chain, FAULT_SIZE);
      queue.signal();
    });
  }

  protected override notified(queue: VirtQueue): void {
    if (queue.index !== Queue.request) return;
    for (let chain = queue.pop(); chain !== null; chain = queue.pop()) {
      const { readableLength, writableLength } = chain;
      if (readableLength < HEAD_SIZE || writableLength < TAIL_SIZE)
        throw new QueueError('virtio-iommu bad head/tail size');
      const request = chain.read(0, LARGEST_REQUEST);
      if (request === null) throw new QueueError('A request cannot be read');
      const answer = this.#answer(request);
      if (!chain.write(0, answer)) throw new QueueError('The room for an answer is too short, or cannot be written');
      queue.push(chain, answer.length);
      queue.signal();
    }
  }

  protected override onReset(): void {
    this.#backend.deviceReset();
  }

  /** The status behind the properties of a probe, or alone. */
  #answer(bytes: Uint8Array): Uint8Array {
    const request = decodeRequest(bytes);
    const { status, properties } =
      typeof request === 'number' ? { status: request, properties: undefined } : this.#backend.carryOut(request);
    const before = bytes[0] === RequestType.probe ? (properties ?? new Uint8Array(PROBE_SIZE)) : new Uint8Array();
    const answer = new Uint8Array(before.length + TAIL_SIZE);
    answer.set(before);
    answer[before.length] = status;
    return answer;
  }

  #config(): Uint8Array {
    const { bypass, properties } = this.#backend;
    const bytes = new Uint8Array(CONFIG_SIZE);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(ConfigOffset.pageSizeMask, BigInt.asUintN(64, -properties.granule), true);
    view.setBigUint64(ConfigOffset.inputEnd, (1n << BigInt(properties.awBits)) - 1n, true);
    view.setUint32(ConfigOffset.domainEnd, 0xffff_ffff, true);
    view.setUint32(ConfigOffset.probeSize, PROBE_SIZE, true);
    view.setUint8(ConfigOffset.bypass, bypass ? 1 : 0);
    return bytes;
  }
}
