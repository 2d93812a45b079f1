import { CommandError } from '../../core/errors.ts';
import {
  encodeRequest,
  FAULT_SIZE,
  type IommuRequest,
  PROBE_SIZE,
  Queue,
  TAIL_SIZE,
} from '../../iommu/virtio/protocol.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { PAGE, type Processor } from '../processor.ts';
import type { GuestVirtioDevice } from './device.ts';
import { GuestQueue, type GuestQueueState, QUEUE_PAGES } from './queue.ts';

/** Each request has a kilobyte: what the device reads in the lower half and a bit, what it writes behind. */
const SLOT_SIZE = 1024n;
const ANSWER_AT = 256n;
const SLOTS = 64;
const REQUEST_PAGES = Number((SLOT_SIZE * BigInt(SLOTS)) / PAGE);
const EVENT_BUFFERS = 16;
const EVENT_STEP = 64n;

/** A fault as the device reported it. */
export interface GuestFault {
  readonly code: number;
  readonly flags: number;
  readonly endpoint: number;
  readonly address: bigint;
}

export interface GuestAnswer {
  readonly request: IommuRequest;
  readonly status: number;
  /** Of a probe. */
  readonly properties?: Uint8Array;
}

export interface IommuQueuesState {
  requests: GuestQueueState;
  events: GuestQueueState;
  free: number[];
  waiting: { slot: number; request: IommuRequest }[];
}

/** The two queues of a virtio-iommu in guest RAM, with the buffers of requests and of fault reports. */
export class IommuQueues implements Snapshottable<IommuQueuesState> {
  /** Pages in a row that they take, from `address` on. */
  static readonly pages = 2 * QUEUE_PAGES + REQUEST_PAGES + 1;
  readonly requests: GuestQueue;
  readonly events: GuestQueue;
  readonly #processor: Processor;
  readonly #device: GuestVirtioDevice;
  readonly #buffers: bigint;
  readonly #eventBuffers: bigint;
  #free = Array.from({ length: SLOTS }, (_, slot) => slot);
  #waiting = new Map<number, IommuRequest>();

  constructor(processor: Processor, device: GuestVirtioDevice, address: bigint) {
    this.#processor = processor;
    this.#device = device;
    const queueSize = BigInt(QUEUE_PAGES) * PAGE;
    this.requests = new GuestQueue(processor, address);
    this.events = new GuestQueue(processor, address + queueSize);
    this.#buffers = address + 2n * queueSize;
    this.#eventBuffers = this.#buffers + BigInt(REQUEST_PAGES) * PAGE;
  }

  /** Gives the device buffers for fault reports. */
  offerEventBuffers(): void {
    for (let slot = 0; slot < EVENT_BUFFERS; slot += 1) this.#offerEventBuffer(slot);
    this.#device.notify(Queue.event);
  }

  /** Puts a request into the ring; the device hears of it by the next {@link flush}. A full ring is flushed before. */
  put(request: IommuRequest): GuestAnswer[] {
    const done = this.#free.length === 0 ? this.flush() : [];
    const slot = this.#free.shift();
    if (slot === undefined) throw new CommandError('The device does not answer the requests in its queue');
    const bytes = encodeRequest(request);
    const address = this.#buffers + SLOT_SIZE * BigInt(slot);
    this.#processor.store(address, bytes);
    this.requests.offer(slot, {
      out: { address, length: bytes.length },
      into: { address: address + ANSWER_AT, length: answerSize(request) },
    });
    this.#waiting.set(slot, request);
    return done;
  }

  /** Notifies the device and takes its answers, to all that was put in since. */
  flush(): GuestAnswer[] {
    if (this.#waiting.size === 0) return [];
    this.#device.notify(Queue.request);
    const answers: GuestAnswer[] = [];
    for (let done = this.requests.take(); done !== null; done = this.requests.take()) {
      const request = this.#waiting.get(done.slot);
      if (request === undefined) throw new CommandError(`The device answered a request that nobody made: ${done.slot}`);
      this.#waiting.delete(done.slot);
      this.#free.push(done.slot);
      answers.push(this.#answer(done.slot, request));
    }
    return answers;
  }

  /** The faults that the device has reported since; their buffers go back to it. */
  takeFaults(): GuestFault[] {
    const faults: GuestFault[] = [];
    for (let done = this.events.take(); done !== null; done = this.events.take()) {
      const bytes = new Uint8Array(FAULT_SIZE);
      this.#processor.load(this.#eventBuffers + EVENT_STEP * BigInt(done.slot), bytes);
      const view = new DataView(bytes.buffer);
      faults.push({
        code: view.getUint8(0),
        flags: view.getUint32(4, true),
        endpoint: view.getUint32(8, true),
        address: view.getBigUint64(16, true),
      });
      this.#offerEventBuffer(done.slot);
    }
    if (faults.length > 0) this.#device.notify(Queue.event);
    return faults;
  }

  save(): IommuQueuesState {
    return {
      requests: this.requests.save(),
      events: this.events.save(),
      free: [...this.#free],
      waiting: [...this.#waiting].map(([slot, request]) => ({ slot, request })),
    };
  }

  restore({ requests, events, free, waiting }: IommuQueuesState): void {
    this.requests.restore(requests);
    this.events.restore(events);
    this.#free = [...free];
    this.#waiting = new Map(waiting.map(({ slot, request }) => [slot, request]));
  }

  #offerEventBuffer(slot: number): void {
    const address = this.#eventBuffers + EVENT_STEP * BigInt(slot);
    this.events.offer(slot, { into: { address, length: FAULT_SIZE } });
  }

  #answer(slot: number, request: IommuRequest): GuestAnswer {
    const bytes = new Uint8Array(answerSize(request));
    this.#processor.load(this.#buffers + SLOT_SIZE * BigInt(slot) + ANSWER_AT, bytes);
    const status = bytes[bytes.length - TAIL_SIZE]!;
    return { request, status, ...(request.type === 'probe' && { properties: bytes.subarray(0, PROBE_SIZE) }) };
  }
}

function answerSize(request: IommuRequest): number {
  return TAIL_SIZE + (request.type === 'probe' ? PROBE_SIZE : 0);
}
