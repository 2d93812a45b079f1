import { CommandError } from '../../../src/core/errors.ts';
import type { DmaDevice } from '../../../src/devices/dma-device.ts';
import type { GuestDriver, GuestMode } from '../../../src/guest/guest-driver.ts';
import type { DeviceSpace, IommuUnit, UnitTranslation } from '../../../src/iommu/unit.ts';
import { PciDevice } from '../../../src/pci/device.ts';
import { MachineRig } from '../../machine/support.ts';
import { configOf, type Platform } from './platforms.ts';

/** Where the guest's tables lie, and behind them the pages that tests map. */
export const TABLES = { address: 0x100_0000n, size: 0x80_0000n };
export const PAGE = 0x1000n;
export const LARGE = 0x20_0000n;

export type DeviceName = 'agent0' | 'nic0';

/** A machine of a platform with an emulated device and an assigned one, and the built-in guest. */
export class UnitRig {
  readonly platform: Platform;
  readonly all: MachineRig;

  constructor(platform: Platform, properties = '', agent: Readonly<Record<string, string>> = {}) {
    this.platform = platform;
    this.all = new MachineRig(configOf(platform, properties, agent));
  }

  get machine(): MachineRig['machine'] {
    return this.all.machine;
  }

  get unit(): IommuUnit {
    return this.machine.units[0]!;
  }

  get driver(): GuestDriver {
    return this.machine.guests.driverOf(this.unit);
  }

  device(name: DeviceName): DmaDevice {
    return this.machine.findDevice(name);
  }

  space(name: DeviceName): DeviceSpace {
    const space = this.machine.spaceOf(this.device(name));
    if (space === null) throw new Error(`${name} is behind no unit`);
    return space;
  }

  /** How the unit knows a device. */
  sourceId(name: DeviceName): number {
    const device = this.device(name);
    const { guestId } = this.space(name);
    if (guestId !== undefined) return guestId;
    if (device instanceof PciDevice) return device.requesterId();
    throw new Error(`${name} has no requester id`);
  }

  /** @returns `{}`, or the sentence with which it was refused */
  do(body: () => unknown): string {
    return this.all.command(body);
  }

  /** The same for what must succeed. */
  must<Result>(body: () => Result): Result {
    let result: Result | undefined;
    const answer = this.do(() => (result = body()));
    if (answer !== '{}') throw new Error(answer);
    return result as Result;
  }

  enable(mode: GuestMode = this.platform.mode): string {
    return this.do(() => this.driver.enable(mode, TABLES));
  }

  map(name: DeviceName, iova: bigint, address: bigint, size: bigint, writable = true, pasid?: number): string {
    const permissions = writable ? (['read', 'write'] as const) : (['read'] as const);
    const tag = pasid === undefined ? {} : { pasid };
    return this.do(() => this.driver.map({ sourceId: this.sourceId(name), iova, address, size, permissions, ...tag }));
  }

  unmap(name: DeviceName, iova: bigint, size: bigint, flush: boolean): string {
    return this.do(() => this.driver.unmap({ sourceId: this.sourceId(name), iova, size, flush }));
  }

  /** The eight bytes that a DMA of the device reads, as a number; the sentence where it fails. */
  read(name: DeviceName, address: bigint, pasid?: number): bigint | string {
    let value = 0n;
    const tag = pasid === undefined ? {} : { pasid };
    const answer = this.do(() => {
      const order = { device: this.device(name), write: false, address, data: new Uint8Array(8), ...tag };
      const data = this.machine.dmas.run(order);
      if (!(data instanceof Uint8Array)) throw new CommandError('the transfer waits');
      value = new DataView(data.buffer, data.byteOffset).getBigUint64(0, true);
    });
    return answer === '{}' ? value : answer;
  }

  /** Writes its own address to the beginning of each page of guest memory from `address` on. */
  label(address: bigint, size: bigint): void {
    const bytes = new DataView(new ArrayBuffer(Number(size)));
    for (let at = 0n; at < size; at += PAGE) bytes.setBigUint64(Number(at), address + at, true);
    this.must(() => this.machine.memory.write(address, new Uint8Array(bytes.buffer)));
  }

  /** A 64-bit word of guest memory. */
  word(address: bigint, littleEndian = true): bigint {
    const bytes = new Uint8Array(8);
    this.must(() => this.machine.memory.read(address, bytes));
    return new DataView(bytes.buffer).getBigUint64(0, littleEndian);
  }

  translate(name: DeviceName, address: bigint, pasid?: number): UnitTranslation {
    const tag = pasid === undefined ? {} : { pasid };
    return this.unit.translate(this.space(name), { address, access: 'read', explain: true, ...tag });
  }

  /** The checks that have found something. */
  violations(): string[] {
    return this.machine.trace.checks
      .list()
      .filter(({ violations }) => violations > 0)
      .map(({ name }) => name);
  }
}
