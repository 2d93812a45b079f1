import { type ConfigSpace, reaches } from './config-space.ts';
import type { MsiCapability } from './capabilities.ts';

/** Sends one message: a write of `data`, 4 bytes, to `address`. */
export type SendMessage = (address: bigint, data: number) => void;

const ENABLE = 0x1;
/** How many vectors software has granted, as a power of two: bits 6:4 of the control word. */
const GRANTED_SHIFT = 4;
const GRANTED = 7 << GRANTED_SHIFT;

/** A function's MSI capability at work (PCI Local Bus 3.0, section 6.8.1). All its state lies in configuration space. */
export class Msi {
  readonly #config: ConfigSpace;
  readonly #at: number;
  readonly #capability: MsiCapability;
  readonly #send: SendMessage;

  constructor(config: ConfigSpace, at: number, capability: MsiCapability, send: SendMessage) {
    this.#config = config;
    this.#at = at;
    this.#capability = capability;
    this.#send = send;
  }

  get enabled(): boolean {
    return (this.#control & ENABLE) !== 0;
  }

  /** Sends vector `vector`, counted from 0; a masked one is remembered. Nothing while MSI is off. */
  notify(vector: number): void {
    if (!this.enabled) return;
    const bit = 2 ** vector;
    if (this.#isMasked(bit)) {
      this.#setPending((this.#pending | bit) >>> 0);
      return;
    }
    const vectors = 1 << ((this.#control & GRANTED) >>> GRANTED_SHIFT);
    const data = this.#config.read(this.#dataAt, 2);
    this.#send(this.#address, vectors === 1 ? data : (data & ~(vectors - 1)) | (vector & (vectors - 1)));
  }

  /** Software wrote to configuration space: what a vector was masked for is sent once it no longer is. */
  written(offset: number, size: number): void {
    if (!reaches(offset, size, this.#at, this.#end - this.#at)) return;
    this.#limitVectors();
    if (!this.#maskable || !this.enabled) return;
    for (let vector = 0; vector < this.#capability.vectors; vector += 1) {
      const bit = 2 ** vector;
      if ((this.#pending & bit) === 0 || this.#isMasked(bit)) continue;
      this.#setPending((this.#pending & ~bit) >>> 0);
      this.notify(vector);
    }
  }

  /** Off, without address and data, nothing masked or pending. */
  reset(): void {
    const config = this.#config;
    config.set(this.#at + 2, 2, this.#control & ~(ENABLE | GRANTED));
    for (let at = this.#at + 4; at < this.#end; at += 1) config.set(at, 1, 0);
  }

  get #control(): number {
    return this.#config.read(this.#at + 2, 2);
  }

  get #maskable(): boolean {
    return this.#capability.maskable === true;
  }

  get #wide(): boolean {
    return this.#capability.wide === true;
  }

  get #dataAt(): number {
    return this.#at + (this.#wide ? 12 : 8);
  }

  get #end(): number {
    return this.#dataAt + (this.#maskable ? 12 : 2);
  }

  get #address(): bigint {
    const low = BigInt(this.#config.read(this.#at + 4, 4));
    return this.#wide ? (BigInt(this.#config.read(this.#at + 8, 4)) << 32n) | low : low;
  }

  get #pending(): number {
    return this.#config.read(this.#dataAt + 8, 4);
  }

  #setPending(bits: number): void {
    this.#config.set(this.#dataAt + 8, 4, bits);
  }

  #isMasked(bit: number): boolean {
    return this.#maskable && (this.#config.read(this.#dataAt + 4, 4) & bit) !== 0;
  }

  /** Software cannot grant more vectors than the function asks for. */
  #limitVectors(): void {
    const control = this.#control;
    const asked = Math.log2(this.#capability.vectors);
    if ((control & GRANTED) >>> GRANTED_SHIFT <= asked) return;
    this.#config.set(this.#at + 2, 2, (control & ~GRANTED) | (asked << GRANTED_SHIFT));
  }
}
