import type { AddressSpace } from '../../memory/address-space.ts';
import { type DmaHostBridge, MOST_TCES } from './host-bridge.ts';

/** Tokens of the RTAS (run-time abstraction services) calls that concern DMA: QEMU's, as its device tree has them. */
export const RtasToken = {
  setTceBypass: 0x2010,
  queryDmaWindow: 0x2026,
  createDmaWindow: 0x2027,
  removeDmaWindow: 0x2028,
  resetDmaWindow: 0x2029,
} as const;

/** The first return value of an RTAS call. */
export const RtasStatus = { success: 0, hardwareError: -1, parameterError: -3 } as const;

/** What RTAS calls act on. */
export interface RtasTarget {
  bridges(): readonly DmaHostBridge[];
  /** Has a VIO device, by its unit address, pass by its TCE table or not; false when there is no such device. */
  setTceBypass(reg: number, bypass: boolean): boolean;
}

/** Real-mode addresses may have their top four bits set, which count for nothing. */
const REAL_MODE = 0x0fff_ffff_ffff_ffffn;

/**
 * The arguments of one RTAS call in guest memory: words of 32 bits, big-endian; token, number of arguments, number of
 * return values, arguments, return values (LoPAPR, RTAS call parameters). What cannot be read is 0.
 */
class RtasCall {
  readonly #memory: AddressSpace;
  readonly #address: bigint;
  readonly token: number;
  readonly arguments: number;
  readonly returns: number;

  constructor(memory: AddressSpace, address: bigint) {
    this.#memory = memory;
    this.#address = address;
    this.token = this.#load(0);
    this.arguments = this.#load(1);
    this.returns = this.#load(2);
  }

  argument(index: number): number {
    return this.#load(3 + index);
  }

  /** Two arguments as one of 64 bits, the upper half first. */
  argument64(index: number): bigint {
    return (BigInt(this.argument(index)) << 32n) | BigInt(this.argument(index + 1));
  }

  answer(...words: readonly number[]): void {
    for (const [index, word] of words.entries()) this.#store(3 + this.arguments + index, word);
  }

  #at(index: number): bigint {
    return BigInt.asUintN(64, this.#address + 4n * BigInt(index)) & REAL_MODE;
  }

  #load(index: number): number {
    const bytes = new Uint8Array(4);
    this.#memory.read(this.#at(index), bytes);
    return new DataView(bytes.buffer).getUint32(0);
  }

  #store(index: number, word: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, word | 0);
    this.#memory.write(this.#at(index), bytes);
  }
}

/** The RTAS calls that concern DMA windows. */
export class RtasCalls {
  readonly #memory: AddressSpace;
  readonly #target: RtasTarget;
  readonly #calls: ReadonlyMap<number, (call: RtasCall) => readonly number[]> = new Map([
    [RtasToken.setTceBypass, (call) => this.#setTceBypass(call)],
    [RtasToken.queryDmaWindow, (call) => this.#query(call)],
    [RtasToken.createDmaWindow, (call) => this.#create(call)],
    [RtasToken.removeDmaWindow, (call) => this.#remove(call)],
    [RtasToken.resetDmaWindow, (call) => this.#reset(call)],
  ]);

  /** @param memory the system memory, where the arguments lie */
  constructor(memory: AddressSpace, target: RtasTarget) {
    this.#memory = memory;
    this.#target = target;
  }

  /** @returns false when there is no such call; the first return value then says so, too */
  call(address: bigint): boolean {
    const call = new RtasCall(this.#memory, address);
    const handler = this.#calls.get(call.token);
    call.answer(...(handler?.(call) ?? [RtasStatus.parameterError]));
    return handler !== undefined;
  }

  #setTceBypass(call: RtasCall): readonly number[] {
    if (call.arguments !== 2 || call.returns !== 1) return [RtasStatus.parameterError];
    const found = this.#target.setTceBypass(call.argument(0), call.argument(1) !== 0);
    return [found ? RtasStatus.success : RtasStatus.parameterError];
  }

  /** Windows left, the largest number of TCEs (with six return values of 64 bits), page sizes, migration mask. */
  #query(call: RtasCall): readonly number[] {
    const bridge = this.#bridge(call);
    if (call.arguments !== 3 || (call.returns !== 5 && call.returns !== 6) || bridge === undefined) {
      return [RtasStatus.parameterError];
    }
    const most = call.returns === 6 ? [0, MOST_TCES] : [MOST_TCES];
    return [RtasStatus.success, bridge.windowsLeft, ...most, bridge.pageSizeMask, 0];
  }

  /** LIOBN and address (upper half first) of the new window. */
  #create(call: RtasCall): readonly number[] {
    const bridge = this.#bridge(call);
    if (call.arguments !== 5 || call.returns !== 4 || bridge === undefined) return [RtasStatus.parameterError];
    const [pageShift, windowShift] = [call.argument(3), call.argument(4)];
    if (!bridge.offered.pageShifts.includes(pageShift) || windowShift < pageShift) return [RtasStatus.parameterError];
    const created = bridge.create(pageShift, windowShift);
    if (created === null) return [RtasStatus.hardwareError];
    const { window, geometry } = created;
    const [high, low] = [Number(geometry.busOffset >> 32n), Number(geometry.busOffset & 0xffff_ffffn)];
    return [RtasStatus.success, window.liobn, high, low];
  }

  #remove(call: RtasCall): readonly number[] {
    if (call.arguments !== 1 || call.returns !== 1) return [RtasStatus.parameterError];
    for (const { offered, space } of this.#target.bridges()) {
      const window = space.windows.find(({ liobn }) => liobn === call.argument(0));
      if (window === undefined) continue;
      if (!offered.dynamic || space.openWindows().length === 0) return [RtasStatus.parameterError];
      window.close();
      return [RtasStatus.success];
    }
    return [RtasStatus.parameterError];
  }

  #reset(call: RtasCall): readonly number[] {
    const bridge = this.#bridge(call);
    if (call.arguments !== 3 || call.returns !== 1 || bridge === undefined) return [RtasStatus.parameterError];
    bridge.reset();
    return [RtasStatus.success];
  }

  /** The host bridge with dynamic windows that a call names by its bus unit id. */
  #bridge(call: RtasCall): DmaHostBridge | undefined {
    const buid = call.argument64(1);
    return this.#target.bridges().find((bridge) => bridge.offered.dynamic && bridge.buid === buid);
  }
}
