import { ADDRESS_SPACE_SIZE, hex } from '../core/address.ts';
import type { QueueMemory } from '../virtio/queue-memory.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { DeviceIotlb, type DeviceIotlbState, type IotlbRange } from './device-iotlb.ts';
import { IotlbAccess, type IotlbMessage, type MissFailure } from './messages.ts';
import type { UserMemory } from './user-memory.ts';

export interface BackendParts {
  readonly userMemory: UserMemory;
  /** Of the device IOTLB. */
  readonly size: number;
  /** Addresses are those of the device IOTLB; otherwise guest-physical, by the memory table alone. */
  readonly usesIotlb: () => boolean;
  /** Asks for a translation; an UPDATE comes in the meantime. @returns why none did */
  readonly miss: (message: IotlbMessage) => MissFailure | null;
  /** What is to be remembered along with an UPDATE. */
  readonly originOf: (iova: bigint) => Pick<IotlbRange, 'tableRights' | 'words' | 'operation' | 'told'>;
  /** A cached range is about to be used. */
  readonly used: (range: IotlbRange, address: bigint, access: 'read' | 'write') => void;
}

export interface BackendState {
  iotlb: DeviceIotlbState;
  sent: { miss: number; failed: number };
  received: { update: number; invalidate: number };
}

/** An access that vhost could not make; `moved` counts the bytes before it. */
export interface AccessFailure extends MissFailure {
  /** Of the device. */
  readonly address: bigint;
  readonly moved: number;
}

/** Where an address leads; `length` in bytes from there on. */
interface Found {
  readonly iova: bigint;
  readonly userAddress: bigint;
  readonly length: bigint;
  /** What was cached of it; null where no device IOTLB is in use. */
  readonly range: IotlbRange | null;
}

/**
 * The side of vhost that moves data, in the kernel where vhost is: it reaches guest RAM by user addresses alone, which it
 * finds in its device IOTLB. What that does not hold it asks for by a MISS.
 */
export class VhostBackend implements QueueMemory, Snapshottable<BackendState> {
  readonly iotlb: DeviceIotlb;
  readonly #parts: BackendParts;
  #sent = { miss: 0, failed: 0 };
  #received = { update: 0, invalidate: 0 };
  #failure: AccessFailure | null = null;

  constructor(parts: BackendParts) {
    this.#parts = parts;
    this.iotlb = new DeviceIotlb(parts.size);
  }

  /** MISSes, and those of them that were not answered. */
  get sent(): Readonly<BackendState['sent']> {
    return this.#sent;
  }

  get received(): Readonly<BackendState['received']> {
    return this.#received;
  }

  /** The first access that failed since {@link forgetFailure}; null when none did. */
  get failure(): AccessFailure | null {
    return this.#failure;
  }

  forgetFailure(): void {
    this.#failure = null;
  }

  read(address: bigint, into: Uint8Array): boolean {
    return this.access(address, into, 'read') === null;
  }

  write(address: bigint, bytes: Uint8Array): boolean {
    return this.access(address, bytes, 'write') === null;
  }

  /** Moves `bytes`, piece by piece, up to the first one that cannot be. @returns why it ended there; null: all is done */
  access(address: bigint, bytes: Uint8Array, access: 'read' | 'write'): AccessFailure | null {
    const failure = this.#walk(address, BigInt(bytes.length), access, (found, from, to) => {
      const { range, userAddress, iova } = found;
      if (range !== null) this.#parts.used(range, iova, access);
      const place = this.#parts.userMemory.bytesAt(userAddress);
      if (place === null) return false;
      const piece = bytes.subarray(from, to);
      if (access === 'write') place.block.write(place.offset, piece);
      else place.block.read(place.offset, piece);
      return true;
    });
    if (failure !== null && access === 'read') bytes.fill(0, failure.moved);
    this.#failure ??= failure;
    return failure;
  }

  /** Whether `size` bytes can be reached, after all misses for them; nothing moves. */
  reaches(address: bigint, size: bigint, access: 'read' | 'write'): boolean {
    const failure = this.#walk(address, size, access, () => true);
    this.#failure ??= failure;
    return failure === null;
  }

  /** Takes an UPDATE or an INVALIDATE. @returns how many ranges that took out */
  receive(message: IotlbMessage): number {
    if (message.type === 'update') {
      this.#received.update += 1;
      const { iova, size, userAddress, access } = message;
      this.iotlb.insert({ iova, last: iova + size - 1n, userAddress, access, ...this.#parts.originOf(iova) });
      return 0;
    }
    if (message.type !== 'invalidate') throw new Error(`vhost takes no ${message.type} message`);
    this.#received.invalidate += 1;
    return this.iotlb.invalidate(message.iova, message.iova + message.size - 1n);
  }

  /** As vhost is when it is set up. */
  reset(): void {
    this.iotlb.clear();
    this.#failure = null;
  }

  save(): BackendState {
    return { iotlb: this.iotlb.save(), sent: { ...this.#sent }, received: { ...this.#received } };
  }

  restore(state: BackendState): void {
    this.iotlb.restore(state.iotlb);
    this.#sent = { ...state.sent };
    this.#received = { ...state.received };
    this.#failure = null;
  }

  /** Calls `move` for every piece of one range: where it leads, and which bytes it holds. */
  #walk(
    address: bigint,
    size: bigint,
    access: 'read' | 'write',
    move: (found: Found, from: number, to: number) => boolean,
  ): AccessFailure | null {
    if (address + size > ADDRESS_SPACE_SIZE) {
      return { sentence: `${hex(size)} bytes from ${hex(address)} on run past 2^64`, address, moved: 0 };
    }
    for (let done = 0n; done < size; ) {
      const at = address + done;
      const found = this.#translate(at, access);
      if ('sentence' in found) return { ...found, address: at, moved: Number(done) };
      const length = found.length < size - done ? found.length : size - done;
      if (!move(found, Number(done), Number(done + length))) {
        const sentence = `The user address ${hex(found.userAddress)} of ${hex(at)} is not in the memory table of vhost`;
        return { sentence, address: at, moved: Number(done) };
      }
      done += length;
    }
    return null;
  }

  #translate(iova: bigint, access: 'read' | 'write'): Found | MissFailure {
    const { usesIotlb, userMemory } = this.#parts;
    if (!usesIotlb()) {
      const region = userMemory.fromGuest(iova);
      if (region !== null) return { iova, userAddress: region.userAddress, length: region.size, range: null };
      return { sentence: `The address ${hex(iova)} is not in the memory table of vhost` };
    }
    const range = this.iotlb.lookup(iova) ?? this.#ask(iova, access);
    if ('sentence' in range) return range;
    if ((range.access & IotlbAccess[access]) === 0) {
      return { sentence: `The device IOTLB lets no ${access} of ${hex(iova)} pass` };
    }
    return { iova, userAddress: range.userAddress + (iova - range.iova), length: range.last - iova + 1n, range };
  }

  #ask(address: bigint, access: 'read' | 'write'): IotlbRange | MissFailure {
    this.#sent.miss += 1;
    const failure = this.#parts.miss({ type: 'miss', iova: address, access: IotlbAccess[access] });
    const range = this.iotlb.ranges.find(({ iova, last }) => iova <= address && address <= last);
    if (failure === null && range !== undefined) return range;
    this.#sent.failed += 1;
    return failure ?? { sentence: `The UPDATE for ${hex(address)} got lost` };
  }
}
