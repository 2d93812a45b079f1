import { CommandError } from '../../core/errors.ts';
import { NOTIFY_MULTIPLIER } from '../../virtio/pci-capabilities.ts';
import type { Processor } from '../processor.ts';

/** Configuration space of the function, as the processor reaches it; accesses of 1, 2 or 4 bytes. */
export interface ConfigAccess {
  read(offset: number, size: number): number;
  write(offset: number, size: number, value: number): void;
  /** Whether the processor reaches a BAR by the address that it holds; absent: it always does, as on a PC. */
  isMapped?(address: bigint): boolean;
}

const Pci = { command: 0x04, bar0: 0x10, capabilities: 0x34 } as const;
const Command = { memory: 2, master: 4 } as const;
const VENDOR_SPECIFIC = 0x09;
const Kind = { common: 1, notify: 2, device: 4, window: 5 } as const;
const MOST_CAPABILITIES = 48;

/** Where registers lie: a BAR and an offset in it. */
interface Place {
  readonly bar: number;
  readonly offset: number;
}

/**
 * The registers of a virtio function on PCI, found by its capabilities (Virtio 1.2, section 4.1.4). Where software has
 * given the BAR no address, or processors see the bus elsewhere, they are reached by the window in configuration space.
 */
export class VirtioRegisters {
  readonly #config: ConfigAccess;
  readonly #processor: Processor;
  readonly #places = new Map<number, Place>();
  #window = 0;
  #multiplier: number = NOTIFY_MULTIPLIER;

  /** @throws CommandError for a function that has no such capabilities */
  constructor(config: ConfigAccess, processor: Processor) {
    this.#config = config;
    this.#processor = processor;
    this.#findCapabilities();
  }

  /** Lets the function make requests of its own. */
  enableBusMaster(): void {
    this.#config.write(Pci.command, 2, this.#config.read(Pci.command, 2) | Command.master);
  }

  common(offset: number, size: 1 | 2 | 4): number {
    return this.#load(this.#place(Kind.common), offset, size);
  }

  setCommon(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#store(this.#place(Kind.common), offset, size, value);
  }

  /** Device-specific configuration. */
  device(offset: number, size: 1 | 2 | 4): number {
    return this.#load(this.#place(Kind.device), offset, size);
  }

  setDevice(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#store(this.#place(Kind.device), offset, size, value);
  }

  /** Says that queue `index` has new requests; `place` is what the device gives as its notification offset. */
  notify(index: number, place: number): void {
    this.#store(this.#place(Kind.notify), place * this.#multiplier, 2, index);
  }

  #findCapabilities(): void {
    const config = this.#config;
    let at = config.read(Pci.capabilities, 1);
    for (let count = 0; at >= 0x40 && count < MOST_CAPABILITIES; count += 1) {
      if (config.read(at, 1) === VENDOR_SPECIFIC) this.#addCapability(at);
      at = config.read(at + 1, 1);
    }
    if (this.#places.size < 3) {
      throw new CommandError('The function has no capabilities of a modern virtio device: who wrote over them?');
    }
  }

  #addCapability(at: number): void {
    const config = this.#config;
    const kind = config.read(at + 3, 1);
    if (kind === Kind.window) {
      this.#window = at;
      return;
    }
    if (kind === Kind.notify) this.#multiplier = config.read(at + 16, 4);
    if (kind === Kind.common || kind === Kind.notify || kind === Kind.device) {
      this.#places.set(kind, { bar: config.read(at + 4, 1), offset: config.read(at + 8, 4) });
    }
  }

  #place(kind: number): Place {
    return this.#places.get(kind)!;
  }

  /** Guest-physical; null while the BAR does not decode. */
  #address({ bar, offset }: Place): bigint | null {
    const config = this.#config;
    if ((config.read(Pci.command, 2) & Command.memory) === 0) return null;
    const low = config.read(Pci.bar0 + 4 * bar, 4);
    const high = (low & 4) !== 0 ? config.read(Pci.bar0 + 4 * bar + 4, 4) : 0;
    const base = (BigInt(high) << 32n) | BigInt((low & ~0xf) >>> 0);
    return base === 0n || config.isMapped?.(base) === false ? null : base + BigInt(offset);
  }

  #load(place: Place, offset: number, size: 1 | 2 | 4): number {
    const address = this.#address(place);
    if (address === null) {
      this.#aim(place, offset, size);
      return this.#config.read(this.#window + 16, size);
    }
    const bytes = new Uint8Array(4);
    this.#processor.load(address + BigInt(offset), bytes.subarray(0, size));
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  #store(place: Place, offset: number, size: 1 | 2 | 4, value: number): void {
    const address = this.#address(place);
    if (address === null) {
      this.#aim(place, offset, size);
      this.#config.write(this.#window + 16, size, value);
      return;
    }
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value >>> 0, true);
    this.#processor.store(address + BigInt(offset), bytes.subarray(0, size));
  }

  /** Section 4.1.4.9. */
  #aim({ bar, offset }: Place, inside: number, size: number): void {
    this.#config.write(this.#window + 4, 1, bar);
    this.#config.write(this.#window + 8, 4, offset + inside);
    this.#config.write(this.#window + 12, 4, size);
  }
}
