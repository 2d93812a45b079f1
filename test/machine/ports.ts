import type { Machine } from '../../src/machine/machine.ts';

/** A processor's accesses to ports and memory, as qtest makes them. */
export class Ports {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  out(port: number, size: 1 | 2 | 4, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.#machine.operations.run(() => this.#machine.io.write(BigInt(port), bytes.subarray(0, size)));
  }

  in(port: number, size: 1 | 2 | 4): number {
    const bytes = new Uint8Array(4);
    this.#machine.operations.run(() => this.#machine.io.read(BigInt(port), bytes.subarray(0, size)));
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  /** Through the configuration ports. */
  readConfig(bus: number, devfn: number, register: number, size: 1 | 2 | 4 = 4): number {
    this.out(0xcf8, 4, (0x8000_0000 | (bus << 16) | (devfn << 8) | (register & 0xfc)) >>> 0);
    return this.in(0xcfc + (register & 3), size);
  }

  writeConfig(bus: number, devfn: number, register: number, size: 1 | 2 | 4, value: number): void {
    this.out(0xcf8, 4, (0x8000_0000 | (bus << 16) | (devfn << 8) | (register & 0xfc)) >>> 0);
    this.out(0xcfc + (register & 3), size, value);
  }

  read(address: number | bigint, size: 1 | 2 | 4 | 8): bigint {
    const bytes = new Uint8Array(8);
    this.#machine.operations.run(() => this.#machine.memory.read(BigInt(address), bytes.subarray(0, size)));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  write(address: number | bigint, size: 1 | 2 | 4 | 8, value: number | bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    this.#machine.operations.run(() => this.#machine.memory.write(BigInt(address), bytes.subarray(0, size)));
  }

  /** A function gets its first BAR, and decodes memory and is a bus master. */
  setUp(devfn: number, bar: number): void {
    this.writeConfig(0, devfn, 0x10, 4, bar);
    this.writeConfig(0, devfn, 0x04, 2, 0x6);
  }
}
