import { createMachine, type MachineConfig } from '../../../src/machine/create.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { MachineQtestTarget } from '../../../src/machine/qtest-target.ts';

/** Where the unit's registers lie. */
export const UNIT_BASE = 0xfed9_0000n;

/** Where edu's own buffer lies in what its DMA registers address; QEMU refuses a transfer up to its very end. */
export const EDU_BUFFER = 0x4_0000n;
export const EDU_BUFFER_SIZE = 4080;

/** Longer than edu waits before its DMA, in nanoseconds. */
const EDU_DELAY = 110_000_000n;

export type WordSize = 1 | 2 | 4 | 8;

/** A machine in this process, driven as a qtest client drives one. */
export class QtestDriver {
  readonly machine: Machine;
  readonly #target: MachineQtestTarget;

  constructor(config: MachineConfig) {
    this.machine = createMachine({ type: 'q35', noDefaults: true, ...config });
    this.#target = new MachineQtestTarget(this.machine, { virtualTime: true });
  }

  read(address: bigint, size: WordSize): bigint {
    const word = Buffer.alloc(8);
    this.#target.operation(() => this.#target.readMemory(address, word.subarray(0, size)));
    return word.readBigUInt64LE();
  }

  write(address: bigint, size: WordSize, value: bigint): void {
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(BigInt.asUintN(64, value));
    this.#target.operation(() => this.#target.writeMemory(address, word.subarray(0, size)));
  }

  readBytes(address: bigint, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.#target.operation(() => this.#target.readMemory(address, bytes));
    return bytes;
  }

  writeBytes(address: bigint, bytes: Uint8Array): void {
    this.#target.operation(() => this.#target.writeMemory(address, bytes));
  }

  readRegister(offset: number, size: WordSize): bigint {
    return this.read(UNIT_BASE + BigInt(offset), size);
  }

  writeRegister(offset: number, size: WordSize, value: bigint): void {
    this.write(UNIT_BASE + BigInt(offset), size, value);
  }

  /** The aligned 32-bit word at `register` of a function's configuration space. */
  readConfig(devfn: number, register: number): number {
    this.#selectConfig(devfn, register);
    return this.#target.operation(() => this.#target.readPort(0xcfc, 4));
  }

  writeConfig(devfn: number, register: number, size: 1 | 2 | 4, value: number): void {
    this.#selectConfig(devfn, register);
    this.#target.operation(() => this.#target.writePort(0xcfc + (register & 3), size, value));
  }

  /** Where the capability of that number begins; 0 where the function has none. */
  findCapability(devfn: number, number: number): number {
    let place = this.readConfig(devfn, 0x34) & 0xfc;
    while (place !== 0 && (this.readConfig(devfn, place) & 0xff) !== number) {
      place = (this.readConfig(devfn, place) >>> 8) & 0xfc;
    }
    return place;
  }

  /** Gives the first BAR its address and switches memory decoding and bus mastering on. */
  enableDevice(devfn: number, bar: number): void {
    const identity = this.readConfig(devfn, 0);
    if (identity === 0 || identity === 0xffff_ffff) throw new Error(`there is no function at devfn ${devfn}`);
    this.writeConfig(devfn, 0x10, 4, bar);
    this.writeConfig(devfn, 0x04, 2, 0x6);
  }

  step(nanoseconds: bigint): void {
    this.#target.clockStep(nanoseconds);
  }

  /** One transfer of the edu whose registers lie at `bar`; `toMemory` is a DMA write. */
  eduTransfer(bar: bigint, source: bigint, destination: bigint, size: number, toMemory: boolean): void {
    this.write(bar + 0x80n, 8, source);
    this.write(bar + 0x88n, 8, destination);
    this.write(bar + 0x90n, 8, BigInt(size));
    this.write(bar + 0x98n, 4, toMemory ? 3n : 1n);
    this.step(EDU_DELAY);
    if ((this.read(bar + 0x98n, 4) & 1n) !== 0n) throw new Error('the DMA of edu still runs');
  }

  reset(): void {
    this.#target.operation(() => this.machine.reset());
  }

  #selectConfig(devfn: number, register: number): void {
    const address = (0x8000_0000 | (devfn << 8) | (register & ~3)) >>> 0;
    this.#target.operation(() => this.#target.writePort(0xcf8, 4, address));
  }
}
