import { hex } from '../../core/address.ts';
import { CommandError } from '../../core/errors.ts';
import type { AddressSpace } from '../../memory/address-space.ts';
import type { Snapshottable } from '../../trace/snapshot.ts';
import { Feature, featureMask } from '../../virtio/features.ts';
import { PAGE, Processor } from '../processor.ts';
import { GuestVirtioDevice } from './device.ts';
import { type GuestBuffer, GuestQueue, type GuestQueueState, QUEUE_PAGES } from './queue.ts';
import type { ConfigAccess } from './registers.ts';

/** The receive queue and the transmit queue (Virtio 1.2, section 5.1.2). */
const RECEIVE = 0;
const TRANSMIT = 1;
const SLOTS = 128;
const QUEUE_SIZE = BigInt(QUEUE_PAGES) * PAGE;

/** How many bytes of guest RAM the rings take. */
const RINGS_SIZE = 2n * QUEUE_SIZE;

/** Where the ATS capability lies among the extended ones, and its Enable bit (PCI Express Base 5.0, section 10.5.1). */
const Ats = { id: 0x0f, control: 6, enable: 0x8000 } as const;
const FIRST_EXTENDED = 0x100;
const MOST_CAPABILITIES = 64;

export interface NetworkStart {
  /** Guest-physical, of the rings; a multiple of 4096. */
  readonly address: bigint;
  /** The same as the device calls it. */
  readonly iova: bigint;
  /** Enables ATS of the function. */
  readonly ats: boolean;
}

/** What the device gave back. */
export interface NetworkProgress {
  /** How many buffers it has sent. */
  readonly transmitted: number;
  /** The buffers that it filled, with as many bytes as it put there. */
  readonly received: readonly GuestBuffer[];
}

interface Underway {
  slot: number;
  address: bigint;
}

export interface NetworkDriverState {
  address: bigint | null;
  receive: GuestQueueState;
  transmit: GuestQueueState;
  receiving: Underway[];
  transmitting: Underway[];
}

/** The guest's driver of a virtio network card, with buffers where the user wants them. */
export class NetworkDriver implements Snapshottable<NetworkDriverState> {
  readonly #processor: Processor;
  readonly #config: ConfigAccess;
  #address: bigint | null = null;
  #receive: GuestQueue;
  #transmit: GuestQueue;
  #receiving: readonly Underway[] = [];
  #transmitting: readonly Underway[] = [];

  /** @param parts.config configuration space of the card */
  constructor({ memory, config }: { memory: AddressSpace; config: ConfigAccess }) {
    this.#processor = new Processor(memory);
    this.#config = config;
    this.#receive = new GuestQueue(this.#processor, 0n);
    this.#transmit = new GuestQueue(this.#processor, 0n);
  }

  /**
   * Resets the card, gives it empty rings and sets it to work.
   * @throws CommandError when the rings are not in RAM, the card does not take what the driver asks for, or has no ATS
   */
  start({ address, iova, ats }: NetworkStart): void {
    const processor = this.#processor;
    if (address % PAGE !== 0n || iova % PAGE !== 0n) {
      throw new CommandError(
        `Rings lie at multiples of ${hex(PAGE)}, not at ${hex(address % PAGE === 0n ? iova : address)}`,
      );
    }
    const outside = processor.firstOutsideRam(address, RINGS_SIZE);
    if (outside !== null) throw new CommandError(`Rings take ${hex(RINGS_SIZE)} bytes of RAM; ${hex(outside)} is none`);
    const control = ats ? this.#atsControl() : null;
    const device = new GuestVirtioDevice(this.#config, processor);
    device.start(device.features() & featureMask(Feature.accessPlatform));
    if (control !== null) this.#config.write(control, 2, this.#config.read(control, 2) | Ats.enable);
    processor.store(address, new Uint8Array(Number(RINGS_SIZE)));
    this.#address = address;
    this.#receive = new GuestQueue(processor, address);
    this.#transmit = new GuestQueue(processor, address + QUEUE_SIZE);
    this.#receiving = [];
    this.#transmitting = [];
    for (const [index, queue] of [this.#receive, this.#transmit].entries()) {
      const seen = (at: bigint): bigint => iova + (at - address);
      device.enableQueue(index, {
        address: seen(queue.address),
        driverArea: seen(queue.driverArea),
        deviceArea: seen(queue.deviceArea),
      });
    }
    device.finish();
  }

  /**
   * Offers a buffer to receive into and one to transmit, notifies the card, and takes what it gives back; without either
   * it only notifies once more. Addresses are as the device uses them.
   * @throws CommandError before {@link start}, or when the rings are full
   */
  transfer({ out, into }: { out?: GuestBuffer; into?: GuestBuffer }): NetworkProgress {
    if (this.#address === null) throw new CommandError('The guest does not drive the card yet; use guest-vhost-start');
    const device = new GuestVirtioDevice(this.#config, this.#processor);
    if (into !== undefined) {
      this.#receiving = offer(this.#receive, this.#receiving, { into });
      device.notify(RECEIVE);
    }
    if (out !== undefined) this.#transmitting = offer(this.#transmit, this.#transmitting, { out });
    if (out !== undefined || into === undefined) device.notify(TRANSMIT);
    const received: GuestBuffer[] = [];
    for (let done = this.#receive.take(); done !== null; done = this.#receive.take()) {
      const { slot, written } = done;
      const buffer = this.#receiving.find((one) => one.slot === slot);
      this.#receiving = this.#receiving.filter((one) => one !== buffer);
      if (buffer !== undefined) received.push({ address: buffer.address, length: written });
    }
    let transmitted = 0;
    for (let done = this.#transmit.take(); done !== null; done = this.#transmit.take()) {
      const { slot } = done;
      this.#transmitting = this.#transmitting.filter((one) => one.slot !== slot);
      transmitted += 1;
    }
    return { transmitted, received };
  }

  save(): NetworkDriverState {
    return {
      address: this.#address,
      receive: this.#receive.save(),
      transmit: this.#transmit.save(),
      receiving: [...this.#receiving],
      transmitting: [...this.#transmitting],
    };
  }

  restore(state: NetworkDriverState): void {
    const { address } = state;
    this.#address = address;
    this.#receive = new GuestQueue(this.#processor, address ?? 0n);
    this.#transmit = new GuestQueue(this.#processor, (address ?? 0n) + QUEUE_SIZE);
    this.#receive.restore(state.receive);
    this.#transmit.restore(state.transmit);
    this.#receiving = [...state.receiving];
    this.#transmitting = [...state.transmitting];
  }

  /** @throws CommandError for a function without ATS */
  #atsControl(): number {
    let at = FIRST_EXTENDED;
    for (let count = 0; at >= FIRST_EXTENDED && count < MOST_CAPABILITIES; count += 1) {
      if (this.#config.read(at, 2) === Ats.id) return at + Ats.control;
      at = this.#config.read(at + 2, 2) >>> 4;
    }
    throw new CommandError('The card has no ATS; add it behind a port with ats=on');
  }
}

function offer(
  queue: GuestQueue,
  underway: readonly Underway[],
  buffer: { out: GuestBuffer } | { into: GuestBuffer },
): Underway[] {
  const taken = new Set(underway.map(({ slot }) => slot));
  const slot = Array.from({ length: SLOTS }, (_, index) => index).find((index) => !taken.has(index));
  if (slot === undefined) throw new CommandError(`The card holds ${SLOTS} buffers that it has not given back`);
  queue.offer(slot, buffer);
  return [...underway, { slot, address: 'out' in buffer ? buffer.out.address : buffer.into.address }];
}
