import { CommandError } from '../core/errors.ts';
import { QueueError, type DescriptorChain } from '../virtio/descriptor-chain.ts';
import { type OfferedFeatures, VirtioDevice, type VirtioDeviceState, type VirtioTransport } from '../virtio/device.ts';
import { Feature, featureMask } from '../virtio/features.ts';
import type { VirtQueue } from '../virtio/virtqueue.ts';
import type { VhostDevice } from './vhost-device.ts';

/** The number of a network card (Virtio 1.2, section 5.1). */
export const NETWORK_DEVICE_ID = 1;
/** Its queues (section 5.1.2). */
const NetworkQueue = { receive: 0, transmit: 1 } as const;

const QUEUE_SIZE = 256;
const NetworkFeature = { mac: 5, status: 16 } as const;
/** Locally administered; QEMU's cards begin alike. */
const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const LINK_UP = [1, 0];
const CONFIG = [...MAC, ...LINK_UP];
/** The longest packet, header included: what a card without offloads has to take. */
const LONGEST_PACKET = 65550;

/** What became of the packets. */
export interface PacketCounts {
  /** Taken from the transmit queue. */
  transmitted: number;
  /** Put into buffers of the receive queue. */
  received: number;
  /** There was no buffer for them, or too short a one. */
  dropped: number;
}

export interface LoopbackCardState extends VirtioDeviceState {
  packets: PacketCounts;
  stalled: string | null;
}

/**
 * A network card whose packets come back: what the driver transmits, it receives. vhost moves all of it, the rings
 * included. Where an address is not translated, vhost gets no answer to its MISS: the queues then stand still as they
 * are, and are tried again at the next notification.
 */
export class LoopbackCard extends VirtioDevice {
  readonly #vhost: VhostDevice;
  readonly #ats: () => boolean;
  readonly #behindIommu: () => boolean;
  #packets: PacketCounts = { transmitted: 0, received: 0, dropped: 0 };
  #stalled: string | null = null;

  /**
   * @param parts.ats whether software has enabled ATS
   * @param parts.behindIommu whether the function's requests go anywhere else than to the system memory
   */
  constructor(
    parts: { vhost: VhostDevice; ats: () => boolean; behindIommu: () => boolean },
    offered: OfferedFeatures,
    transport: VirtioTransport,
  ) {
    super(
      {
        deviceId: NETWORK_DEVICE_ID,
        features: featureMask(NetworkFeature.mac, NetworkFeature.status),
        queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
        configSize: CONFIG.length,
      },
      offered,
      transport,
    );
    this.#vhost = parts.vhost;
    this.#ats = parts.ats;
    this.#behindIommu = parts.behindIommu;
  }

  get packets(): Readonly<PacketCounts> {
    return this.#packets;
  }

  /** Why the queues stand still, as a sentence; null: they do not. */
  get stalled(): string | null {
    return this.#stalled;
  }

  override readConfig(offset: number): number {
    return CONFIG[offset] ?? 0;
  }

  override save(): LoopbackCardState {
    return { ...super.save(), packets: { ...this.#packets }, stalled: this.#stalled };
  }

  override restore(state: LoopbackCardState): void {
    super.restore(state);
    this.#packets = { ...state.packets };
    this.#stalled = state.stalled;
  }

  /** A buffer to receive into can be what a packet waits for, too. */
  protected override notified(): void {
    this.#stalled = null;
    const transmit = this.queues[NetworkQueue.transmit]!;
    // What is received can be written over the rings: no driver has more requests under way than fit into one.
    for (let count = 0; count < transmit.size && this.#carryOne(); count += 1) this.#packets.transmitted += 1;
  }

  /** A vIOMMU that will not tell what goes leaves the device without vhost, and so in need of a reset. */
  protected override onDriver(atWork: boolean): void {
    if (!atWork) {
      this.#vhost.stop();
      return;
    }
    const usedRings = this.queues.filter(({ ready }) => ready).map(({ device }) => device);
    const iotlb = this.has(Feature.accessPlatform) && this.#behindIommu();
    try {
      this.#vhost.start({ iotlb, deviceIotlb: this.#ats(), usedRings });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.fail(error.message);
    }
  }

  protected override onReset(): void {
    this.#stalled = null;
  }

  /** @returns false when there is no packet, or the queues stand still */
  #carryOne(): boolean {
    const [receive, transmit] = [this.queues[NetworkQueue.receive]!, this.queues[NetworkQueue.transmit]!];
    const before = [receive.save(), transmit.save()] as const;
    this.#vhost.backend.forgetFailure();
    try {
      return this.#reachesRings(transmit) && this.#reachesRings(receive) && this.#loop(transmit, receive);
    } catch (error) {
      const { failure } = this.#vhost.backend;
      if (!(error instanceof QueueError || error instanceof Unreachable) || failure === null) throw error;
      receive.restore(before[0]);
      transmit.restore(before[1]);
      this.#stalled = failure.sentence;
      return false;
    }
  }

  #loop(transmit: VirtQueue, receive: VirtQueue): boolean {
    const sent = transmit.pop();
    if (sent === null) return false;
    const packet = reached(sent.read(0, LONGEST_PACKET));
    const buffer = receive.pop();
    if (buffer === null) this.#packets.dropped += 1;
    else this.#deliver(packet, buffer, receive);
    transmit.push(sent, 0);
    transmit.signal();
    return true;
  }

  /** A buffer that is too short for the packet waits for the next one. */
  #deliver(packet: Uint8Array, buffer: DescriptorChain, receive: VirtQueue): void {
    if (buffer.writableLength < packet.length) {
      receive.unpop();
      this.#packets.dropped += 1;
      return;
    }
    reached(buffer.write(0, packet) ? packet : null);
    this.#packets.received += 1;
    receive.push(buffer, packet.length);
    receive.signal();
  }

  /** The rings as a whole come before any request, so that none is done and cannot be given back. */
  #reachesRings({ descriptors, device, driver, ready, size }: VirtQueue): boolean {
    if (!ready) return true;
    const { backend } = this.#vhost;
    const entries = BigInt(size);
    const isReached =
      backend.reaches(descriptors, 16n * entries, 'read') &&
      backend.reaches(driver, 6n + 2n * entries, 'read') &&
      backend.reaches(device, 6n + 8n * entries, 'write');
    if (!isReached) this.#stalled = backend.failure?.sentence ?? null;
    return isReached;
  }
}

/** vhost cannot reach a buffer. */
class Unreachable extends Error {}

function reached(bytes: Uint8Array | null): Uint8Array {
  if (bytes === null) throw new Unreachable();
  return bytes;
}
