import type { AddressSpace } from '../../memory/address-space.ts';
import type { RtasCalls } from './rtas.ts';
import type { DmaWindow } from './window.ts';

/** Hypercall numbers (LoPAPR, hypervisor call function table); RTAS is QEMU's own. */
export const Hypercall = {
  getTce: 0x1c,
  putTce: 0x20,
  stuffTce: 0x138,
  putTceIndirect: 0x13c,
  rtas: 0xf000,
} as const;

/** Return codes of hypercalls. */
export const HypercallStatus = { success: 0, function: -2, parameter: -4 } as const;

export interface HypercallResult {
  /** What r3 holds. */
  readonly status: number;
  /** What r4 and following hold. */
  readonly values: readonly bigint[];
}

/** How many TCEs one H_PUT_TCE_INDIRECT takes at most. */
export const MOST_INDIRECT = 512;
const LIST_ALIGNMENT = 0xfffn;
const WORD = 0xffff_ffff_ffff_ffffn;

/** The hypercalls that read and write TCE tables. Each stops at the first TCE that it cannot store; those before stay. */
export class Hypercalls {
  readonly #memory: AddressSpace;
  readonly #windowOf: (liobn: number) => DmaWindow | null;
  readonly #rtas: RtasCalls;

  constructor(options: {
    /** The system memory. */
    memory: AddressSpace;
    /** The window of a LIOBN, open or not; null without one. */
    windowOf: (liobn: number) => DmaWindow | null;
    rtas: RtasCalls;
  }) {
    this.#memory = options.memory;
    this.#windowOf = options.windowOf;
    this.#rtas = options.rtas;
  }

  /** @param args r4 and following, 64 bits each; what is left out is 0 */
  call(number: number, args: readonly bigint[]): HypercallResult {
    const [first = 0n, address = 0n, third = 0n, fourth = 0n] = args.map((value) => value & WORD);
    switch (number) {
      case Hypercall.getTce:
        return this.#get(first, address);
      case Hypercall.putTce:
        return this.#store(first, address, 1n, () => third);
      case Hypercall.stuffTce:
        return this.#stuff(first, address, third, fourth);
      case Hypercall.putTceIndirect:
        return this.#putIndirect(first, address, third, fourth);
      case Hypercall.rtas:
        return result(this.#rtas.call(first) ? HypercallStatus.success : HypercallStatus.parameter);
      default:
        return result(HypercallStatus.function);
    }
  }

  #get(liobn: bigint, address: bigint): HypercallResult {
    const window = this.#window(liobn);
    const index = window?.table.indexOf(address) ?? null;
    if (window === null || index === null) return result(HypercallStatus.parameter);
    return result(HypercallStatus.success, window.table.get(index));
  }

  #stuff(liobn: bigint, address: bigint, tce: bigint, count: bigint): HypercallResult {
    const entries = this.#window(liobn)?.geometry?.entries ?? 0;
    if (count > BigInt(entries)) return result(HypercallStatus.parameter);
    return this.#store(liobn, address, count, () => tce);
  }

  /** The list lies in guest memory, words of 64 bits, big-endian. */
  #putIndirect(liobn: bigint, address: bigint, list: bigint, count: bigint): HypercallResult {
    if (this.#window(liobn) === null || count > BigInt(MOST_INDIRECT) || (list & LIST_ALIGNMENT) !== 0n) {
      return result(HypercallStatus.parameter);
    }
    return this.#store(liobn, address, count, (number) => this.#load(list + 8n * BigInt(number)));
  }

  /** TCEs for `count` pages from the one of `address` on. */
  #store(liobn: bigint, address: bigint, count: bigint, tceOf: (number: number) => bigint): HypercallResult {
    const window = this.#window(liobn);
    if (window === null) return result(HypercallStatus.parameter);
    const { table } = window;
    if (count === 0n) return result(HypercallStatus.success);
    const first = table.indexOf(address);
    if (first === null) return result(HypercallStatus.parameter);
    const { entries } = window.geometry!;
    const end = Math.min(first + Number(count), entries);
    for (let index = first; index < end; index++) window.put(index, tceOf(index - first));
    window.complete(first, end - 1);
    return result(end < first + Number(count) ? HypercallStatus.parameter : HypercallStatus.success);
  }

  /** A LIOBN has 32 bits: nothing has one with others set. */
  #window(liobn: bigint): DmaWindow | null {
    return liobn >> 32n === 0n ? this.#windowOf(Number(liobn)) : null;
  }

  #load(address: bigint): bigint {
    const bytes = new Uint8Array(8);
    this.#memory.read(address & WORD, bytes);
    return new DataView(bytes.buffer).getBigUint64(0);
  }
}

function result(status: number, ...values: readonly bigint[]): HypercallResult {
  return { status, values };
}
